"""What of its fields a search is told: the same for all that mean the same."""

import pytest

from server.answer.wishes import LONG_BYTES, Wishes
from server.wire.aspect import LONGEST, Aspect

SAME = [
    ({}, {b"accept-encoding": b""}),
    ({}, {b"accept-encoding": b"identity"}),
    ({b"accept-encoding": b"gzip, deflate, br, zstd"}, {b"accept-encoding": b"zstd,br , gzip"}),
    ({b"accept": b"text/css,*/*;q=0.1"}, {b"accept": b"image/avif,image/webp,*/*;q=0.8"}),
    ({b"sec-fetch-dest": b"style"}, {b"sec-fetch-dest": b"script", b"accept": b"text/html"}),
    ({b"sec-fetch-dest": b"document"}, {b"accept": b"text/html"}),
    ({b"if-none-match": b'"a"'}, {b"if-none-match": b'"a"', b"if-modified-since": b"yesterday"}),
    ({b"cookie": b"a=b", b"referer": b"http://a/"}, {b"user-agent": b"x"}),
]
OTHER = [
    ({}, {b"accept-encoding": b"gzip"}),
    ({b"accept-encoding": b"gzip, br"}, {b"accept-encoding": b"gzip, br;q=0.9"}),
    ({b"accept-encoding": b"identity;q=0"}, {b"accept-encoding": b"identity"}),
    ({}, {b"accept": b"application/json"}),
    ({}, {b"accept": b"text/html"}),
    ({}, {b"sec-fetch-dest": b"document"}),
    ({}, {b"if-none-match": b'"a"'}),
    ({}, {b"if-modified-since": b"yesterday"}),
    ({}, {b"origin": b"https://a.example"}),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_means_the_same_is_one_aspect(one, other):
    kept = Aspect.of(b"a", one)
    assert kept is Aspect.of(b"a", other)
    assert kept is not Aspect.of(b"b", one)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_may_get_another_answer_is_another_aspect(one, other):
    kept = Aspect.of(b"a", one)
    assert kept is not Aspect.of(b"a", other)


@pytest.mark.parametrize("name", [b"range", b"if-range", b"if-match", b"if-unmodified-since"])
def test_what_is_decided_each_time_has_no_aspect(name):
    assert Aspect.of(b"a", {name: b"x"}) is None


def test_what_is_long_has_no_aspect_either():
    assert Aspect.of(b"a", {b"if-none-match": b"x" * LONGEST}) is None


def test_long_fields_mean_what_they_say():
    filler = b"x" * LONG_BYTES
    wishes = Wishes.of({b"accept-encoding": b"br, " + filler, b"accept": b"application/json, " + filler})
    assert wishes == Wishes((b"br", b"identity"), json=True)
