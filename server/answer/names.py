"""The other names under which a file can be had.

Whoever guards /admin means admin.html, and whoever guards /report.html also report.html.gz
beside it: no other name of the same file may lead around a guard.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from server.answer.negotiation import CODINGS

PAGE: Final = b".html"
INDEX: Final = b"index"
ENDINGS: Final = tuple(coding.ending for coding in CODINGS)


def other_names(path: bytes) -> Iterator[bytes]:
    """Of the file at this path, which has a leading slash. For a page and the index of a directory
    they are shorter than its own, as are those of the original of a compressed file.

    >>> list(other_names(b"/a/index.html.gz"))
    [b'/a/index.html', b'/a/index', b'/a/', b'/a']
    """
    for ending in ENDINGS:
        if path.endswith(ending) and not path.endswith(b"/" + ending):
            path = path.removesuffix(ending)
            yield path
            break
    if path.endswith(PAGE) and not path.endswith(b"/" + PAGE):
        path = path.removesuffix(PAGE)
        yield path
    if path.endswith(b"/" + INDEX):
        path = path.removesuffix(INDEX)
        yield path
    if path.endswith(b"/") and path != b"/":
        yield path[:-1]
