"""Replies that have been given before, and still hold.

What is answered to a plain request depends on its method, its target, its aspect, the rules of
the site, and what is known of the files that were asked about on the way. As long as all of that
is what it was, so is the answer: nobody has to look for it again.

Entries are held weakly: what the files let go of is gone from here, too. Files are looked at again
in the background as ever: while an entry is due for that, the long way is gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from weakref import ReferenceType, ref

from server.answer.found import Found
from server.answer.plan import Answer
from server.answer.rules import Rulebook
from server.files.entry import Dated, Entry
from server.files.site import Site
from server.loop import Loop
from server.wire.aspect import Aspect
from server.wire.exchange import Reply
from server.wire.heads import Request
from server.wire.table import Table

MOST_REPLIES = 8192
MOST_TABLE_BYTES = 16 * 1024 * 1024
REPLY_BYTES = 1536  # that a reply takes beside what was asked
LONGEST_KEY = 1024  # bytes: there is no end of questions that are longer

Key = tuple[bytes, bytes, bytes, Aspect]


class Basis(NamedTuple):
    """An entry that was asked about, and what it was."""

    entry: ReferenceType[Entry]
    found: Found


class Remembered(NamedTuple):
    site: Site
    rules: ReferenceType[Rulebook]
    bases: tuple[Basis, ...]
    answer: Answer
    head: Dated
    entry: ReferenceType[Entry]  # whose bytes are sent
    bandwidth: int | None


class Recall:
    """Ask reply(); what was found the long way is for keep()."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._replies: Table[Key, Remembered] = Table(MOST_REPLIES, MOST_TABLE_BYTES, _size)
        self.hits = 0

    def reply(self, request: Request, persistence: bytes) -> Reply | None:
        """The answer, if it is known and holds."""
        aspect = request.aspect
        if aspect is None:
            return None
        key = (request.method, request.target, persistence, aspect)
        known = self._replies.known.get(key)
        if known is None:
            return None
        entry = known.entry()
        holds = self._holds(known)
        if entry is None or holds is None:
            self._replies.forget(key)
            return None
        if not holds:
            return None
        now = self._loop.now
        if entry.used_at != now:
            entry.use(now)
        self.hits += 1
        return Reply(known.answer, known.head, entry, known.bandwidth)

    def keep(
        self,
        request: Request,
        persistence: bytes,
        site: Site,
        rules: Rulebook,
        consulted: Iterable[tuple[Entry, Found]],
        reply: Reply,
    ) -> None:
        """A reply that everybody gets who asks so."""
        if reply.entry is None or request.aspect is None or site.rules is not rules:
            return
        key = (request.method, request.target, persistence, request.aspect)
        if _length(key) > LONGEST_KEY:
            return
        bases = tuple(Basis(ref(entry), found) for entry, found in consulted)
        remembered = Remembered(
            site, ref(rules), bases, reply.answer, reply.head, ref(reply.entry), reply.bandwidth
        )
        self._replies.learn(key, remembered)

    def _holds(self, known: Remembered) -> bool | None:
        """None: it never will again; False: not before the files have been looked at."""
        site = known.site
        if not site.ready or site.rules is not known.rules():
            return None
        now = self._loop.now
        for reference, found in known.bases:
            entry = reference()
            if entry is None or entry.found is not found:
                return None
            if not entry.is_fresh(now):
                return False
        return True


def _length(key: Key) -> int:
    method, target, persistence, aspect = key
    return len(method) + len(target) + len(persistence) + sum(len(part) for part in aspect[:-1] if part)


def _size(key: Key) -> int:
    return _length(key) + REPLY_BYTES
