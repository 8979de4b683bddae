"""What is known of one path beneath a root."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol

from aio import Disk, Facts, File, Request
from server.answer.found import Directory, Found, Inventory, Missing
from server.answer.plan import Answer
from server.answer.ranges import FileRange
from server.answer.rules import Treatment

if TYPE_CHECKING:
    from server.files.docroot import Docroot

CHECK_SECONDS = 0.7  # what is in use is looked at so soon again, in the background
RETIRED: Final = -1
# Everything beside the entry itself that an answer to a plain request depends on: the treatment, method,
# persistence, status, coding, Vary, whether it is a fallback, the path of the original, whose name and type
# are told, and whether whoever asks has it already.
Manner = tuple[Treatment, bytes, bytes, HTTPStatus, bytes, tuple[bytes, ...], bool, bytes, bool]

MOST_READY: Final = 64  # answers that are kept ready for one path

STATUS_FOR_ERRNO: Final = {
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
UNAVAILABLE: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EBUSY))


class Waiter(Protocol):
    def found(self, entry: Entry) -> None:
        """The entry that was asked for. Only take note: this is no place to send from."""


class Client(Waiter, Protocol):
    """Who waits for more than an entry."""

    def wake(self) -> None:
        """There is something to do, in a turn soon."""


class Dated(Protocol):
    """A response head that lacks nothing but its date."""

    def dated(self, date: bytes) -> bytes: ...


class Reference:
    """Leads to an entry until it is retired: who remembers an answer does not keep what it was made of."""

    __slots__ = ("entry",)

    def __init__(self, entry: Entry) -> None:
        self.entry: Entry | None = entry


class Entry:
    """A small file whole, an open file, the list of a directory, or that there is nothing."""

    __slots__ = (
        "_docroot",
        "_ready",
        "alarmed",
        "answered",
        "check",
        "check_started",
        "checked_at",
        "content",
        "disk",
        "error",
        "facts",
        "file",
        "found",
        "inventory",
        "kind",
        "made_at",
        "path",
        "reference",
        "request",
        "used_at",
        "version",
        "waiters",
    )  # fmt: skip

    def __init__(
        self, docroot: Docroot, path: bytes, disk: Disk, now: float, inventory: Inventory | None = None
    ) -> None:
        self._docroot = docroot
        self.path = path
        self.inventory = inventory  # what list it is, if it is one
        self.kind = b""  # its content type, once it has been looked at
        self.disk = disk
        self.found: Found | None = None  # None: it is being opened for the first time
        self.content: tuple[bytes, ...] | None = None
        self.file: File | None = None
        self.facts: Facts | None = None
        self.error = 0
        self.made_at = now
        self.version = 0  # of the root that it was found beneath, or RETIRED
        self.checked_at = now
        self.used_at = now
        self.check_started = 0.0  # 0: no check is under way
        self.alarmed = False
        self.request: Request | None = None
        self.check: Request | None = None  # to be asked again
        self.waiters: dict[Waiter, None] = {}
        self.answered = False  # once, to anybody, in whatever manner
        self._ready: dict[Manner, tuple[Answer, Dated]] | None = None
        self.reference = Reference(self)

    @property
    def key(self) -> bytes | Inventory:
        """What it is remembered by."""
        return self.path if self.inventory is None else self.inventory

    @property
    def gone(self) -> bool:
        """Whether it has been dropped since it was found, and its file with it."""
        return self.facts is not None and self.content is None and self.file is None

    def holds_until(self) -> float:
        """As Docroot.vouch()."""
        return self._docroot.vouch(self)

    def ready(self, manner: Manner) -> tuple[Answer, Dated] | None:
        """What was answered in this manner before."""
        return None if self._ready is None else self._ready.get(manner)

    def keep_ready(self, manner: Manner, answer: Answer, head: Dated) -> None:
        if self._ready is None or len(self._ready) >= MOST_READY:
            self._ready = {}
        self._ready[manner] = answer, head

    def forget_ready(self) -> None:
        self._ready = None

    def pieces(self, part: FileRange) -> Sequence[bytes]:
        """These bytes of the content that is in memory."""
        assert self.content is not None
        if len(self.content) == 1:
            whole = self.content[0]
            return (whole[part.offset : part.offset + part.length],)
        chosen = []
        at, end = 0, part.offset + part.length
        for piece in self.content:
            if at + len(piece) > part.offset and at < end:
                chosen.append(piece[max(0, part.offset - at) : end - at])
            at += len(piece)
        return chosen

    def let_go(self) -> None:
        self._docroot.drop(self)

    def abandon(self, waiter: Waiter) -> None:
        """The waiter has gone. What nobody waits for is not opened."""
        self.waiters.pop(waiter, None)
        if not self.waiters and self.found is None and self.request is not None:
            self.request.cancel()
            self.request = None
            self._docroot.drop(self)


def not_found(error: int) -> Found | None:
    """What an errno means to a client; None for one that nobody expects."""
    if error == errno.EISDIR:
        return Directory()
    if error in UNAVAILABLE:
        return Missing(HTTPStatus.SERVICE_UNAVAILABLE)
    status = STATUS_FOR_ERRNO.get(error)
    return None if status is None else Missing(status)


def rewritten(old: Facts, new: Facts) -> bool:
    """Whether this is the same file with other bytes in what is being sent. A file that only
    grew, or whose ctime alone is new (a link, a mode), is still good."""
    return (
        old.device == new.device
        and old.inode == new.inode
        and (new.size < old.size or (new.size == old.size and new.mtime_ns != old.mtime_ns))
    )
