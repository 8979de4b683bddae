"""Which aligned bytes to read for the bytes that are wanted. Pure arithmetic.

Direct I/O wants offsets and lengths in whole units of the device; a cache
wants whole blocks. Both are the same question with another unit.
"""

from typing import NamedTuple


class Window(NamedTuple):
    """`size` bytes from `start`, both whole units; what is wanted begins `lead` bytes in."""

    start: int
    size: int
    lead: int


def window(offset: int, length: int, unit: int, most: int) -> Window:
    """The smallest window over [offset, offset + length), cut to `most` bytes (whole units).

    >>> window(1000, 100, 512, 4096)
    Window(start=512, size=1024, lead=488)
    """
    lead = offset % unit
    start = offset - lead
    whole = -(-(lead + length) // unit) * unit
    return Window(start, min(whole, most), lead)
