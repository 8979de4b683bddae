"""The headers of an answer as the rules of its path want them."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote_from_bytes

from server.answer.caching import for_one
from server.answer.cors import cors_headers
from server.answer.headers import Headers
from server.answer.rules import Treatment

# RFC 9110 section 15.4.5; of what is not about the content, only what CORS asks for.
OF_304: Final = frozenset(b"cache-control content-location etag expires vary last-modified".split())
OF_CORS: Final = b"access-control-"
VARY: Final = b"vary"
CACHE_CONTROL: Final = b"Cache-Control"
# Rules mean these for what lies at a path, not for the page that says that there is nothing.
OF_CONTENT: Final = frozenset((b"cache-control", b"content-type", b"content-disposition", b"expires"))
NONE: frozenset[bytes] = frozenset()


def dress(
    headers: Headers,
    treatment: Treatment,
    status: int,
    origin: bytes | None,
    name: bytes,
    kept: frozenset[bytes] = NONE,
) -> Headers:
    """`name` is that of the file, if it is one; `kept` are fields that no rule is for here."""
    if status >= 400:
        kept |= OF_CONTENT
    dressed = _Fields(headers)
    if treatment.cors is not None:
        for field in cors_headers(treatment.cors, origin):
            dressed.set(*field)
    if treatment.download and name and status in (200, 206):
        dressed.set(b"Content-Disposition", attachment(name))
    for field_name in treatment.remove_headers - kept:
        dressed.remove(field_name)
    for field in treatment.set_headers:
        if field[0].lower() not in kept:
            dressed.set(*field)
    for field in treatment.add_headers:
        if field[0].lower() not in kept:
            dressed.add(*field)
    if treatment.realm is not None:
        # RFC 9111 section 3.5: what is not for everybody is not for a cache that all share.
        dressed.set(CACHE_CONTROL, for_one(dressed.value(CACHE_CONTROL)))
    return dressed.fields(status)


class _Fields:
    """Header fields by name; those of one name stay together. Vary only ever grows: what an answer
    depends on, it depends on."""

    def __init__(self, headers: Headers) -> None:
        self._fields: dict[bytes, list[tuple[bytes, bytes]]] = {}
        for name, value in headers:
            self.add(name, value)

    def set(self, name: bytes, value: bytes) -> None:
        if name.lower() != VARY:
            self.remove(name.lower())
        self.add(name, value)

    def add(self, name: bytes, value: bytes) -> None:
        known = self._fields.setdefault(name.lower(), [])
        if known and name.lower() == VARY:
            known[0] = (known[0][0], _united(known[0][1], value))
        else:
            known.append((name, value))

    def value(self, name: bytes) -> bytes:
        return b", ".join(value for _, value in self._fields.get(name.lower(), ()))

    def remove(self, name: bytes) -> None:
        self._fields.pop(name, None)

    def fields(self, status: int) -> Headers:
        kept = self._fields
        if status == 304:
            kept = {n: f for n, f in kept.items() if n in OF_304 or n.startswith(OF_CORS)}
            if b"etag" in kept:
                kept.pop(b"last-modified", None)
        return tuple(one for some in kept.values() for one in some)


def _united(value: bytes, more: bytes) -> bytes:
    """Two lists of the names of fields as one (RFC 9110 section 12.5.5)."""
    names = {name.strip().lower(): name.strip() for name in (*more.split(b","), *value.split(b","))}
    known = [name.strip().lower() for name in value.split(b",")]
    return b", ".join(names[name] for name in dict.fromkeys((*known, *names)) if name)


def attachment(name: bytes) -> bytes:
    """A Content-Disposition that has a file saved under this name (RFC 6266, RFC 8187)."""
    plain = re.sub(rb"[^ !#-\x5b\x5d-\x7e]", b"_", name)
    extended = quote_from_bytes(name, safe="!#$&+-.^_`|~").encode()
    return b"attachment; filename=\"%b\"; filename*=UTF-8''%b" % (plain, extended)
