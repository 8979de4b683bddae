"""Which other origins may read what is served (Fetch standard, CORS protocol)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from server.answer.headers import Headers

ANY = b"*"
METHODS = b"GET, HEAD"
ASKED_HEADERS = (
    b"Range, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, If-Range, Cache-Control"
)
SHOWN_HEADERS = b"Accept-Ranges, Content-Encoding, Content-Length, Content-Range, ETag"
REMEMBER_SECONDS = b"86400"


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


def preflight(origins: Sequence[bytes], fields: Mapping[bytes, bytes]) -> Headers | None:
    """What is said to a browser that asks whether it may; None if that is not what it asks."""
    origin = fields.get(b"origin")
    if origin is None or b"access-control-request-method" not in fields:
        return None
    allowed = cors_headers(origins, origin)
    if not any(name == b"Access-Control-Allow-Origin" for name, _ in allowed):
        return allowed
    return (
        *(field for field in allowed if field[0] != b"Access-Control-Expose-Headers"),
        (b"Access-Control-Allow-Methods", METHODS),
        (b"Access-Control-Allow-Headers", ASKED_HEADERS),
        (b"Access-Control-Max-Age", REMEMBER_SECONDS),
    )
