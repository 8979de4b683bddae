"""wrk, with heads that were made before."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("load.lua")
SEPARATOR = b"\0"
STRANGER = "@@"  # in a head: a number that no other request has
CONNECTIONS = 64
PATIENCE_SECONDS = 10  # for one answer, before it counts as an error


class Failed(RuntimeError):
    """Some requests were not answered as they should be."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What wrk is to do."""

    heads: Path  # as `write` leaves them
    connections: int = CONNECTIONS


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it."""

    requests: int
    bytes: int  # of heads and bodies
    seconds: float
    cpu_seconds: float  # wrk's own
    p50: float  # milliseconds
    p99: float

    @property
    def percent(self) -> float:
        """What wrk took of its core."""
        return 100 * self.cpu_seconds / self.seconds if self.seconds else 0.0


def missing() -> str | None:
    return None if shutil.which("wrk") else "wrk is not installed (apt-get install wrk)"


def write(path: Path, heads: Iterable[bytes]) -> None:
    path.write_bytes(SEPARATOR.join(heads))


def run(port: int, orders: Orders, seconds: float, first: int = 0) -> Load:
    """Whole seconds, at least one: wrk knows no others. On the core that this process is on.

    `first` is how many heads have been sent before: it goes on behind them, so that a server that has been
    warmed up is not asked what it has just been asked.
    """
    command = [
        *("wrk", "-t1", f"-c{orders.connections}", f"-d{max(1, round(seconds))}s"),
        *("--timeout", f"{PATIENCE_SECONDS}s", "-s", str(SCRIPT), f"http://127.0.0.1:{port}/"),
        *("--", str(orders.heads), str(first)),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    except subprocess.TimeoutExpired:
        raise Failed("wrk has not ended") from None
    return parse(done.stdout, done.stderr)


def parse(said: str, complained: str = "") -> Load:
    """Raises Failed if any answer was an error, or there was none."""
    marked = [line.removeprefix("bench: ") for line in said.splitlines() if line.startswith("bench: ")]
    if not marked:
        raise Failed(f"wrk: {(complained or said).strip()[-300:]}")
    told = json.loads(marked[-1])
    errors = {name: told.pop(name) for name in ("connect", "read", "write", "status", "timeout")}
    if any(errors.values()):
        raise Failed(f"wrk: of {told['requests']} requests " + _in_words(errors))
    if not told["requests"]:
        raise Failed("wrk: not one answer")
    return Load(**told)


def _in_words(errors: dict[str, int]) -> str:
    return ", ".join(f"{number} errors of {name}" for name, number in errors.items() if number)
