"""How long a cache may keep what nobody has made a rule for (RFC 9111).

Build tools put a fingerprint of the content into names, so that another content gets another
name: what lies there never changes. A year of "immutable" for a file that does change would be
much worse than a question too many, so only what can hardly be anything else counts.
"""

from __future__ import annotations

import re
from typing import Final

FOR_EVER: Final = b"public, max-age=31536000, immutable"
HTML: Final = b"no-cache"
REST: Final = b"max-age=0, must-revalidate"
HASHED_DIRECTORY: Final = re.compile(rb"(?:^|/)(?:_next/static|_app/immutable)/")  # of Next and SvelteKit
# What bundlers emit. Other files with such names, as of a CMS, may be called by what they are about.
ENDINGS: Final = frozenset(
    b"js mjs css map wasm woff woff2 ttf otf eot "
    b"png jpg jpeg svg webp avif gif ico mp4 webm".split()
)  # fmt: skip
_MORE = rb"(?:\.[A-Za-z][A-Za-z0-9]*){1,3}"  # .chunk.js.map
HEX: Final = re.compile(rb"(?:.*[._-](?=.{8})|(?=[0-9a-f]{16}))([0-9a-f]{8,128})" + _MORE)
OTHER: Final = re.compile(rb".*[.-]([A-Za-z0-9_-]{8})" + _MORE)
UUID: Final = re.compile(rb"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")  # of a thing, not of its content
BASE32: Final = re.compile(rb"(?=.*[2-7].*[2-7])[A-Z2-7]{8}")  # of esbuild and Angular
BASE64: Final = re.compile(rb"(?=.*[0-9])(?=.*[a-z])(?=.*[A-Z]).{8}")  # of Vite and Rollup
RUN: Final = re.compile(rb"[0-9]+|[A-Za-z]+")
WORD: Final = re.compile(rb"[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[_-]")
FEWEST_RUNS: Final = 4  # of digits and of letters: 2024dec1 has three
FEWEST_WORDS, LONGEST_WORD = 5, 3  # iOS17App has four, and Q1Q2Plan one that is longer
WORKERS: Final = re.compile(rb"(?:sw|service-?worker)\b.*", re.IGNORECASE)


def default_cache_control(path: bytes, content_type: bytes) -> bytes:
    """The Cache-Control field of the file at this path."""
    if content_type.startswith(b"text/html") or content_type.startswith(b"application/xhtml"):
        return HTML
    hashed = path.find(b"_") >= 0 and HASHED_DIRECTORY.search(path)  # most paths have none
    if not hashed and not _has_fingerprint(path):
        return REST
    is_worker = WORKERS.fullmatch(path.rpartition(b"/")[2])
    keeps_its_name = is_worker or content_type == b"application/manifest+json"
    return REST if keeps_its_name else FOR_EVER


def _has_fingerprint(path: bytes) -> bool:
    """Digits and letters of a fingerprint change places more often than those of any word, date or
    version do. One in three or so has too few of either, and is asked about like all the rest."""
    if path.rpartition(b".")[2].lower() not in ENDINGS:
        return False
    name = path.rpartition(b"/")[2]
    if UUID.search(name):
        return False
    if match := HEX.fullmatch(name):
        return len(RUN.findall(match[1])) >= FEWEST_RUNS
    match = OTHER.fullmatch(name)
    if match is None:
        return False
    if BASE32.fullmatch(match[1]):
        return len(RUN.findall(match[1])) >= FEWEST_RUNS
    words = WORD.findall(match[1])
    return bool(
        BASE64.fullmatch(match[1]) and len(words) >= FEWEST_WORDS and max(map(len, words)) <= LONGEST_WORD
    )


# A directive, with what may stand behind it in quotes (RFC 9111 section 5.2).
DIRECTIVE: Final = re.compile(rb'(?:[^,"]|"(?:[^"\\]|\\.)*")+')
SHARED: Final = frozenset((b"public", b"private", b"s-maxage"))


def for_one(value: bytes) -> bytes:
    """A Cache-Control that lets nobody but the one who asked keep it.

    >>> for_one(b"public, max-age=60, s-maxage=600")
    b'private, max-age=60'
    """
    directives = (part.strip() for part in DIRECTIVE.findall(value))
    others = (part for part in directives if part and part.partition(b"=")[0].lower() not in SHARED)
    return b", ".join((b"private", *others))
