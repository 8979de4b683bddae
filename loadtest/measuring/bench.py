"""What a measurement is given: the servers, how often, how thoroughly, and where to report progress to."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from loadtest import disks, servers
from loadtest.measuring import flames
from loadtest.measuring.findings import Cell, Trace
from loadtest.measuring.flames import Flame

if TYPE_CHECKING:
    from rich.progress import Progress

SERVER_CORE = 0
IDLE, WAITING, STEAL, FIELDS = 3, 4, 7, 8  # of a line in /proc/stat; what follows is in these already
FAILURES = (servers.NotStarted, RuntimeError, OSError, disks.NotFrozen)  # of one server; others go on
Case = TypeVar("Case")


@dataclass(frozen=True, slots=True)
class Turn(Generic[Case]):
    """One server's turn in one case."""

    round: int
    case: Case
    server: str
    flame: Flame | None = None  # to be recorded, in a turn whose cell does not count


class Bench:
    """The measurements of one run."""

    def __init__(
        self,
        names: Sequence[str],
        rounds: int,
        *,
        quick: bool,
        progress: Progress,
        once: Collection[str] = (),
        flame: Callable[[object], Flame] | None = None,
    ) -> None:
        """Who is in `once` has a turn in the first round only. `flame`, of a case, says what graph is
        to be made of it in a round more; None if none is."""
        self.names = names
        self.rounds = rounds
        self.quick = quick
        self.failures: list[str] = []
        self._once = once
        self._flame = flame
        self._progress = progress
        self._started = time.monotonic()
        self._ticks_before = _ticks("cpu")
        self._task = progress.add_task("", total=None)

    def measure(
        self,
        cases: Sequence[Case],
        one: Callable[[Turn[Case]], Cell],
        in_brief: Callable[[Cell], str],
        names: Sequence[str] | None = None,
    ) -> list[Cell]:
        """A cell of every turn that has not failed, and a line about each as it comes."""
        cells = []
        for turn in self._turns(cases, self.names if names is None else names):
            with self._forgiving(turn):
                cells.append(one(turn))
                self.say(in_brief(cells[-1]))
        for turn in self._flame_turns(cases):
            with self._forgiving(turn):
                one(turn)
        return cells

    def _turns(self, cases: Sequence[Case], names: Sequence[str]) -> Iterator[Turn[Case]]:
        """All servers in turn in each case, and all cases in each round."""
        again = [name for name in names if name not in self._once]
        rounds = [names, *[again] * (self.rounds - 1)]
        self._progress.reset(self._task, total=len(cases) * sum(map(len, rounds)))
        for number, those in enumerate(rounds, 1):
            for case in cases:
                for name in those:
                    self.doing(f"round {number}, {case}, {name}")
                    yield Turn(number, case, name)
                    self._progress.advance(self._task)

    def _flame_turns(self, cases: Sequence[Case]) -> Iterator[Turn[Case]]:
        if self._flame is not None and flames.SERVER in self.names:
            self._progress.reset(self._task, total=len(cases))
            for case in cases:
                self.doing(f"flame graph, {case}")
                yield Turn(self.rounds + 1, case, flames.SERVER, self._flame(case))
                self._progress.advance(self._task)

    @contextmanager
    def _forgiving(self, turn: Turn[Case]) -> Iterator[None]:
        """A server that fails is not paid for by the others; that it failed is in the report."""
        try:
            yield
        except FAILURES as failure:
            first_line = str(failure).splitlines()[0] if str(failure) else type(failure).__name__
            self.failures.append(f"{turn.server}, {turn.case}, round {turn.round}: {first_line}")
            self.say(f"FAILED: {self.failures[-1]}")

    def doing(self, what: str) -> None:
        self._progress.update(self._task, description=what)

    @property
    def seconds(self) -> float:
        """That this scenario has taken so far."""
        return round(time.monotonic() - self._started, 1)

    @property
    def stolen_percent(self) -> float:
        """Of all cores' time in this scenario, what the host of a virtual machine gave to others. A
        clock of CPU time does not know it, and counts it as the thread's own."""
        passed = [now - then for now, then in zip(_ticks("cpu"), self._ticks_before, strict=True)]
        return round(100 * passed[STEAL] / max(1, sum(passed)), 1)

    def done(self) -> None:
        self._progress.remove_task(self._task)

    def say(self, line: str) -> None:
        self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress() -> Iterator[Progress]:
    from rich.console import Console  # not everybody who only asks what there is has it
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield bar


@dataclass(frozen=True, slots=True)
class Span:
    """What was added, over a span of time, to counters that run from the start."""

    seconds: float
    server_cpu: float  # seconds
    core_idle: float  # share of the servers' core, 0 to 1
    disk_reads: int
    disk_bytes: int

    @property
    def server_percent(self) -> float:
        return 100 * self.server_cpu / self.seconds


class Meter:
    """Reads those counters; a server's must be read while it lives."""

    def __init__(self, cpu_seconds: Callable[[], float], reads: Callable[[], tuple[int, int]]) -> None:
        self._cpu_seconds = cpu_seconds
        self._reads = reads
        self._before = self._now()

    def span(self) -> Span:
        started, cpu, idle, reads, size = (
            after - before for before, after in zip(self._before, self._now(), strict=True)
        )
        return Span(started, cpu, min(1.0, idle / started) if started else 0.0, int(reads), int(size))

    def _now(self) -> tuple[float, ...]:
        return time.monotonic(), self._cpu_seconds(), core_idle_seconds(SERVER_CORE), *self._reads()


def core_idle_seconds(core: int) -> float:
    """Also when it waits for a disk: what another program could have had."""
    ticks = _ticks(f"cpu{core}")
    return (ticks[IDLE] + ticks[WAITING]) / os.sysconf("SC_CLK_TCK")


def _ticks(of: str) -> list[int]:
    """What a core, or all of them, have done so far: see proc_stat(5)."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == of:
            return [int(one) for one in ticks[:FIELDS]]
    return [0] * FIELDS


def per_gb(cpu_seconds: float, size: int) -> float | None:
    """Milliseconds of CPU for 10^9 bytes."""
    return cpu_seconds * 1e3 / (size / 1e9) if size else None


def first_round(turn: Turn[Case], traces: Mapping[str, Trace]) -> Mapping[str, Trace]:
    return traces if turn.round == 1 else {}


def closing(stack: ExitStack, *steps: Callable[[], object]) -> None:
    """Steps for the end, whose order is that in which they are written."""
    for step in reversed(steps):
        stack.callback(step)
