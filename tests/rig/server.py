"""A server as a process of its own."""

from __future__ import annotations

import json
import os
import re
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.rig.until import until

CHECKOUT = Path(__file__).resolve().parent.parent.parent
COMMAND = (sys.executable, "-m", "server")
START_SECONDS = 30.0
END_SECONDS = 40.0
READY = re.compile(r"headrace: serving .* at http://127\.0\.0\.1:(\d+)/")
GARBAGE = re.compile(r'"garbage": (\d+)')
COMPLAINTS = re.compile(r"Traceback|Warning|headrace: fault|Exception ignored")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Server:
    """A server that has said that it is ready."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.pid = process.pid
        self.said = ""  # on stderr, so far
        self.port = int(self.await_line(READY, START_SECONDS)[1])

    def await_line(self, pattern: re.Pattern[str], seconds: float, start: int = 0) -> re.Match[str]:
        """The first line on stderr, from `start` on, that the pattern is found in."""
        deadline = time.monotonic() + seconds
        while True:
            whole_lines = self.said[: self.said.rfind("\n") + 1]
            if found := pattern.search(whole_lines, start):
                return found
            assert self._listen(deadline - time.monotonic()), f"not said: {pattern.pattern}\n{self.said}"

    def state(self) -> dict[str, Any]:
        """What the server says of itself, now."""
        before = len(self.said)
        self.process.send_signal(signal.SIGUSR1)
        return json.loads(
            self.await_line(re.compile(r"headrace: state (\{.*\})\n"), START_SECONDS, before)[1]
        )

    def await_state(self, fits: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            state = self.state()
            return state if fits(state) else None

        found = until(look, what)
        assert found is not None
        return found

    def await_quiet(self) -> dict[str, Any]:
        """Until nobody is connected and nothing is under way."""
        return self.await_state(
            lambda state: (
                state["connections"] == 0
                and state["slots"]["reading"] == state["slots"]["pinned"] == 0
                and all(disk["jobs_in_flight"] == disk["waiting"] == 0 for disk in state["disks"])
            ),
            "no connection, no read, no slot in use",
        )

    @property
    def descriptors(self) -> dict[str, int]:
        """How many descriptors are open, by what they are."""
        kinds: dict[str, int] = {}
        for entry in os.scandir(f"/proc/{self.pid}/fd"):
            try:
                kind = os.readlink(entry.path).partition(":[")[0]
            except FileNotFoundError:
                continue  # closed meanwhile
            kinds[kind] = kinds.get(kind, 0) + 1
        return kinds

    @property
    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """The exit status, once it has ended by itself."""
        deadline = time.monotonic() + END_SECONDS
        while self._listen(deadline - time.monotonic()):
            pass
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    def _listen(self, seconds: float) -> bool:
        """Takes what is said on stderr. False when time is up or nothing more can come."""
        assert self.process.stderr is not None
        pipe = self.process.stderr.fileno()
        if seconds <= 0 or not select.select([pipe], [], [], seconds)[0]:
            return False
        data = os.read(pipe, 1 << 16)
        self.said += data.decode(errors="replace")
        return bool(data)


@contextmanager
def serving(
    root: Path | None,
    *options: str,
    backend: str = "auto",
    descriptors: int = 0,
    environment: Mapping[str, str] | None = None,
    rig: Mapping[str, object] | None = None,
    command: tuple[str, ...] = COMMAND,
    cwd: Path = CHECKOUT,
    quiet: bool = True,
    stdout: int = subprocess.DEVNULL,
) -> Iterator[Server]:
    """A server for as long as the block lasts. With `rig`, started through tests.rig.launcher.

    It has to end as it should and, if `quiet`, without a traceback or a warning, or the test fails.
    """

    def limit() -> None:
        if descriptors:
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

    if rig is not None:
        command = (sys.executable, "-m", "tests.rig.launcher", json.dumps(rig))
    process = subprocess.Popen(
        [
            *command,
            *([str(root)] if root else []),
            "--listen",
            "127.0.0.1:0",
            "--memory",
            "64M",
            "--backend",
            backend,
            *options,
        ],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env={**os.environ, "HEADRACE_VERBOSE": "1", **(environment or {})},
        preexec_fn=limit,
    )
    try:
        server = Server(process)
        yield server
        if process.poll() is None:
            server.signal(signal.SIGTERM)
        status = server.ended()
        assert status == 0, f"exit status {status}\n{server.said}"
        assert not (quiet and COMPLAINTS.search(server.said)), server.said
        # Whatever was done to it: nothing is left that only the collector could free.
        garbage = GARBAGE.findall(server.said)
        assert not garbage or garbage[-1] == "0", server.said
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        assert process.stderr is not None
        process.stderr.close()
