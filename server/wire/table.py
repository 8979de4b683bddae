"""What is remembered of what clients have said, within bounds that no client can move."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

FEWEST_GLIMPSES = 4096  # however few are kept: most of what comes may come only once

Said = TypeVar("Said", bound=Hashable)
Meaning = TypeVar("Meaning")


class Table(Generic[Said, Meaning]):
    """A number of things and a sum of bytes; the oldest go first. What is seen for the first time
    is only glimpsed, so that what comes once pushes nothing out; and so is what comes again only
    after about as many others as can be kept."""

    def __init__(self, most: int, most_bytes: int, size_of: Callable[[Said, Meaning], int]) -> None:
        self.known: OrderedDict[Said, Meaning] = OrderedDict()
        self._most = most
        self._most_glimpses = max(most, FEWEST_GLIMPSES)  # of the last, and as many of those before
        self._most_bytes = most_bytes
        self._size_of = size_of  # of a thing and its meaning
        self._bytes = 0
        self._glimpsed: set[int] = set()
        self._glimpsed_before: set[int] = set()

    def learn(self, said: Said, meaning: Meaning) -> None:
        """The second time that it is seen."""
        if said in self.known:
            return
        if not self._has_been_glimpsed(hash(said)):
            return
        self.known[said] = meaning
        self._bytes += self._size_of(said, meaning)
        while len(self.known) > self._most or self._bytes > self._most_bytes:
            self._bytes -= self._size_of(*self.known.popitem(last=False))

    def _has_been_glimpsed(self, glimpse: int) -> bool:
        """Two things that share a glimpse are remembered sooner, and that is all."""
        if glimpse in self._glimpsed or glimpse in self._glimpsed_before:
            return True
        self._glimpsed.add(glimpse)
        if len(self._glimpsed) >= self._most_glimpses:
            self._glimpsed_before, self._glimpsed = self._glimpsed, set()
        return False

    def forget(self, said: Said) -> None:
        """It must be known."""
        self._bytes -= self._size_of(said, self.known.pop(said))
