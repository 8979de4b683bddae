"""The command: which scenarios, which servers, how often; and what is missing for them.

python -m loadtest.lab [SCENARIO ...] [--quick] [--rounds N] [--servers NAME ...]
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from loadtest import disks, memory, peers

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
QUICK_SERVERS = ("headrace", "headrace-sendfile", "nginx-sendfile", "nginx-threads")
ONLY_OF_BACKENDS = ("headrace-sendfile",)  # in the quick form, unless asked for


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
    from loadtest.lab.bench import Bench, Scenario, progress
    from loadtest.lab.ground import fio_missing

    with progress() as bar:
        names = _available(options.servers)
        if reason := fio_missing():
            print(f"lab: left out: {reason}", file=sys.stderr)
        for name in options.scenarios:
            scenario: Scenario = importlib.import_module(f"loadtest.lab.{name.replace('-', '_')}").SCENARIO
            hasty = options.hasty and not scenario.of_backends
            chosen = [one for one in names if not (hasty and one in ONLY_OF_BACKENDS)]
            bench = Bench(chosen, options.rounds, quick=options.quick, progress=bar)
            bench.say(f"{name}:")
            facts = results.facts(chosen, options.rounds, quick=options.quick)
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


def _available(names: Sequence[str]) -> list[str]:
    reasons = {name: peers.missing(name) for name in names}
    for name, reason in reasons.items():
        if reason:
            print(f"lab: left out: {name}: {reason}", file=sys.stderr)
    return [name for name, reason in reasons.items() if reason is None]


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
    options.hasty = options.quick and not options.servers
    options.servers = options.servers or (QUICK_SERVERS if options.quick else peers.NAMES)
    options.results = options.results or RESULTS / ("lab-quick" if options.quick else "lab")
    return options


if __name__ == "__main__":
    main()
