"""The command: which workloads, which servers, how often; and what is missing for them.

python -m loadtest.bench [WORKLOAD ...] [--quick] [--flame] [--rounds N] [--seconds N]
                         [--servers NAME ...] [--once NAME ...] [--congestion NAME]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from loadtest import peers
from loadtest.bench import overview, scenarios, site, wrk
from loadtest.bench.measure import Ground
from loadtest.judge import LOAD_CORE
from loadtest.measuring import flames
from loadtest.measuring.bench import progress
from loadtest.measuring.options import CommandLine

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
COMMAND = CommandLine("bench", "workload", scenarios.NAMES, SERVERS, "fewer servers, one round: five minutes")
HEAD = (
    "# The bench\n\n"
    "Made by `make bench`. One worker of each server on one core, wrk on another, all on 127.0.0.1; figures "
    "are medians of the rounds, in which servers take turns, and targets are ratios within one run. CPU is "
    "that of all the server's processes. `nginx` is its default with `sendfile`, `nginx-cached` with "
    "`open_file_cache`, `nginx-gzip` with `gzip_static`; `starlette` is on uvicorn with httptools and "
    "uvloop, `starlette-h11` on uvicorn with h11 and asyncio. Trust ratios more than absolute figures."
)


def main() -> None:
    parser = COMMAND.parser()
    parser.add_argument("--seconds", type=int, help="under load, for each turn; 4, or 2 if quick")
    parser.add_argument("--scratch", type=Path, help="a directory on a disk, for the site and logs")
    options = COMMAND.parse(parser)
    options.seconds = options.seconds or (2 if options.quick else 4)
    options.servers = options.servers or (QUICK_SERVERS if options.quick else SERVERS)
    COMMAND.run(options, missing(flame=options.flame), _run, "finished workloads are kept")


def missing(*, flame: bool = False) -> str | None:
    """Why there can be no bench here, in a sentence; or None."""
    if reason := COMMAND.not_drawn():
        return reason
    if LOAD_CORE not in os.sched_getaffinity(0):
        return "this needs two cores, one for the server and one for wrk"
    return wrk.missing() or peers.missing("headrace") or (flames.missing() if flame else None)


def _run(options: argparse.Namespace) -> None:
    from loadtest.measuring.study import Study  # now that we know that what draws can be had

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
        facts = {"sidecars": site.codings_in(ground.site)}
        study = Study(options, bar, scenarios.NAMES, lambda found: f"{HEAD}\n\n{overview.page(found)}")
        for workload in scenarios.WORKLOADS:
            if workload.name in options.subjects:
                failures += study.make(workload, names, partial(workload.run, ground), facts)
    if failures:
        sys.exit(f"bench: {failures} turns failed")


def available(names: Sequence[str]) -> list[str]:
    reasons = {name: peers.missing(name) for name in names}
    for name, reason in reasons.items():
        if reason:
            COMMAND.leave_out(f"{name}: {reason}")
    return [name for name, reason in reasons.items() if reason is None]


if __name__ == "__main__":
    main()
