"""The window over the bytes that are wanted: all of its cases, where they are few enough to count."""

from itertools import product

import pytest

from aio.window import window

UNITS = (1, 2, 3, 4, 7, 8)
CASES = [
    (offset, length, unit, unit * units)
    for offset, length, unit, units in product(range(20), range(1, 20), UNITS, range(1, 6))
]


def test_a_window_is_the_units_that_hold_what_is_wanted_cut_to_the_most():
    for offset, length, unit, most in CASES:
        touched = {byte // unit for byte in range(offset, offset + length)}
        start, size, lead = window(offset, length, unit, most)
        assert start == min(touched) * unit, (offset, length, unit, most)
        assert size == min(len(touched) * unit, most), (offset, length, unit, most)
        assert lead == offset - start, (offset, length, unit, most)


def test_a_window_is_aligned_and_no_unit_too_long():
    for offset, length, unit, most in CASES:
        start, size, lead = window(offset, length, unit, most)
        assert start % unit == size % unit == 0
        assert 0 <= lead < unit
        assert 0 < size <= most
        assert start + size >= offset + length or size == most
        assert start + size - unit < offset + length


def test_windows_side_by_side_cover_all_that_is_wanted_once():
    for offset, length, unit, most in CASES:
        covered: list[int] = []
        at, end = offset, offset + length
        while at < end:
            start, size, lead = window(at, end - at, unit, most)
            covered += range(start + lead, min(start + size, end))
            at = start + size
        assert covered == list(range(offset, end)), (offset, length, unit, most)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ((1000, 100, 512, 4096), (512, 1024, 488)),
        ((2**32 - 1, 2, 4096, 1 << 20), (2**32 - 4096, 8192, 4095)),
        ((2**63 - 4097, 1, 4096, 4096), (2**63 - 8192, 4096, 4095)),
    ],
)
def test_a_window_lies_anywhere_in_a_file(wanted, expected):
    assert window(*wanted) == expected
