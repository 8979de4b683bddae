"""The list of a directory, written out a little at a time.

A hundred thousand names take a good part of a second to write. Done in one go that would hold
up everybody; so each turn of the loop writes for SLICE_NS and no longer. That is measured by the
thread's own clock: how many names it is differs tenfold from one machine to the next. What a list
says, and so its entity tag, does not depend on where it was cut.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from aio import Facts, Listed, Record
from server.answer.conditions import Validators
from server.answer.found import Inventory, Representation
from server.answer.listing import render
from server.loop import Loop

SLICE_NS = 250_000  # of this thread's time in a turn: with an answer or two that is half a millisecond
PIECE_BYTES = 32 * 1024  # at least: an answer of thousands of pieces would be long at being put together
COUNTED_AT_ONCE = 20  # names, between two looks at the clock
HTML = b"text/html; charset=utf-8"
JSON = b"application/json"


class Written(NamedTuple):
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
        clock: Callable[[], int] = time.thread_time_ns,
    ) -> None:
        self._listed = listed
        self._inventory = inventory
        self._hidden = hidden
        self._loop = loop
        self._done = done
        self._clock = clock
        self._steps = self._write()
        loop.ready(self)

    def proceed(self) -> int:
        """As many steps as there is time for, but at least one."""
        deadline = self._clock() + SLICE_NS
        for _ in self._steps:
            if self._clock() >= deadline:
                self._loop.ready(self)
                break
        return 0

    def _write(self) -> Iterator[None]:
        count, records = 0, self._shown()
        while some := [record is not None for record in islice(records, COUNTED_AT_ONCE)]:
            count += sum(some)
            yield
        path, order, json = self._inventory
        pieces = []
        digest = hashlib.blake2b(digest_size=16)
        for piece in _joined(render(path, self._shown(), count, order, json=json), digest.update):
            if piece:
                pieces.append(piece)
            yield
        self._listed.records.release()
        yield  # megabytes, page by page: that alone takes a while
        etag = b'"%s"' % digest.hexdigest().encode()
        found = Representation(
            sum(map(len, pieces)), Validators(etag, None), JSON if json else HTML, b"no-cache"
        )
        self._done(Written(self._listed.facts, tuple(pieces), found))

    def _shown(self) -> Iterator[Record | None]:
        """None for each that is hidden: a step must end among them, too."""
        where = self._inventory.path
        for record in self._listed.records:
            yield None if self._hidden(where + record.name) else record


def _joined(parts: Iterator[bytes], seen: Callable[[bytes], None]) -> Iterator[bytes]:
    """Pieces of at least PIECE_BYTES, but for the last; nothing as long as one is not complete.
    Each part is shown to `seen` by itself: a digest of a whole piece at once takes a third of a slice."""
    some, size = [], 0
    for part in parts:
        seen(part)
        some.append(part)
        size += len(part)
        if size >= PIECE_BYTES:
            yield b"".join(some)
            some, size = [], 0
        else:
            yield b""
    yield b"".join(some)
