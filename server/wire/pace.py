"""How fast a connection may send."""

from __future__ import annotations

TICK_SECONDS = 0.1  # so much may be saved up, or a client that pauses would get it all at once


class Pace:
    """So many bytes a second. What is sent beyond the allowance is a debt to be waited for."""

    __slots__ = ("_left", "_most", "_since", "rate", "resting")

    def __init__(self, rate: int, now: float) -> None:
        self.rate = rate
        self._most = max(1.0, rate * TICK_SECONDS)
        self._left = self._most
        self._since = now
        self.resting = False  # whether somebody will say when there is more

    def allowance(self, now: float) -> int:
        """How many bytes may be sent now; 0 or less: later."""
        self._left = min(self._most, self._left + (now - self._since) * self.rate)
        self._since = now
        return int(self._left)

    def spend(self, count: int) -> None:
        self._left -= count
