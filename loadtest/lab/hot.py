"""The same sizes, in memory, and a hundred clients: what lighttpd measured in 2007."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from loadtest.lab.ground import MB
from loadtest.lab.scenario import Pace, Scenario
from loadtest.lab.throughput import COLUMNS, Kind, Rules, in_brief, kinds, measure, written
from loadtest.measuring.bench import Bench
from loadtest.measuring.findings import Cell, Findings, Plot, Target, at_least, at_most, best, middle, ratio

SET_BYTES = 64 * MB
MEMORY = "256M"  # of Headrace's own
SECONDS, QUICK_SECONDS = 6.0, 1.5


def run(bench: Bench) -> Findings:
    sets = kinds(SET_BYTES)
    seconds = QUICK_SECONDS if bench.quick else SECONDS
    rules = Rules(seconds, MEMORY, warm=True)
    with written(bench, sets) as (disk, targets):
        cells = bench.measure(sets, lambda turn: measure(disk, turn, targets[turn.case], rules), in_brief)
    return Findings(
        columns=COLUMNS,
        cells=cells,
        targets=[*_targets(cells, sets)],
        plots=[
            Plot("bars", "mb_per_second", "Hot, from memory", "MB/s"),
            Plot("bars", "cpu_per_gb", "Hot, from memory", "CPU ms per GB"),
        ],
        notes=[
            f"{SET_BYTES // MB} MB of each size; Headrace has {MEMORY} of memory. {seconds:g} s for each."
        ],
    )


def _targets(cells: Sequence[Cell], sets: Sequence[Kind]) -> Iterator[Target]:
    others = [name for name in dict.fromkeys(cell.server for cell in cells) if name.startswith("headrace-")]
    for case in map(str, sets):
        ours = middle(cells, "headrace", case, "mb_per_second")
        fastest = best(cells, others, case, "mb_per_second")
        yield at_least(
            f"{case}: auto, at least 1.0x the fastest of our other backends", ratio(ours, fastest), 1.0
        )
        spent, theirs = (middle(cells, one, case, "cpu_per_gb") for one in ("headrace", "nginx-sendfile"))
        yield at_most(f"{case}: CPU per GB, at most 1.0x nginx sendfile", ratio(spent, theirs), 1.0)


SCENARIO = Scenario(
    "hot",
    "The same sizes, in memory (lighttpd 2007)",
    "100 clients fetch files of 100 kB and of 10 MB, again and again, from sets that fit into memory.",
    run,
    flames=True,
    full=Pace(set_up=3, turn=15),
    quick=Pace(set_up=3, turn=4),
    with_backends=("headrace-sendfile",),
)
