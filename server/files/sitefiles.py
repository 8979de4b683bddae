"""The rules that lie in the root of a site, in `_headers` and `_redirects`.

They are looked at once a second, as everything that is served, and read anew when they have
changed: a few lines in each turn of the loop, for there may be thousands. Until then the old
ones hold.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from http import HTTPStatus
from itertools import chain, islice

from server.answer.found import Missing
from server.answer.rules import Rule
from server.answer.search import SITE_FILES
from server.answer.sitefiles import Fault, Parsed, parse_headers, parse_redirects
from server.files.docroot import Docroot
from server.files.entry import Entry
from server.loop import Loop

LINES_AT_ONCE = 20  # half a millisecond
ABSENT = Missing(HTTPStatus.NOT_FOUND)
MOST_FAULTS = 20  # of one file, that are told
PARSERS = dict(zip(SITE_FILES, (parse_headers, parse_redirects), strict=True))


class SiteFiles:
    """Follows both files and hands on the rules in them with the version of the root that they
    belong to, first when both are known."""

    def __init__(
        self,
        docroot: Docroot,
        loop: Loop,
        learn: Callable[[Sequence[Rule], int], None],
        report: Callable[[str], None],
        hosts: Sequence[str],
    ) -> None:
        self._docroot = docroot
        self._loop = loop
        self._learn = learn
        self._report = report
        self._hosts = hosts
        self._known: dict[bytes, Entry] = {}
        self._read: tuple[int, list[bytes | None]] | None = None  # the versions that were read last
        self._reading: Parsed | None = None
        self._rules: list[Rule] = []
        self._faults: Counter[str] = Counter()  # by file
        self._error = 0  # that was told last
        self.look()
        loop.every_second(self.look)

    def look(self) -> None:
        """Whether they are still what they were; also at once, when the root is another one."""
        for path in PARSERS:
            entry, at_once = self._docroot.find(path, self)
            if at_once:
                self.found(entry)

    def found(self, entry: Entry) -> None:
        if entry.facts is None and entry.found != ABSENT:
            # Rules that cannot be read may forbid something: the old ones hold, or none is served.
            self._tell_once(entry)
            return
        self._known[entry.path] = entry
        if self._reading is None:
            self._consider()

    def proceed(self) -> int:
        """Reads a few more lines."""
        assert self._reading is not None
        some = list(islice(self._reading, LINES_AT_ONCE))
        for parsed in some:
            if isinstance(parsed, Fault):
                self._tell(parsed)
            elif parsed is not None:
                self._rules.append(parsed)
        if some:
            self._loop.ready(self)
        else:
            assert self._read is not None
            self._reading = None
            self._tell_how_many_more()
            self._learn(self._rules, self._read[0])
            self._consider()  # what came meanwhile
        return 0

    def _consider(self) -> None:
        """Reads both, if they are others than those that were read, and of one version of the root."""
        version = self._docroot.version
        known = [entry for entry in self._known.values() if entry.version == version]
        if len(known) < len(PARSERS):
            return
        versions = version, [self._identity(self._known[path]) for path in PARSERS]
        if versions != self._read:
            self._read = versions
            self._reading = chain.from_iterable([self._parse(self._known[path]) for path in PARSERS])
            self._rules = []
            self._faults.clear()
            self._loop.ready(self)

    @staticmethod
    def _identity(entry: Entry) -> bytes | None:
        return entry.facts.identity if entry.facts is not None else None

    def _parse(self, entry: Entry) -> Parsed:
        if entry.content is not None:
            yield from PARSERS[entry.path](b"".join(entry.content), self._hosts)
        elif entry.facts is not None:
            yield Fault(entry.path.decode(), f"not read: {entry.facts.size} bytes are too many")

    def _tell_once(self, entry: Entry) -> None:
        if entry.error != self._error:
            self._error = entry.error
            self._report(f"{entry.path.decode()}: cannot be read: {os.strerror(entry.error)}")

    def _tell(self, fault: Fault) -> None:
        file = fault.source.partition(":")[0]
        self._faults[file] += 1
        if self._faults[file] <= MOST_FAULTS:
            self._report(f"{fault.source}: {fault.why}")

    def _tell_how_many_more(self) -> None:
        for file, faults in self._faults.items():
            if (more := faults - MOST_FAULTS) > 0:
                self._report(f"{file}: {more} more {'line is' if more == 1 else 'lines are'} left out")
