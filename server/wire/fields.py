"""Field lines, taken apart (RFC 9112 section 5)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Field(NamedTuple):
    """What a field line means, if h11 accepts it."""

    name: bytes  # in lower case
    value: bytes

    @classmethod
    def of(cls, line: bytes) -> Field:
        name, _, value = line.partition(b":")
        return cls(name.lower(), value.strip(b" \t"))


def joined(fields: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The fields by name, those of one name as one (RFC 9110 section 5.3)."""
    known: dict[bytes, bytes] = {}
    for name, value in fields:
        known[name] = known[name] + b", " + value if name in known else value
    return known
