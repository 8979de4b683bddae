"""Which block the arena gives up, against the rules of S3-FIFO written down by keys, with plain lists.

What the paper does not know of are blocks in use. Whoever is pinned when its turn comes leaves its queue, and
stands at the end of it again when it is kept again.
"""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from aio.arena import READING, Arena, Slot

KEYS = st.integers(0, 19)
SMALL_PERCENT = 10
MOST_USES = 3


class Queues:
    """S3-FIFO: who stands where, first who goes first."""

    def __init__(self, total: int, remembered: int) -> None:
        self.total = total
        self.remembered = remembered
        self.small: list[int] = []
        self.main: list[int] = []
        # What left last, and whether it was proven; None: it is back.
        self.left: list[tuple[int, bool] | None] = []
        self.proven: set[int] = set()  # these stand in the main queue
        self.uses: Counter[int] = Counter()
        self.asked = 0
        self.counted: dict[int, int] = {}  # how often had been asked when a use was counted last

    def come(self, key: int) -> None:
        """A block that was not there: proven, if it went only a short while ago."""
        self.uses[key] = 0
        self.asked += 1
        self.counted[key] = self.asked
        self.proven.discard(key)
        if (key, False) in self.left[-self.total :]:
            self.proven.add(key)
        self.left = [None if one is not None and one[0] == key else one for one in self.left]

    def use(self, key: int) -> None:
        """Once for all who ask before others have been asked for in any number."""
        self.asked += 1
        if self.asked - self.counted[key] > max(1, min(16, self.total // 4), self.total // 20):
            self.counted[key] = self.asked
            self.uses[key] = min(self.uses[key] + 1, MOST_USES)

    def keep(self, key: int) -> None:
        if key not in self.small and key not in self.main:
            (self.main if key in self.proven else self.small).append(key)

    def leave(self, key: int, *, proven: bool) -> None:
        self.left = [*self.left, (key, proven)][-max(self.total, self.remembered) :]

    def victim(self, busy: set[int]) -> int:
        while True:
            from_small = 100 * len(self.small) >= SMALL_PERCENT * self.total or not self.main
            if self.small and from_small:
                key = self.small.pop(0)
                if key in busy:
                    continue
                if self.uses[key] == 0:
                    self.leave(key, proven=False)
                    return key
                self.uses[key] = 0
                self.proven.add(key)
            else:
                key = self.main.pop(0)
                if key in busy:
                    continue
                if self.uses[key] == 0:
                    self.leave(key, proven=True)
                    return key
                self.uses[key] -= 1
            self.main.append(key)


class OrderMachine(RuleBasedStateMachine):
    """Readers quick and slow, disks good and bad; each eviction is foretold."""

    @initialize(total=st.integers(1, 25), remembered=st.integers(0, 60))
    def make(self, total: int, remembered: int) -> None:
        self.arena = Arena(total, remembered)
        self.queues = Queues(total, remembered)
        self.readers: list[tuple[int, Slot]] = []  # key and slot of each
        self.present: set[int] = set()  # keys

    def ask(self, key: int) -> Slot | None:
        left = {one[0] for one in self.queues.left if one is not None}
        assert self.arena.remembers(key) == (self.queues.remembered > 0 and key in left)
        slot = self.arena.find(key)
        assert (slot is not None) == (key in self.present)
        if slot is not None:
            self.arena.pin(slot)
            self.queues.use(key)
            return slot
        if not self.arena.can_take():
            return None
        if self.arena.census().free == 0:
            self.present.remove(self.queues.victim(self.busy()))
        slot = self.arena.take(key)
        assert slot is not None
        self.queues.come(key)
        self.present.add(key)
        return slot

    def busy(self) -> set[int]:
        """Who holds a block that could not be read does not hold the one that came after it."""
        return {key for key, slot in self.readers if self.arena.find(key) == slot}

    def settle(self, key: int) -> None:
        """It is perhaps nobody's now."""
        slot = self.arena.find(key)
        if slot is not None and slot.length != READING and key not in self.busy():
            self.queues.keep(key)

    @rule(keys=st.lists(KEYS, min_size=1, max_size=30))
    def quick_readers_come_and_go(self, keys: list[int]) -> None:
        for key in keys:
            slot = self.ask(key)
            if slot is None:
                return
            if slot.length == READING:
                self.arena.filled(slot, 1, keep=True)
            self.arena.unpin(slot)
            self.settle(key)

    @rule(key=KEYS)
    def a_slow_reader_comes(self, key: int) -> None:
        slot = self.ask(key)
        if slot is not None:
            self.readers.append((key, slot))

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def a_slow_reader_goes(self, data: st.DataObject) -> None:
        key, slot = self.readers.pop(data.draw(st.integers(0, len(self.readers) - 1)))
        self.arena.unpin(slot)
        self.settle(key)

    @precondition(lambda self: self.reading())
    @rule(data=st.data(), good=st.booleans())
    def a_read_ends(self, data: st.DataObject, good: bool) -> None:
        key, slot = data.draw(st.sampled_from(self.reading()))
        if good:
            self.arena.filled(slot, 1, keep=True)
        else:
            self.arena.failed(slot, 5)
            self.present.remove(key)
        self.settle(key)

    def reading(self) -> list[tuple[int, Slot]]:
        found = ((key, self.arena.find(key)) for key in sorted(self.present))
        return [(key, slot) for key, slot in found if slot is not None and slot.length == READING]

    @invariant()
    def the_right_ones_are_here(self) -> None:
        assert {key for key in range(20) if self.arena.find(key) is not None} == self.present
        assert len(self.present) <= self.queues.total


TestOrder = OrderMachine.TestCase
TestOrder.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
