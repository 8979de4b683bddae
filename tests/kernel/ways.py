"""What the tests of the disk service share: its ways to read, files of awkward sizes, and a loop around it.

Rule 1: what a file should hold is computed from the offset, never read back from a file.
Rule 2: no test waits for a time to pass. A service that stays silent for SILENCE_MS has lost something.
"""

from __future__ import annotations

import ctypes
import os
import platform
import select
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Self

from aio import BLOCK, Disk, Failed, File, Loaded, Look, Means, Opened, Outcome, Service, Stream

SILENCE_MS = 30_000
CHILD_SECONDS = 120  # a forked test that hangs is killed, and has failed
SLOTS = 12  # few: blocks are evicted, and readers wait for one another
GIB4 = 1 << 32
TILE = Random(14).randbytes(1_000_003)  # a prime: no two blocks, pages or sectors of a file are alike
NOBODY = 65534


@dataclass(frozen=True, slots=True)
class Backend:
    means: Means
    ring: bool = True


BACKENDS = {
    "aio": Backend(Means(settle_ns=0)),
    "aio by call": Backend(Means(settle_ns=0), ring=False),
    "aio uncached": Backend(Means(settle_ns=0, cached=False)),
    "threads": Backend(Means(native=False)),
    "threads uncached": Backend(Means(native=False, cached=False)),
    "posix": Backend(Means(native=False, cached=False, posix=True)),
}
EACH_BACKEND = [*BACKENDS]


@dataclass(frozen=True, slots=True)
class Sample:
    """A file: data at these (offset, length), holes between, and what to ask of it besides the whole."""

    size: int
    data: tuple[tuple[int, int], ...]
    ranges: tuple[tuple[int, int], ...]

    @property
    def name(self) -> str:
        return f"{self.size}"

    def bytes(self, offset: int, length: int) -> bytes:
        there = bytearray(length)
        for start, size in self.data:
            first, last = max(start, offset), min(start + size, offset + length)
            if first < last:
                there[first - offset : last - offset] = tile(first, last - first)
        return bytes(there)

    def write(self, folder: Path) -> None:
        with open(folder / self.name, "wb") as file:
            for start, size in self.data:
                file.seek(start)
                file.write(tile(start, size))
            file.truncate(self.size)


