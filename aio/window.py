"""Which aligned bytes to read for the bytes that are wanted. Pure arithmetic.

Direct I/O wants offsets and lengths in whole units of the device; a cache
wants whole blocks. Both are the same question with another unit.
"""


def window(offset: int, length: int, unit: int, most: int) -> tuple[int, int, int]:
    """The smallest window over [offset, offset + length), cut to `most` bytes (whole units): where it
    starts, its size, both in whole units, and how far into it what is wanted begins.

    >>> window(1000, 100, 512, 4096)
    (512, 1024, 488)
    """
    lead = offset % unit
    start = offset - lead
    whole = -(-(lead + length) // unit) * unit
    return (start, min(whole, most), lead)
