"""Signals, as events of the loop."""

from __future__ import annotations

import select
import signal
import socket
from collections.abc import Callable

from server.loop import Loop


class Signals:
    """Calls each signal's owner from the loop's turn, where everything may be done."""

    def __init__(self, loop: Loop, owners: dict[signal.Signals, Callable[[], None]]) -> None:
        self._owners = owners
        self._come, went = socket.socketpair()
        self._come.setblocking(False)
        went.setblocking(False)
        self._went = went
        signal.set_wakeup_fd(went.fileno(), warn_on_full_buffer=False)
        for number in owners:
            signal.signal(number, lambda *_: None)  # the wakeup descriptor says it
        loop.watch(self._come.fileno(), select.EPOLLIN, self._on_event)

    def _on_event(self, _: int) -> None:
        for number in self._come.recv(64):
            owner = self._owners.get(signal.Signals(number))
            if owner is not None:
                owner()

    def close(self) -> None:
        signal.set_wakeup_fd(-1)
        self._come.close()
        self._went.close()
