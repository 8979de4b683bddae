"""How long a cache may keep what nobody has made a rule for (RFC 9111).

Build tools put a fingerprint of the content into names, so that another content gets another
name: what lies there never changes. A year of "immutable" for a file that does change would be
much worse than a question too many, so only what can hardly be anything else counts.
"""

from __future__ import annotations

import re

FOR_EVER = b"public, max-age=31536000, immutable"
HTML = b"no-cache"
REST = b"max-age=0, must-revalidate"
HASHED_DIRECTORIES = (b"_next/static/", b"_app/immutable/")  # of Next and SvelteKit
# Hexadecimal digits, at least one of them a letter and one a digit.
HEX = rb"(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]"
BETWEEN = re.compile(rb".*[._-]" + HEX + rb"{8,64}(?:\.[A-Za-z][A-Za-z0-9]*){1,3}")
WHOLE = re.compile(HEX + rb"{16,64}(?:\.[A-Za-z][A-Za-z0-9]*){1,3}")
# Vite's: eight digits of base 64, which no word has: a figure, a small and a capital letter. In its
# own directory a capital that is not the first letter is enough; one in 25 has not even that.
MIXED = re.compile(
    rb".*-(?=[^.]*[0-9])(?=[^.]*[a-z])(?=[^.]*[A-Z])[A-Za-z0-9_-]{8}(?:\.[A-Za-z][A-Za-z0-9]*){1,3}"
)
CAPITAL = re.compile(rb".*-(?=.{1,7}[A-Z])(?=[^.]*[a-z])[A-Za-z0-9_-]{8}(?:\.[A-Za-z][A-Za-z0-9]*){1,3}")
ASSETS = b"assets/"
WORKERS = re.compile(rb"(?:sw|service-?worker)\b.*", re.IGNORECASE)


def default_cache_control(path: bytes, content_type: bytes) -> bytes:
    """The Cache-Control field of the file at this path."""
    if content_type.startswith((b"text/html", b"application/xhtml")):
        return HTML
    name = path.rpartition(b"/")[2]
    if WORKERS.fullmatch(name) or content_type == b"application/manifest+json":
        return REST
    if any(path.startswith(place) or b"/" + place in path for place in HASHED_DIRECTORIES):
        return FOR_EVER
    if any(form.fullmatch(name) for form in (BETWEEN, WHOLE, MIXED)):
        return FOR_EVER
    in_assets = path[: -len(name)].endswith(ASSETS)
    return FOR_EVER if in_assets and CAPITAL.fullmatch(name) else REST


# A directive, with what may stand behind it in quotes (RFC 9111 section 5.2).
DIRECTIVE = re.compile(rb'(?:[^,"]|"(?:[^"\\]|\\.)*")+')
SHARED = frozenset((b"public", b"private", b"s-maxage"))


def for_one(value: bytes) -> bytes:
    """A Cache-Control that lets nobody but the one who asked keep it.

    >>> for_one(b"public, max-age=60, s-maxage=600")
    b'private, max-age=60'
    """
    directives = (part.strip() for part in DIRECTIVE.findall(value))
    others = (part for part in directives if part and part.partition(b"=")[0].lower() not in SHARED)
    return b", ".join((b"private", *others))
