"""Which other origins may read what is served (Fetch standard, CORS protocol)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from server.answer.headers import Headers

ANY: Final = b"*"
METHODS: Final = b"GET, HEAD"
ASKED_HEADERS: Final = (
    b"Range, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, If-Range, Cache-Control"
)
SHOWN_HEADERS: Final = b"Accept-Ranges, Content-Encoding, Content-Length, Content-Range, ETag"
REMEMBER_SECONDS: Final = b"86400"
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
NAMES: Final = re.compile(rb"%b(?:[ \t]*,[ \t]*%b)*" % (_TOKEN, _TOKEN))  # of fields (RFC 9110 section 5.1)


def cors_headers(origins: Sequence[bytes], origin: bytes | None) -> Headers:
    """What an answer says to a script of that origin. It varies by origin where not all may read."""
    shown = (b"Access-Control-Expose-Headers", SHOWN_HEADERS)
    if ANY in origins:
        return ((b"Access-Control-Allow-Origin", ANY), shown)
    if not origins:
        return ()
    vary = (b"Vary", b"Origin")
    if origin is None or origin not in origins:
        return (vary,)
    return ((b"Access-Control-Allow-Origin", origin), shown, vary)


def is_preflight(method: bytes, fields: Mapping[bytes, bytes]) -> bool:
    """Whether a browser asks whether it may ask."""
    return method == b"OPTIONS" and b"origin" in fields and b"access-control-request-method" in fields


def preflight(origins: Sequence[bytes], fields: Mapping[bytes, bytes]) -> Headers:
    """What it is told. A request for a file may have any headers: most of them mean nothing here."""
    allowed = cors_headers(origins, fields.get(b"origin"))
    if not any(name == b"Access-Control-Allow-Origin" for name, _ in allowed):
        return allowed
    asked = fields.get(b"access-control-request-headers", b"")
    return (
        *(field for field in allowed if field[0] != b"Access-Control-Expose-Headers"),
        (b"Access-Control-Allow-Methods", METHODS),
        (b"Access-Control-Allow-Headers", asked if NAMES.fullmatch(asked) else ASKED_HEADERS),
        (b"Access-Control-Max-Age", REMEMBER_SECONDS),
    )
