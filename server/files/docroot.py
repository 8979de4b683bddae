"""One root, and what is known of the paths beneath it.

find() is the whole of it: an Entry, and whether it may be served at once because it was
checked within the last second. If not, found() is called later. A check that the disk does
not answer is waited for no longer than PATIENCE_SECONDS; then what is known is served, and
it is counted.
"""

from __future__ import annotations

import errno
import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from itertools import islice
from typing import Protocol

from aio import Disk, Facts, Failed, File, Loaded, Outcome, Request, Way
from server.answer.plan import Answer, Directory, Found, Missing, Representation, represent
from server.answer.types import content_type
from server.files.content import SMALL, Contents
from server.loop import Loop

FRESH_SECONDS = 1.0  # what was checked so long ago is served without a question
CHECK_SECONDS = 0.5  # what is in use is checked so soon again, in the background
IDLE_SECONDS = 10.0  # a descriptor that nobody uses is closed then
OPEN_AT_ONCE = 128  # entries looked at in one turn
MOST_ENTRIES = 16_384  # those for which somebody waits aside
SAMPLE = 8  # of the oldest entries, from which the one to go is chosen
MOST_CROSSINGS = 16  # mounts inside a root with threads of their own

STATUS_FOR_ERRNO = {
    errno.ENOENT: HTTPStatus.NOT_FOUND,
    errno.ENOTDIR: HTTPStatus.NOT_FOUND,
    errno.ENAMETOOLONG: HTTPStatus.NOT_FOUND,
    errno.ELOOP: HTTPStatus.NOT_FOUND,
    errno.EXDEV: HTTPStatus.NOT_FOUND,  # a way out of the root
    errno.EINVAL: HTTPStatus.NOT_FOUND,
    errno.EACCES: HTTPStatus.FORBIDDEN,
    errno.EPERM: HTTPStatus.FORBIDDEN,
    errno.ENXIO: HTTPStatus.FORBIDDEN,  # not a regular file
}
UNAVAILABLE = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EBUSY))


class Waiter(Protocol):
    def found(self, entry: Entry) -> None:
        """The entry that was asked for. Only take note: this is no place to send from."""


class Dated(Protocol):
    """A response head that lacks nothing but its date."""

    def dated(self, date: bytes) -> bytes: ...


class Entry:
    """What is known of one path: a small file whole, an open file, or that there is none."""

    __slots__ = (
        "_alarmed", "_docroot", "check_started", "checked_at", "content", "disk", "error", "facts",
        "file", "found", "path", "ready", "request", "used_at", "waiters",
    )  # fmt: skip

    def __init__(self, docroot: Docroot, path: bytes, disk: Disk, now: float) -> None:
        self._docroot = docroot
        self._alarmed = False
        self.path = path
        self.disk = disk
        self.found: Found | None = None  # None: it is being opened for the first time
        self.content: bytes | None = None
        self.file: File | None = None
        self.facts: Facts | None = None
        self.error = 0
        self.checked_at = now
        self.used_at = now
        self.check_started = 0.0  # 0: no check is under way
        self.request: Request | None = None
        self.waiters: dict[Waiter, None] = {}
        self.ready: dict[tuple[bytes, bytes], tuple[Answer, Dated]] = {}  # by method and persistence

    @property
    def gone(self) -> bool:
        """Whether it has been dropped since it was found, and its file with it."""
        return self.facts is not None and self.content is None and self.file is None

    def let_go(self) -> None:
        self._docroot.drop(self)

    def abandon(self, waiter: Waiter) -> None:
        """The waiter has gone. What nobody waits for is not opened."""
        self.waiters.pop(waiter, None)
        if not self.waiters and self.found is None and self.request is not None:
            self.request.cancel()
            self.request = None
            self._docroot.drop(self)


