"""How fast a connection may send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from server.loop import Loop

TICK_SECONDS: Final = 0.1  # so much may be saved up, or a client that pauses would get it all at once


class Pace:
    """So many bytes a second. What is sent beyond the allowance is a debt to be waited for."""

    __slots__ = ("_left", "_loop", "_most", "_resting", "_since", "rate")

    def __init__(self, rate: int, loop: Loop) -> None:
        self.rate = rate
        self._loop = loop
        self._most = max(1.0, rate * TICK_SECONDS)
        self._left = self._most
        self._since = loop.now
        self._resting = False

    def allowance(self) -> int:
        """How many bytes may be sent now; 0 or less: later."""
        now = self._loop.now
        self._left = min(self._most, self._left + (now - self._since) * self.rate)
        self._since = now
        return int(self._left)

    def spend(self, count: int) -> None:
        self._left -= count

    def rest(self, wake: Callable[[], None]) -> None:
        """Calls back when there may be more; once, however often it is asked."""
        if self._resting:
            return

        def rested() -> None:
            self._resting = False
            wake()

        self._resting = True
        self._loop.when_patience_ends(rested)


def paced(before: Pace | None, rate: int | None, loop: Loop) -> Pace | None:
    """The pace of an answer: that of the one before it, if it has the same rate."""
    if rate is None:
        return None
    return before if before is not None and before.rate == rate else Pace(rate, loop)
