"""Replies that have been given before, and still hold.

What is answered to a plain request depends on its method, its path, its aspect, the rules of
the site, and what is known of the files that were asked about on the way. As long as all of that
is what it was, so is the answer: nobody has to look for it again.

Entries are held weakly: what the files let go of is gone from here, too. Files are looked at again
in the background as ever.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from server.answer.found import Found
from server.answer.plan import Answer
from server.files.changes import Changes
from server.files.entry import Entry, Reference
from server.files.site import Site
from server.loop import Loop
from server.observe.access import Said
from server.wire.aspect import Aspect, without_query
from server.wire.exchange import Reply
from server.wire.heads import Request
from server.wire.table import Table

MOST_REPLIES = 8192
MOST_TABLE_BYTES: Final = 32 * 1024 * 1024
REPLY_BYTES: Final = 2048  # that a reply takes, and what it was asked with
KEPT_BYTES: Final = 16 * 1024  # of a body that is kept behind its head: to join them each time costs more
LONGEST_PATH: Final = 512  # bytes: there is no end of those that are longer

Key = tuple[bytes, bytes, bytes, Aspect | None]


class Basis(NamedTuple):
    """An entry that was asked about, and what it was."""

    reference: Reference
    found: Found


class Remembered:
    """A reply, and what it rests on."""

    __slots__ = (
        "answer", "bandwidth", "bases", "changes", "date", "dated", "edition", "head", "holds_until",
        "kept_bytes", "key", "reference", "said", "site",
    )  # fmt: skip

    def __init__(
        self, key: Key, site: Site, edition: int, bases: tuple[Basis, ...], reply: Reply, entry: Entry
    ) -> None:
        decided = reply.answer
        self.key = key
        self.site = site
        self.edition = edition  # of the site's rules
        self.bases = bases
        self.answer = decided
        self.head = reply.head
        self.reference = entry.reference  # to the entry whose bytes are sent
        self.bandwidth = reply.bandwidth
        self.kept_bytes = _kept(decided, entry.content)  # of the body, if it is kept behind its head
        self.said = Said.of(decided.status, decided.body_bytes)  # for the log, when it has left
        self.holds_until = -1.0  # if nothing changes
        self.changes = 0  # that there had been when that was found
        self.date = b""  # of `dated`
        self.dated = b""

    def whole(self, date: bytes) -> bytes:
        """Head and body as they leave at this date; nothing if that is too much to be kept. Ask only while
        it holds."""
        if date is not self.date:
            self.date = date
            self.dated = self._whole(date)
        return self.dated

    def _whole(self, date: bytes) -> bytes:
        if not self.answer.body:
            return self.head.dated(date)
        entry = self.reference.entry
        if not self.kept_bytes or entry is None or entry.content is None:
            return b""
        return self.head.dated(date) + entry.content[0]


class Recall:
    """Ask reply(); what was found the long way is for keep()."""

    def __init__(self, loop: Loop, changes: Changes) -> None:
        self._loop = loop
        self._changes = changes
        self._replies: Table[Key, Remembered] = Table(MOST_REPLIES, MOST_TABLE_BYTES, _size)
        self.hits = 0  # replies that were given again

    def reply(self, request: Request, persistence: bytes) -> Reply | None:
        """The answer, if it is known and holds."""
        known = self.find(request.method, without_query(request.target), persistence, request.aspect)
        entry = None if known is None else known.reference.entry
        if known is None or entry is None or entry.gone:
            return None
        self.hits += 1
        return Reply(known.answer, known.head, entry, known.bandwidth)

    def find(
        self, method: bytes, path: bytes, persistence: bytes, aspect: Aspect | None
    ) -> Remembered | None:
        """What is known of a path as it was asked for, and holds; nothing is where there is no aspect."""
        known = self._replies.known.get((method, path, persistence, aspect))
        return known if known is not None and self.holds(known) else None

    def holds(self, known: Remembered) -> bool:
        """Whether it is still what is to be answered. Its entry may have gone in this very turn."""
        now = self._loop.now
        if known.holds_until >= now and known.changes == self._changes.count:
            return True
        known.changes = self._changes.count
        until = self._holds_until(known)
        if until is None:
            if self._replies.known.get(known.key) is known:
                self._replies.forget(known.key)
            return False
        known.holds_until = until
        return until >= now

    def keep(
        self,
        request: Request,
        persistence: bytes,
        site: Site,
        edition: int,
        consulted: Iterable[tuple[Entry, Found]],
        reply: Reply,
    ) -> None:
        """A reply that everybody gets who asks so, whatever the query; only lists depend on that."""
        if reply.entry is None or request.aspect is None or site.edition != edition:
            return
        path = without_query(request.target)
        if reply.entry.inventory is not None or len(path) > LONGEST_PATH:
            return
        key = (request.method, path, persistence, request.aspect)
        bases = tuple([Basis(entry.reference, found) for entry, found in consulted])
        self._replies.learn(key, Remembered(key, site, edition, bases, reply, reply.entry))

    def _holds_until(self, known: Remembered) -> float | None:
        """None: it never will again; a time that is past: not before the files have been looked at."""
        site = known.site
        if known.reference.entry is None or not site.ready or site.edition != known.edition:
            return None
        now = self._loop.now
        until = math.inf
        for reference, found in known.bases:
            entry = reference.entry
            if entry is None or entry.found is not found:
                return None
            until = min(until, entry.holds_until())
            if until < now:
                break
        return until


def _kept(answer: Answer, content: Sequence[bytes] | None) -> int:
    """How much of a body is short enough, and in memory in one piece."""
    if not answer.body or content is None or len(content) != 1:
        return 0
    return len(content[0]) if len(content[0]) <= KEPT_BYTES else 0


def _size(key: Key, remembered: Remembered) -> int:
    return len(key[1]) + remembered.kept_bytes + REPLY_BYTES
