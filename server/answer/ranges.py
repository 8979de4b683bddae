"""Range requests (RFC 9110 section 14)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

SPEC: Final = re.compile(rb"[ \t]*(?:(\d+)-(\d*)|-(\d+))[ \t]*")
MOST_ASKED: Final = 256  # before any is looked at; who asks for more gets the whole file
MOST_PARTS: Final = 64  # in one answer; the same
NEAR_BYTES: Final = 128  # a gap so small costs less than the head of another part
MOST_DIGITS: Final = 19  # beyond that no file reaches, and int() takes its time


class FileRange:
    """`length` bytes of the file from `offset`."""

    __slots__ = ("length", "offset")

    def __init__(self, offset: int, length: int) -> None:
        self.offset = offset
        self.length = length

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FileRange) and self.offset == other.offset and self.length == other.length

    def __hash__(self) -> int:
        return hash((self.offset, self.length))

    def __repr__(self) -> str:
        return f"FileRange({self.offset}, {self.length})"


class Unsatisfiable(Exception):
    """The ranges are well formed, and none of them meets the file (416)."""


def parse_ranges(header: bytes, size: int) -> list[FileRange] | None:
    """The ranges asked for, those beyond the end left out. None: the header is to be ignored,
    as one of another unit, malformed, or an attack (section 14.2: a server MAY ignore it)."""
    unit, equals, rest = header.partition(b"=")
    if not equals or unit.lower() != b"bytes" or rest.count(b",") >= MOST_ASKED:
        return None
    ranges = []
    for part in rest.split(b","):
        if not part.strip():
            continue  # empty list elements are allowed (section 5.6.1.2)
        match = SPEC.fullmatch(part)
        if match is None or len(part) > 2 * MOST_DIGITS:
            return None
        first, last, suffix = match.groups()
        if suffix is not None:
            if size == 0 and int(suffix):
                return None  # satisfiable (section 14.1.2), but no Content-Range could say so
            length = min(int(suffix), size)
            ranges.append(FileRange(size - length, length))
            continue
        begin, end = int(first), int(last) if last else size - 1
        if last and end < begin:
            return None
        ranges.append(FileRange(begin, max(0, min(end, size - 1) - begin + 1)))
    if not ranges:
        return None
    satisfiable = [r for r in ranges if r.length > 0]
    if not satisfiable:
        raise Unsatisfiable
    return satisfiable


def coalesce(ranges: Sequence[FileRange]) -> list[FileRange]:
    """The same bytes in as few parts as is sensible, in the order in which they were asked for:
    those that overlap or nearly touch become one (section 14.2)."""
    order = sorted(range(len(ranges)), key=lambda n: ranges[n].offset)
    parts: list[tuple[int, int, int]] = []  # the place of the first that was asked for, begin, end
    for n in order:
        begin, end = ranges[n].offset, ranges[n].offset + ranges[n].length
        if parts and begin <= parts[-1][2] + NEAR_BYTES:
            place, begin, before = parts.pop()
            parts.append((min(place, n), begin, max(before, end)))
        else:
            parts.append((n, begin, end))
    return [FileRange(begin, end - begin) for _, begin, end in sorted(parts)]
