"""On what terms the files beneath a root are looked up, and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass

from aio import Links, Look
from server.answer.negotiation import CODINGS
from server.answer.search import SITE_FILES, hidden
from server.answer.types import belongs_to_a_page, content_type
from server.files.content import SMALL

SITE_FILE_BYTES = 1024 * 1024  # of rules in the root, which are read whole


@dataclass(frozen=True, slots=True)
class Terms:
    """What the owner of a site wants of one root."""

    etag: str = "mtime"  # or "content" or "none"
    links: Links = Links.WITHIN
    prefix: bytes = b""  # under which the root is seen, with its slash
    dotfiles: bool = False
    types: tuple[tuple[bytes, bytes], ...] = ()  # by ending, before our own
    private: frozenset[bytes] = frozenset()  # names beneath the root that are as if they were not there

    def hide(self, path: bytes) -> bool:
        """Whether a list leaves out what the site has at this path."""
        return hidden(path, self.dotfiles) or path.removeprefix(self.prefix) in self.private


class Looks:
    """How each path is looked up. A look is made once, for there are only a few kinds."""

    def __init__(self, terms: Terms) -> None:
        self._types = dict(terms.types)
        self._made: dict[tuple[int, bool, bool], Look] = {}
        self._terms = terms

    def at(self, path: bytes, *, stay: bool) -> Look:
        """`stay`: in the root's mount."""
        limit = SITE_FILE_BYTES if path in SITE_FILES else SMALL
        kind = (limit, stay, belongs_to_a_page(content_type(path, self._types)))
        look = self._made.get(kind)
        if look is None:
            look = self._made[kind] = self._make(*kind)
        return look

    def _make(self, limit: int, stay: bool, page: bool) -> Look:
        return Look(
            load_limit=limit,
            stay=stay,
            links=self._terms.links,
            endings=tuple(coding.ending for coding in CODINGS),
            digest=self._terms.etag != "none",
            page=page,
        )
