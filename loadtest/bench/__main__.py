"""The command: which workloads, which servers, how often; and what is missing for them.

python -m loadtest.bench [WORKLOAD ...] [--quick] [--rounds N] [--seconds N] [--servers NAME ...] [--flame]
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from loadtest import peers
from loadtest.bench import wrk
from loadtest.judge import LOAD_CORE
from loadtest.lab import flames

RESULTS = Path(__file__).resolve().parent.parent / "results"
SERVERS = (
    "headrace",
    "nginx",
    "nginx-cached",
    "nginx-gzip",
    "lighttpd",
    "darkhttpd",
    "static-web-server",
    "caddy",
    "caddy-precompressed",
    "granian",
    "aiohttp",
    "starlette-h11",
    "starlette",
    "sanic",
    "http.server",
)
QUICK_SERVERS = ("headrace", "nginx", "nginx-cached", "lighttpd", "caddy", "granian")
INTERRUPTED = 130  # as a shell says it of SIGINT
HEAD = (
    "# The bench\n\n"
    "Made by `make bench`. One worker of each server on one core, wrk on another, all on 127.0.0.1; figures "
    "are medians of the rounds, in which servers take turns, and targets are ratios within one run. CPU is "
    "that of all the server's processes. `nginx` is its default with `sendfile`, `nginx-cached` with "
    "`open_file_cache`, `nginx-gzip` with `gzip_static`; `starlette` is on uvicorn with httptools and "
    "uvloop, `starlette-h11` on uvicorn with h11 and asyncio. Trust ratios more than absolute figures."
)


def main() -> None:
    options = _options()
    if reason := missing(flame=options.flame):
        sys.exit(f"bench: {reason}")
    try:
        failures = _run(options)
    except KeyboardInterrupt:
        print("bench: interrupted; finished workloads are kept", file=sys.stderr)
        sys.exit(INTERRUPTED)
    if failures:
        sys.exit(f"bench: {failures} turns failed")


def missing(*, flame: bool = False) -> str | None:
    """Why there can be no bench here, in a sentence; or None."""
    absent = [name for name in ("rich", "matplotlib") if importlib.util.find_spec(name) is None]
    if absent:
        return f"{' and '.join(absent)} not installed (make bench, or pip install 'headrace[bench]')"
    if LOAD_CORE not in os.sched_getaffinity(0):
        return "this needs two cores, one for the server and one for wrk"
    return wrk.missing() or peers.missing("headrace") or (flames.missing() if flame else None)


def _run(options: argparse.Namespace) -> int:
    """How many turns have failed."""
    from loadtest.bench import overview, scenarios, site  # now that we know that they can be had
    from loadtest.bench.measure import Ground
    from loadtest.lab import plots, report, results
    from loadtest.lab.bench import Bench, progress

    # What is started here stays here, unless it is a server.
    os.sched_setaffinity(0, {LOAD_CORE})
    failures = 0
    with (
        progress() as bar,
        tempfile.TemporaryDirectory(prefix="headrace-bench-", dir=options.scratch) as made,
    ):
        names = available(options.servers)
        ground = Ground(Path(made, "site"), Path(made), options.seconds, options.seconds / 2)
        ground.site.mkdir()
        Path(made).chmod(0o755)  # a server that is run by root may look at it as somebody else
        site.write(ground.site, site.layout(), "fast" if options.quick else "best")
        for workload in scenarios.WORKLOADS:
            if workload.name not in options.workloads:
                continue
            flame = partial(flames.flame, options.results, workload.name, peers.version(flames.SERVER))
            bench = Bench(
                names,
                options.rounds,
                quick=options.quick,
                progress=bar,
                flame=flame if options.flame and workload.flames else None,
            )
            bench.say(f"{workload.name}:")
            facts = results.facts(names, options.rounds, quick=options.quick)
            found = workload.run(ground, bench)
            facts["sidecars"] = site.codings_in(ground.site)
            facts["failures"] = bench.failures
            facts["seconds"] = bench.seconds
            result = results.Result(workload.name, workload.title, workload.asks, facts, found)
            results.write(options.results, result)
            plots.draw(options.results, workload.name, found)
            everything = results.read(options.results, scenarios.NAMES)
            page = report.write(options.results, everything, f"{HEAD}\n\n{overview.page(everything)}")
            for target in found.targets:
                bench.say(f"  {report.VERDICTS[target.met]}: {target.text}: {report.figure(target.figure)}")
            bench.say(f"{workload.name} took {bench.seconds:.0f} s; {page}")
            bench.done()
            failures += len(bench.failures)
    return failures


def available(names: Sequence[str]) -> list[str]:
    reasons = {name: peers.missing(name) for name in names}
    for name, reason in reasons.items():
        if reason:
            print(f"bench: left out: {name}: {reason}", file=sys.stderr)
    return [name for name, reason in reasons.items() if reason is None]


def _options() -> argparse.Namespace:
    from loadtest.bench.scenarios import NAMES

    parser = argparse.ArgumentParser(prog="python -m loadtest.bench", description="The bench.")
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(NAMES)}; else all")
    parser.add_argument("--flame", action="store_true", help="a round more, for flame graphs of Headrace")
    parser.add_argument("--quick", action="store_true", help="fewer servers, one round: five minutes")
    parser.add_argument("--rounds", type=int, help="of which the medians are taken; 3, or 1 if quick")
    parser.add_argument("--seconds", type=int, help="under load, for each turn; 4, or 2 if quick")
    parser.add_argument("--servers", nargs="+", choices=SERVERS, metavar="NAME", help=f"of {SERVERS}")
    parser.add_argument(
        "--results", type=Path, help="where to; results/bench, or results/bench-quick if quick"
    )
    parser.add_argument("--scratch", type=Path, help="a directory on a disk, for the site and logs")
    options = parser.parse_args()
    if unknown := set(options.workloads) - set(NAMES):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    options.workloads = options.workloads or NAMES
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = options.seconds or (2 if options.quick else 4)
    options.servers = options.servers or (QUICK_SERVERS if options.quick else SERVERS)
    options.results = options.results or RESULTS / ("bench-quick" if options.quick else "bench")
    return options


if __name__ == "__main__":
    main()
