"""Heads cut from bytes: the same however the bytes come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.wire.heads import MOST_BYTES, MOST_LINE_BYTES, Refusal
from server.wire.inbox import Inbox

GOOD = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LONGEST_LINE = b"GET /%b HTTP/1.1" % (b"a" * (MOST_LINE_BYTES - 14))
LONGEST = (b"GET / HTTP/1.1\r\nX: ").ljust(MOST_BYTES, b"y") + b"\r\n\r\n"


def heads_of(*pieces: bytes) -> list[bytes | int]:
    """What comes out when these come in, until a refusal."""
    inbox = Inbox()
    out: list[bytes | int] = []
    for piece in pieces:
        inbox.feed(piece)
        while (head := inbox.next_head()) is not None:
            if isinstance(head, Refusal):
                return [*out, int(head.status)]
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
        (LONGEST_LINE + b"\r\n\r\n", [LONGEST_LINE + b"\r\n\r\n"]),
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
    ],
    ids=range(21),
)
def test_heads_are_the_same_however_their_bytes_come(data, expected):
    assert heads_of(data) == expected
    assert heads_of(*one_by_one(data)) == expected


@given(st.lists(st.sampled_from([b"\r\n", GOOD, GOOD[:9], b"X: y\r\n", b"\r\n\r\n", b"a", b"\r"])), st.data())
def test_where_the_bytes_are_cut_makes_no_difference(parts, data):
    whole = b"".join(parts)
    cut = data.draw(st.integers(0, len(whole)))
    assert heads_of(whole[:cut], whole[cut:]) == heads_of(whole)


@pytest.mark.parametrize(
    "data", [LONGEST, LONGEST_LINE + b"\r\n\r\n", GOOD], ids=["longest", "longest line", "good"]
)
def test_a_head_that_is_still_allowed_never_fills_the_inbox_before_it_ends(data):
    inbox = Inbox()
    for byte in one_by_one(data):
        assert not inbox.full
        inbox.feed(byte)
    assert inbox.next_head() == data
    assert inbox.empty


def test_more_than_a_head_can_be_is_left_in_the_kernel():
    inbox = Inbox()
    inbox.feed(GOOD * (MOST_BYTES // len(GOOD) + 2))
    assert inbox.full
    while inbox.next_head() is not None:
        pass
    assert not inbox.full
    inbox.feed(b"GET")
    inbox.clear()
    assert inbox.empty
