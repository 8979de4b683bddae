"""Slots: who owns each, which block it holds, which goes next. A pure machine.

A slot is a piece of memory of BLOCK bytes. It is, at any time, one of

  free      nobody's
  reading   the kernel's, from submit to completion: never given to anyone else,
            also when nobody waits for it any more (an orphan)
  pinned    full, and somebody is sending from it
  kept      full, and nobody's: it answers for its block until it is needed

A block is known by a key that names one version of a file, so a changed file
never meets its old blocks. Which kept block goes when a slot is needed is
decided by S3-FIFO (Yang et al., "FIFO queues are all you need for cache
eviction", SOSP 2023): new blocks pass through a small queue, and only those
asked for again while they are there get into the main one; a ghost queue
remembers the keys of those that did not. One pass over a large set therefore
evicts nothing that is in use. The ghost queue is as long as there are slots, and counted in blocks that
have left either queue: so one memory of these does for both this and what follows.

Several questions for a block right after one another are one use of it, as with the correlated
reference period of LRU-K (O'Neil et al., SIGMOD 1993) and 2Q: a pass in small ranges asks for each
block more than once, and would otherwise look like a hot set.

Many more blocks that have left may be remembered, for what is asked for again may be worth a place
in a second level of memory, which is somebody else's.
"""

from collections import deque
from collections.abc import Hashable
from typing import Final, NamedTuple

BLOCK: Final = 256 * 1024  # bytes in a slot: below, the cost of calls shows; above, that of waste
READING: Final = -1  # length of a slot that is the kernel's
SMALL_SHARE: Final = 10  # the small queue's share is one in ten, as in the paper
MOST_USES: Final = 3  # a counter of two bits
SAME_USES: Final = 16  # questions: as many as a pass in small ranges may have for one block
SAME_USE_SHARE: Final = 20  # questions are of the same use until as many others came as one in so many slots


class Census(NamedTuple):
    """How many slots are in each state."""

    total: int
    free: int
    reading: int
    pinned: int
    kept: int


class Memory:
    """The last so many departures, in a ring: what is forgotten leaves its place empty until its turn
    comes. In one for all, for to go back to a key that has lain there for long costs more than all else
    that is done with it."""

    def __init__(self, most: int) -> None:
        # By key, the number of its departure; below 0, if that was from the main queue.
        self._left: dict[Hashable, int] = {}
        self._ring: list[Hashable | None] = [None] * most
        self._count = 0  # departures, ever

    def __contains__(self, key: Hashable) -> bool:
        return key in self._left

    def add(self, key: Hashable, *, proven: bool) -> None:
        """One that is not there. `proven`: it leaves the main queue."""
        self._count += 1
        place = self._count % len(self._ring)
        oldest = self._ring[place]
        if oldest is not None:
            del self._left[oldest]
        self._ring[place] = key
        self._left[key] = -self._count if proven else self._count

    def forget(self, key: Hashable, lately: int) -> bool:
        """Whether it was among the last so many, and was not in the main queue."""
        number = self._left.pop(key, 0)
        if number != 0:
            self._ring[abs(number) % len(self._ring)] = None
        return number > max(0, self._count - lately)


class Slot:
    """A piece of memory and what is in it. Its number says where it is; the memory is somebody else's.

    All about it is in one object: the slot that goes next has lain there for long, and each list by number
    would be a miss in the processor's cache.
    """

    __slots__ = (
        "counted_at", "error", "generation", "in_main", "key", "length", "number", "pins", "queued", "uses",
    )  # fmt: skip

    def __init__(self, number: int) -> None:
        self.number = number
        self.length = 0  # how many bytes of it are good, or READING
        self.error = 0  # the errno with which reading into it failed
        self.generation = 0  # how often it has been taken: tells a late completion from a timely one
        self.key: Hashable | None = None
        self.pins = 0
        self.uses = 0
        self.counted_at = 0  # how many questions there had been when a use was counted last
        self.in_main = False
        self.queued = False


