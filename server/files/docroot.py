"""One root, and what is known of the paths beneath it.

find() is the whole of it: an Entry, and whether it may be served at once because it was
checked within the last second. If not, found() is called later. A check that the disk does
not answer is waited for no longer than PATIENCE_SECONDS; then what is known is served, and
it is counted.

The root may be a link that is swapped for another one: what it names is looked up once a
second, and when it is another directory, everything that was known is forgotten. What was
asked of the old one is asked again of the new one, so that no answer is of both.
"""

from __future__ import annotations

import errno
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from itertools import islice
from typing import Final

from aio import Disk, Facts, Failed, Listed, Loaded, Look, Opened, Way
from server.answer.found import Found, Inventory, Missing
from server.files.changes import Changes
from server.files.content import Contents
from server.files.descriptions import Descriptions
from server.files.due import Due
from server.files.entry import CHECK_SECONDS, RETIRED, UNAVAILABLE, Entry, Waiter, not_found, rewritten
from server.files.inventory import Writing, Written
from server.files.looks import Looks
from server.files.mounts import Mounts
from server.files.root import Root
from server.files.tags import Digests
from server.files.terms import Terms
from server.loop import Loop

FRESH_SECONDS = 1.0  # what was checked so long ago is served without a question
NEVER: Final = -1.0  # before any time of the loop's
IDLE_SECONDS: Final = 10.0  # a descriptor that nobody uses is closed then
LIST_SECONDS: Final = 10.0  # sizes in a list may be so old; names are of the last check
OPEN_AT_ONCE: Final = 64  # entries looked at in one turn
MOST_ENTRIES = 16_384  # those for which somebody waits aside
LONG_BYTES: Final = 256  # names of nothing that are longer are not remembered: there is no end of them
SAMPLE: Final = 8  # of the oldest entries, from which the one to go is chosen

Outcome = Opened | Loaded | Written | Failed


