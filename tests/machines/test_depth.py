"""How many reads a disk is given, on disks made of arithmetic."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aio.depth import CALM_SECONDS, EASY, LEAST, WINDOW_SECONDS, Depth

MOST = 64


def run(depth: Depth, *, each: float, parallel: int, reads: int, start: float = 0.0) -> float:
    """A disk that does `parallel` reads at once, each in `each` seconds, and somebody who always
    wants another one; when it is over."""
    now = start
    free = deque([start] * parallel)  # when each of its hands is free again
    flying: deque[tuple[float, float, int]] = deque()  # began, ends, with so many others
    for _ in range(reads):
        while len(flying) >= depth.limit:
            depth.reached()
            began, now, others = flying.popleft()
            depth.finished(now - began, now, others)
        end = max(now, free.popleft()) + each
        free.append(end)
        flying.append((now, end, len(flying)))
    return now


def test_a_disk_that_does_one_after_the_other_is_given_few():
    depth = Depth(MOST)
    run(depth, each=0.017, parallel=1, reads=1000)
    assert LEAST <= depth.limit <= 6


def test_a_queue_that_is_always_full_is_not_measured_by_itself():
    depth = Depth(MOST)
    run(depth, each=0.003, parallel=4, reads=100_000)
    assert LEAST <= depth.limit <= EASY


def test_a_quick_disk_that_does_many_at_once_is_given_all_it_may_have():
    depth = Depth(MOST)
    run(depth, each=0.002, parallel=32, reads=20_000)
    assert depth.limit == MOST


def test_a_quick_disk_that_does_few_at_once_is_not_given_more_to_wait_for():
    depth = Depth(MOST)
    run(depth, each=0.001, parallel=4, reads=300_000)
    assert depth.limit == EASY


def test_a_disk_that_does_fewer_at_once_than_before_is_given_fewer():
    depth = Depth(MOST)
    end = run(depth, each=0.002, parallel=32, reads=20_000)
    run(depth, each=0.001, parallel=4, reads=20_000, start=end)
    assert depth.limit == EASY


@pytest.mark.parametrize("each", [0.05, 0.3])
def test_a_disk_that_takes_long_but_does_many_at_once_is_given_many(each):
    depth = Depth(MOST)
    depth.limit = LEAST
    run(depth, each=each, parallel=MOST, reads=10_000)
    assert depth.limit == MOST


def test_a_disk_that_was_slow_for_a_while_is_given_more_again():
    depth = Depth(MOST)
    end = run(depth, each=0.02, parallel=1, reads=1000)
    assert depth.limit <= 6
    run(depth, each=0.003, parallel=32, reads=20_000, start=end)
    assert depth.limit == MOST


def test_what_the_limit_keeps_nobody_from_does_not_raise_it():
    depth = Depth(MOST)
    depth.limit = 8
    for n in range(1000):
        depth.finished(CALM_SECONDS / 10, n * WINDOW_SECONDS / 5, n % 8)
    assert depth.limit == 8


@given(
    st.integers(1, 100),
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1), st.booleans(), st.integers(0, 100)), max_size=200),
)
def test_the_limit_stays_between_its_bounds(most, reads):
    depth, now = Depth(most), 0.0
    for seconds, later, reached, others in reads:
        now += later
        if reached:
            depth.reached()
        depth.finished(seconds, now, others)
        assert min(LEAST, most) <= depth.limit <= most
