"""What a client would like to get, of all that may be at a path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar

from server.answer.listing import wants_json
from server.answer.negotiation import IDENTITY, preferred

NAVIGATIONS: Final = frozenset((b"document", b"iframe", b"frame"))
NAVIGATION_FIELDS: Final = (b"Sec-Fetch-Dest", b"Accept")
MOST_KNOWN: Final = 1024  # values of a field: browsers have few
LONG_BYTES: Final = 256  # what is longer is read each time: anybody can ask for any number of such

Meaning = TypeVar("Meaning")


class Wishes(NamedTuple):
    """All that a search needs to know of a request beside its target. Fields that are written
    differently and mean the same are the same wishes."""

    codings: tuple[bytes, ...] = (IDENTITY,)  # that are acceptable, the best first
    json: bool = False  # of a list that can be had as HTML or as JSON
    navigation: bool = False  # somebody wants to see a page, and not a part of one

    @classmethod
    def of(cls, fields: Mapping[bytes, bytes]) -> Wishes:
        accept = fields.get(b"accept", b"")
        return cls(
            _codings(fields.get(b"accept-encoding", b"")),
            _json(accept),
            _is_navigation(fields.get(b"sec-fetch-dest"), accept),
        )


def _remembered(read: Callable[[bytes], Meaning]) -> Callable[[bytes], Meaning]:
    known = lru_cache(MOST_KNOWN)(read)
    return lambda value: known(value) if len(value) <= LONG_BYTES else read(value)


@_remembered
def _codings(accept_encoding: bytes) -> tuple[bytes, ...]:
    """Who does not ask for a coding gets the file as it is, as does who asks for none."""
    return tuple(preferred(accept_encoding))


@_remembered
def _json(accept: bytes) -> bool:
    return wants_json(accept or None)


def _is_navigation(wanted_for: bytes | None, accept: bytes) -> bool:
    """By Fetch Metadata, or as older browsers show it."""
    return b"text/html" in accept if wanted_for is None else wanted_for in NAVIGATIONS
