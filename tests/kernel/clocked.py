"""A docroot by a clock that only the test moves."""

from __future__ import annotations

import os
import select
from dataclasses import dataclass, field
from pathlib import Path

from server.files.changes import Changes
from server.files.content import Contents
from server.files.docroot import Docroot
from server.files.entry import Entry
from server.files.root import Root
from server.files.tags import Digests
from server.files.terms import Terms
from server.loop import Loop
from tests.kernel.ways import SILENCE_MS, Bench

PAGE = b"page.html"
LONG_AGO = 1_000_000_000  # a file's time: it has settled
ENOUGH = 1 << 20


@dataclass(eq=False)
class Asker:
    told: list[Entry] = field(default_factory=list)

    def found(self, entry: Entry) -> None:
        self.told.append(entry)


class Clocked:
    """A docroot over a real disk service, in whose loop it is as late as it is told."""

    def __init__(self, bench: Bench, path: Path) -> None:
        self.bench = bench
        self.loop = Loop()
        self.loop.now = 1000.0
        changes = Changes()
        self.docroot = Docroot(
            Root(bench.root, str(path), bench.disk, changes),
            lambda _: bench.disk,
            Contents(ENOUGH),
            Digests(),
            Terms("none"),
            self.loop,
            changes,
        )
        self._poll = select.poll()
        self._poll.register(bench.service.eventfd, select.POLLIN)

    def asked(self) -> bytes:
        """What somebody is told who asks, and if need be waits."""
        asker = Asker()
        entry, at_once = self.docroot.find(PAGE, asker)
        if not at_once:
            self.bench.until(lambda: bool(asker.told))
            entry = asker.told[0]
        assert entry.content is not None
        return b"".join(entry.content)

    def at_once(self) -> bool:
        """Whether who asks is told without a look at the disk."""
        asker = Asker()
        entry, at_once = self.docroot.find(PAGE, asker)
        entry.waiters.pop(asker, None)
        return at_once

    def after_one_answer(self) -> None:
        assert self._poll.poll(SILENCE_MS), "the service has nothing to say"
        self.bench.service.reap()


def put(folder: Path, content: bytes) -> None:
    """As a deployment does it: another file takes the name."""
    new = folder / "new"
    new.write_bytes(content)
    os.utime(new, (LONG_AGO, LONG_AGO))
    new.rename(folder / os.fsdecode(PAGE))
