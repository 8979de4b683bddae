"""Which coding is sent (RFC 9110 section 12.5.3)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.answer.negotiation import preferred

ALL = (b"gzip", b"br", b"zstd")
CASES = [
    ("", ["identity"]),  # who does not ask gets it as it is
    ("gzip", ["gzip", "identity"]),
    ("gzip, deflate, br, zstd", ["zstd", "br", "gzip", "identity"]),  # our order at equal weight
    ("gzip;q=1.0, br;q=0.9, zstd;q=0.1", ["gzip", "br", "zstd", "identity"]),
    ("gzip;q=0", ["identity"]),
    ("gzip;q=0.000, br", ["br", "identity"]),
    ("gzip;q=0.001", ["gzip", "identity"]),
    ("*", ["zstd", "br", "gzip", "identity"]),
    ("*;q=0", []),
    ("identity;q=0", []),  # nothing else is named
    ("identity;q=0, gzip", ["gzip"]),
    ("*;q=0, gzip", ["gzip"]),
    ("*;q=0, identity", ["identity"]),
    ("identity;q=0, *", ["zstd", "br", "gzip"]),
    ("gzip;q=0, *", ["zstd", "br", "identity"]),
    ("identity, gzip;q=0.5", ["identity", "gzip"]),
    ("gzip;q=0.5, identity;q=0.4", ["gzip", "identity"]),
    ("GZIP", ["gzip", "identity"]),
    ("x-gzip", ["gzip", "identity"]),  # section 8.4.1.3
    ("gzip ; q=0.5 , br\t;\tq=0.6", ["br", "gzip", "identity"]),
    ("gzip;Q=0", ["identity"]),
    (",, gzip,,", ["gzip", "identity"]),  # section 5.6.1.2: empty elements say nothing
    ("gzip;q=2", ["identity"]),  # not a weight
    ("gzip;q=0.1234", ["identity"]),  # not a weight
    ("gzip;q=-1", ["identity"]),
    ("gzip;level=9", ["identity"]),
    ("gzip br", ["identity"]),
    ("deflate", ["identity"]),
    ("gzip;q=0, gzip", ["identity"]),  # the first counts
]


@pytest.mark.parametrize(("field", "expected"), CASES)
def test_codings_go_by_their_weights(field, expected):
    found = preferred(field.encode())
    assert [name.decode() for name in found] == expected


NAMES = st.sampled_from(["gzip", "br", "zstd", "identity", "*", "deflate"])
WEIGHTS = st.integers(0, 1000)


@given(st.dictionaries(NAMES, WEIGHTS, max_size=6))
def test_the_order_is_that_of_the_weights_and_what_has_none_is_left_out(weights):
    field = ", ".join(f"{name};q={weight / 1000:.3f}" for name, weight in weights.items())
    found = [name.decode() for name in preferred(field.encode())]
    others = weights.get("*")
    sure = [weights.get(name, others or 0) for name in found if name != "identity"]
    assert sure == sorted(sure, reverse=True)
    for name in ("gzip", "br", "zstd"):
        assert (name in found) == (weights.get(name, others or 0) > 0)
    excluded = weights.get("identity", others) == 0
    assert ("identity" in found) != excluded


@given(st.text("gzipbrdeflatzs*;=q01. ,\t-", max_size=60))
def test_any_field_gets_an_order_without_repetition(field):
    found = preferred(field.encode())
    assert len(set(found)) == len(found)
    assert set(found) <= {*ALL, b"identity"}
    if not re.search(r"identity|\*", field):
        assert b"identity" in found
