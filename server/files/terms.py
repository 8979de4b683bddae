"""How the files beneath a root are looked up, and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass

from aio import Links
from server.answer.search import hidden


@dataclass(frozen=True, slots=True)
class Terms:
    """What one root is told."""

    etag: str = "mtime"  # or "content" or "none"
    links: Links = Links.WITHIN
    prefix: bytes = b""  # under which the root is seen, with its slash
    dotfiles: bool = False
    types: tuple[tuple[bytes, bytes], ...] = ()  # by ending, before our own
    private: frozenset[bytes] = frozenset()  # names beneath the root that are as if they were not there

    def hide(self, path: bytes) -> bool:
        """Whether a list leaves out what the site has at this path."""
        return hidden(path, self.dotfiles) or path.removeprefix(self.prefix) in self.private
