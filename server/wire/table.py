"""What is remembered of what clients have said, within bounds that no client can move."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

MOST_GLIMPSES = 16_384

Said = TypeVar("Said", bound=Hashable)
Meaning = TypeVar("Meaning")


class Table(Generic[Said, Meaning]):
    """A number of things and a sum of bytes; the oldest go first. What is seen for the first time
    is only glimpsed, so that what comes once pushes nothing out."""

    def __init__(self, most: int, most_bytes: int, size_of: Callable[[Said], int]) -> None:
        self.known: dict[Said, Meaning] = {}
        self._most = most
        self._most_bytes = most_bytes
        self._size_of = size_of  # of a thing and its meaning
        self._bytes = 0
        self._glimpsed: dict[int, None] = {}

    def learn(self, said: Said, meaning: Meaning) -> None:
        """The second time that it is seen."""
        if said in self.known:
            return
        glimpse = hash(said)  # two things that share one are remembered sooner, and that is all
        if glimpse not in self._glimpsed:
            self._glimpsed[glimpse] = None
            if len(self._glimpsed) > MOST_GLIMPSES:
                del self._glimpsed[next(iter(self._glimpsed))]
            return
        del self._glimpsed[glimpse]
        self.known[said] = meaning
        self._bytes += self._size_of(said)
        while len(self.known) > self._most or self._bytes > self._most_bytes:
            self.forget(next(iter(self.known)))

    def forget(self, said: Said) -> None:
        """It must be known."""
        del self.known[said]
        self._bytes -= self._size_of(said)
