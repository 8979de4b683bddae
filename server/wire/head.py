"""Response heads, as h11 writes them.

What h11 makes of a head depends on its status and its fields, and most differ from one another in
nothing but a few values. So h11 writes each shape once, with places for these values in it, and
they are put there when they are of a kind that h11 would have written as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Final

import h11

from server.answer.headers import Headers
from server.answer.phrases import phrase

MOST_SHAPES: Final = 512
LONG_BYTES: Final = 2048  # of fields that are the same: a shape that is longer is written each time
# By name: what stands for it in a shape, and what it may be. They come in the order of the fields.
VARYING: Final = {
    b"Date": (b"?date?", re.compile(rb"[\w ,:]+")),
    b"Content-Length": (b"10203040506070", re.compile(rb"\d+")),
    b"ETag": (b'"?etag?"', re.compile(rb'(?:W/)?"[\x21\x23-\x7e]*"')),
    b"Last-Modified": (b"?modified?", re.compile(rb"[\w ,:]+")),
    b"Content-Range": (b"?range?", re.compile(rb"bytes [\d*/-]+")),
}

Shape = tuple[tuple[bytes, bytes | None], ...]  # fields, and None for what varies


class Head:
    """A response head, ready but for its Date."""

    __slots__ = ("_after", "_before", "_date", "_dated")

    def __init__(self, status: HTTPStatus, headers: Headers, connection: bytes = b"") -> None:
        extra = ((b"Connection", connection),) if connection else ()
        values = []
        shape = []
        size = 0
        for name, value in (*headers, *extra):
            place = VARYING.get(name)
            if place is not None and place[1].fullmatch(value):
                values.append(value)
                shape.append((name, None))
            else:
                shape.append((name, value))
                size += len(value)
        write = _parts if size <= LONG_BYTES else _write
        self._before, first, *others = write(status, tuple(shape))
        pieces = [first]
        for value, part in zip(values, others, strict=True):
            pieces += (value, part)
        self._after = b"".join(pieces)
        self._date = self._dated = b""

    def dated(self, date: bytes) -> bytes:
        if date is not self._date:  # it is the same object for a second
            self._date = date
            self._dated = self._before + date + self._after
        return self._dated


def _write(status: HTTPStatus, shape: Shape) -> Sequence[bytes]:
    """The head in parts: between them are the values of Date and of what varies."""
    fields = ((b"Date", None), *shape)
    head = h11.Connection(h11.SERVER).send(
        h11.Response(
            status_code=status.value,
            reason=phrase(status),
            headers=[(name, VARYING[name][0] if value is None else value) for name, value in fields],
        )
    )
    assert head is not None
    parts = []
    for name, value in fields:
        if value is None:
            before, place, head = head.partition(b"\r\n" + name + b": " + VARYING[name][0] + b"\r\n")
            assert place, "h11 writes the fields as they are given, in their order"
            parts.append(before + b"\r\n" + name + b": ")
            head = b"\r\n" + head
    return (*parts, head)


_parts = lru_cache(MOST_SHAPES)(_write)
