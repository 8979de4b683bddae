"""How much an answer may leave unsent in the kernel: little for most, more for those who read fast.

Beyond what is on its way a socket takes only UNSENT_BYTES: ten thousand slow readers, with the megabytes that
TCP would take for each, would have gigabytes of it. But who reads as fast as we send has taken that little at
once, and then waits until the loop has come round to it again. So who had to be waited for, and not for long,
may leave GENEROUS_BYTES, and as many clients as the memory for it suffices for. Who then takes nothing for a
while loses it; it is another's when what lies there is gone.
"""

from __future__ import annotations

import socket
import struct
from fcntl import ioctl
from termios import TIOCOUTQ
from typing import Final, Protocol

from server.loop import Loop
from server.wire.address import UNSENT_BYTES, set_unsent

GENEROUS_BYTES: Final = 4 * 1024 * 1024  # as much as TCP takes by itself: tcp_wmem in tcp(7)
MOST_HOLDERS: Final = 16
SHARE: Final = 4  # of the memory for blocks and small files, one in so many bytes
SOON_SECONDS: Final = 0.01  # 256 KiB in that time are 26 MB/s
STALE_SECONDS: Final = 1.0


class Holder(Protocol):
    """A connection."""

    moved_at: float  # when the socket has last taken something, by the loop's clock
    sock: socket.socket


class Credit:
    """Who may leave more unsent than others."""

    def __init__(self, loop: Loop, memory: int) -> None:
        self._loop = loop
        self._most = min(MOST_HOLDERS, memory // SHARE // GENEROUS_BYTES)
        self._holders: dict[Holder, bool] = {}  # and whether it may leave more still
        loop.every_second(self._sweep)

    def __len__(self) -> int:
        return len(self._holders)

    def ask(self, holder: Holder) -> None:
        """The client has taken what there was. If that was soon, and there is credit left, it is given."""
        if self._loop.now - holder.moved_at > SOON_SECONDS:
            return
        may = self._holders.get(holder)
        if may or (may is None and len(self._holders) >= self._most):
            return
        try:
            set_unsent(holder.sock, GENEROUS_BYTES)
        except OSError:
            return  # a UNIX socket: it has no such bound
        self._holders[holder] = True

    def forget(self, holder: Holder) -> None:
        """It is closed. What the kernel still has of it is no longer ours to count."""
        self._holders.pop(holder, None)

    def _sweep(self) -> None:
        for holder in list(self._holders):
            if self._loop.now - holder.moved_at > STALE_SECONDS:
                set_unsent(holder.sock, UNSENT_BYTES)
                self._holders[holder] = False
                if _queued(holder.sock) <= UNSENT_BYTES:
                    del self._holders[holder]


def _queued(sock: socket.socket) -> int:
    """Bytes that the client has not confirmed (tcp(7), SIOCOUTQ)."""
    return int(struct.unpack("i", ioctl(sock.fileno(), TIOCOUTQ, bytes(4)))[0])
