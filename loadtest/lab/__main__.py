"""The command: which scenarios, which servers, how often; and what is missing for them.

python -m loadtest.lab [SCENARIO ...] [--quick] [--rounds N] [--servers NAME ...]
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from loadtest import disks, memory, peers

if TYPE_CHECKING:
    from loadtest.lab.bench import Scenario

RESULTS = Path(__file__).resolve().parent.parent / "results"
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
INTERRUPTED = 130  # as a shell says it of SIGINT
QUICK_SERVERS = ("headrace", "nginx-sendfile", "nginx-threads")


def main() -> None:
    options = _options()
    if reason := missing():
        sys.exit(f"lab: {reason}")
    try:
        _run(options)
    except KeyboardInterrupt:
        print("lab: interrupted; everything is cleared away, finished scenarios are kept", file=sys.stderr)
        sys.exit(INTERRUPTED)


def missing() -> str | None:
    """Why there can be no laboratory here, in a sentence; or None."""
    absent = [name for name in ("rich", "matplotlib") if importlib.util.find_spec(name) is None]
    if absent:
        return f"{' and '.join(absent)} not installed (make lab, or pip install 'headrace[lab]')"
    return disks.missing() or memory.missing() or peers.missing("headrace")


def _run(options: argparse.Namespace) -> None:
    from loadtest.lab import plots, report, results  # now that we know that they can be had
    from loadtest.lab.bench import Bench, progress
    from loadtest.lab.ground import fio_missing

    scenarios = [_scenario(name) for name in options.scenarios]
    chosen = {one.name: _chosen(one, options) for one in scenarios}
    available = _available(dict.fromkeys(name for names in chosen.values() for name in names))
    chosen = {one: [name for name in names if name in available] for one, names in chosen.items()}
    if reason := fio_missing():
        print(f"lab: left out: {reason}", file=sys.stderr)
    print(f"lab: about {_expected(scenarios, chosen, options)}", file=sys.stderr)
    with progress() as bar:
        for scenario in scenarios:
            name, names = scenario.name, chosen[scenario.name]
            bench = Bench(names, options.rounds, quick=options.quick, progress=bar)
            bench.say(f"{name}:")
            facts = results.facts(names, options.rounds, quick=options.quick)
            found = scenario.run(bench)
            facts["failures"] = bench.failures
            facts["seconds"] = bench.seconds
            result = results.Result(name, scenario.title, scenario.asks, facts, found)
            results.write(options.results, result)
            plots.draw(options.results, name, found)
            page = report.write(options.results, results.read(options.results, NAMES))
            for target in found.targets:
                bench.say(f"  {report.VERDICTS[target.met]}: {target.text}: {report.figure(target.figure)}")
            bench.say(f"{name} took {bench.seconds:.0f} s; {page}")
            bench.done()


def _scenario(name: str) -> Scenario:
    scenario: Scenario = importlib.import_module(f"loadtest.lab.{name.replace('-', '_')}").SCENARIO
    return scenario


def _chosen(scenario: Scenario, options: argparse.Namespace) -> list[str]:
    """Of the servers those that are asked for, or else all; and few of them if it is to be quick."""
    few = (*QUICK_SERVERS, *scenario.with_backends) if options.quick else peers.NAMES
    return [name for name in peers.NAMES if name in (options.servers or few) and scenario.takes_part(name)]


def _available(names: Iterable[str]) -> list[str]:
    reasons = {name: peers.missing(name) for name in names}
    for name, reason in reasons.items():
        if reason:
            print(f"lab: left out: {name}: {reason}", file=sys.stderr)
    return [name for name, reason in reasons.items() if reason is None]


def _expected(
    scenarios: Sequence[Scenario], chosen: Mapping[str, Sequence[str]], options: argparse.Namespace
) -> str:
    """How long all of it will take on a machine that does nothing else."""
    seconds = {}
    for one in scenarios:
        pace = one.quick if options.quick else one.full
        seconds[one.name] = pace.set_up + options.rounds * len(chosen[one.name]) * pace.turn
    parts = [f"{name} {_duration(each)}" for name, each in seconds.items()]
    return f"{_duration(sum(seconds.values()))}: {', '.join(parts)}"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.lab", description="The laboratory.")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(NAMES)}; else all")
    parser.add_argument("--quick", action="store_true", help="under five minutes: fewer servers and cells")
    parser.add_argument("--rounds", type=int, help="of which the medians are taken; 3, or 1 if quick")
    parser.add_argument("--servers", nargs="+", choices=peers.NAMES, metavar="NAME", help=f"of {peers.NAMES}")
    parser.add_argument("--results", type=Path, help="where to; results/lab, or results/lab-quick if quick")
    options = parser.parse_args()
    if unknown := set(options.scenarios) - set(NAMES):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    options.scenarios = options.scenarios or NAMES
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.results = options.results or RESULTS / ("lab-quick" if options.quick else "lab")
    return options


if __name__ == "__main__":
    main()
