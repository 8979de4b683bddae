"""Replies that have been given before, and still hold.

What is answered to a plain request depends on its method, its target, three of its fields, the
rules of the site, and what is known of the files that were asked about on the way. As long as all
of that is what it was, so is the answer: nobody has to look for it again.

Entries are held weakly: what the files let go of is gone from here, too. Files are looked at again
in the background as ever: when an entry is due for that, the long way is gone once more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from weakref import ReferenceType, ref

from server.answer.found import Found
from server.answer.plan import Answer
from server.answer.rules import Rulebook
from server.files.entry import Dated, Entry
from server.files.site import Site, Sites
from server.loop import Loop
from server.wire.exchange import CONDITIONS, Reply
from server.wire.heads import Request

MOST_REPLIES = 4096
LONGEST_KEY = 1024  # bytes: there is no end of questions that are longer
CONSULTED = (b"accept-encoding", b"accept", b"sec-fetch-dest")  # what a search looks at

Key = tuple[bytes, bytes, bytes, bytes, bytes | None, bytes | None, bytes | None]


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
    by_origin: bool  # whether whoever asks from another origin is told something else


class Recall:
    """Ask reply(); what was found the long way is for keep()."""

    def __init__(self, sites: Sites, loop: Loop) -> None:
        self._sites = sites
        self._loop = loop
        self._known: dict[Key, Remembered] = {}
        self.hits = 0

    def reply(self, request: Request, persistence: bytes) -> Reply | None:
        """The answer, if it is known and holds."""
        key = _key(request, persistence)
        known = self._known.get(key)
        if known is None or not CONDITIONS.isdisjoint(request.fields):
            return None
        if known.by_origin and b"origin" in request.fields:
            return None
        entry = known.entry()
        if entry is None or not self._holds(known, request):
            del self._known[key]
            return None
        entry.use(self._loop.now)
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
        *,
        by_origin: bool,
    ) -> None:
        """A reply that everybody gets who asks so, but for those of other origins if `by_origin`."""
        key = _key(request, persistence)
        if reply.entry is None or site.rules is not rules or sum(map(len, filter(None, key))) > LONGEST_KEY:
            return
        bases = tuple(Basis(ref(entry), found) for entry, found in consulted)
        self._known[key] = Remembered(
            site, ref(rules), bases, reply.answer, reply.head, ref(reply.entry), reply.bandwidth, by_origin
        )
        if len(self._known) > MOST_REPLIES:
            del self._known[next(iter(self._known))]

    def _holds(self, known: Remembered, request: Request) -> bool:
        site = known.site
        if (
            not site.ready
            or site.rules is not known.rules()
            or self._sites.for_host(request.host) is not site
        ):
            return False
        now = self._loop.now
        for basis in known.bases:
            entry = basis.entry()
            if entry is None or entry.found is not basis.found or not entry.is_fresh(now):
                return False
        return True


def _key(request: Request, persistence: bytes) -> Key:
    get = request.fields.get
    return (
        request.host,
        request.method,
        request.target,
        persistence,
        get(b"accept-encoding"),
        get(b"accept"),
        get(b"sec-fetch-dest"),
    )
