"""Heads cut from bytes: the same however the bytes come."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.wire.heads import MOST_BYTES, MOST_LINE_BYTES, Refusal, verdict
from server.wire.inbox import Inbox

GOOD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HOST = b"\r\nHost: a\r\n\r\n"
LONGEST_LINE = b"GET /%b HTTP/1.1" % (b"a" * (MOST_LINE_BYTES - 14))
LONGEST = (b"GET / HTTP/1.1\r\nHost: a\r\nX: ").ljust(MOST_BYTES, b"y") + b"\r\n\r\n"


def heads_of(*pieces: bytes) -> list[bytes | int]:
    """What comes out when these come in, until a refusal, be it of the bytes or of a head."""
    inbox = Inbox()
    out: list[bytes | int] = []
    for piece in pieces:
        inbox.bytes += piece
        while (head := inbox.next_head()) is not None:
            judged = head if isinstance(head, Refusal) else verdict(head)
            if isinstance(judged, Refusal):
                return [*out, int(judged.status)]
            assert isinstance(head, bytes)
            out.append(head)
    return out


def one_by_one(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (GOOD, [GOOD]),
        (GOOD[:-1], []),
        (GOOD * 3, [GOOD] * 3),
        (b"\r\n" + GOOD, [GOOD]),  # RFC 9112 section 2.2
        (b"\r\n" * 5 + GOOD + b"\r\n" * 4 + GOOD, [GOOD, GOOD]),
        (b"\r\n" * 30_000, []),
        (b"\r", []),
        (LONGEST_LINE + HOST, [LONGEST_LINE + HOST]),
        (LONGEST_LINE + b"a\r\nHost", [414]),
        (LONGEST_LINE + b"a", [414]),
        (b"a" * 100_000, [414]),
        (LONGEST, [LONGEST]),
        (LONGEST + GOOD, [LONGEST, GOOD]),
        (LONGEST[:-4] + b"y", [431]),
        (LONGEST[:-4] + b"y\r\n\r\n", [431]),
        (b"GET / HTTP/1.1\n\n", [400]),
        (b"GET / HTTP/1.1\nHost: a\n\r\n", [400]),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\n", [400]),
        (b"\x16\x03\x01\x00", [400]),
        (GOOD + b"\x00", [GOOD, 400]),
        (LONGEST_LINE + b"a\x01" + HOST, [414]),
        (LONGEST_LINE + b"\x01" + HOST, [400]),
        (LONGEST_LINE + b"a\nHost" + HOST, [414]),
        (LONGEST_LINE[:-9] + b"\x01" + b"a" * 9000 + HOST, [400]),
        (b"GET / HTTP/1.1\r\nX: \x01" + b"a" * 17_000 + HOST, [400]),
        (b"GET / HTTP/1.1\nX: " + b"a" * 17_000 + HOST, [400]),
        (LONGEST[:-4] + b"y\x01" + HOST, [431]),
        (GOOD[:-4] + b"\r\r\n\r\n", [400]),
    ],
    ids=range(29),
)
def test_heads_are_the_same_however_their_bytes_come(data, expected):
    assert heads_of(data) == expected
    assert heads_of(*one_by_one(data)) == expected


FAULTS = [b"\x01", b"\n", b"\r", b"\ra", b"\r\n", b"\r\n ", b"\r\n\r\n", b"X: y", b"a"]
FILLS = [b"a" * length for length in (MOST_LINE_BYTES - 6, MOST_LINE_BYTES + 1, MOST_BYTES - 40, MOST_BYTES)]


@settings(max_examples=300)
@given(
    st.sampled_from([b"GET /", b"HEAD /", b"GET / HTTP/1.1\r\nHost: a\r\nX: "]),
    st.lists(st.sampled_from(FAULTS + FILLS), max_size=6),
    st.integers(0, 60),
)
def test_of_several_faults_the_first_one_decides_however_the_bytes_come(begin, parts, shift):
    """Byte by byte around every fault and every limit; between them one cut is as good as many."""
    whole = begin + b"b" * shift + b"".join(parts) + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    ends = [len(begin) + shift + sum(map(len, parts[:n])) for n in range(len(parts) + 1)]
    near = {at + n for at in (*ends, MOST_LINE_BYTES, MOST_BYTES, len(whole)) for n in range(-6, 7)}
    cuts = [0, *sorted(at for at in near if 0 < at < len(whole)), len(whole)]
    assert heads_of(*(whole[a:b] for a, b in pairwise(cuts))) == heads_of(whole)


@given(st.lists(st.sampled_from([b"\r\n", GOOD, GOOD[:9], b"X: y\r\n", b"\r\n\r\n", b"a", b"\r"])), st.data())
def test_where_the_bytes_are_cut_makes_no_difference(parts, data):
    whole = b"".join(parts)
    cut = data.draw(st.integers(0, len(whole)))
    assert heads_of(whole[:cut], whole[cut:]) == heads_of(whole)


@pytest.mark.parametrize(
    "data", [LONGEST, LONGEST_LINE + HOST, GOOD], ids=["longest", "longest line", "good"]
)
def test_a_head_that_is_still_allowed_never_fills_the_inbox_before_it_ends(data):
    inbox = Inbox()
    for byte in one_by_one(data):
        assert not inbox.full
        inbox.bytes += byte
    assert inbox.next_head() == data
    assert inbox.empty


def test_more_than_a_head_can_be_is_left_in_the_kernel():
    inbox = Inbox()
    inbox.bytes += GOOD * (MOST_BYTES // len(GOOD) + 2)
    assert inbox.full
    while inbox.next_head() is not None:
        pass
    assert not inbox.full
    inbox.bytes += b"GET"
    inbox.clear()
    assert inbox.empty
