"""The list of a directory is written a little in each turn, by the clock of its thread."""

import json
import re
from hashlib import blake2b
from types import SimpleNamespace

import pytest

from aio import Record
from server.answer.found import Inventory
from server.answer.listing import BODY_ROWS, BYTES_AT_ONCE, ROWS_AT_ONCE, Order, render
from server.files.inventory import COUNTED_AT_ONCE, PIECE_BYTES, SLICE_NS, Writing

NAMES = [b"%04d.txt" % number for number in range(2000)] + [b".hidden"]
SEEN = Record(b"seen", False, 5, 1_000_000_000)
FOREVER = 10**18


def is_hidden(path: bytes) -> bool:
    return path.startswith(b".")


class Records:
    """What the disk found; counts how often it was asked for one, and how often released."""

    def __init__(self, names):
        self.names, self.taken, self.released = names, 0, 0

    def __iter__(self):
        for name in self.names:
            self.taken += 1
            yield Record(name, False, 5, 1_000_000_000)

    def release(self):
        self.released += 1


class Rig:
    """A list under way. Each record costs `cost_ns`, each look at the clock nothing."""

    def __init__(self, cost_ns, names=NAMES, as_json=True):
        self.cost_ns = cost_ns
        self.records = Records(names)
        self.ready = []
        self.written = []
        loop = SimpleNamespace(ready=self.ready.append)
        listed = SimpleNamespace(records=self.records, facts="facts")
        inventory = Inventory(b"", Order(), as_json)
        Writing(listed, inventory, is_hidden, loop, self.written.append, clock=self.clock)

    def clock(self):
        return self.records.taken * self.cost_ns

    def turn(self) -> int:
        """How many records it took."""
        before = self.records.taken
        (task,) = self.ready
        self.ready.clear()
        assert task.proceed() == 0
        return self.records.taken - before

    def to_the_end(self) -> list[int]:
        turns = []
        while self.ready:
            turns.append(self.turn())
        return turns


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("in_a_slice", [1, 7, 50, 300])
def test_a_slice_ends_when_its_time_is_up_and_goes_on_in_the_next_turn(in_a_slice, as_json):
    rig = Rig(SLICE_NS // in_a_slice, as_json=as_json)
    turns = rig.to_the_end()
    between_looks = max(COUNTED_AT_ONCE, ROWS_AT_ONCE)
    assert all(taken <= in_a_slice + between_looks for taken in turns)
    assert sum(turns) == 2 * len(NAMES)  # counted, then written
    if in_a_slice > between_looks:
        assert len(turns) <= 2 * len(NAMES) // in_a_slice + 2
    assert len(rig.written) == 1


def test_where_a_step_takes_longer_than_a_slice_each_turn_still_gets_one_step_further():
    rig = Rig(FOREVER)
    turns = rig.to_the_end()
    assert max(turns) <= COUNTED_AT_ONCE
    assert len(rig.written) == 1


def test_where_time_stands_still_all_is_written_at_once():
    assert Rig(0).to_the_end() == [2 * len(NAMES)]


@pytest.mark.parametrize("as_json", [True, False])
def test_what_is_written_does_not_depend_on_where_it_was_cut(as_json):
    """Or its entity tag would be another one each time."""
    lists = []
    for cost_ns in (0, SLICE_NS // 300, SLICE_NS // 7, FOREVER):
        rig = Rig(cost_ns, as_json=as_json)
        rig.to_the_end()
        (written,) = rig.written
        lists.append((b"".join(written.pieces), written.found.validators.etag))
        assert written.found.size == len(lists[-1][0])
    assert len(set(lists)) == 1
    text, etag = lists[0]
    assert etag == b'"%s"' % blake2b(text, digest_size=16).hexdigest().encode()


def test_what_is_hidden_is_neither_counted_nor_written():
    rig = Rig(SLICE_NS // 50, [b".a", b"b", b".c"], as_json=False)
    rig.to_the_end()
    text = b"".join(rig.written[0].pieces)
    assert b"<p>1 entry</p>" in text
    assert text.count(b'href="./') - text.count(b'href="./"') == 1
    rig = Rig(SLICE_NS // 50)
    rig.to_the_end()
    assert len(json.loads(b"".join(rig.written[0].pieces))) == len(NAMES) - 1


@pytest.mark.parametrize("count", [0, 1, 2000])
def test_small_pieces_are_joined(count):
    """An answer is put together piece by piece, in one turn."""
    rig = Rig(SLICE_NS // 7, NAMES[:count])
    rig.to_the_end()
    *whole, last = rig.written[0].pieces
    assert all(PIECE_BYTES <= len(piece) < PIECE_BYTES + 4096 for piece in whole)
    assert 0 < len(last) < PIECE_BYTES
    assert bool(whole) == (count == 2000)


def test_ever_so_many_that_are_hidden_do_not_make_a_turn_longer():
    rig = Rig(SLICE_NS // 7, [b".%d" % number for number in range(5000)] + [b"seen"])
    assert max(rig.to_the_end()) <= 7 + COUNTED_AT_ONCE
    assert len(json.loads(b"".join(rig.written[0].pieces))) == 1


def test_the_records_are_given_back_once_before_whoever_waits_is_told():
    rig = Rig(FOREVER)
    while not rig.written:
        assert rig.records.released <= 1
        rig.turn()
    assert rig.records.released == 1
    assert not rig.ready


# --- pieces ---


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("count", [0, 1, ROWS_AT_ONCE - 1, ROWS_AT_ONCE, ROWS_AT_ONCE + 1, 1000])
@pytest.mark.parametrize("length", [4, 255])
def test_a_piece_holds_few_rows_and_takes_only_those(count, length, as_json):
    taken = 0

    def records():
        nonlocal taken
        for n in range(count):
            taken += 1
            yield Record(b"%04d" % n + b"\xff" * (length - 4), False, 5, 1_000_000_000)

    most = min(ROWS_AT_ONCE, BYTES_AT_ONCE // length + 1)
    pieces = []
    before = 0
    for piece in render(b"", records(), count, Order(), json=as_json):
        assert taken - before <= most
        assert piece.count(b"./0") <= most
        assert piece
        before = taken
        pieces.append(piece)
    assert len(pieces) == 2 + -(-count // most)
    data = b"".join(pieces)
    found = re.findall(rb'"\./(\d{4})', data)
    assert found == [b"%04d" % n for n in range(count)]
    assert not as_json or len(json.loads(data)) == count
    if not as_json and count:
        *full, last = [body.count(b"./0") for body in data.split(b"<tbody>\n")[1:]]
        assert all(BODY_ROWS <= rows < BODY_ROWS + ROWS_AT_ONCE for rows in full)
        assert 0 < last < BODY_ROWS + ROWS_AT_ONCE


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("hidden", [0, 1, ROWS_AT_ONCE, 5 * ROWS_AT_ONCE + 1])
def test_what_is_not_shown_takes_its_time_and_nothing_else(hidden, as_json):
    taken = 0

    def records():
        nonlocal taken
        for record in ([None] * hidden + [SEEN]) * 3 + [None] * hidden:
            taken += 1
            yield record

    pieces, before = [], 0
    for piece in render(b"", records(), 3, Order(), json=as_json):
        assert taken - before <= ROWS_AT_ONCE
        before = taken
        pieces.append(piece)
    assert taken == 3 * (hidden + 1) + hidden
    assert b"".join(pieces) == b"".join(render(b"", [SEEN] * 3, 3, Order(), json=as_json))
