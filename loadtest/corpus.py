"""The files that the users ask for, and how to tell a right byte of them from a wrong one.

    python -m loadtest.corpus [DIRECTORY]     makes them, in loadtest/corpus by default

Rule 1: a corpus is a function of its recipe: the same names, bytes and times of modification wherever it is
        made, so that several servers agree on their validators. It is made again only if the recipe differs.
Rule 2: the manifest is served with the files. Who has it can judge any answer of any server, be it a part of
        a file or the whole: it holds a CRC-32 of every 256 KiB. That guards against blocks mixed up, not
        against an attacker, and costs the users less than reading does: nothing goes unchecked.
Rule 3: no directory is replaced that is not a corpus.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from zlib import crc32

HERE = Path(__file__).resolve().parent / "corpus"
MANIFEST = "/manifest.json"
BYSTANDER = "/bystander.html"
BYSTANDER_BYTES = 1024
BLOCK = 256 * 1024  # what one checksum covers
MODIFIED = 1_700_000_000  # long ago: a tag of a file that is still young would be a weak one
MEGABYTES = 640  # of all large files together: more than the server is given as memory
# How they share in that; each is a few odd bytes longer, so that none ends where a block does.
DOWNLOADS, VIDEOS = (1, 2, 3, 4) * 3, (2, 3, 4, 5)
PAGES, STYLES, SCRIPTS, IMAGES = 40, 4, 8, 80
IMAGE_SUFFIXES = ("png", "jpg", "webp")
WORDS = (
    "water",
    "wheel",
    "mill",
    "race",
    "weir",
    "sluice",
    "stone",
    "grain",
    "flour",
    "river",
    "bank",
    "gate",
)


class NotACorpus(Exception):
    """What was found is no corpus, or no manifest of one."""


class WrongBytes(Exception):
    """A body is not what the manifest says; the message says where."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that the content hangs on. `edition` is to be raised when the code below makes other bytes."""

    seed: int = 1
    megabytes: int = MEGABYTES
    edition: int = 1

    @property
    def modified(self) -> int:
        """When its files were, as they say, last changed: validators of another seed's files differ."""
        return MODIFIED + 100_000 * self.edition + self.seed


@dataclass(frozen=True, slots=True)
class File:
    path: str  # of the URL, with the slash in front
    size: int
    sums: tuple[int, ...]  # CRC-32 of each BLOCK


@dataclass(frozen=True, slots=True)
class Manifest:
    recipe: Recipe
    files: Mapping[str, File]
    pages: Mapping[str, tuple[str, ...]]  # each with its assets
    downloads: tuple[str, ...]
    videos: tuple[str, ...]

    def to_json(self) -> str:
        files = {file.path: [file.size, *file.sums] for file in self.files.values()}
        rest = {"pages": self.pages, "downloads": self.downloads, "videos": self.videos}
        return json.dumps({"headrace_corpus": asdict(self.recipe), "files": files, **rest}) + "\n"


