"""The arena against a model that knows who owns each slot; and the rules for which block goes next."""

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from aio.arena import MOST_USES, READING, Arena, Census, Slot

KEYS = range(24)
BLOCK_LENGTHS = st.integers(0, 4096)


@dataclass
class Held:
    """A slot that is not free."""

    key: int | None
    pins: int = 1
    length: int = READING
    error: int = 0

    @property
    def reading(self) -> bool:
        return self.length == READING

    @property
    def kept(self) -> bool:
        return not self.reading and self.pins == 0


class ArenaMachine(RuleBasedStateMachine):
    """Asks for blocks as a stream does, completes reads as a kernel does, in any order."""

    @initialize(total=st.integers(1, 12))
    def make(self, total: int) -> None:
        self.total = total
        self.arena = Arena(total)
        self.held: dict[Slot, Held] = {}
        self.takes: Counter[Slot] = Counter()

    @rule(key=st.sampled_from(KEYS))
    def ask_for_a_block(self, key: int) -> None:
        slot = self.arena.find(key)
        if slot is None:
            self.take(key)
        else:
            self.arena.pin(slot)
            self.held[slot].pins += 1

    @rule(keys=st.lists(st.sampled_from(KEYS), max_size=12))
    def be_quick(self, keys: list[int]) -> None:
        """Clients that come, get their block at once, and are gone."""
        for key in keys:
            self.ask_for_a_block(key)
            slot = self.arena.find(key)
            if slot is not None:
                if self.held[slot].reading:
                    self.arena.filled(slot, 1, True)
                    self.held[slot].length = 1
                self.arena.unpin(slot)
                self.held[slot].pins -= 1

    @rule()
    def take_for_nobody_else(self) -> None:
        self.take(None)

    def take(self, key: int | None) -> None:
        evictions = self.arena.evictions
        none_is_free = len(self.held) == self.total
        promised = self.arena.can_take()
        slot = self.arena.take(key)
        assert (slot is not None) == promised
        if slot is None:
            return
        if slot in self.held:
            assert self.held[slot].kept, "what is in use went to somebody else"
            assert none_is_free, "a block was given up though a slot was free"
        assert self.arena.evictions - evictions == (slot in self.held)
        self.held[slot] = Held(key)
        self.takes[slot] += 1

    @precondition(lambda self: any(slot.pins for slot in self.held.values()))
    @rule(data=st.data())
    def unpin(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from([slot for slot, held in self.held.items() if held.pins]))
        self.arena.unpin(slot)
        self.held[slot].pins -= 1
        self.free_if_nobodys(slot)

    @precondition(lambda self: any(slot.reading for slot in self.held.values()))
    @rule(data=st.data(), length=BLOCK_LENGTHS, keep=st.booleans())
    def fill(self, data: st.DataObject, length: int, keep: bool) -> None:
        slot = self.one_being_read(data)
        self.arena.filled(slot, length, keep)
        self.held[slot].length = length
        if not keep:
            self.held[slot].key = None
        self.free_if_nobodys(slot)

    @precondition(lambda self: any(slot.reading for slot in self.held.values()))
    @rule(data=st.data(), error=st.integers(1, 133))
    def fail(self, data: st.DataObject, error: int) -> None:
        slot = self.one_being_read(data)
        self.arena.failed(slot, error)
        self.held[slot].key = None
        self.held[slot].length = 0
        self.held[slot].error = error
        self.free_if_nobodys(slot)

    def one_being_read(self, data: st.DataObject) -> Slot:
        return data.draw(st.sampled_from([slot for slot, held in self.held.items() if held.reading]))

    def free_if_nobodys(self, slot: Slot) -> None:
        if self.held[slot].kept and self.held[slot].key is None:
            del self.held[slot]

    @invariant()
    def no_slot_is_lost(self) -> None:
        states = Counter(
            "reading" if held.reading else "pinned" if held.pins else "kept" for held in self.held.values()
        )
        free = self.total - len(self.held)
        census = Census(self.total, free, states["reading"], states["pinned"], states["kept"])
        assert self.arena.census() == census
        assert census.free + census.reading + census.pinned + census.kept == self.total

    @invariant()
    def can_take_tells_the_truth(self) -> None:
        room = len(self.held) < self.total or any(held.kept for held in self.held.values())
        assert self.arena.can_take() == room

    @invariant()
    def a_block_is_found_where_it_is_and_nowhere_else(self) -> None:
        where = {held.key: slot for slot, held in self.held.items() if held.key is not None}
        assert {key: self.arena.find(key) for key in KEYS} == {key: where.get(key) for key in KEYS}

    @invariant()
    def a_generation_is_how_often_the_slot_was_taken(self) -> None:
        assert len({slot.number for slot in self.takes} & set(range(self.total))) == len(self.takes)
        for slot, takes in self.takes.items():
            assert slot.generation == takes

    @invariant()
    def a_slot_tells_what_became_of_its_read(self) -> None:
        for slot, held in self.held.items():
            assert (slot.length, slot.error) == (held.length, held.error)


