"""What is in a directory, as C has packed it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

HEAD: Final = struct.Struct("=qQHB")  # see list.c


class Record(NamedTuple):
    """A file or a directory in a directory."""

    name: bytes
    directory: bool
    size: int  # bytes
    mtime: int  # seconds since the epoch


class Records:
    """Unpacked one by one while they are asked for: there may be a million. Release them."""

    __slots__ = ("_count", "_free", "_packed")

    def __init__(self, packed: memoryview, count: int, free: Callable[[], None]) -> None:
        self._packed = packed
        self._count = count
        self._free = free

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Record]:
        packed, at = self._packed, 0
        for _ in range(self._count):
            mtime, size, length, directory = HEAD.unpack_from(packed, at)
            at += HEAD.size
            yield Record(bytes(packed[at : at + length]), bool(directory), size, mtime)
            at += length

    def release(self) -> None:
        """Gives the memory back. Nothing can be unpacked any more."""
        self._packed = memoryview(b"")
        self._count = 0
        self._free()
