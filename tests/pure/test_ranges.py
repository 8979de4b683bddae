"""Range (RFC 9110 section 14)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.answer.ranges import MOST_ASKED, FileRange, Unsatisfiable, coalesce, parse_ranges

IGNORED = None


@pytest.mark.parametrize(
    ("header", "size", "expected"),
    [
        # Section 14.1.2: first-pos "-" [ last-pos ]
        (b"bytes=0-0", 10, [(0, 1)]),
        (b"bytes=0-9", 10, [(0, 10)]),
        (b"bytes=2-4", 10, [(2, 3)]),
        (b"bytes=9-", 10, [(9, 1)]),
        (b"bytes=0-", 10, [(0, 10)]),
        (b"bytes=5-99", 10, [(5, 5)]),  # a last-pos beyond the end is the end
        (b"bytes=0-99999999999999999999", 10, [(0, 10)]),
        # "-" suffix-length
        (b"bytes=-1", 10, [(9, 1)]),
        (b"bytes=-10", 10, [(0, 10)]),
        (b"bytes=-99", 10, [(0, 10)]),  # longer than the file: the whole file
        (b"bytes=-1", 1, [(0, 1)]),
        (b"bytes=4294967296-4294967297", 1 << 33, [(1 << 32, 2)]),
        # Section 14.1.1: a list; those that do not meet the file are left out
        (b"bytes=0-0,2-2", 10, [(0, 1), (2, 1)]),
        (b"bytes=0-0, 10-", 10, [(0, 1)]),
        (b"bytes= 0-0 ,\t-1", 10, [(0, 1), (9, 1)]),
        (b"bytes=,0-0,,", 10, [(0, 1)]),  # section 5.6.1.2: empty elements
        (b"BYTES=0-0", 10, [(0, 1)]),  # section 14.1: units are without case
    ],
)
def test_a_range_names_the_bytes_that_are_sent(header, size, expected):
    assert parse_ranges(header, size) == [FileRange(*part) for part in expected]


@pytest.mark.parametrize(
    ("header", "size"),
    [
        (b"bytes=10-", 10),
        (b"bytes=10-10", 10),
        (b"bytes=99-", 10),
        (b"bytes=-0", 10),
        (b"bytes=10-,11-12,-0", 10),
        (b"bytes=0-", 0),
        (b"bytes=0-0", 0),
        (b"bytes=-0", 0),
        (b"bytes=99999999999999999999999-", 10),
    ],
)
def test_ranges_of_which_none_meets_the_file_cannot_be_satisfied(header, size):
    with pytest.raises(Unsatisfiable):
        parse_ranges(header, size)


@pytest.mark.parametrize(
    "header",
    [
        b"", b"bytes", b"bytes=", b"bytes=,", b"0-0", b"=0-0", b"items=0-0", b"seconds=1-2", b"bytes:0-0",
        b"bytes = 0-1", b"bytes =0-1", b" bytes=0-1",  # section 14.1.1: no blanks about the sign
        b"bytes=-", b"bytes=--1", b"bytes=a-b", b"bytes=0", b"bytes=0-1-2", b"bytes=4-2", b"bytes=0-0,4-2",
        b"bytes=0-0,x", b"bytes=+1-2", b"bytes=1_0-20",
        b"bytes=0x0-1", b"bytes=0 - 1", b"bytes=1.0-2", b"bytes=\xb2-3",
        b"bytes=0-" + b"9" * 500,
    ],
)  # fmt: skip
def test_a_range_that_cannot_be_understood_is_ignored(header):
    assert parse_ranges(header, 10) is IGNORED


@pytest.mark.parametrize("part", [b"0-0", b"-5", b"x", b""])
def test_more_ranges_than_anybody_needs_are_ignored_before_one_is_looked_at(part):
    """Section 14.2, and 17.15: many ranges are an attack."""
    assert parse_ranges(b",".join([b"bytes=0-0"] + [b"0-0"] * (MOST_ASKED - 1)), 10)
    assert parse_ranges(b",".join([b"bytes=0-0"] + [part] * MOST_ASKED), 10) is IGNORED


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40))), st.integers(0, 30))
def test_ranges_are_what_a_slice_would_be(pairs, size):
    file = bytes(range(size))
    expected = [file[first : last + 1] for first, last in pairs if first <= last and first < size]
    header = b"bytes=" + b",".join(b"%d-%d" % pair for pair in pairs)
    try:
        ranges = parse_ranges(header, size)
    except Unsatisfiable:
        assert not expected
        return
    if not pairs or any(last < first for first, last in pairs):
        assert ranges is IGNORED
    else:
        assert [file[r.offset : r.offset + r.length] for r in ranges] == expected


@given(st.one_of(st.binary(), st.from_regex(rb"bytes=[-0-9, ]*", fullmatch=True)), st.integers(0, 1 << 63))
def test_whatever_is_asked_for_lies_within_the_file(header, size):
    try:
        ranges = parse_ranges(header, size)
    except Unsatisfiable:
        return
    for part in ranges or ():
        assert 0 <= part.offset < part.offset + part.length <= size


@pytest.mark.parametrize(
    ("ranges", "parts"),
    [
        ([(0, 10)], [(0, 10)]),
        ([(0, 10), (10, 10)], [(0, 20)]),
        ([(0, 10), (5, 10)], [(0, 15)]),
        ([(0, 10), (138, 10)], [(0, 148)]),  # the gap costs less than another head
        ([(0, 10), (139, 10)], [(0, 10), (139, 10)]),
        ([(5000, 10), (0, 10)], [(5000, 10), (0, 10)]),  # the order is the client's
        ([(5000, 10), (0, 10), (5010, 10)], [(5000, 20), (0, 10)]),
        ([(0, 10), (300, 10), (5, 300)], [(0, 310)]),  # one that joins two others
        ([(0, 900), (5, 10), (950, 10)], [(0, 960)]),  # one within another
        ([(9000, 1), (0, 1), (5000, 1), (1, 1)], [(9000, 1), (0, 2), (5000, 1)]),
    ],
)
def test_ranges_that_overlap_or_nearly_touch_become_one(ranges, parts):
    assert coalesce([FileRange(*one) for one in ranges]) == [FileRange(*one) for one in parts]


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 300)), min_size=1, max_size=20))
def test_coalescing_loses_no_byte_and_sends_none_twice(ranges):
    parts = coalesce([FileRange(*one) for one in ranges])
    wanted = {at for offset, length in ranges for at in range(offset, offset + length)}
    sent = [at for part in parts for at in range(part.offset, part.offset + part.length)]
    assert wanted <= set(sent)
    assert len(sent) == len(set(sent))


@given(st.permutations(range(MOST_ASKED)))
def test_coalescing_looks_at_each_range_a_few_times_and_not_at_each_pair(order):
    looks = 0

    class Counted(list[FileRange]):
        def __getitem__(self, n):
            nonlocal looks
            looks += 1
            return super().__getitem__(n)

    ranges = Counted(FileRange(n * 1000, 1) for n in order)
    assert coalesce(ranges) == list(ranges)
    assert looks <= 4 * MOST_ASKED


def test_the_last_bytes_of_an_empty_file_are_all_of_it():
    """Section 14.1.2: a suffix is satisfiable, but no Content-Range could say so."""
    assert parse_ranges(b"bytes=-5", 0) is None
    assert parse_ranges(b"bytes=0-,-5", 0) is None
