"""How each path beneath a root is looked up."""

from __future__ import annotations

from typing import Final

from aio import Look
from server.answer.negotiation import CODINGS
from server.answer.search import SITE_FILES
from server.answer.types import belongs_to_a_page
from server.files.content import SMALL
from server.files.terms import Terms

SITE_FILE_BYTES: Final = 1024 * 1024  # of rules in the root, which are read whole


class Looks:
    """A look is made once, for there are only a few kinds."""

    def __init__(self, terms: Terms) -> None:
        self._made: dict[tuple[int, bool, bool], Look] = {}
        self._of_type: dict[tuple[bytes, bool], Look] = {}  # a site has a few types
        self._terms = terms

    def at(self, path: bytes, content_type: bytes, *, stay: bool) -> Look:
        """`stay`: in the root's mount."""
        if path in SITE_FILES:
            return self._look(SITE_FILE_BYTES, stay, page=False)
        look = self._of_type.get((content_type, stay))
        if look is None:
            look = self._look(SMALL, stay, page=belongs_to_a_page(content_type))
            self._of_type[content_type, stay] = look
        return look

    def _look(self, limit: int, stay: bool, *, page: bool) -> Look:
        look = self._made.get((limit, stay, page))
        if look is None:
            look = self._made[limit, stay, page] = Look(
                load_limit=limit,
                stay=stay,
                links=self._terms.links,
                endings=tuple(coding.ending for coding in CODINGS),
                digest=self._terms.etag != "none",
                page=page,
            )
        return look