def parse_manifest(text: str | bytes) -> Manifest:
    try:
        told = json.loads(text)
        return Manifest(
            Recipe(**told["headrace_corpus"]),
            {path: File(path, size, tuple(sums)) for path, (size, *sums) in told["files"].items()},
            {page: tuple(assets) for page, assets in told["pages"].items()},
            tuple(told["downloads"]),
            tuple(told["videos"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotACorpus(f"this is not the manifest of a corpus: {error!r}") from None


class Check:
    """Takes the body of an answer as it comes, and objects to the first block that is not the file's.

    A part may begin and end within a block. Such a piece has no sum of its own, but the whole blocks between
    tell whether the part is the right one.
    """

    def __init__(self, file: File, start: int = 0) -> None:
        self.at = start
        self._file = file
        self._sum = 0
        self._from_the_edge = start % BLOCK == 0

    def take(self, data: bytes) -> None:
        if self.at + len(data) > self._file.size:
            raise WrongBytes(f"{self._file.path}: more bytes than the {self._file.size} of the file")
        rest = memoryview(data)
        while rest:
            piece = rest[: BLOCK - self.at % BLOCK]
            rest = rest[len(piece) :]
            self._sum = crc32(piece, self._sum)
            self.at += len(piece)
            if self.at % BLOCK == 0 or self.at == self._file.size:
                self._end_of_block()

    def _end_of_block(self) -> None:
        block = (self.at - 1) // BLOCK
        if self._from_the_edge and self._sum != self._file.sums[block]:
            raise WrongBytes(f"{self._file.path}: wrong bytes in block {block} of {BLOCK // 1024} KiB")
        self._sum = 0
        self._from_the_edge = True


def make(directory: Path = HERE, recipe: Recipe | None = None) -> Manifest:
    """The manifest of the corpus in this directory, which is made unless it is there already."""
    recipe = recipe or Recipe()
    if directory.exists() and any(directory.iterdir()):
        try:
            found = parse_manifest(_beneath(directory, MANIFEST).read_bytes())
        except (OSError, NotACorpus):
            raise NotACorpus(f"{directory} has files in it and is not a corpus: it is left alone") from None
        if found.recipe == recipe and all(
            _untouched(directory, file, recipe) for file in found.files.values()
        ):
            return found
    unfinished = directory.with_name(f"{directory.name}.{os.getpid()}")
    try:
        manifest = _write(unfinished, recipe)
        if directory.exists():
            shutil.rmtree(directory)
        unfinished.rename(directory)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return manifest


def _untouched(directory: Path, file: File, recipe: Recipe) -> bool:
    try:
        found = _beneath(directory, file.path).stat()
    except OSError:
        return False
    return found.st_size == file.size and found.st_mtime == recipe.modified


def _write(directory: Path, recipe: Recipe) -> Manifest:
    make_one = _Maker(directory, recipe)
    numbers = Random(recipe.seed)

    styles = [make_one.text(f"/assets/{n}.css", _size(numbers, 2_000, 30_000)) for n in range(STYLES)]
    scripts = [make_one.text(f"/assets/{n}.js", _size(numbers, 2_000, 60_000)) for n in range(SCRIPTS)]
    images = [
        make_one.noise(f"/assets/{n}.{IMAGE_SUFFIXES[n % len(IMAGE_SUFFIXES)]}", _size(numbers, 200, 60_000))
        for n in range(IMAGES)
    ]
    pages = {}
    for n in range(PAGES):
        assets = [styles[n % STYLES], *numbers.sample(scripts, 2), *numbers.sample(images, 8)]
        pages[make_one.page(f"/pages/{n}.html", assets, _size(numbers, 3_000, 40_000))] = tuple(assets)
    make_one.page(BYSTANDER, (), BYSTANDER_BYTES)

    share = recipe.megabytes * 1_048_576 // (sum(DOWNLOADS) + sum(VIDEOS))
    downloads = tuple(
        make_one.noise(f"/downloads/{n}.bin", parts * share + numbers.randrange(1, 4096))
        for n, parts in enumerate(DOWNLOADS)
    )
    videos = tuple(
        make_one.noise(f"/videos/{n}.mp4", parts * share + numbers.randrange(1, 4096))
        for n, parts in enumerate(VIDEOS)
    )
    manifest = Manifest(recipe, dict(make_one.files), pages, downloads, videos)
    make_one.whole(MANIFEST, manifest.to_json().encode())
    return manifest


class _Maker:
    """Writes files of content that hangs on their name and the seed only."""

    def __init__(self, directory: Path, recipe: Recipe) -> None:
        self.files: dict[str, File] = {}
        self._directory = directory
        self._recipe = recipe

    def noise(self, path: str, size: int) -> str:
        """What cannot be compressed, in which no two blocks are alike."""
        starts = range(0, size, BLOCK)
        names = (f"{self._recipe.seed}{path}@{start}".encode() for start in starts)
        return self._file(
            path,
            (
                hashlib.shake_128(name).digest(min(BLOCK, size - start))
                for name, start in zip(names, starts, strict=True)
            ),
        )

    def text(self, path: str, size: int) -> str:
        return self.whole(path, self._words(path, size))

    def page(self, path: str, assets: Sequence[str], size: int) -> str:
        head = f"<!doctype html>\n<title>{path}</title>\n" + "".join(map(_element, assets)) + "<p>"
        return self.whole(path, head.encode() + self._words(path, size - len(head)))

    def whole(self, path: str, content: bytes) -> str:
        return self._file(path, [content])

    def _words(self, path: str, size: int) -> bytes:
        letters = hashlib.shake_128(f"{self._recipe.seed}{path}".encode()).digest(size // 4)
        words = " ".join(WORDS[letter % len(WORDS)] for letter in letters)
        return words.ljust(size)[: size - 1].encode() + b"\n"

    def _file(self, path: str, blocks: Iterable[bytes]) -> str:
        sums, size = [], 0
        at = _beneath(self._directory, path)
        at.parent.mkdir(parents=True, exist_ok=True)
        with at.open("wb") as file:
            for block in blocks:
                file.write(block)
                sums.append(crc32(block))
                size += len(block)
        os.utime(at, (self._recipe.modified, self._recipe.modified))
        self.files[path] = File(path, size, tuple(sums))
        return path


def _element(asset: str) -> str:
    if asset.endswith(".css"):
        return f'<link rel="stylesheet" href="{asset}">\n'
    return f'<script src="{asset}"></script>\n' if asset.endswith(".js") else f'<img src="{asset}">\n'


def _size(numbers: Random, least: int, most: int) -> int:
    """Of small files there are many, and of larger ones few."""
    return int(least * (most / least) ** numbers.random())


def _beneath(directory: Path, path: str) -> Path:
    return directory / path.removeprefix("/")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtest.corpus", description="Makes the corpus.")
    parser.add_argument("directory", nargs="?", type=Path, default=HERE)
    parser.add_argument(
        "--megabytes", type=int, default=MEGABYTES, help="of all large files together (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    try:
        manifest = make(options.directory, Recipe(megabytes=options.megabytes))
    except (NotACorpus, OSError) as error:
        print(f"corpus: {error}", file=sys.stderr)
        return 1
    print("\n".join(_summary(options.directory, manifest)))
    return 0


def _summary(directory: Path, manifest: Manifest) -> Iterator[str]:
    megabytes = sum(file.size for file in manifest.files.values()) / 1_048_576
    yield f"{directory}: {len(manifest.files)} files, {megabytes:.0f} MiB"


if __name__ == "__main__":
    sys.exit(main())