class Arena:
    """The states of `total` slots, which nobody else changes."""

    def __init__(self, total: int, remembered: int = 0) -> None:
        """`remembered` is how many departures at least are remembered for a second level, if there is one."""
        self.total = total
        self._free = [Slot(number) for number in range(total - 1, -1, -1)]
        self._slot: dict[Hashable, Slot] = {}
        self._questions = 0
        self.same_use = max(1, min(SAME_USES, total // 4), total // SAME_USE_SHARE)
        self._small: deque[Slot] = deque()
        self._main: deque[Slot] = deque()
        self._gone = Memory(max(total, remembered))
        self._has_second_level = remembered > 0
        self._reading = 0
        self._kept = 0
        self.hits = 0
        self.evictions = 0

    def find(self, key: Hashable) -> Slot | None:
        """The slot that holds the block, or that it is being read into."""
        return self._slot.get(key)

    def remembers(self, key: Hashable) -> bool:
        """Whether the block was here before, and has left, and there is a second level for it."""
        return self._has_second_level and key in self._gone

    def census(self) -> Census:
        free = len(self._free)
        pinned = self.total - free - self._reading - self._kept
        return Census(self.total, free, self._reading, pinned, self._kept)

    def can_take(self) -> bool:
        """Whether take() would find a slot."""
        return bool(self._free) or self._kept > 0

    def take(self, key: Hashable | None) -> Slot | None:
        """A slot for the kernel to read the block into, pinned once; None if all are busy.

        A block without a key is nobody else's and is not kept.
        """
        slot = self._free.pop() if self._free else self._evicted()
        if slot is None:
            return None
        slot.generation += 1
        slot.pins = 1
        slot.length = READING
        slot.error = 0
        self._reading += 1
        if key is not None:
            slot.key = key
            self._slot[key] = slot
            slot.uses = 0
            self._questions += 1
            slot.counted_at = self._questions
            slot.in_main = self._gone.forget(key, self.total)
        return slot

    def pin(self, slot: Slot) -> None:
        """One more who sends from it, or waits for it: it was asked for again."""
        if slot.pins == 0 and slot.length != READING:
            self._kept -= 1
        slot.pins += 1
        self.use(slot)

    def use(self, slot: Slot) -> None:
        """It was asked for again."""
        self.hits += 1
        self._questions += 1
        if self._questions - slot.counted_at > self.same_use:
            slot.counted_at = self._questions
            if slot.uses < MOST_USES:
                slot.uses += 1

    def unpin(self, slot: Slot) -> None:
        assert slot.pins > 0, "unpinned more often than pinned"
        slot.pins -= 1
        if slot.pins == 0 and slot.length != READING:
            self._settle(slot)

    def filled(self, slot: Slot, length: int, keep: bool) -> None:
        """The kernel has given it back with `length` good bytes."""
        assert slot.length == READING, "filled twice"
        slot.length = length
        self._reading -= 1
        if not keep:
            self._forget(slot)
        if slot.pins == 0:
            self._settle(slot)

    def failed(self, slot: Slot, error: int) -> None:
        """The kernel has given it back with nothing but an errno."""
        slot.error = error
        self.filled(slot, 0, keep=False)

    def _settle(self, slot: Slot) -> None:
        """Full and nobody's: kept if it has a name, else free."""
        if slot.key is None:
            self._free.append(slot)
            return
        self._kept += 1
        if not slot.queued:
            slot.queued = True
            (self._main if slot.in_main else self._small).append(slot)

    def _forget(self, slot: Slot) -> None:
        if slot.key is not None:
            del self._slot[slot.key]
            slot.key = None

    def _evicted(self) -> Slot | None:
        """One that was kept, and is free now. Those met on the way that are pinned leave their queue until
        they are kept again, so that nobody walks over them twice."""
        while self._kept > 0:
            small_is_full = len(self._small) * SMALL_SHARE >= self.total
            from_small = bool(self._small) and (small_is_full or not self._main)
            slot = self._small.popleft() if from_small else self._main.popleft()
            if slot.pins > 0:
                slot.queued = False
            elif slot.uses > 0:
                slot.uses = 0 if from_small else slot.uses - 1
                slot.in_main = True
                self._main.append(slot)
            else:
                self._gone.add(slot.key, proven=not from_small)
                slot.queued = False
                self._forget(slot)
                self._kept -= 1
                self.evictions += 1
                return slot
        return None
