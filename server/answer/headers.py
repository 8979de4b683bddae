"""Header fields, as they are written."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

Headers = tuple[tuple[bytes, bytes], ...]

# What each file has its own of, in the order in which the fields come.
OWN: Final = (b"Content-Length", b"ETag", b"Last-Modified")


class Form:
    """What answers to requests for files have in common, which is nearly all: to put a few values into a
    form costs less than to write all of it again. What h11 makes of a form is remembered by its identity,
    so there should be one for all answers that are alike."""

    __slots__ = ("names", "status", "values")

    def __init__(self, status: HTTPStatus, headers: Headers) -> None:
        """As one of these answers has them."""
        self.status = status
        self.names = tuple([name for name, _ in headers])
        self.values = tuple([None if name in OWN else value for name, value in headers])

    def filled(self, own: Sequence[bytes]) -> Headers:
        """With an answer's own values."""
        left = iter(own)
        return tuple(
            [
                (name, next(left) if value is None else value)
                for name, value in zip(self.names, self.values, strict=True)
            ]
        )
