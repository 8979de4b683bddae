"""The command: which scenarios, which servers, how often; and what is missing for them.

python -m loadtest.lab [SCENARIO ...] [--quick] [--flame] [--rounds N]
                       [--servers NAME ...] [--once NAME ...]
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from loadtest import disks, memory, peers
from loadtest.lab import flames
from loadtest.lab.plan import NAMES, Part, available, duration, plan

RESULTS = Path(__file__).resolve().parent.parent / "results"
INTERRUPTED = 130  # as a shell says it of SIGINT


def main() -> None:
    options = _options()
    if reason := missing(flame=options.flame):
        sys.exit(f"lab: {reason}")
    try:
        _run(options)
    except KeyboardInterrupt:
        print("lab: interrupted; everything is cleared away, finished scenarios are kept", file=sys.stderr)
        sys.exit(INTERRUPTED)


def missing(*, flame: bool = False) -> str | None:
    """Why there can be no laboratory here, or no flame graphs in it, in a sentence; or None."""
    absent = [name for name in ("rich", "matplotlib") if importlib.util.find_spec(name) is None]
    if absent:
        return f"{' and '.join(absent)} not installed (make lab, or pip install 'headrace[lab]')"
    return (
        disks.missing()
        or memory.missing()
        or peers.missing("headrace")
        or (flames.missing() if flame else None)
    )


def _run(options: argparse.Namespace) -> None:
    from loadtest.lab import plots, report, results  # now that we know that they can be had
    from loadtest.lab.bench import Bench, progress
    from loadtest.lab.ground import fio_missing

    parts = available(plan(options.scenarios, options.servers, quick=options.quick), _leave_out)
    if reason := fio_missing():
        _leave_out(reason)
    _say_how_long(parts, options)
    with progress() as bar:
        for scenario, names in ((part.scenario, part.names) for part in parts):
            name = scenario.name
            flame = partial(flames.flame, options.results, name, peers.version(flames.SERVER))
            bench = Bench(
                names,
                options.rounds,
                quick=options.quick,
                progress=bar,
                once=options.once,
                flame=flame if options.flame and scenario.flames else None,
            )
            bench.say(f"{name}:")
            facts = results.facts(names, options.rounds, options.once, quick=options.quick)
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


def _leave_out(reason: str) -> None:
    print(f"lab: left out: {reason}", file=sys.stderr)


def _say_how_long(parts: Sequence[Part], options: argparse.Namespace) -> None:
    each = {
        part.scenario.name: part.seconds(
            options.rounds, options.once, quick=options.quick, flame=options.flame
        )
        for part in parts
    }
    listed = ", ".join(f"{name} {duration(seconds)}" for name, seconds in each.items())
    print(f"lab: about {duration(sum(each.values()))}: {listed}", file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.lab", description="The laboratory.")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(NAMES)}; else all")
    parser.add_argument("--quick", action="store_true", help="under five minutes: fewer servers and cells")
    parser.add_argument("--rounds", type=int, help="of which the medians are taken; 3, or 1 if quick")
    parser.add_argument("--servers", nargs="+", choices=peers.NAMES, metavar="NAME", help=f"of {peers.NAMES}")
    parser.add_argument(
        "--once",
        nargs="+",
        default=(),
        choices=peers.NAMES,
        metavar="NAME",
        help="servers that take part in the first round only: those that no target is close to",
    )
    parser.add_argument("--flame", action="store_true", help="a round more, for flame graphs of Headrace")
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
