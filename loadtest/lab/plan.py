"""The plan of a run: which scenarios, each with which servers, and about how long that takes."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from loadtest import peers
from loadtest.lab.scenario import Scenario

NAMES = (
    "frozen",
    "slow",
    "cold",
    "hot",
    "scan",
    "crowd",
    "slow-readers",
    "single",
    "two-disks",
    "filesystems",
    "workers",
)
QUICK_SERVERS = ("headrace", "nginx-sendfile", "nginx-threads")
EXACT_SECONDS, EXACT_MINUTES = 100, 100  # below which an estimate is in that unit


@dataclass(frozen=True, slots=True)
class Part:
    """One scenario of the run, and its servers in the order of their turns."""

    scenario: Scenario
    names: Sequence[str]

    def seconds(self, rounds: int, once: Collection[str] = (), *, quick: bool, flame: bool) -> float:
        """What it takes about, on a machine that does nothing else, if some have one turn only."""
        pace = self.scenario.quick if quick else self.scenario.full
        turns = sum(1 if name in once else rounds for name in self.names) + (flame and self.scenario.flames)
        return pace.set_up + turns * pace.turn


def plan(names: Iterable[str], servers: Sequence[str] | None, *, quick: bool) -> list[Part]:
    """Of these scenarios, with the servers that are asked for, or else all; or few, if it is to be quick."""
    parts = []
    for name in names:
        scenario: Scenario = importlib.import_module(f"loadtest.lab.{name.replace('-', '_')}").SCENARIO
        few = (*QUICK_SERVERS, *scenario.with_backends) if quick else peers.NAMES
        among = [one for one in peers.NAMES if one in (servers or few) and scenario.takes_part(one)]
        parts.append(Part(scenario, among))
    return parts


def available(parts: Iterable[Part], leave_out: Callable[[str], None]) -> list[Part]:
    """The plan with those servers that can be had; of the others the reason is told."""
    parts = list(parts)
    asked = dict.fromkeys(name for part in parts for name in part.names)
    reasons = {name: peers.missing(name) for name in asked}
    for name, reason in reasons.items():
        if reason:
            leave_out(f"{name}: {reason}")
    return [Part(part.scenario, [name for name in part.names if not reasons[name]]) for part in parts]


def duration(seconds: float) -> str:
    """No more exact than an estimate is."""
    if seconds < EXACT_SECONDS:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < EXACT_MINUTES else f"{minutes // 60} h {minutes % 60:02} min"
