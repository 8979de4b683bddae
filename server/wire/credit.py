"""How much an answer may leave unsent in the kernel: little for most, more for those who read fast.

Beyond what is on its way a socket takes only UNSENT_BYTES: ten thousand slow readers, with the megabytes that
TCP would take for each, would have gigabytes of it. But who reads as fast as we send has taken that little at
once, and then waits until the loop has come round to it again. So who had to be waited for shortly, and more
than once, gets a lease and may leave GENEROUS_BYTES, and as many clients as the memory for it suffices for.
Who is not waited for any more loses it; another gets it when what lies there has ebbed away.
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from contextlib import suppress
from fcntl import ioctl
from termios import TIOCOUTQ
from typing import Final, Protocol

from server.loop import SWEEP_SECONDS, Loop
from server.wire import patience
from server.wire.address import UNSENT_BYTES, set_unsent

GENEROUS_BYTES: Final = 4 * 1024 * 1024  # as much as TCP takes by itself: tcp_wmem in tcp(7)
MOST_LEASES: Final = 16
SHARE: Final = 4  # of the memory for blocks and small files, one in so many bytes
SOON_SECONDS: Final = 0.01
OFTEN: Final = 3  # times in a row
WAIT_SECONDS: Final = 0.1  # who takes longer for some of GENEROUS_BYTES does without
LEASE_SECONDS: Final = 1.0  # without being waited for
NEVER: Final = -(1 << 30)


class Holder(Protocol):
    """A connection."""

    sock: socket.socket
    moved_at: float  # when the socket has last taken a piece of an answer, by the loop's clock
    quick: int  # how many times in a row it was waited for only shortly
    deadline: float


class Credit:
    """Who may leave more unsent than others, and who could and still does, or has gone since."""

    def __init__(self, loop: Loop, memory: int) -> None:
        self._loop = loop
        self._most = min(MOST_LEASES, memory // SHARE // GENEROUS_BYTES)
        self._leases: dict[Holder, float] = {}  # and when it was last waited for
        self._ebbing: dict[Holder, int] = {}  # and how many bytes were left
        self._orphans: deque[float] = deque()  # until when closed sockets may have theirs
        loop.every_second(self._sweep)

    def __len__(self) -> int:
        return len(self._leases) + len(self._ebbing) + len(self._orphans)

    def ask(self, holder: Holder) -> None:
        """The client, which was waited for, has taken most of what there was."""
        now = self._loop.now
        if holder in self._leases:
            if now - holder.moved_at <= WAIT_SECONDS:
                self._leases[holder] = now
            return
        if now - holder.moved_at > SOON_SECONDS:
            holder.quick = min(holder.quick, 0)
            return
        holder.quick += 1
        if holder.quick < OFTEN or (len(self) >= self._most and holder not in self._ebbing):
            return
        try:
            set_unsent(holder.sock, GENEROUS_BYTES)
        except OSError:
            holder.quick = NEVER  # a UNIX socket: it has no such bound
            return
        self._ebbing.pop(holder, None)
        self._leases[holder] = now

    def forget(self, holder: Holder) -> None:
        """It is about to be closed. What it has left goes on, and counts for as long as a client may take
        nothing; to one who does that TCP would go on for a quarter of an hour by itself."""
        if self._leases.pop(holder, None) is None and self._ebbing.pop(holder, None) is None:
            return
        if _left(holder) > UNSENT_BYTES:
            patient = patience.SEND_SECONDS
            with suppress(OSError):
                holder.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(patient * 1000))
            self._orphans.append(self._loop.now + patient)

    def _sweep(self) -> None:
        now = self._loop.now
        while self._orphans and self._orphans[0] <= now:
            self._orphans.popleft()
        for holder, before in list(self._ebbing.items()):
            left = _left(holder)
            # What it has taken since it was let down it had no room for above the lower bound.
            if left <= UNSENT_BYTES or now - holder.moved_at < SWEEP_SECONDS:
                del self._ebbing[holder]
            else:
                self._ebbing[holder] = left
            if left < before:  # the client takes something, though we cannot send more
                holder.deadline = max(holder.deadline, now + patience.SEND_SECONDS)
        for holder, asked in list(self._leases.items()):
            if now - asked > LEASE_SECONDS:
                del self._leases[holder]
                holder.quick = 0
                with suppress(OSError):
                    set_unsent(holder.sock, UNSENT_BYTES)
                self._ebbing[holder] = _left(holder)


def _left(holder: Holder) -> int:
    """Bytes that the client has not confirmed (tcp(7), SIOCOUTQ); none where nobody says."""
    try:
        return int(struct.unpack("i", ioctl(holder.sock.fileno(), TIOCOUTQ, bytes(4)))[0])
    except OSError:
        return 0