class Docroot:
    """The entries beneath one directory, each of its mounts with a disk of its own."""

    def __init__(
        self,
        root: int,
        disk: Disk,
        another_disk: Callable[[bytes], Disk],
        contents: Contents,
        loop: Loop,
    ) -> None:
        self._root = root
        self.disk = disk
        disk.make_room = self._close_idle
        self._another_disk = another_disk
        self._contents = contents
        self._loop = loop
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()
        self._open_entries: OrderedDict[Entry, None] = OrderedDict()
        self._crossings: dict[bytes, Disk] = {}
        self._stuck: set[Disk] = set()
        loop.every_second(self._sweep)

    @property
    def entries(self) -> int:
        return len(self._entries)

    @property
    def open_files(self) -> int:
        return len(self._open_entries)

    def find(self, path: bytes, waiter: Waiter) -> tuple[Entry, bool]:
        """What is known of the path, and whether it may be served. If not, the waiter is told."""
        now = self._loop.now
        entry = self._entries.get(path)
        if entry is None:
            entry = self._entries[path] = Entry(self, path, self._disk_for(path), now)
            self._make_room()
            self._open(entry, self._opened)
        entry.used_at = now
        if entry.found is None:
            entry.waiters[waiter] = None
            return entry, False
        if entry.content is not None:
            self._contents.touch(entry)
        age = now - entry.checked_at
        if age >= CHECK_SECONDS and not entry.check_started:
            self._check(entry)
        if age < FRESH_SECONDS:
            return entry, True
        if entry.disk in self._stuck:
            self._count_stale(entry)
            return entry, True
        entry.waiters[waiter] = None
        if not entry._alarmed:
            entry._alarmed = True
            self._loop.when_patience_ends(lambda: self._patience_ended(entry))
        return entry, False

    def drop(self, entry: Entry) -> None:
        """Forgets it; answers that are under way keep their file."""
        if self._entries.get(entry.path) is entry:
            del self._entries[entry.path]
        self._retire(entry)

    # --- opening ---

    def _open(self, entry: Entry, done: Callable[[Entry, Outcome], None]) -> None:
        entry.request = entry.disk.open(
            self._root,
            entry.path,
            lambda outcome: self._routed(entry, outcome, done),
            load_limit=SMALL,
            stay=entry.disk is self.disk,
        )

    def _routed(self, entry: Entry, outcome: Outcome, done: Callable[[Entry, Outcome], None]) -> None:
        """Sends what lies on another mount to the disk of that mount."""
        self._stuck.discard(entry.disk)
        if isinstance(outcome, Failed) and outcome.errno == errno.EXDEV and outcome.crossing:
            disk = self._disk_across(entry.path[: outcome.crossing])
            if disk is not None:
                entry.disk = disk
                self._open(entry, done)
                return
            outcome = Failed(errno.ENOMEM)
        entry.request = None
        done(entry, outcome)

    def _disk_across(self, prefix: bytes) -> Disk | None:
        """The disk of the mount at this prefix: its own, or, where there are too many, any of them."""
        if prefix not in self._crossings and len(self._crossings) < MOST_CROSSINGS:
            try:
                disk = self._another_disk(prefix)
            except OSError:  # the service has all the groups, or the process all the threads, that it may
                return next(iter(self._crossings.values()), None)
            disk.make_room = self._close_idle
            self._crossings[prefix] = disk
        return self._crossings.get(prefix) or next(iter(self._crossings.values()))

    def _disk_for(self, path: bytes) -> Disk:
        for prefix, disk in self._crossings.items():
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in (b"", b"/"):
                return disk
        return self.disk

    def _opened(self, entry: Entry, outcome: Outcome) -> None:
        self._learn(entry, outcome)
        self._tell(entry.waiters, entry)
        if entry.error in UNAVAILABLE:
            self.drop(entry)  # of the moment, not of the file

    def _learn(self, entry: Entry, outcome: Outcome) -> None:
        entry.checked_at = self._loop.now
        if isinstance(outcome, Failed):
            entry.error = outcome.errno
            entry.found = self._not_found(entry, outcome.errno)
            return
        entry.facts = outcome.facts
        entry.found = self._representation(entry, outcome.facts)
        if isinstance(outcome, Loaded):
            entry.content = outcome.content
            self._contents.admit(entry)
        else:
            entry.file = outcome.file
            self._open_entries[entry] = None

    def _not_found(self, entry: Entry, error: int) -> Found:
        if error == errno.EISDIR:
            return Directory()
        if error in UNAVAILABLE:
            return Missing(HTTPStatus.SERVICE_UNAVAILABLE)
        status = STATUS_FOR_ERRNO.get(error)
        if status is None:
            name = errno.errorcode.get(error, str(error))
            self.disk.service.count(f"open failed: {name}", f"a file could not be opened: {name}")
            status = HTTPStatus.INTERNAL_SERVER_ERROR
        return Missing(status)

    @staticmethod
    def _representation(entry: Entry, facts: Facts) -> Representation:
        return represent(facts.size, facts.mtime_ns, content_type(entry.path), time.time())

    # --- checking ---

    def _check(self, entry: Entry) -> None:
        entry.check_started = self._loop.now
        if entry.facts is None:
            self._open(entry, self._reopened)
            return
        entry.request = entry.disk.check(
            self._root,
            entry.path,
            lambda facts: self._checked(entry, facts),
            stay=entry.disk is self.disk,
        )

    def _checked(self, entry: Entry, facts: Facts | Failed) -> None:
        self._stuck.discard(entry.disk)
        known = entry.facts
        assert known is not None
        if isinstance(facts, Failed) or facts.identity != known.identity:
            if isinstance(facts, Facts) and entry.file is not None and _rewritten(known, facts):
                entry.file.changed = True
            self._open(entry, self._reopened)
        elif known.way is Way.BUFFERED_YOUNG and entry.disk.has_settled(known):
            self._open(entry, self._reopened)
        else:
            found = entry.found
            if isinstance(found, Representation) and found.validators.etag.startswith(b"W/"):
                entry.found = self._representation(entry, known)
                entry.ready.clear()
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
        new = Entry(self, entry.path, entry.disk, self._loop.now)
        self._learn(new, outcome)
        if self._entries.get(entry.path) is entry:
            self._entries[entry.path] = new
        self._retire(entry)
        self._tell(entry.waiters, new)
        if self._entries.get(entry.path) is not new:
            self._retire(new)

    def _patience_ended(self, entry: Entry) -> None:
        entry._alarmed = False
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
            self._entries.move_to_end(entry.path)
        idle = [entry for entry in some if not entry.waiters]
        if idle:
            self.drop(min(idle, key=lambda entry: entry.used_at))

    def _sweep(self) -> None:
        """Closes what is idle; checks what is being sent, so that an answer stops when its
        file has changed under it. Some entries a second: the rest come next time."""
        now = self._loop.now
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


def _rewritten(old: Facts, new: Facts) -> bool:
    """Whether this is the same file with other bytes in what is being sent. A file that only
    grew, or whose ctime alone is new (a link, a mode), is still good."""
    return (
        old.identity.device == new.identity.device
        and old.identity.inode == new.identity.inode
        and (new.size < old.size or (new.size == old.size and new.mtime_ns != old.mtime_ns))
    )
