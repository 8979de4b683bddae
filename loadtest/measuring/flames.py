"""Flame graphs of a server under its load: where its time goes, in Python and in what that calls.

Rule 1: the recorder stops the server for each look, so nothing that is measured meanwhile is a figure.
Rule 2: only what is awake counts, so a graph is of the CPU's time. What the kernel does shows as the call
        that asked for it: `send`, `io_submit`.
Rule 3: a graph says what it is of, and of which day.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest.judge import LOAD_CORE
from loadtest.measuring.stacks import drawn, gathered
from loadtest.servers import Server

RECORDER = Path(sys.executable).with_name("py-spy")
SERVER = "headrace"  # whose graphs are made
LOOKS_PER_SECOND = 200
READY_SECONDS, DONE_SECONDS = 20.0, 60.0
READY = "Sampling process"


@dataclass(frozen=True, slots=True)
class Flame:
    """A graph to be made."""

    path: Path
    title: str


def missing() -> str | None:
    return None if RECORDER.exists() else "py-spy is not installed (make lab, or pip install 'headrace[lab]')"


def flame(directory: Path, scenario: str, version: str, case: object) -> Flame:
    plain = re.sub(r"[^a-z0-9]+", "-", str(case).lower().replace(",", "")).strip("-")
    day = time.strftime("%Y-%m-%d", time.gmtime())
    return Flame(directory / f"{scenario}-flame-{plain}.svg", f"{version}, {scenario}: {case}, {day}")


@contextmanager
def recorded(server: Server, to: Flame | None) -> Iterator[None]:
    """What the server does within the block; nothing, if no graph is wanted."""
    if to is None:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="headrace-flame-") as made:
        stacks, log = Path(made, "stacks"), Path(made, "log")
        recorder = _start(server.pids[0], stacks, log)
        try:
            _wait_ready(recorder, log)
            yield
            recorder.send_signal(signal.SIGINT)
            recorder.wait(DONE_SECONDS)
        finally:
            recorder.kill()
            recorder.wait()
        if not stacks.exists():
            raise RuntimeError(f"py-spy has seen nothing: {log.read_text().strip()[-300:]}")
        to.path.parent.mkdir(parents=True, exist_ok=True)
        to.path.write_text(drawn(gathered(stacks.read_text().splitlines()), to.title))


def _start(pid: int, stacks: Path, log: Path) -> subprocess.Popen[bytes]:
    command = (
        *(str(RECORDER), "record", "--native", "--function", "--format", "raw"),
        *("--rate", str(LOOKS_PER_SECOND), "--pid", str(pid), "--output", str(stacks)),
    )
    with log.open("wb") as said:
        # In a session of its own: a Ctrl-C ends the laboratory, and that ends the recorder.
        recorder = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
    os.sched_setaffinity(recorder.pid, {LOAD_CORE})
    return recorder


def _wait_ready(recorder: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while READY not in log.read_text():
        if recorder.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"py-spy does not record: {log.read_text().strip()[-300:]}")
        time.sleep(0.05)
