"""What clients have said is remembered from the second time on, and within bounds."""

import pytest

from server.wire import table
from server.wire.table import Table


@pytest.fixture
def few_glimpses(monkeypatch):
    monkeypatch.setattr(table, "FEWEST_GLIMPSES", 1)


def lengths(most: int = 10, most_bytes: int = 1000) -> Table[bytes, int]:
    return Table(most, most_bytes, lambda said, _: len(said))


def test_what_was_seen_once_is_not_remembered():
    seen = lengths()
    seen.learn(b"a", 1)
    assert seen.known == {}
    seen.learn(b"a", 1)
    assert seen.known == {b"a": 1}


def test_the_oldest_go_first_and_what_comes_once_pushes_nothing_out(few_glimpses):
    seen = lengths(most=10)
    for number in range(100):
        seen.learn(b"%d" % number, number)
        seen.learn(b"%d" % number, number)
        seen.learn(b"once %d" % number, number)
    assert list(seen.known.values()) == list(range(90, 100))
    assert len(seen._glimpsed) + len(seen._glimpsed_before) <= 20


def test_what_comes_again_too_late_to_be_kept_is_not_remembered(few_glimpses):
    seen = lengths(most=10)
    for _ in range(5):
        for number in range(21):
            seen.learn(b"%d" % number, number)
    assert seen.known == {}


def test_what_comes_once_does_not_hide_what_comes_again():
    seen = lengths(most=10)
    for number in range(3):
        seen.learn(b"again", number)
        for other in range(2000):
            seen.learn(b"once %d %d" % (number, other), other)
    assert seen.known == {b"again": 1}


def test_there_is_an_end_of_bytes_too():
    seen = lengths()
    for number in range(8):
        for _ in range(2):
            seen.learn(b"%d" % number * 400, number)
        assert sum(map(len, seen.known)) == seen._bytes <= 1000
    seen.forget(b"7" * 400)
    assert sum(map(len, seen.known)) == seen._bytes
