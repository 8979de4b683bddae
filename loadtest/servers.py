"""A server to be measured: how it is started and pinned, what CPU it has used, how it ends.

Rule 1: one worker each, pinned to one core, on a loopback port of its own. `peers` has their configurations.
Rule 2: a server starts behind a gate: core, limits and group are set before it runs.
Rule 3: it ends with its `with`, whatever it takes.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from loadtest import peers
from loadtest.command import DESCRIPTORS, Command, Site

START_SECONDS = 20.0
# What a developer sets for himself would make servers in Python start slowly.
NOT_FOR_SERVERS = frozenset(("PYTHONDONTWRITEBYTECODE", "PYTHONDEVMODE"))
STOP_SECONDS = 6.0
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

# It waits for a line.
GATE = ("/bin/sh", "-c", 'read -r go && exec "$@" </dev/null', "gate")


def _ordinary_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in NOT_FOR_SERVERS}


class NotStarted(Exception):
    """The server did not say that it is ready; the message carries the end of its log."""


def start(
    name: str,
    site: Site | Path,
    *,
    core: int = 0,
    enter: Callable[[int], object] | None = None,
    configure: Callable[[Site, Path], Command] | None = None,
) -> Server:
    """Start one server on a site, or a root alone, and return it when it listens.

    `configure`, from the site and a directory for its files, gives a command in place of the usual one.
    `enter` puts a process into the rig's cgroup: it is called before the server executes, so its children and
    threads are born there.
    """
    site = Site(site) if isinstance(site, Path) else site
    directory = Path(tempfile.mkdtemp(prefix=f"headrace-{name}-"))
    try:
        command = configure(site, directory) if configure else peers.command(name, site, directory)
        with ExitStack() as opened:
            log = opened.enter_context((directory / "log").open("wb"))
            out: IO[bytes] | int = log
            if name.startswith("headrace"):  # whose access log it is
                out = opened.enter_context(site.log.open("wb")) if site.log else subprocess.DEVNULL
            process = subprocess.Popen(
                [*GATE, *command.argv],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=log,
                env={**_ordinary_environment(), **command.env},
                start_new_session=True,
            )
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    server = Server(name, process, directory)
    try:
        os.sched_setaffinity(process.pid, {core})
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        if enter is not None:
            enter(process.pid)
        _open_gate(process)
        server.wait_ready(command.port)
    except BaseException:
        server.stop()
        raise
    return server


class Server:
    """One running server."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], directory: Path) -> None:
        self.name = name
        self.port = 0
        self._process = process
        self._directory = directory
        self._last_state: dict[str, object] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def pids(self) -> list[int]:
        """The process and its descendants, oldest first."""
        found = [self._process.pid]
        for pid in found:  # grows while we walk: children of children
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    found.extend(int(child) for child in children.read_text().split())
                except OSError:
                    continue
        return found

    def cpu_seconds(self) -> float:
        """User and system time of all its processes; their figures include all threads, ended ones too,
        and the children that have ended and been waited for."""
        return sum(map(_cpu_ticks, self.pids)) / TICKS_PER_SECOND

    def wait_ready(self, port: int | None) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise NotStarted(f"{self.name} ended with {self._process.returncode}:\n{self.log()[-2000:]}")
            if (listening := port or self._announced_port()) and _accepts(listening):
                self.port = listening
                return
            time.sleep(0.02)
        raise NotStarted(f"{self.name} was not ready after {START_SECONDS:.0f} s:\n{self.log()[-2000:]}")

    def log(self) -> str:
        try:
            return (self._directory / "log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def state(self, wait_seconds: float = 2.0) -> dict[str, object]:
        """What Headrace tells of itself at SIGUSR1, or told last before it ended; of the others nothing."""
        if not self.name.startswith("headrace") or self._process.poll() is not None:
            return self._last_state
        told_before = len(self._states())
        self._process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + wait_seconds
        while time.monotonic() < deadline and len(self._states()) == told_before:
            time.sleep(0.02)
        self._remember_state()
        return self._last_state

    def stop(self) -> None:
        """SIGTERM, and after a while SIGKILL. A process asleep on a frozen disk ends only after the thaw."""
        family = self.pids
        if self._process.poll() is None:
            self._process.terminate()
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            for pid in family:
                _kill(pid)
            self._process.wait()
        self._remember_state()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _announced_port(self) -> int | None:
        """From the line `headrace: serving ROOT at http://127.0.0.1:PORT/ ...`."""
        for line in self.log().splitlines():
            if line.startswith("headrace: serving ") and " at http://127.0.0.1:" in line:
                return int(line.rpartition(" at http://127.0.0.1:")[2].partition("/")[0])
        return None

    def _states(self) -> list[str]:
        mark = "headrace: state "
        return [line.removeprefix(mark) for line in self.log().splitlines() if line.startswith(mark)]

    def _remember_state(self) -> None:
        for text in reversed(self._states()):
            try:
                state = json.loads(text)
            except ValueError:
                continue  # a line still being written
            if isinstance(state, dict):
                self._last_state = state
                return


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _open_gate(process: subprocess.Popen[bytes]) -> None:
    gate: IO[bytes] | None = process.stdin
    assert gate is not None
    gate.write(b"go\n")
    gate.close()


def _cpu_ticks(pid: int) -> int:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(map(int, after_name[11:15]))


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
