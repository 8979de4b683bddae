"""The simulation of caches: the best is the best, LRU is LRU, and the same seed gives the same table."""

from itertools import chain, product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aio import Arena
from loadtest.simulate import (
    HEAD,
    LOOP_PERCENT,
    arena_hits,
    belady_hits,
    compared,
    loop,
    lru_hits,
    mixed,
    next_uses,
    scan,
    table,
    traces,
    zipf,
)

TRACES = st.lists(st.integers(0, 15), max_size=120)
SHORT = st.lists(st.integers(0, 4), max_size=9)
SLOTS = st.integers(1, 12)
HELD = st.integers(1, 6)


def most_hits(trace: list[int], slots: int) -> int:
    """By trying every choice of what goes: only for traces that are very short."""
    best: dict[frozenset[int], int] = {frozenset(): 0}
    for key in trace:
        then: dict[frozenset[int], int] = {}
        for kept, hits in best.items():
            if key in kept:
                choices = [kept]
            elif len(kept) < slots:
                choices = [kept | {key}]
            else:
                choices = [kept - {victim} | {key} for victim in kept]
            for choice in choices:
                then[choice] = max(then.get(choice, 0), hits + (key in kept))
        best = then
    return max(best.values())


@given(SHORT, st.integers(1, 4))
@settings(deadline=None)
def test_belady_is_the_best_of_all_choices(trace, slots):
    assert belady_hits(trace, slots) == most_hits(trace, slots)


@given(TRACES, SLOTS, HELD)
@settings(max_examples=300, deadline=None)
def test_nobody_is_better_than_belady(trace, slots, held):
    best = belady_hits(trace, slots)
    assert arena_hits(trace, slots, held) <= best
    assert lru_hits(trace, slots) <= best
    assert best <= len(trace) - len(set(trace)), "what is asked for the first time was found"


@given(TRACES, SLOTS)
@settings(deadline=None)
def test_lru_finds_what_is_among_the_latest_so_many(trace, slots):
    def latest(at: int) -> list[int]:
        return [*dict.fromkeys(reversed(trace[:at]))][:slots]

    assert lru_hits(trace, slots) == sum(key in latest(at) for at, key in enumerate(trace))


@given(TRACES)
def test_the_next_use_is_where_the_key_comes_again(trace):
    for at, then in enumerate(next_uses(trace)):
        later = [n for n in range(at + 1, len(trace)) if trace[n] == trace[at]]
        assert then == (later[0] if later else float("inf"))


@given(st.integers(10, 200), st.integers(1, 6), st.data())
@settings(max_examples=30, deadline=None)
def test_a_scan_takes_nothing_of_the_hot_set_from_the_arena(slots, held, data):
    # What is being sent cannot be evicted: beside the hot set there is room for that.
    hot = list(range(data.draw(st.integers(1, slots * 8 // 10 - held))))
    between = ["between"] * (Arena(slots).same_use + 1)  # or it would be the same use
    trace = [*hot, *between, *hot, *scan(10 * slots), *hot]
    assert arena_hits(trace, slots, held) == 2 * len(hot) + len(between) - 1
    assert lru_hits(trace, slots) == len(hot) + len(between) - 1


def test_a_loop_is_what_lru_is_worst_at():
    trace = loop(100, times=5)
    assert len(set(trace)) == LOOP_PERCENT
    assert lru_hits(trace, 100) == 0 < arena_hits(trace, 100) < belady_hits(trace, 100)


@pytest.mark.parametrize("parts", [1, 3])
def test_the_mix_is_a_hot_set_that_changes_and_a_scan(parts):
    trace = mixed(Random(1), parts, requests=9000)
    scanned = [key for key in trace if isinstance(key, tuple)]
    assert scanned == [*chain.from_iterable([key] * parts for key in scan(3000))]
    hot = [key for key in trace if not isinstance(key, tuple)]
    before, after = hot[:3000], hot[3000:]
    favourite = max(set(before), key=before.count)
    assert before.count(favourite) > 3 * after.count(favourite)


def test_the_more_alpha_the_more_of_it_is_for_few():
    shares = [zipf(Random(1), alpha, 1000, 20_000).count(0) / 20_000 for alpha in (0.0, 0.7, 1.1)]
    expected = [1 / sum(rank**-alpha for rank in range(1, 1001)) for alpha in (0.0, 0.7, 1.1)]
    assert shares == pytest.approx(expected, abs=0.01)


def test_every_trace_is_the_same_for_the_same_seed_and_only_then():
    first, again, other = (
        {name: list(trace) for name, trace in traces(seed, 64, requests=3000)} for seed in (1, 1, 2)
    )
    assert first == again
    assert [name for name in first if first[name] == other[name]] == ["one scan", f"loop of {LOOP_PERCENT} %"]


def test_the_table_is_the_same_every_time():
    lines = [*table(7, sizes=(16,), requests=3000)]
    assert lines == [*table(7, sizes=(16,), requests=3000)]
    assert lines != [*table(8, sizes=(16,), requests=3000)]
    assert lines[:2] == [*HEAD]
    assert len(lines) == 2 + len([*traces(7, 16, requests=3)])
    assert {line.count("|") for line in lines} == {8}


def test_a_row_says_what_was_found_of_all_that_was_asked_for():
    row = compared("twice", [1, 2, 1, 2], 1)
    assert (row.arena, row.lru, row.belady) == (0, 0, 0)
    row = compared("twice", [1, 2, 1, 2], 2)
    assert (row.arena, row.lru, row.belady) == (0.5, 0.5, 0.5)
    assert str(row) == "| twice | 2 | 50.0 % | 50.0 % | 50.0 % | 1.00 | 1.00 |"


@pytest.mark.parametrize(("seed", "slots"), [*product((1, 2), (64, 256))])
def test_the_arena_is_not_behind_lru_on_any_trace(seed, slots):
    for name, trace in traces(seed, slots, requests=20_000):
        assert arena_hits(trace, slots) >= lru_hits(trace, slots), name
