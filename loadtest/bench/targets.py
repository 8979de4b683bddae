"""What was to be reached: Headrace's figures beside a peer's of the same run, and a few absolute ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loadtest.measuring.findings import Cell, Target, at_least, at_most, middle, ratio

OURS = "headrace"
NO_EFFECT = 1.05  # of a ratio that should be 1: what one run and the next differ by
CPU = "cpu_per_request"


@dataclass(frozen=True, slots=True)
class AtMost:
    """Our figure, as a multiple of the peer's."""

    peer: str
    times: float
    figure: str = CPU

    def judge(self, workload: str, cells: Sequence[Cell], case: str) -> Target:
        ours, theirs = (middle(cells, one, case, self.figure) for one in (OURS, self.peer))
        what = "CPU per GB" if self.figure == "cpu_per_gb" else "CPU per request"
        text = f"{_name(workload, case)}: {what}, at most {self.times:g}x {self.peer}"
        return at_most(text, ratio(ours, theirs), self.times)


@dataclass(frozen=True, slots=True)
class Better:
    """The peer's figure, as a multiple of ours."""

    peer: str
    times: float

    def judge(self, workload: str, cells: Sequence[Cell], case: str) -> Target:
        ours, theirs = (middle(cells, one, case, CPU) for one in (OURS, self.peer))
        text = f"{_name(workload, case)}: {self.times:g}x better than {self.peer} in CPU per request"
        return at_least(text, ratio(theirs, ours), self.times)


@dataclass(frozen=True, slots=True)
class NoMore:
    """Our figure itself."""

    figure: str
    what: str
    most: float

    def judge(self, workload: str, cells: Sequence[Cell], case: str) -> Target:
        text = f"{_name(workload, case)}: {self.what}, at most {self.most:g}"
        return at_most(text, middle(cells, OURS, case, self.figure), self.most)


@dataclass(frozen=True, slots=True)
class AtMostCase:
    """Our figure in this case, as a multiple of what it is in another one."""

    case: str
    other: str
    times: float

    def judge(self, workload: str, cells: Sequence[Cell], case: str) -> Target:
        here, there = (middle(cells, OURS, one, CPU) for one in (self.case, self.other))
        text = f"{workload}: CPU per request, at most {self.times:g}x {self.other}"
        return at_most(text, ratio(here, there), self.times)


LOGGED, NOT_LOGGED = "with the log", "without the log"
Goal = AtMost | Better | NoMore | AtMostCase
GOALS: dict[str, Sequence[Goal]] = {
    "same": (
        AtMost("nginx", 0.8),
        AtMost("lighttpd", 1.2),
        AtMost("nginx-cached", 1.2),
        Better("granian", 5),
        Better("caddy", 5),
        Better("starlette-h11", 40),
        Better("starlette", 40),
    ),
    "browsers": (AtMost("nginx", 1.3), Better("granian", 3)),
    "strangers": (AtMost("caddy", 1.3), Better("aiohttp", 5)),
    "files": (AtMost("nginx", 1.0, "cpu_per_gb"),),
    "logged": (AtMostCase(LOGGED, NOT_LOGGED, 1.25),),
    "idle": (
        NoMore("kib_per_connection", "KiB of memory per connection", 1.5),
        NoMore("effect", "CPU per request of same, to that without them", NO_EFFECT),
    ),
    "start": (
        NoMore("start_cpu", "CPU ms from exec to serving", 150),
        NoMore("pss_mb", "PSS of a worker at rest, MB", 25),
    ),
}


def judged(workload: str, cells: Sequence[Cell]) -> Iterator[Target]:
    """All goals of this workload, in each of its cases; those about two cases once."""
    cases = list(dict.fromkeys(cell.case for cell in cells)) or [workload]
    for goal in GOALS.get(workload, ()):
        for case in cases[:1] if isinstance(goal, AtMostCase) else cases:
            yield goal.judge(workload, cells, case)


def _name(workload: str, case: str) -> str:
    return workload if case == workload else f"{workload}, {case}"
