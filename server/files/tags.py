"""What is said of a file's version: its tag and its date.

By default the tag is made of the file's size and mtime. Images and reproducible builds give
every file the same mtime, long ago: a date like that tells nothing, and would give a false 304
after the next deploy. Such files get a tag of their content and no date.

A file that may change again within the grain of its mtime is young: its tag is weak, and it has
no date yet, for that would be as weak and cannot say so (RFC 9110 sections 8.8.1 and 8.8.2.2).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from aio import Facts
from server.answer.conditions import Validators

TIMELESS_BEFORE: Final = 315_705_600  # 1980-01-03: the epochs of Unix and of ZIP, in any time zone
YOUNG_SECONDS: Final = 2  # a file may change again within the grain of its mtime
MOST_DIGESTS: Final = 65_536


class Digests:
    """Digests of contents, by the version of the file that they are of."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, bytes] = OrderedDict()
        self._under_way: set[bytes] = set()

    def of(self, identity: bytes) -> bytes:
        """The digest, or nothing if it is not known."""
        return self._known.get(identity, b"")

    def begin(self, identity: bytes) -> bool:
        """Whether it is to be computed now, because nobody does so already, or has failed to."""
        if identity in self._under_way or identity in self._known:
            return False
        self._under_way.add(identity)
        return True

    def end(self, identity: bytes) -> None:
        self._under_way.discard(identity)

    def learn(self, identity: bytes, digest: bytes) -> None:
        """No digest: there will be none, as the file cannot be read to its end."""
        self._known[identity] = digest
        self._known.move_to_end(identity)
        if len(self._known) > MOST_DIGESTS:
            self._known.popitem(last=False)


def wants_digest(facts: Facts, etag: str) -> bool:
    """Whether the tag of this file is to be made of its content."""
    return etag == "content" or (etag == "mtime" and _is_timeless(facts))


def validators(facts: Facts, etag: str, digest: bytes, now: float) -> Validators:
    """`etag` is how the site wants its tags: "mtime", "content" or "none". A date that is still to
    come is not told either (RFC 9110 section 8.8.2.1)."""
    young = now - facts.mtime_ns / 1e9 < YOUNG_SECONDS
    modified = None if _is_timeless(facts) or young else facts.mtime_ns // 1_000_000_000
    tag: bytes | None = None
    if wants_digest(facts, etag):
        tag = b'"%s"' % digest.hex().encode() if digest else None
    elif etag == "mtime":
        tag = b'%s"%x-%x"' % (b"W/" if young else b"", facts.mtime_ns, facts.size)
    return Validators(tag, modified)


def is_provisional(facts: Facts, etag: str, said: Validators) -> bool:
    """Whether more may be said of the same version later."""
    if said.etag is None and wants_digest(facts, etag):
        return True
    return said.modified is None and not _is_timeless(facts)


def _is_timeless(facts: Facts) -> bool:
    return facts.mtime_ns < TIMELESS_BEFORE * 1_000_000_000
