"""What is known of an open file, and how long its descriptor lives."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from struct import Struct
from typing import ClassVar, Final, NamedTuple

from aio.records import Records

KEEP_AFTER_NS = 2_000_000_000  # what is read sooner after a change may be of either version
FOR_ALIGNMENT: Final = 4096  # what every device and filesystem accepts
IDENTITY: Final = Struct("=QQqQ")  # device, inode, ctime, size


class Way(IntEnum):
    """How the bytes of a file are read, and why not directly."""

    DIRECT = 0
    BUFFERED_ASKED = 1  # the backend wants it so
    BUFFERED_YOUNG = 2  # it changed a moment ago
    BUFFERED_REFUSED = 3  # the filesystem, for this very file


# Bound once: to find a member of an Enum by its name costs a call of a function in Python 3.11.
DIRECT: Final = Way.DIRECT
BUFFERED_YOUNG: Final = Way.BUFFERED_YOUNG
BUFFERED_REFUSED: Final = Way.BUFFERED_REFUSED


class Links(IntEnum):
    """Where symbolic links may lead."""

    WITHIN = 0  # anywhere beneath the root; absolute ones, too
    FOLLOW = 1  # anywhere
    DENY = 2  # none is followed


class Look(NamedTuple):
    """How a path is looked up, and what is to be known of it."""

    load_limit: int = 0  # a file of at most so many bytes is loaded whole
    stay: bool = True  # in the root's mount
    links: Links = Links.WITHIN
    endings: tuple[bytes, ...] = ()  # of siblings to look for: the path with each behind it
    digest: bool = False  # of what is loaded
    page: bool = False  # somebody looks at an empty window until it is there: before what is downloaded


class Shrunk(Exception):
    """The file ends before the bytes that were promised. All that is left has been shown."""


class Facts:
    """What statx(2) said when the file was opened. Times in nanoseconds since the epoch.

    `identity` names one version of one file: bytes, for Python remembers their hash, and that of a tuple
    not. The ctime in it is what tells an unpack with fixed mtimes from the one before it: that can give
    the same inode, mtime and size to other bytes.
    """

    __slots__ = (
        "ctime_ns", "device", "identity", "inode", "mode", "mtime_ns", "offset_align", "siblings", "size",
        "way",
    )  # fmt: skip

    def __init__(
        self,
        device: int,
        inode: int,
        ctime_ns: int,
        size: int,
        mtime_ns: int,
        mode: int,
        way: Way,
        offset_align: int,
        siblings: int,
    ) -> None:
        self.device = device
        self.inode = inode
        self.ctime_ns = ctime_ns
        self.size = size
        self.mtime_ns = mtime_ns
        self.mode = mode
        self.way = way
        self.offset_align = offset_align
        self.siblings = siblings  # bit n: there is a file with endings[n] behind its name, and it is no older
        self.identity: bytes = IDENTITY.pack(device, inode, ctime_ns, size)

    def with_siblings(self, siblings: int) -> Facts:
        return Facts(
            self.device, self.inode, self.ctime_ns, self.size, self.mtime_ns, self.mode, self.way,
            self.offset_align, siblings,
        )  # fmt: skip

    def settled(self, now_ns: int) -> bool:
        """Whether what is read now is surely of this version and no other."""
        return now_ns - self.ctime_ns >= KEEP_AFTER_NS


class Loaded(NamedTuple):
    """A small file, whole. Nothing of it is open any more."""

    facts: Facts
    content: bytes
    digest: bytes = b""  # BLAKE2b of 16 bytes, if it was asked for


class Failed(NamedTuple):
    """It cannot be had. `crossing`: for EXDEV, how much of the path leads into another mount."""

    errno: int
    crossing: int = 0


class Hashed(NamedTuple):
    """What is in a file, in 16 bytes: BLAKE2b."""

    facts: Facts
    digest: bytes


class Listed(NamedTuple):
    """What is in a directory; the receiver must release the records."""

    facts: Facts
    records: Records


class File:
    """An open descriptor, closed after its last user has released it.

    Every read in flight is a user: descriptor numbers are reused, and a late read on a
    closed one would return another file's bytes.
    """

    __slots__ = ("_close", "_facts", "_users", "changed", "direct", "fd", "identity", "inode", "size", "unit")

    def __init__(self, fd: int, facts: Facts, close: Callable[[int], None]) -> None:
        self.fd = fd
        self.identity = facts.identity
        self.inode = facts.inode
        self.size = facts.size
        self._facts = facts
        self.direct = facts.way is DIRECT
        self.unit = max(facts.offset_align, FOR_ALIGNMENT)
        self.changed = False  # set by whoever learns that these bytes are of yesterday
        self._users = 1
        self._close = close

    @property
    def users(self) -> int:
        return self._users

    def retain(self) -> None:
        assert self._users > 0, "a closed file cannot be used"
        self._users += 1

    def release(self) -> None:
        self._users -= 1
        if self._users == 0:
            self._close(self.fd)

    def settled(self, now_ns: int) -> bool:
        """Whether a block read now is surely of this version and no other."""
        return self._facts.settled(now_ns)


class Opened:
    """A file to be read piece by piece; the receiver is its first user and must release it."""

    __slots__ = ("facts", "file")
    __match_args__: ClassVar[tuple[str, str]] = ("facts", "file")

    def __init__(self, facts: Facts, file: File) -> None:
        self.facts = facts
        self.file = file


Outcome = Loaded | Opened | Failed
