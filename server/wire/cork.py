"""No segment leaves that is not full, as long as more of the same answer follows (TCP_CORK in tcp(7)).

TCP_NODELAY lets what is left over of a call leave as a segment of its own as soon as something is
acknowledged: over loopback that is soon, and each piece of 64 KiB that the kernel takes of a long answer
leaves a few bytes over. Linux holds them for a fifth of a second at most, whatever we do.
"""

from __future__ import annotations

import socket
from contextlib import suppress


class Cork:
    """Say hold() when more follows at once, and release() when it does not."""

    __slots__ = ("_holds", "_sock")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._holds = False

    def hold(self) -> None:
        if not self._holds:
            self._set(True)

    def release(self) -> None:
        """What has been held back leaves."""
        if self._holds:
            self._set(False)

    def _set(self, holds: bool) -> None:
        self._holds = holds
        with suppress(OSError):  # a UNIX socket has no segments
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, holds)
