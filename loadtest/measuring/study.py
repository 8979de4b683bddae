"""A run: one measurement after the other, of each what is left behind as soon as it ends."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from rich.progress import Progress

from loadtest import peers
from loadtest.measuring import flames, plots, report, results
from loadtest.measuring.bench import Bench
from loadtest.measuring.findings import Findings
from loadtest.measuring.results import Result

NOTHING: Mapping[str, object] = MappingProxyType({})


class Subject(Protocol):
    """What is measured."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def asks(self) -> str: ...
    @property
    def flames(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Study:
    """What is the same for all measurements of a run."""

    options: argparse.Namespace  # as options.CommandLine gives them
    progress: Progress
    order: Sequence[str]  # in which they are in the report
    head: Callable[[Sequence[Result]], str]  # of the report

    def make(
        self,
        subject: Subject,
        names: Sequence[str],
        measure: Callable[[Bench], Findings],
        more_facts: Mapping[str, object] = NOTHING,
    ) -> int:
        """Measures with these servers, and writes what was found. Returns how many turns have failed."""
        options = self.options
        directory: Path = options.results
        flame = partial(flames.flame, directory, subject.name, peers.version(flames.SERVER))
        bench = Bench(
            names,
            options.rounds,
            quick=options.quick,
            progress=self.progress,
            once=options.once,
            flame=flame if options.flame and subject.flames else None,
        )
        bench.say(f"{subject.name}:")
        facts = results.facts(names, options.rounds, options.once, quick=options.quick)
        found = measure(bench)
        facts |= {
            **more_facts,
            "failures": bench.failures,
            "seconds": bench.seconds,
            "stolen_percent": bench.stolen_percent,
        }
        results.write(directory, Result(subject.name, subject.title, subject.asks, facts, found))
        plots.draw(directory, subject.name, found)
        everything = results.read(directory, self.order)
        page = report.write(directory, everything, self.head(everything))
        for target in found.targets:
            bench.say(f"  {report.VERDICTS[target.met]}: {target.text}: {report.figure(target.figure)}")
        bench.say(f"{subject.name} took {bench.seconds:.0f} s; {page}")
        bench.done()
        return len(bench.failures)
