"""The site that browsers ask for: 100 pages and their 400 assets, of 0.2 to 60 KiB, with sidecars.

Rule 1: a site is a function of its seed: names, sizes, bytes and times of modification.
Rule 2: text can be compressed about as well as text can, images and fonts not at all.
"""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from loadtest.corpus import MODIFIED
from loadtest.peers import headrace_path

SEED = 6
KIB = 1024
SMALLEST, LARGEST = 200, 60 * KIB  # bytes
PAGES, SHARED, OWN = 100, 40, 360  # shared assets are the whole site's, own ones of a page or two
ASSETS_OF_A_PAGE = (2, 9)  # fewest and most of its own
SHARED_OF_A_PAGE = (2, 5)
PAGE, PAGE_BYTES = "/page.html", 1024  # what is asked for where only the head matters
LARGE: Mapping[str, int] = {"/100k.bin": 100 * KIB, "/10m.bin": 10 * KIB * KIB}
KINDS = {"css": 3, "js": 6, "png": 8, "jpg": 6, "svg": 3, "woff2": 2, "json": 2}  # and how often
INCOMPRESSIBLE = frozenset(("png", "jpg", "woff2"))
CODINGS = {"br": ".br", "gzip": ".gz", "zstd": ".zst"}  # Content-Encoding to the ending of a sidecar


@dataclass(frozen=True, slots=True)
class Page:
    target: str
    assets: Sequence[str]  # in the order in which a browser asks for them


@dataclass(frozen=True, slots=True)
class Layout:
    """What there is, before any of it is written."""

    pages: Sequence[Page]
    sizes: Mapping[str, int]  # of all targets, in bytes


def layout(seed: int = SEED) -> Layout:
    chance = Random(seed)
    pages = [f"/{'articles' if number % 3 else 'notes'}/{number:03}.html" for number in range(PAGES)]
    shared = [f"/assets/site-{number:02}.{_kind(chance)}" for number in range(SHARED)]
    own = [f"/media/{number % 20:02}/item-{number:03}.{_kind(chance)}" for number in range(OWN)]
    sizes = {target: _size(chance) for target in (*pages, *shared, *own)}
    made = []
    for number, target in enumerate(pages):
        # Every own asset has a page: they are dealt out before any is drawn by chance.
        dealt = own[number * OWN // PAGES : (number + 1) * OWN // PAGES]
        drawn = chance.sample(own, max(0, chance.randint(*ASSETS_OF_A_PAGE) - len(dealt)))
        common = [shared[number % SHARED], *chance.sample(shared, chance.randint(*SHARED_OF_A_PAGE) - 1)]
        made.append(Page(target, list(dict.fromkeys([*common, *dealt, *drawn]))))
    return Layout(made, sizes)


def write(root: Path, site: Layout, level: str = "best") -> None:
    """The site, the page, and the large files, all of long ago, and sidecars beside what is worth it.

    `level` is that of `headrace compress`: best or fast.
    """
    chance = Random(SEED)
    words = [chance.randbytes(chance.randint(1, 5)).hex() for _ in range(3000)]
    for target, size in site.sizes.items():
        text = target.rpartition(".")[2] not in INCOMPRESSIBLE
        _write(root, target, _prose(chance, words, size) if text else chance.randbytes(size))
    _compress(root, level)
    # Not with sidecars: whoever asks for these is to get the same from everybody.
    _write(root, PAGE, _prose(chance, words, PAGE_BYTES))
    for target, size in LARGE.items():
        _write(root, target, chance.randbytes(size))


def _kind(chance: Random) -> str:
    return chance.choices(list(KINDS), list(KINDS.values()))[0]


def _size(chance: Random) -> int:
    """As many between 1 and 2 KiB as between 10 and 20."""
    return round(math.exp(chance.uniform(math.log(SMALLEST), math.log(LARGEST))))


def _prose(chance: Random, words: Sequence[str], size: int) -> bytes:
    # A word is 7 bytes on average, with its blank.
    return " ".join(chance.choices(words, k=size // 2)).encode()[:size]


def _write(root: Path, target: str, content: bytes) -> None:
    path = root / target.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (MODIFIED, MODIFIED))


def _compress(root: Path, level: str) -> None:
    """By our own command, in the codings that it can."""
    command = [str(headrace_path()), "compress", "--quiet", "--level", level, str(root)]
    subprocess.run(command, check=False, timeout=300)


def codings_in(root: Path) -> list[str]:
    """The codings that there are sidecars of."""
    endings = {path.suffix for path in root.rglob("*") if path.suffix in CODINGS.values()}
    return [coding for coding, ending in CODINGS.items() if ending in endings]
