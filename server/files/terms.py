"""On what terms the files beneath a root are looked up, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aio import Facts, Links
from server.answer.caching import default_cache_control
from server.answer.found import Representation
from server.answer.negotiation import CODINGS
from server.answer.search import hidden
from server.answer.types import content_type
from server.files.tags import validators


@dataclass(frozen=True, slots=True)
class Terms:
    """Those of one root, as its site has them."""

    etag: str = "mtime"  # or "content" or "none"
    links: Links = Links.WITHIN
    prefix: bytes = b""  # under which the root is seen, with its slash
    dotfiles: bool = False
    types: Mapping[bytes, bytes] = field(default_factory=dict)  # by ending, before our own
    private: frozenset[bytes] = frozenset()  # names beneath the root that are as if they were not there

    def hide(self, path: bytes) -> bool:
        """Whether a list leaves out what the site has at this path."""
        return hidden(path, self.dotfiles) or path.removeprefix(self.prefix) in self.private

    def kind_of(self, path: bytes) -> bytes:
        """The content type of the file at this path."""
        return content_type(path, self.types)

    def represent(self, path: bytes, kind: bytes, facts: Facts, digest: bytes, now: float) -> Representation:
        """The file at this path, whose digest may not be known."""
        return Representation(
            facts.size,
            validators(facts, self.etag, digest, now),
            kind,
            default_cache_control(self.prefix + path, kind),
            tuple(coding.name for bit, coding in enumerate(CODINGS) if facts.siblings >> bit & 1),
        )
