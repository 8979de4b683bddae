"""What the tests on a frozen disk share: the site, the server under test, and what is asked of it meanwhile.

Rule 1: the server is a black box. It is asked over HTTP, and by a signal for its state; /proc tells the rest.
Rule 2: a frozen disk is thawed before anybody waits for the server to end: with a read in flight it cannot.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from loadtest.disks import FrozenDisk

DIRECTORIES = 40
FILES = 25  # in each of them
FILE_BYTES = 1_048_576
PROOFS = 20  # directories that no client asks for: the rig is proved with them
PROOF_FILES = 40  # 16 inodes share a block on the disk; the last of these shares none with a real file
HEALTHY_FILES = 400
HEALTHY_BYTES = 300_000  # more than is kept in memory as a small file
PAGE = b"<!doctype html><title>still here</title>" + b"." * 900
ANSWER_SECONDS = 5  # generous: to be answered at all
STOP_SECONDS = 15
READY = re.compile(r"^headrace: serving .* at http://([\d.]+):(\d+)/", re.MULTILINE)
STATE = "headrace: state "

FROZEN_PATHS = tuple(f"/d{n % DIRECTORIES:02}/f{n // DIRECTORIES:02}.bin" for n in range(DIRECTORIES * FILES))
PROOF_PATHS = tuple(f"proof{n:02}/{PROOF_FILES - 1:02}" for n in range(PROOFS))
HEALTHY_PATHS = tuple(f"/healthy/h{n:03}.bin" for n in range(HEALTHY_FILES))


def content(path: str) -> bytes:
    """What the file of this URL path holds."""
    return random.Random(path).randbytes(HEALTHY_BYTES if path.startswith("/healthy/") else FILE_BYTES)


def fill_frozen(root: Path) -> None:
    (root / "page.html").write_bytes(PAGE)
    for n in range(DIRECTORIES):
        (root / f"d{n:02}").mkdir()
    for path in FROZEN_PATHS:
        (root / path[1:]).write_bytes(content(path))
    for n in range(PROOFS):
        (root / f"proof{n:02}").mkdir()
        for k in range(PROOF_FILES):
            (root / f"proof{n:02}/{k:02}").touch()


def fill_healthy(root: Path) -> None:
    for path in HEALTHY_PATHS:
        (root / path.removeprefix("/healthy/")).write_bytes(content(path))
    # What is dirty stays in the page cache, and would not be cold.
    subprocess.run(["sync", "-f", str(root)], check=True)


def digests(paths: Sequence[str]) -> dict[str, bytes]:
    return {path: hashlib.sha256(content(path)).digest() for path in paths}


@contextmanager
def frozen(disk: FrozenDisk, *, writes: bool = False) -> Iterator[None]:
    """In here the disk does not answer, and that has been seen. It may be thawed earlier than at the end."""
    disk.freeze(writes)
    try:
        disk.prove([disk.path / path for path in PROOF_PATHS], seconds=1.0)
        yield
    finally:
        disk.thaw()


@contextmanager
def tags_used_up(disk: FrozenDisk) -> Iterator[None]:
    """Another process has direct reads in flight on the frozen device until it takes no more from anybody.

    They come back with the thaw; to be left only after it.
    """
    readers = disk.request_tags() * 2
    command = [sys.executable, "-S", "-c", HOG, str(disk.cgroup_procs), str(disk.device), str(readers)]
    hog = subprocess.Popen(command)
    try:
        eventually(lambda: disk.reads_in_flight() >= disk.request_tags(), 20, "the request tags are used up")
        assert hog.poll() is None
        yield
    finally:
        disk.thaw()
        hog.kill()
        hog.wait()


HOG = """
import mmap, os, sys, threading
procs, device, readers = sys.argv[1], sys.argv[2], int(sys.argv[3])
with open(procs, "w") as group:
    group.write(str(os.getpid()))
descriptor = os.open(device, os.O_RDONLY | os.O_DIRECT)
def read(number):
    os.preadv(descriptor, [mmap.mmap(-1, 4096)], number * 1048576)
for number in range(readers):
    threading.Thread(target=read, args=(number,)).start()
