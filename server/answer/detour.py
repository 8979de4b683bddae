"""Redirects and rewrites: another place for what is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from server.answer.pattern import Pattern

REDIRECTS = (301, 302, 303, 307, 308)
OK = 200
ERRORS = tuple(status.value for status in HTTPStatus if status.value >= 400)
PLACEHOLDER = re.compile(rb":([A-Za-z_][A-Za-z0-9_]*)")
PATH = re.compile(rb"/(?![/\\])[\x21-\x7e\x80-\xff]*|/")
# No placeholder in the authority: whoever asks does not choose the host.
URL = re.compile(rb"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)(:\d{1,5})?([/?#][\x21-\x7e\x80-\xff]*)?")
WILD = re.compile(rb"[*?:{]")
SAFE = "/:@!$&'()*+,;=~-._"


class BadDetour(Exception):
    """What cannot be a redirect or a rewrite, and why."""


class Detour(NamedTuple):
    """Made by make_detour()."""

    to: bytes  # with :placeholders and :splat; a path, or for a redirect also a URL
    status: int  # 3xx: redirect; 200: rewrite; 4xx: that page with this status
    force: bool  # also where a file lies
    beneath: bytes = b""  # paths that begin so are there already

    @property
    def redirects(self) -> bool:
        return self.status in REDIRECTS

    def target(self, path: bytes, captured: Mapping[bytes, bytes]) -> bytes | None:
        """Where it leads from here; None if that is here. What comes from outside is encoded in a
        Location, so that it stays what it was: a part of a path."""
        if self.beneath and path.startswith(self.beneath):
            return None

        def put(match: re.Match[bytes]) -> bytes:
            value = captured.get(match[1])
            if value is None:
                return match[0]
            return quote_from_bytes(value, safe=SAFE).encode() if self.redirects else value

        filled = PLACEHOLDER.sub(put, self.to)
        if self.to.startswith(b"/") and filled.startswith(b"//"):
            filled = b"/" + filled.lstrip(b"/")
        leads_to = _path(filled) if self.redirects else filled
        return None if leads_to == path else filled


def make_detour(pattern: Pattern, to: bytes, status: int, *, force: bool) -> Detour:
    """Raises BadDetour."""
    shown = repr(to.decode("utf-8", "replace"))
    if status not in (OK, *REDIRECTS, *ERRORS):
        raise BadDetour(f"{status} is neither a redirect, nor 200, nor an error")
    if status in REDIRECTS:
        if not PATH.fullmatch(to) and not URL.fullmatch(to):
            raise BadDetour(f"{shown} is neither a path, such as /new/:splat, nor an http(s) URL")
        template = quote_from_bytes(to, safe=SAFE + "%?#[]").encode()
    else:
        if not PATH.fullmatch(to) or b"?" in to or b"#" in to:
            raise BadDetour(f"{shown} is not a path, such as /index.html")
        template = unquote_to_bytes(to)
    for name in to.split(b"/"):
        if (word := PLACEHOLDER.fullmatch(name)) and word[1] not in pattern.names:
            raise BadDetour(f"{shown}: nothing is called :{word[1].decode()} in the path it is for")
    where = _path(template) if status in REDIRECTS else template
    if pattern.exact is not None and where == unquote_to_bytes(pattern.text):
        raise BadDetour("it leads to itself")
    return Detour(template, status, force, _beneath(pattern, template) if status in REDIRECTS else b"")


def _path(to: bytes) -> bytes:
    """Where a redirect leads, decoded; a query or a fragment makes no other place of it."""
    return unquote_to_bytes(to.partition(b"#")[0].partition(b"?")[0])


def _beneath(pattern: Pattern, template: bytes) -> bytes:
    """A redirect to what it matches itself would lead on for ever. What the template begins with
    tells who has been led already, as /en/ does for /* to /en/:splat."""
    where = _path(template)
    before, *placeholders = PLACEHOLDER.split(where, maxsplit=1)
    if not placeholders or not template.startswith(b"/") or pattern.match(where) is None:
        return b""
    if len(before) <= len(WILD.split(pattern.text, maxsplit=1)[0]):
        raise BadDetour("it leads to itself")
    return before
