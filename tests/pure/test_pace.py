"""How many bytes a connection may send, and when."""

from hypothesis import given
from hypothesis import strategies as st

from server.loop import Loop
from server.wire.pace import TICK_SECONDS, Pace


@given(
    st.integers(1, 10**9),
    st.lists(st.tuples(st.floats(0, 5), st.integers(0, 10**6)), max_size=50),
)
def test_never_more_than_the_rate_but_for_one_tick_and_one_send(rate, steps):
    loop = Loop()
    began = loop.now
    pace = Pace(rate, loop)
    sent = largest = 0
    for seconds, wanted in steps:
        loop.now += seconds
        if pace.allowance() > 0:
            count = min(wanted, pace.allowance())
            pace.spend(count)
            sent += count
            largest = max(largest, count)
    assert sent <= rate * (loop.now - began) + max(1, rate * TICK_SECONDS) + 1


def test_who_waits_long_enough_may_always_send_again():
    loop = Loop()
    pace = Pace(1000, loop)
    pace.spend(100_000)  # as sendfile(2) may, in one go
    loop.now += 50.0
    assert pace.allowance() <= 0
    loop.now += 51.0
    assert pace.allowance() == 100


def test_what_is_not_used_is_not_saved_up():
    loop = Loop()
    pace = Pace(1000, loop)
    loop.now += 3600.0
    assert pace.allowance() == 100
