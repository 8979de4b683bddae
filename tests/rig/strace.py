"""The system calls of a process, thread by thread, by strace."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.rig.until import until

LINE = re.compile(r"(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)")
DESCRIPTOR = re.compile(r"\d+<((?:[^<>]|<[^<>]*>)*)>")


@dataclass(frozen=True)
class Call:
    """One system call, and what the first descriptor among its arguments is."""

    thread: int
    name: str
    on: str  # "socket:[1]", "anon_inode:[eventfd]", "/a/path", or "" if it takes no descriptor
    line: str


@cache
def cannot_trace() -> str:
    """Why calls cannot be seen here, or nothing."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", "/dev/null", sys.executable, "-c", ""], capture_output=True)
    return "" if tried.returncode == 0 else f"strace may not trace here: {tried.stderr.decode().strip()}"


@contextmanager
def traced(pid: int, log: Path) -> Iterator[list[Call]]:
    """The calls that all threads of the process made during the block, known when it is over."""
    calls: list[Call] = []
    tracer = subprocess.Popen(
        [
            "strace",
            "-f",
            "-y",
            "-s",
            "64",
            "-e",
            "trace=all",
            "-e",
            "signal=none",
            "-o",
            str(log),
            "-p",
            str(pid),
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: _is_traced(pid), "that strace has attached")
        yield calls
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(20)
    calls.extend(_read(log))


def _is_traced(pid: int) -> bool:
    threads = list(Path(f"/proc/{pid}/task").iterdir())
    return all("TracerPid:\t0\n" not in (thread / "status").read_text() for thread in threads)


def _read(log: Path) -> Iterator[Call]:
    for line in log.read_text(errors="replace").splitlines():
        found = LINE.match(line)
        if found is None or found[2]:
            continue  # the end of a call whose beginning has been seen
        first = found[4].partition(" = ")[0]
        descriptor = DESCRIPTOR.search(first)
        yield Call(int(found[1]), found[3], descriptor[1] if descriptor else "", line)
