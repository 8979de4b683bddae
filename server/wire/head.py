"""Response heads, as h11 writes them.

What h11 makes of a head depends on its status and its fields, and most differ from one another in
nothing but a few values. So h11 writes each shape once, with places for these values in it, and
they are put there when they are of a kind that h11 would have written as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Final

import h11

from server.answer.headers import Form, Headers
from server.answer.phrases import phrase
from server.answer.plan import Answer

MOST_SHAPES: Final = 512
LONG_BYTES: Final = 2048  # of fields that are the same: unless it is a form's, a longer shape is not kept
# By name: what stands for it in a shape. They come in the order of the fields.
VARYING: Final = {
    b"Date": b"?date?",
    b"Content-Length": b"10203040506070",
    b"ETag": b'"?etag?"',
    b"Last-Modified": b"?modified?",
    b"Content-Range": b"?range?",
}
SPACE: Final = 0x20
PRINTABLE: Final = bytes(range(SPACE, 0x7F))


class Head:
    """A response head, ready but for its Date."""

    __slots__ = ("_after", "_before", "_date", "_dated")

    def __init__(self, answer: Answer, connection: bytes = b"") -> None:
        """`connection` is what the Connection field is to say, if there is to be one."""
        form, own = answer.form, answer.own
        if form is None:
            parts, own = _apart(answer.status, answer.headers, connection)
        else:
            parts = _of_form(form, connection)
        self._before = parts[0]
        pieces = [parts[1]]
        for n, value in enumerate(own):
            pieces.append(value)
            pieces.append(parts[n + 2])
        self._after = b"".join(pieces)
        self._date = self._dated = b""

    def dated(self, date: bytes) -> bytes:
        if date is not self._date:  # it is the same object for a second
            self._date = date
            self._dated = self._before + date + self._after
        return self._dated


def _apart(status: HTTPStatus, headers: Headers, connection: bytes) -> tuple[Sequence[bytes], list[bytes]]:
    """The parts of the head, and the values between them."""
    names: list[bytes] = []
    fixed: list[bytes | None] = []
    varying: list[bytes] = []
    size = 0
    for name, value in headers:
        names.append(name)
        if name in VARYING and _is_written_as_it_is(name, value):
            fixed.append(None)
            varying.append(value)
        else:
            fixed.append(value)
            size += len(value)
    write = _parts if size <= LONG_BYTES else _write
    return write(status, tuple(names), tuple(fixed), connection), varying


def _is_written_as_it_is(name: bytes, value: bytes) -> bool:
    """Whether h11 neither changes such a value nor refuses it."""
    if name == b"Content-Length":
        return value.isdigit()
    return value != b"" and value[0] != SPACE != value[-1] and not value.translate(None, PRINTABLE)


def _write(
    status: HTTPStatus, names: tuple[bytes, ...], values: tuple[bytes | None, ...], connection: bytes
) -> Sequence[bytes]:
    """The head in parts: between them are the values of Date and of what varies, for which there is
    None."""
    fields = [(b"Date", None), *zip(names, values, strict=True)]
    if connection:
        fields.append((b"Connection", connection))
    head = h11.Connection(h11.SERVER).send(
        h11.Response(
            status_code=status.value,
            reason=phrase(status),
            headers=[(name, VARYING[name] if value is None else value) for name, value in fields],
        )
    )
    assert head is not None
    parts = []
    for name, value in fields:
        if value is None:
            before, place, head = head.partition(b"\r\n" + name + b": " + VARYING[name] + b"\r\n")
            assert place, "h11 writes the fields as they are given, in their order"
            parts.append(before + b"\r\n" + name + b": ")
            head = b"\r\n" + head
    return (*parts, head)


def _write_form(form: Form, connection: bytes) -> Sequence[bytes]:
    """Values that are a file's own are written as they are: digits, tags and dates of our making."""
    return _write(form.status, form.names, form.values, connection)


_parts = lru_cache(MOST_SHAPES)(_write)
_of_form = lru_cache(MOST_SHAPES)(_write_form)