"""


class Connection(http.client.HTTPConnection):
    """One that a person holds: an answer is expected soon, or a `TimeoutError` says that there is none."""

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(*address, timeout=ANSWER_SECONDS)

    def get(self, path: str) -> tuple[int, bytes]:
        self.request("GET", path)
        answer = self.getresponse()
        return answer.status, answer.read()


@dataclass(frozen=True)
class Footprint:
    connections: int
    slots_idle: int
    threads: int
    descriptors: int


@dataclass(frozen=True)
class Server:
    """A server process with all that it has started, and where it listens."""

    process: subprocess.Popen[bytes]
    address: tuple[str, int]
    log: Path

    def connect(self) -> Connection:
        return Connection(self.address)

    def footprint(self) -> Footprint:
        """What it holds while nothing happens."""
        state = self.state()
        return Footprint(
            connections=state["connections"],
            slots_idle=state["slots"]["free"] + state["slots"]["kept"],
            threads=self.threads(),
            descriptors=self.descriptors(),
        )

    def state(self) -> Mapping[str, Any]:
        """What it says of itself, now; that it says anything is a sign of life of its loop."""
        seen = self._state_lines()
        self.process.send_signal(signal.SIGUSR1)
        eventually(lambda: len(self._state_lines()) > len(seen), ANSWER_SECONDS, "the state is written")
        state: Mapping[str, Any] = json.loads(self._state_lines()[len(seen)].removeprefix(STATE))
        return state

    def pids(self) -> list[int]:
        """The process, its children, and theirs."""
        found = [self.process.pid]
        for pid in found:
            for children in Path("/proc", str(pid), "task").glob("*/children"):
                found += [int(child) for child in children.read_text().split()]
        return found

    def threads(self) -> int:
        return sum(len(list(Path("/proc", str(pid), "task").iterdir())) for pid in self.pids())

    def descriptors(self) -> int:
        return sum(len(list(Path("/proc", str(pid), "fd").iterdir())) for pid in self.pids())

    def sleeps_uninterruptibly(self) -> bool:
        """Whether a main thread, which runs the loop, is in state D: in a call that waits for the disk."""
        stats = [Path("/proc", str(pid), "stat").read_text() for pid in self.pids()]
        return any(stat.rpartition(")")[2].split()[0] == "D" for stat in stats)

    def _state_lines(self) -> list[str]:
        lines = self.log.read_text().splitlines(keepends=True)
        return [line for line in lines if line.startswith(STATE) and line.endswith("\n")]


@contextmanager
def serving(disk: FrozenDisk, healthy: Path, log: Path, *, backend: str = "auto") -> Iterator[Server]:
    """The command as it was built, in the group of the disk, with a second root on a disk that is well.

    It does not outlive the tests, even if they are killed: a server left behind would keep the disk mounted.
    """
    command = [
        "setpriv", "--pdeathsig", "KILL",
        str(Path(sys.executable).with_name("headrace")), str(disk.path), "--mount", f"/healthy={healthy}",
        "--listen", "127.0.0.1:0", "--backend", backend, "--verbose",
    ]  # fmt: skip
    with open(log, "wb") as stderr:
        process = subprocess.Popen(command, stderr=stderr, stdout=stderr, start_new_session=True)
    try:
        disk.enter(process.pid)
        eventually(lambda: bool(READY.search(log.read_text())) or process.poll() is not None, 20, "it serves")
        ready = READY.search(log.read_text())
        assert ready, f"the server did not start:\n{log.read_text()}"
        server = Server(process, (ready[1], int(ready[2])), log)
        for pid in server.pids():
            disk.enter(pid)
        yield server
        disk.thaw()
        process.send_signal(signal.SIGINT)
        assert process.wait(STOP_SECONDS) == 0, log.read_text()
    finally:
        disk.thaw()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(STOP_SECONDS)


class Visitor:
    """Somebody who has been here before: knows a page, and that there is none elsewhere; stays connected."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._old = server.connect()
        self._unread = iter(HEALTHY_PATHS)
        for _ in range(3):
            self.looks_around()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._old.close()

    def comes_again(self) -> None:
        """After a connection on which an answer was given up."""
        self._old.close()
        self._old = self._server.connect()

    def looks_in(self) -> None:
        """On the connection held since the beginning and on a new one."""
        with closing(self._server.connect()) as new:
            for connection in (self._old, new):
                assert connection.get("/page.html") == (200, PAGE)

    def looks_around(self) -> None:
        """The page, that there is none elsewhere, and a file of the other disk that nobody has read yet."""
        self.looks_in()
        with closing(self._server.connect()) as new:
            for connection in (self._old, new):
                assert connection.get("/absent.html")[0] == 404
            path = next(self._unread)
            assert new.get(path) == (200, content(path))

    def looks_around_for(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.looks_around()
            time.sleep(0.05)
        self.looks_around()


def eventually(wanted: Callable[[], bool], seconds: float, what: str) -> None:
    """What is awaited here comes without an event, so it is looked at again and again."""
    deadline = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