def tile(offset: int, length: int) -> bytes:
    at = offset % len(TILE)
    return (TILE[at:] + TILE * (length // len(TILE) + 1))[:length]


def _dense(size: int) -> Sample:
    edges = (0, 1, 511, 513, 4095, 4097, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK - 7, size - 4097, size - 1)
    lengths = (1, 2, 4095, BLOCK + 1, size)
    ranges = {(at, min(length, size - at)) for at in edges for length in lengths if 0 <= at < size}
    return Sample(size, ((0, size),), ((0, size), *sorted(ranges)))


def _sparse() -> Sample:
    size = GIB4 + 64 * (1 << 20) + 12_345
    data = ((0, BLOCK + 1), (GIB4 - BLOCK - 3, 2 * BLOCK + 9), (size - 70_001, 70_001))
    ranges = (
        (0, 2 * BLOCK + 5),
        (BLOCK - 1, 4),
        ((1 << 31) - 1, 2),
        ((1 << 30) + 3, 5000),  # nothing but a hole
        (GIB4 - 1, 1),
        (GIB4 - 1, 2),
        (GIB4, 4097),
        (GIB4 - 2 * BLOCK - 7, 5 * BLOCK + 20),
        (size - BLOCK - 5, BLOCK + 5),
        (size - 1, 1),
    )
    return Sample(size, data, ranges)


SAMPLES = [
    *map(_dense, (0, 1, 511, 512, 513, 4095, 4096, 4097, BLOCK - 1, BLOCK, BLOCK + 1, 4 * BLOCK + 1)),
    _sparse(),
]


class Bench:
    """A service with one disk, whose loop turns until something has come true."""

    def __init__(self, root: Path, backend: Backend, *, slots: int = SLOTS, lends: bool = False) -> None:
        """What is shown is always memory, unless it `lends`."""
        self.reports: list[str] = []
        self._later = inf
        self.service = Service(slots, remembered=1000, ring=backend.ring, report=self.reports.append)
        self.service.lends &= lends
        self.disk = Disk(self.service, "disk", backend.means)
        self.root = os.open(root, os.O_PATH | os.O_DIRECTORY)
        self._poll = select.poll()
        self._poll.register(self.service.eventfd, select.POLLIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.rest()
            census = self.service.arena.census()
            assert (census.reading, census.pinned) == (0, 0)
        os.close(self.root)
        asleep = self.service.close(CHILD_SECONDS)
        assert error is not None or asleep == 0

    def until(self, true: Callable[[], bool]) -> None:
        self._later = self.service.flush()
        while not true():
            self.turn()

    def turn(self) -> None:
        """One turn of a loop that has nothing else to do."""
        # A look at a stream may have asked for something.
        self._later = min(self._later, self.service.flush())
        said = self._poll.poll(min(1000 * self._later, SILENCE_MS))
        assert said or self._later < inf, "the service has nothing more to say"
        self.service.reap()
        self._later = self.service.flush()

    def rest(self) -> None:
        """Until nothing is under way."""
        disk = self.disk
        self.until(lambda: disk.jobs_in_flight == disk.reads.in_flight == disk.waiting == 0)

    def outcome(self, path: str, *, load_limit: int = 0, stay: bool = True) -> Outcome:
        got: list[Outcome] = []
        self.disk.open(self.root, path.encode(), got.append, Look(load_limit=load_limit, stay=stay))
        self.until(lambda: bool(got))
        return got[0]

    def failure(self, path: str, *, stay: bool = True) -> Failed:
        outcome = self.outcome(path, stay=stay)
        assert isinstance(outcome, Failed), outcome
        return outcome

    @contextmanager
    def opened(self, path: str) -> Iterator[Opened]:
        outcome = self.outcome(path)
        assert isinstance(outcome, Opened), outcome
        try:
            yield outcome
        finally:
            outcome.file.release()

    @contextmanager
    def stream(self, file: File, offset: int, length: int) -> Iterator[Stream]:
        stream = self.disk.stream(file, offset, length, lambda: None)
        try:
            yield stream
        finally:
            stream.close()

    def read(self, file: File, offset: int, length: int) -> bytes:
        with self.stream(file, offset, length) as stream:
            return b"".join(self.pieces(stream))

    def pieces(self, stream: Stream) -> Iterator[bytes]:
        """What a socket would take at a time, which is never a round number."""
        while stream.left:
            self.until(lambda: stream.view() is not None)
            view = stream.view()
            assert view
            piece = bytes(view[:150_001])
            stream.advance(len(piece))
            yield piece


def check_all_of(bench: Bench, sample: Sample) -> Outcome:
    """Every range of the sample holds what it should; how it was opened."""
    outcome = bench.outcome(sample.name)
    assert not isinstance(outcome, Failed), outcome
    assert outcome.facts.size == sample.size
    if isinstance(outcome, Loaded):
        assert outcome.content == sample.bytes(0, sample.size)
        return outcome
    for offset, length in sample.ranges:
        got = bench.read(outcome.file, offset, length)
        assert got == sample.bytes(offset, length), f"{length} bytes from {offset}"
    outcome.file.release()
    return outcome


# --- in a process of its own ---


def in_child(body: Callable[[], None]) -> None:
    """Runs `body` in a forked process, which may give up its rights; what goes wrong there fails here."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        complaint = ""
        try:
            signal.alarm(CHILD_SECONDS)
            body()
        except BaseException:
            complaint = traceback.format_exc()
        os.write(writer, complaint.encode()[-60_000:])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        complaint = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    assert (complaint, status) == ("", 0), complaint


def become_nobody() -> None:
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


# --- what the kernel may refuse ---

_LIBC = ctypes.CDLL(None, use_errno=True)
IO_SETUP, IO_DESTROY, VMSPLICE = {"x86_64": (206, 207, 278), "aarch64": (0, 1, 75)}.get(
    platform.machine(), (None, None, None)
)
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD_NUMBER, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06  # linux/bpf_common.h
ANSWER_ERRNO, ALLOW = 0x0005_0000, 0x7FFF_0000  # linux/seccomp.h


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("if_true", ctypes.c_ubyte),
        ("if_false", ctypes.c_ubyte),
        ("operand", ctypes.c_uint),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.POINTER(_Instruction)))


def refuse(call: int, errno: int) -> None:
    """From now on this system call gives this errno in this process, as under a seccomp profile."""
    code = (_Instruction * 4)(
        _Instruction(LOAD_NUMBER, 0, 0, 0),
        _Instruction(JUMP_IF_EQUAL, 0, 1, call),
        _Instruction(RETURN, 0, 0, ANSWER_ERRNO | errno),
        _Instruction(RETURN, 0, 0, ALLOW),
    )
    assert _LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert _LIBC.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(_Program(4, code))) == 0


@contextmanager
def all_aio_contexts_in_use() -> Iterator[None]:
    """The budget of the whole host, fs.aio-max-nr, is spent: as briefly as possible."""
    contexts: list[ctypes.c_ulong] = []
    size = 1 << 16
    try:
        while size:
            context = ctypes.c_ulong(0)
            if _LIBC.syscall(ctypes.c_long(IO_SETUP), ctypes.c_uint(size), ctypes.byref(context)) == 0:
                contexts.append(context)
            else:
                size //= 2
        yield
    finally:
        for context in contexts:
            _LIBC.syscall(ctypes.c_long(IO_DESTROY), context)
