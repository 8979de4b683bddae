"""What the files say of a path, and what a search has made of it."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple

from server.answer.conditions import Validators
from server.answer.listing import Order
from server.answer.statuses import OK


class Representation:
    """What a GET would send, and what is said of it. Many share it: it is never changed, but replaced."""

    __slots__ = ("cache_control", "codings", "content_type", "size", "validators")

    def __init__(
        self,
        size: int,
        validators: Validators,
        content_type: bytes,
        cache_control: bytes,
        codings: tuple[bytes, ...] = (),
    ) -> None:
        self.size = size
        self.validators = validators
        self.content_type = content_type
        self.cache_control = cache_control
        self.codings = codings  # in which it lies beside itself

    def says_the_same_as(self, other: Representation) -> bool:
        """Of one path, from which type and caching follow."""
        return (
            self.size == other.size
            and self.validators.etag == other.validators.etag
            and self.validators.modified == other.validators.modified
            and self.codings == other.codings
        )


class Missing(NamedTuple):
    """There is nothing to send at this path: why, as a status."""

    status: HTTPStatus


@dataclass(frozen=True, slots=True)
class Directory:
    """The path names a directory, and lacks the slash."""


Found = Representation | Missing | Directory


class Inventory(NamedTuple):
    """A place: the list of what is in a directory."""

    path: bytes
    order: Order
    json: bool


Place = bytes | Inventory  # a path is decoded and has no leading slash


class Selection:
    """One representation, and as what it is sent. It belongs to the search that has made it."""

    __slots__ = ("coding", "fallback", "found", "place", "status", "variant", "variant_place", "vary")

    def __init__(
        self,
        place: Place,
        found: Representation,
        status: HTTPStatus = OK,
        coding: bytes = b"",
        variant: Representation | None = None,
        variant_place: bytes = b"",
        vary: tuple[bytes, ...] = (),
        fallback: bool = False,
    ) -> None:
        self.place = place
        self.found = found
        self.status = status
        self.coding = coding  # a content coding, in which `variant` is it
        self.variant = variant
        self.variant_place = variant_place
        self.vary = vary
        self.fallback = fallback  # sent in place of what was asked for

    @property
    def sent(self) -> tuple[Place, Representation]:
        """Whose bytes they are."""
        return (self.place, self.found) if self.variant is None else (self.variant_place, self.variant)

    @property
    def path(self) -> bytes:
        """Of the file that is sent, or of its original."""
        return self.place.path if isinstance(self.place, Inventory) else self.place


class Redirect(NamedTuple):
    """What was asked for is elsewhere."""

    location: bytes  # a path with its leading slash, or a URL
    status: HTTPStatus
    by_rule: bool = False


Result = Selection | Redirect | Missing
