"""No segment leaves that is not full, as long as more of the same answer follows (TCP_CORK in tcp(7)).

TCP_NODELAY lets what is left over of a call leave as a segment of its own as soon as something is
acknowledged: over loopback that is soon, and each piece of 64 KiB that the kernel takes of a long answer
leaves a few bytes over. Linux holds them for a fifth of a second at most, whatever we do.
"""

from __future__ import annotations

import socket


class Cork:
    """Say hold() when more follows at once, and release() when it does not."""

    __slots__ = ("_can", "_holds", "_sock")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._holds = False
        self._can = True  # a UNIX socket cannot, and need not

    def hold(self) -> None:
        if self._can and not self._holds:
            self._holds = self._can = self._set(1)

    def release(self) -> None:
        """What has been held back leaves."""
        if self._holds:
            self._holds = False
            self._set(0)

    def _set(self, value: int) -> bool:
        try:
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, value)
        except OSError:
            return False
        return True
