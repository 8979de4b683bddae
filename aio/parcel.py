"""Bytes that go to a socket without passing through a buffer of this process's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Protocol, Self

from aio._kernel import lib
from aio.file import Shrunk

if TYPE_CHECKING:
    from aio._kernel import Pointer
    from aio.arena import Slot

SHORTEST_LOAN: Final = int(lib.SHORTEST_LOAN)
LONGEST_LOAN: Final = int(lib.SLOTS_PER_LOAN)  # slots
LONGEST_EXTENT: Final = 1024 * 1024


class Parcel(Protocol):
    """So many bytes, to be sent in this turn: later they may be others."""

    def __len__(self) -> int: ...

    def at_most(self, size: int) -> Self:
        """No more than its first `size` bytes."""

    def send_to(self, sock: int, head: bytes) -> int:
        """Sends `head` and then these to a socket that does not block; how many of both together
        it took. If it took nothing, raises OSError, BlockingIOError if that is for now, or Shrunk."""


class Loan:
    """What is in slots, one after the other, whose pages are lent to the network: vmsplice(2), splice(2)."""

    __slots__ = ("_lead", "_lender", "_size", "_slots")

    def __init__(self, lender: Pointer, slots: list[Slot], lead: int, size: int) -> None:
        """`size` bytes from `lead` in the first of at most LONGEST_LOAN slots on."""
        self._lender = lender
        self._slots = slots
        self._lead = lead
        self._size = size

    def __len__(self) -> int:
        return self._size

    def at_most(self, size: int) -> Self:
        return type(self)(self._lender, self._slots, self._lead, min(size, self._size))

    def send_to(self, sock: int, head: bytes) -> int:
        numbers = [slot.number for slot in self._slots]
        sent = lib.lender_send(
            self._lender, sock, head, len(head), numbers, len(numbers), self._lead, self._size
        )
        if sent < 0:
            raise OSError(-sent, os.strerror(-sent))
        return sent


class Extent:
    """A piece of a file, sent from the page cache by sendfile(2), wherever that has to wait for the disk."""

    __slots__ = ("_fd", "_offset", "_size")

    def __init__(self, fd: int, offset: int, size: int) -> None:
        self._fd = fd
        self._offset = offset
        self._size = min(size, LONGEST_EXTENT)

    def __len__(self) -> int:
        return self._size

    def at_most(self, size: int) -> Self:
        return type(self)(self._fd, self._offset, min(size, self._size))

    def send_to(self, sock: int, head: bytes) -> int:
        sent = os.write(sock, head) if head else 0
        if sent < len(head):
            return sent
        try:
            moved = os.sendfile(sock, self._fd, self._offset, self._size)
        except OSError:
            if not sent:
                raise
            return sent  # the next time says what is wrong
        if not moved and not sent:
            raise Shrunk
        return sent + moved
