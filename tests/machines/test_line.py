"""Who is next, against a model of two queues."""

from hypothesis import given
from hypothesis import strategies as st

from aio.line import Line

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("join"), st.booleans()),
        st.tuples(st.just("serve"), st.just(True)),
        st.tuples(st.just("leave"), st.integers(0, 30)),
    )
)


def served(line: Line[int]) -> list[int]:
    order = []
    while (first := line.first()) is not None:
        order.append(first)
        line.served(first)
    return order


def test_who_wants_little_has_every_other_turn():
    line: Line[int] = Line()
    for n in range(6):
        line.join(n, brief=False)
    for n in (10, 11):
        line.join(n, brief=True)
    assert served(line) == [10, 0, 11, 1, 2, 3, 4, 5]


def test_whose_turn_it_is_stays_so_until_it_has_had_it():
    line: Line[int] = Line()
    line.join(1, brief=False)
    assert line.first() == 1
    line.join(2, brief=True)
    assert line.first() == line.first()


@given(ACTIONS)
def test_nobody_is_lost_served_twice_or_overtaken_in_the_own_row(actions):
    line: Line[int] = Line()
    rows: dict[bool, list[int]] = {True: [], False: []}
    fresh = 0
    waited: dict[int, int] = {}  # turns that went to the other row while somebody was first in the own
    for action, argument in actions:
        if action == "join":
            line.join(fresh, brief=bool(argument))
            rows[bool(argument)].append(fresh)
            fresh += 1
        elif action == "leave":
            line.leave(argument)
            for row in rows.values():
                if argument in row:
                    row.remove(argument)
        elif (first := line.first()) is not None:
            brief = first in rows[True]
            assert rows[brief][0] == first
            line.served(first)
            rows[brief].pop(0)
            if rows[not brief]:
                other = rows[not brief][0]
                waited[other] = waited.get(other, 0) + 1
                assert waited[other] <= 1
        assert len(line) == len(rows[True]) + len(rows[False])
        assert all(waiter in line for row in rows.values() for waiter in row)
