"""What goes out next: all of it, in order, and nothing ahead of bytes that are not there yet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.wire.heads import Refusal
from server.wire.outbox import Outbox

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Blocks:
    """A stream whose blocks come when they are let come."""

    def __init__(self, *blocks: bytes, there: bool = True) -> None:
        self.blocks = [memoryview(block) for block in blocks]
        self.there = there
        self.fault: Exception | None = None
        self.closed = 0

    @property
    def left(self) -> int:
        return sum(map(len, self.blocks))

    def view(self) -> memoryview | None:
        if self.fault:
            raise self.fault
        return self.blocks[0] if self.there else None

    def advance(self, count: int) -> None:
        self.blocks[0] = self.blocks[0][count:]
        if not self.blocks[0]:
            self.blocks.pop(0)

    def close(self) -> None:
        self.closed += 1


def outbox(*pieces: bytes | Blocks) -> Outbox:
    made = Outbox(Refusal(400, "asked for in a test"), 200, HEAD)
    for piece in pieces:
        made.add(piece)
    return made


def drain(box: Outbox, step: int) -> bytes:
    """All that is sendable, taken `step` bytes at a time."""
    out = b""
    while not box.empty:
        buffers = box.sendable()
        assert buffers, "nothing is under way"
        assert box.offered == sum(map(len, buffers))
        taken = b"".join(buffers)[:step]
        out += taken
        box.sent(len(taken))
    return out


@pytest.mark.parametrize("step", [1, 3, len(HEAD), 1000])
def test_pieces_leave_in_order_however_little_the_socket_takes(step):
    blocks = Blocks(b"abc", b"defg")
    box = outbox(b"first", blocks, b"last")
    assert drain(box, step) == HEAD + b"firstabcdefglast"
    assert blocks.closed == 1


@given(
    st.lists(st.one_of(st.binary(min_size=1), st.lists(st.binary(min_size=1), min_size=1))),
    st.integers(1, 50),
)
def test_what_leaves_is_what_was_put_in(pieces, step):
    box = outbox(*(Blocks(*piece) if isinstance(piece, list) else piece for piece in pieces))
    whole = b"".join(b"".join(piece) if isinstance(piece, list) else piece for piece in pieces)
    assert drain(box, step) == HEAD + whole
    assert box.body_bytes == len(whole)


def test_a_head_goes_with_the_first_block_in_one_call():
    assert [bytes(part) for part in outbox(Blocks(b"abc", b"def")).sendable()] == [HEAD, b"abc"]


class Parcels(Blocks):
    """As if they were lent."""

    def view(self) -> bytes | None:  # whatever is no memoryview
        view = super().view()
        return None if view is None else bytes(view)


def test_it_says_when_one_parcel_comes_behind_the_other():
    def told(box: Outbox) -> list[tuple[bytes, bool]]:
        said = []
        while not box.empty:
            offered = b"".join(box.sendable())
            said.append((offered, box.goes_on))
            box.sent(len(offered))
        return said

    assert told(outbox(Parcels(b"abc", b"def"), b"last")) == [
        (HEAD + b"abc", True),
        (b"def", False),
        (b"last", False),
    ]
    # A block that was copied to be sent was waited for, and so will be the next one.
    assert told(outbox(Blocks(b"abc", b"def"))) == [(HEAD + b"abc", False), (b"def", False)]


def test_a_head_waits_for_the_first_block():
    blocks = Blocks(b"abc", there=False)
    box = outbox(blocks)
    assert box.sendable() is None
    blocks.there = True
    assert drain(box, 100) == HEAD + b"abc"


def test_a_block_that_cannot_be_read_shows_before_anything_has_left():
    blocks = Blocks(b"abc")
    blocks.fault = OSError(5, "the disk could not read it")
    box = outbox(blocks)
    with pytest.raises(OSError, match="the disk"):
        box.sendable()
    assert box.sent_bytes == 0


def test_a_body_without_a_stream_is_sendable_at_once():
    assert [bytes(part) for part in outbox(b"a", b"b").sendable()] == [HEAD, b"a", b"b"]


@pytest.mark.parametrize(("sent", "body"), [(0, 0), (5, 0), (len(HEAD), 0), (len(HEAD) + 2, 2)])
def test_the_head_does_not_count_as_body(sent, body):
    box = outbox(b"abc")
    box.sent(sent)
    assert (box.sent_bytes, box.body_bytes) == (sent, body)


def test_closing_lets_go_of_all_streams_once():
    streams = Blocks(b"a"), Blocks(b"b")
    box = outbox(*streams)
    box.close()
    box.close()
    assert [stream.closed for stream in streams] == [1, 1]
    assert box.empty
