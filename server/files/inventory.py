"""The list of a directory, written out a little at a time.

A hundred thousand names take a good part of a second to write. Done in one go that would hold
up everybody; so each turn of the loop writes one piece.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from aio import Facts, Listed, Record
from server.answer.conditions import Validators
from server.answer.found import Inventory, Representation
from server.answer.listing import render
from server.loop import Loop

COUNTED_AT_ONCE = 400  # names; half a millisecond
HTML = b"text/html; charset=utf-8"
JSON = b"application/json"


@dataclass(frozen=True, slots=True)
class Written:
    """A list that is ready to be sent."""

    facts: Facts  # of the directory
    pieces: tuple[bytes, ...]
    found: Representation


class Writing:
    """A task of the loop: counts what may be seen, then writes it."""

    def __init__(
        self,
        listed: Listed,
        inventory: Inventory,
        hidden: Callable[[bytes], bool],
        loop: Loop,
        done: Callable[[Written], None],
    ) -> None:
        self._listed = listed
        self._inventory = inventory
        self._hidden = hidden
        self._loop = loop
        self._done = done
        self._to_count = self._visible()
        self._count = 0
        self._to_write: Iterator[bytes] | None = None
        self._pieces: list[bytes] = []
        self._digest = hashlib.blake2b(digest_size=16)
        loop.ready(self)

    def proceed(self) -> int:
        if self._to_write is None:
            counted = sum(1 for _ in islice(self._to_count, COUNTED_AT_ONCE))
            self._count += counted
            if counted < COUNTED_AT_ONCE:
                path, order, json = self._inventory
                self._to_write = render(path, self._visible(), self._count, order, json=json)
        elif (piece := next(self._to_write, None)) is not None:
            self._pieces.append(piece)
            self._digest.update(piece)
        else:
            self._finish()
            return 0
        self._loop.ready(self)
        return 0

    def _visible(self) -> Iterator[Record]:
        where = self._inventory.path
        for record in self._listed.records:
            if not self._hidden(where + record.name):
                yield record

    def _finish(self) -> None:
        self._listed.records.release()
        etag = b'"%s"' % self._digest.hexdigest().encode()
        found = Representation(
            sum(map(len, self._pieces)),
            Validators(etag, None),
            JSON if self._inventory.json else HTML,
            b"no-cache",
        )
        self._done(Written(self._listed.facts, tuple(self._pieces), found))
