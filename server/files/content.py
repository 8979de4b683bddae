"""Small files, whole in memory, within a budget of bytes."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Protocol

SMALL: Final = 64 * 1024  # bytes: a file up to this size is kept whole
OVERHEAD: Final = 2560  # bytes that an entry takes beside its content, and the look at it that is kept


class Holder(Protocol):
    """Somebody whose content is in memory, and who can let it go."""

    content: tuple[bytes, ...] | None

    def let_go(self) -> None: ...


class Contents:
    """Who holds how much; the one unused for the longest time goes first."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.held = 0
        self.admitted = 0  # how many ever came
        self._holders: OrderedDict[Holder, int] = OrderedDict()

    def admit(self, holder: Holder) -> None:
        size = OVERHEAD + sum(map(len, holder.content or ()))
        self._holders[holder] = size
        self.admitted += 1
        self.held += size
        while self.held > self.budget and len(self._holders) > 1:
            next(iter(self._holders)).let_go()

    def touch(self, holder: Holder) -> None:
        self._holders.move_to_end(holder)

    def discharge(self, holder: Holder) -> None:
        self.held -= self._holders.pop(holder, 0)
