"""Compressed files: which are worth having, and how one is made.

- gzip has neither name nor time in its header (RFC 1952 section 2.3), so that it depends on the
  content alone.
- A zstd frame says its size, and its window is at most 8 MiB: receivers need not accept more
  (RFC 9659 section 3). Brotli's is at most 16 MiB (RFC 7932 section 9.1).
"""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol

from server.answer.types import content_type

ENDINGS = {"zst": ".zst", "br": ".br", "gz": ".gz"}
MODULES = {"zst": "zstandard", "br": "brotli", "gz": "zlib"}
MISSING = "pip install 'headrace[compress]'"

WORTH = frozenset(
    (
        b"application/json", b"application/rtf", b"application/vnd.apple.mpegurl",
        b"application/vnd.ms-fontobject", b"application/wasm", b"font/collection", b"font/otf",
        b"font/ttf", b"image/bmp", b"image/x-icon", b"model/gltf-binary", b"model/obj", b"model/stl",
    )
)  # fmt: skip
WORTH_SUFFIXES = (b"+json", b"+xml")  # RFC 6839
LEAST_SAVING = 64  # bytes
LEAST_SHARE = 20  # one part in so many is to be saved
PIECE = 1024 * 1024  # bytes read at a time
ZSTD_WINDOW = 23  # log2


class Kind(Enum):
    MADE = "made"
    FAILED = "failed"
    CHANGED = "changed while they were read: left"
    NO_GAIN = "would save too little"


@dataclass(frozen=True, slots=True)
class Job:
    path: str
    target: str
    temporary: str  # in the same directory
    coding: str
    best: bool


@dataclass(frozen=True, slots=True)
class Made:
    job: Job
    kind: Kind
    before: int = 0  # bytes
    after: int = 0
    why: str = ""


class Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


def available() -> list[str]:
    return [name for name, module in MODULES.items() if find_spec(module)]


def worth_it(name: str) -> bool:
    """Whether files of such a name get smaller."""
    kind = content_type(os.fsencode(name)).partition(b";")[0]
    if name.lower().endswith(".svgz"):
        return False
    return kind.startswith(b"text/") or kind.endswith(WORTH_SUFFIXES) or kind in WORTH


def is_current(sidecar: str, original: os.stat_result) -> bool:
    """Whether there is one, and it is of this very file: it is no older, and nothing has happened to
    the original since it came. Unpacked or copied with it, it may have come before; then it is made
    again, which costs only time."""
    try:
        found = os.lstat(sidecar)
    except OSError:
        return False
    return (
        stat.S_ISREG(found.st_mode)
        and found.st_mtime_ns >= original.st_mtime_ns
        and found.st_ctime_ns >= original.st_ctime_ns
    )


def obey(job: Job) -> Made:
    """Makes one file, or says why not. Leaves no temporary file behind."""
    try:
        return _make(job)
    except OSError as error:
        return Made(job, Kind.FAILED, why=error.strerror or str(error))
    finally:
        with suppress(OSError):
            os.unlink(job.temporary)


def _make(job: Job) -> Made:
    source = os.open(job.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        facts = os.fstat(source)
        with open(job.temporary, "xb") as target:
            after = 0
            for piece in _compressed(job, source, facts.st_size):
                after += target.write(piece)
            os.fchmod(target.fileno(), stat.S_IMODE(facts.st_mode) & 0o777)
            target.flush()
            os.utime(target.fileno(), ns=(facts.st_atime_ns, facts.st_mtime_ns))
        if _identity(facts) != _identity(os.fstat(source)) or _identity(facts) != _identity(
            os.lstat(job.path)
        ):
            return Made(job, Kind.CHANGED)
    finally:
        os.close(source)
    before = facts.st_size
    if before - after < max(LEAST_SAVING, before // LEAST_SHARE):
        _remove_stale(job.target, facts)
        return Made(job, Kind.NO_GAIN)
    os.replace(job.temporary, job.target)
    return Made(job, Kind.MADE, before, after)


def _compressed(job: Job, source: int, size: int) -> Iterator[bytes]:
    compressor = _compressor(job, size)
    left = size
    while left and (piece := os.read(source, min(PIECE, left))):
        left -= len(piece)
        yield compressor.compress(piece)
    if not left:  # else it has shrunk, and what was made is thrown away
        yield compressor.flush()


def _compressor(job: Job, size: int) -> Compressor:
    match job.coding:
        case "gz":
            return zlib.compressobj(9 if job.best else 6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
        case "br":
            return _Brotli(best=job.best)
        case _:
            return _zstd(size, best=job.best)


class _Brotli:
    def __init__(self, *, best: bool) -> None:
        brotli = import_module("brotli")  # it has no types
        # Anything the size of a page is compressed as well with the usual window of 4 MiB.
        self._compressor = brotli.Compressor(quality=11 if best else 5, lgwin=24 if best else 22)

    def compress(self, data: bytes, /) -> bytes:
        piece: bytes = self._compressor.process(data)
        return piece

    def flush(self) -> bytes:
        rest: bytes = self._compressor.finish()
        return rest


def _zstd(size: int, *, best: bool) -> Compressor:
    import zstandard

    level = 19 if best else 3
    usual = zstandard.ZstdCompressionParameters.from_level(level, source_size=size)
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level, source_size=size, window_log=min(usual.window_log, ZSTD_WINDOW), write_content_size=True
    )
    return zstandard.ZstdCompressor(compression_params=parameters).compressobj(size=size)


def _identity(facts: os.stat_result) -> tuple[int, ...]:
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def _remove_stale(target: str, original: os.stat_result) -> None:
    """What is current may have been put there by others; what is not could still be served."""
    if not is_current(target, original):
        with suppress(FileNotFoundError):
            os.unlink(target)
