"""A scenario: what it measures, and about how long that takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadtest.measuring.bench import Bench
from loadtest.measuring.findings import Findings


@dataclass(frozen=True, slots=True)
class Pace:
    """About how long it takes on a machine that does nothing else, in seconds."""

    set_up: float
    turn: float  # of one server in all cases, once


def everybody(name: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Scenario:
    """One measurement that can be made alone."""

    name: str
    title: str
    asks: str  # what is measured, in a few sentences
    run: Callable[[Bench], Findings]
    full: Pace
    quick: Pace
    flames: bool = False  # one server is busy all the time in it, so that a graph of it says something
    takes_part: Callable[[str], bool] = everybody  # a server of this name
    with_backends: Sequence[str] = ()  # ours, which it compares with each other: the quick form has them too