TestArena = ArenaMachine.TestCase
TestArena.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)


# --- which block goes next ---


def use(arena: Arena, key: object) -> None:
    """One client that wants the block, gets it, and is done with it."""
    slot = arena.find(key)
    if slot is None:
        slot = arena.take(key)
        assert slot is not None
        arena.filled(slot, 1, keep=True)
    else:
        arena.pin(slot)
    arena.unpin(slot)


def scan(arena: Arena, name: str, blocks: int) -> None:
    for index in range(blocks):
        use(arena, (name, index))


def use_often(arena: Arena, keys: list[tuple[str, int]], times: int) -> None:
    """Each time is another one, for others come in between."""
    for time in range(times):
        for key in keys:
            use(arena, key)
        for _ in range(arena.same_use + 1):
            use(arena, ("between", time))


@pytest.mark.parametrize("total", [10, 37, 256])
def test_a_pass_over_a_large_set_evicts_nothing_that_was_used_twice(total):
    arena = Arena(total)
    hot = [("hot", index) for index in range(total * 8 // 10)]
    use_often(arena, hot, times=2)
    scan(arena, "cold", 20 * total)
    assert [key for key in hot if arena.find(key) is None] == []


@pytest.mark.parametrize("total", [10, 37, 256])
def test_a_block_used_once_goes_with_the_next_pass(total):
    arena = Arena(total)
    use(arena, "once")
    scan(arena, "cold", 2 * total)
    assert arena.find("once") is None


@pytest.mark.parametrize("total", [37, 256])
def test_a_pass_in_small_ranges_evicts_nothing_that_was_used_twice(total):
    arena = Arena(total)
    hot = [("hot", index) for index in range(total * 8 // 10)]
    use_often(arena, hot, times=2)
    for index in range(20 * total):
        for _ in range(4):
            use(arena, ("cold", index))
    assert [key for key in hot if arena.find(key) is None] == []


@pytest.mark.parametrize("total", [10, 37, 256])
def test_a_block_that_comes_back_soon_after_it_was_evicted_stays(total):
    arena = Arena(total)
    use(arena, "early")
    scan(arena, "cold", total)
    assert arena.find("early") is None, "this test is about an evicted block"
    use(arena, "early")
    use(arena, "new")
    scan(arena, "colder", 20 * total)
    assert arena.find("early") is not None
    assert arena.find("new") is None


@pytest.mark.parametrize("total", [10, 37, 256])
def test_a_block_that_comes_back_late_is_like_any_other(total):
    arena = Arena(total)
    use(arena, "early")
    scan(arena, "cold", 3 * total)  # as many again as are remembered have gone since
    use(arena, "early")
    scan(arena, "colder", 20 * total)
    assert arena.find("early") is None


@pytest.mark.parametrize("total", [10, 37, 256])
def test_what_was_used_often_goes_when_others_are_used_now(total):
    arena = Arena(total)
    old = [("old", index) for index in range(total * 8 // 10)]
    use_often(arena, old, times=MOST_USES + 3)
    now = [("now", index) for index in range(4 * MOST_USES * total)]
    for index, key in enumerate(now):
        use(arena, key)
        use(arena, now[max(0, index - arena.same_use)])
    assert [key for key in old if arena.find(key) is not None] == []


@pytest.mark.parametrize("earlier_uses", [0, 1, 2])
def test_a_block_whose_reader_is_slow_stays_and_goes_in_its_turn_when_he_is_done(earlier_uses):
    arena = Arena(4)
    for _ in range(earlier_uses):
        use(arena, "slow")
    slot = arena.find("slow")
    if slot is None:
        slot = arena.take("slow")
        assert slot is not None
        arena.filled(slot, 1, keep=True)
    else:
        arena.pin(slot)
    scan(arena, "cold", 40)
    assert arena.find("slow") == slot
    arena.unpin(slot)
    assert arena.find("slow") == slot
    for index in range(40):
        use(arena, ("hot", index))
        use(arena, ("hot", max(0, index - 1)))
    assert arena.find("slow") is None
