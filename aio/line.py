"""Who waits for a turn at a disk, and who is next. A pure machine."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Waiter = TypeVar("Waiter", bound=Hashable)


class Line(Generic[Waiter]):
    """Two rows that are served in turn, each in the order of coming: those who want little, and
    those who want much. So who wants one block does not stand behind a thousand who want a
    thousand; and these, too, get every other turn."""

    def __init__(self) -> None:
        self._rows: tuple[OrderedDict[Waiter, None], OrderedDict[Waiter, None]] = OrderedDict(), OrderedDict()
        self._next = 0  # the row whose turn it is

    def __len__(self) -> int:
        return len(self._rows[0]) + len(self._rows[1])

    def __contains__(self, waiter: Waiter) -> bool:
        return waiter in self._rows[0] or waiter in self._rows[1]

    def join(self, waiter: Waiter, *, brief: bool) -> None:
        self._rows[0 if brief else 1][waiter] = None

    def leave(self, waiter: Waiter) -> None:
        for row in self._rows:
            if row and waiter in row:
                del row[waiter]

    def first(self) -> Waiter | None:
        """Whose turn it is. Stays the same until served() or leave()."""
        row = self._rows[self._next] or self._rows[1 - self._next]
        return next(iter(row), None)

    def served(self, waiter: Waiter) -> None:
        """It has had its turn, and leaves; the next turn is the other row's."""
        self._next = 1 if waiter in self._rows[0] else 0
        self.leave(waiter)
