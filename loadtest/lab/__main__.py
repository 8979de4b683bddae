"""The command: which scenarios, which servers, how often; and what is missing for them.

python -m loadtest.lab [SCENARIO ...] [--quick] [--flame] [--rounds N]
                       [--servers NAME ...] [--once NAME ...] [--congestion NAME]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from loadtest import disks, memory, peers
from loadtest.lab.ground import fio_missing
from loadtest.lab.plan import NAMES, Part, available, duration, plan
from loadtest.measuring import flames
from loadtest.measuring.bench import progress
from loadtest.measuring.options import CommandLine

COMMAND = CommandLine("lab", "scenario", NAMES, peers.NAMES, "under five minutes: fewer servers and cells")
HEAD = (
    "# The laboratory\n\n"
    "Made by `make lab`. One worker of each server on one core, the load on another, all on 127.0.0.1; "
    "figures are medians of the rounds, and targets are ratios within one run. `headrace` is "
    "`--backend auto`. Trust ratios more than absolute figures. The figures behind the "
    "tables are in the JSON files beside this page."
)


def main() -> None:
    options = COMMAND.parse(COMMAND.parser())
    COMMAND.run(
        options,
        missing(flame=options.flame),
        _run,
        "everything is cleared away, finished scenarios are kept",
    )


def missing(*, flame: bool = False) -> str | None:
    """Why there can be no laboratory here, or no flame graphs in it, in a sentence; or None."""
    return (
        COMMAND.not_drawn()
        or disks.missing()
        or memory.missing()
        or peers.missing("headrace")
        or (flames.missing() if flame else None)
    )


def _run(options: argparse.Namespace) -> None:
    from loadtest.measuring.study import Study  # now that we know that what draws can be had

    parts = available(plan(options.subjects, options.servers, quick=options.quick), COMMAND.leave_out)
    if reason := fio_missing():
        COMMAND.leave_out(reason)
    _say_how_long(parts, options)
    with progress() as bar:
        study = Study(options, bar, NAMES, lambda _: HEAD)
        for part in parts:
            study.make(part.scenario, part.names, part.scenario.run)


def _say_how_long(parts: Sequence[Part], options: argparse.Namespace) -> None:
    each = {
        part.scenario.name: part.seconds(
            options.rounds, options.once, quick=options.quick, flame=options.flame
        )
        for part in parts
    }
    listed = ", ".join(f"{name} {duration(seconds)}" for name, seconds in each.items())
    print(f"lab: about {duration(sum(each.values()))}: {listed}", file=sys.stderr)


if __name__ == "__main__":
    main()