class Docroot:
    """The entries beneath one directory, each of its mounts with a disk of its own."""

    def __init__(
        self,
        root: Root,
        another_disk: Callable[[bytes], Disk],
        contents: Contents,
        digests: Digests,
        terms: Terms,
        loop: Loop,
        changes: Changes,
    ) -> None:
        self._root = root
        self.disk = root.disk
        self._mounts = Mounts(root.disk, another_disk, self._close_idle)
        self._contents = contents
        self._terms = terms
        self._looks = Looks(terms)
        self._descriptions = Descriptions(root, self._looks, terms, digests, changes)
        self._loop = loop
        self._changes = changes
        self._entries: OrderedDict[bytes | Inventory, Entry] = OrderedDict()
        self._open_entries: OrderedDict[Entry, None] = OrderedDict()
        self._stuck: set[Disk] = set()
        self._due = Due(loop, self._look_again)
        loop.every_second(self._sweep)

    @property
    def version(self) -> int:
        """How often its root has become another directory."""
        return self._root.version

    @property
    def entries(self) -> int:
        return len(self._entries)

    @property
    def open_files(self) -> int:
        return len(self._open_entries)

    def find(self, path: bytes, waiter: Waiter, inventory: Inventory | None = None) -> tuple[Entry, bool]:
        """What is known of the path, or of the list of that directory, and whether it may be
        served. If not, the waiter is told."""
        now = self._loop.now
        entry = self._entries.get(path if inventory is None else inventory)
        if entry is not None and entry.version != self._root.version and entry.found is not None:
            self.drop(entry)  # of a root that is no more
            entry = None
        if entry is None:
            entry = Entry(self, path, self._mounts.disk_for(path), now, inventory)
            self._entries[entry.key] = entry
            self._make_room()
            self._open(entry, self._opened)
        entry.used_at = now
        if entry.found is None:
            entry.waiters[waiter] = None
            return entry, False
        if self.vouch(entry) >= now:
            return entry, True
        self._due.now()  # somebody waits
        if not entry.check_started:
            return entry, True  # what nobody may have needs no look at a disk
        if entry.disk in self._stuck:
            self._count_stale(entry)
            return entry, True
        entry.waiters[waiter] = None
        if not entry.alarmed:
            entry.alarmed = True
            self._loop.when_patience_ends(lambda: self._patience_ended(entry))
        return entry, False

    def vouch(self, entry: Entry) -> float:
        """Until when what is known of it may be served without asking here again, if nothing changes; a
        time that is past if it may not be. It is in use; if it has not been looked at lately, it is soon,
        in the background."""
        now = self._loop.now
        if entry.version != self._root.version:
            return NEVER
        entry.used_at = now
        if entry.content is not None:
            self._contents.touch(entry)
        if now < entry.checked_at + CHECK_SECONDS:
            return entry.checked_at + CHECK_SECONDS
        if not entry.check_started:
            entry.check_started = now
            self._due.add(entry)
        return entry.checked_at + FRESH_SECONDS

    def drop(self, entry: Entry) -> None:
        """Forgets it; answers that are under way keep their file."""
        if self._entries.get(entry.key) is entry:
            del self._entries[entry.key]
        self._retire(entry)

    # --- opening ---

    def _look_at(self, entry: Entry) -> Look:
        if not entry.kind:
            entry.kind = self._terms.kind_of(entry.path)
        return self._looks.at(entry.path, entry.kind, stay=entry.disk is self.disk)

    def _open(self, entry: Entry, done: Callable[[Entry, Outcome], None]) -> None:
        version = self._root.version

        def routed(outcome: Outcome | Listed) -> None:
            self._routed(entry, outcome, done, version)

        if entry.path in self._terms.private:
            done(entry, Failed(errno.ENOENT))
            return
        look = self._look_at(entry)
        if entry.inventory is None:
            entry.request = entry.disk.open(self._root.fd, entry.path, routed, look)
        else:
            order = entry.inventory.order
            entry.request = entry.disk.list_directory(self._root.fd, entry.path, routed, look, order)

    def _routed(
        self,
        entry: Entry,
        outcome: Outcome | Listed,
        done: Callable[[Entry, Outcome], None],
        version: int,
    ) -> None:
        """Sends what lies on another mount to the disk of that mount, what was found beneath a
        root that is no more to the one that is, and a directory to be written out."""
        self._stuck.discard(entry.disk)
        if version != self._root.version:
            if isinstance(outcome, Opened):
                outcome.file.release()
            elif isinstance(outcome, Listed):
                outcome.records.release()
            self._open(entry, done)
            return
        if isinstance(outcome, Failed) and outcome.errno == errno.EXDEV and outcome.crossing:
            disk = self._mounts.disk_across(entry.path[: outcome.crossing])
            if disk is not None:
                entry.disk = disk
                self._open(entry, done)
                return
            outcome = Failed(errno.ENOMEM)
        entry.request = None
        if isinstance(outcome, Listed):
            assert entry.inventory is not None
            Writing(
                outcome,
                entry.inventory,
                self._terms.hide,
                self._loop,
                lambda written: done(entry, written),
            )
            return
        done(entry, outcome)

    def _opened(self, entry: Entry, outcome: Outcome) -> None:
        self._learn(entry, outcome)
        self._tell(entry.waiters, entry)
        if entry.error in UNAVAILABLE or (entry.facts is None and len(entry.path) > LONG_BYTES):
            self.drop(entry)  # of the moment, not of the file; or a long name of nothing
        elif self._entries.get(entry.key) is not entry:
            self._retire(entry)  # nobody waited for it to the end

    def _learn(self, entry: Entry, outcome: Outcome) -> None:
        entry.request = None
        entry.version = self._root.version
        entry.checked_at = entry.made_at = self._loop.now
        if isinstance(outcome, Failed):
            entry.error = outcome.errno
            entry.found = self._not_found(outcome.errno)
            return
        entry.facts = outcome.facts
        match outcome:
            case Loaded():
                if outcome.digest:
                    self._descriptions.learn(outcome.facts, outcome.digest)
                entry.content = (outcome.content,)
            case Written():
                entry.content = outcome.pieces
            case Opened():
                entry.file = outcome.file
                self._open_entries[entry] = None
        entry.found = outcome.found if isinstance(outcome, Written) else self._descriptions.of(entry)
        if entry.content is not None:
            self._contents.admit(entry)

    def _not_found(self, error: int) -> Found:
        known = not_found(error)
        if known is None:
            name = errno.errorcode.get(error, str(error))
            self.disk.service.count(f"open failed: {name}", f"a file could not be opened: {name}")
            return Missing(HTTPStatus.INTERNAL_SERVER_ERROR)
        return known

    # --- checking ---

    def _look_again(self, entry: Entry) -> None:
        if entry.version == self._root.version:  # else it is forgotten, or soon will be
            self._check(entry)

    def _check(self, entry: Entry) -> None:
        entry.check_started = self._loop.now
        if entry.facts is None:
            self._open(entry, self._reopened)
        elif entry.check is not None:
            entry.disk.check_again(entry.check)
        else:
            entry.check = entry.disk.check(
                self._root.fd, entry.path, partial(self._checked, entry), self._look_at(entry)
            )

    def _checked(self, entry: Entry, found: Facts | Failed | None) -> None:
        self._stuck.discard(entry.disk)
        if entry.version == RETIRED and not entry.waiters:
            return
        known = entry.facts
        assert known is not None
        facts = known if found is None else found
        if (
            entry.version != self._root.version
            or isinstance(facts, Failed)
            or facts.identity != known.identity
        ):
            if isinstance(facts, Facts) and entry.file is not None and rewritten(known, facts):
                entry.file.changed = True
            entry.check = None  # what it found is not what is known here
            self._open(entry, self._reopened)
            return
        if entry.inventory is not None:
            if self._loop.now - entry.made_at >= LIST_SECONDS:
                self._open(entry, self._reopened)
            else:
                self._confirm(entry)
            return
        loaded = entry.content is not None
        if known.way is Way.BUFFERED_YOUNG and entry.disk.has_settled(known, loaded=loaded):
            self._open(entry, self._reopened)
            return
        self._descriptions.renew(entry, facts.siblings)
        self._confirm(entry)

    def _confirm(self, entry: Entry) -> None:
        entry.request = None
        entry.check_started = 0.0
        entry.checked_at = self._loop.now
        self._tell(entry.waiters, entry)

    def _reopened(self, entry: Entry, outcome: Outcome) -> None:
        if isinstance(outcome, Failed) and (outcome.errno == entry.error or outcome.errno in UNAVAILABLE):
            self._confirm(entry)
            return
        new = Entry(self, entry.path, entry.disk, self._loop.now, entry.inventory)
        new.kind = entry.kind
        self._learn(new, outcome)
        if self._entries.get(entry.key) is entry:
            self._entries[entry.key] = new
        self._retire(entry)
        self._tell(entry.waiters, new)
        if self._entries.get(entry.key) is not new:
            self._retire(new)

    def _patience_ended(self, entry: Entry) -> None:
        entry.alarmed = False
        if entry.waiters and entry.found is not None:
            self._stuck.add(entry.disk)
            self._count_stale(entry)
            self._tell(entry.waiters, entry)

    def _count_stale(self, entry: Entry) -> None:
        entry.disk.service.count(
            "served unchecked", f"{entry.disk.name}: the disk does not answer: what is known is served"
        )

    # --- ending ---

    @staticmethod
    def _tell(waiters: dict[Waiter, None], entry: Entry) -> None:
        told = list(waiters)
        waiters.clear()
        for waiter in told:
            waiter.found(entry)

    def _retire(self, entry: Entry) -> None:
        entry.version = RETIRED
        entry.reference.entry = None
        if entry.check is not None and not entry.waiters:
            entry.check.cancel()  # or a dead disk would keep it, and what it holds
        entry.check = None
        self._changes.note()
        if entry.content is not None:
            self._contents.discharge(entry)
        if entry.file is not None:
            self._open_entries.pop(entry, None)
            entry.file.release()
            entry.file = None

    def _make_room(self) -> None:
        """One more than there may be: of the next few, the one unused for the longest goes. So a
        flood of names that are asked for once pushes out itself, and not what is in use."""
        if len(self._entries) <= MOST_ENTRIES:
            return
        some = list(islice(self._entries.values(), SAMPLE))
        for entry in some:
            self._entries.move_to_end(entry.key)
        idle = [entry for entry in some if not entry.waiters]
        if idle:
            self.drop(min(idle, key=lambda entry: entry.used_at))

    def _sweep(self) -> None:
        """Closes what is idle; checks what is being sent, so that an answer stops when its
        file has changed under it. Some entries a second: the rest come next time."""
        now = self._loop.now
        self._root.follow()
        for entry in self._some_open():
            assert entry.file is not None
            if entry.file.users > 1:
                if not entry.check_started and now - entry.checked_at >= CHECK_SECONDS:
                    self._check(entry)
            elif now - entry.used_at >= IDLE_SECONDS and not entry.waiters:
                self.drop(entry)

    def _close_idle(self) -> None:
        """A disk has as many files open as it may, and somebody wants another one."""
        for entry in self._some_open():
            assert entry.file is not None
            if entry.file.users == 1 and not entry.waiters and not entry.check_started:
                self.drop(entry)

    def _some_open(self) -> list[Entry]:
        """The next few of those with a descriptor, in turn."""
        some = list(islice(self._open_entries, OPEN_AT_ONCE))
        for entry in some:
            self._open_entries.move_to_end(entry)
        return some
