"""The machine's own disk, cold, and a hundred clients: what lighttpd measured in 2006."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from loadtest import memory
from loadtest.lab.ground import FIO, MIB, fio_and, fio_missing
from loadtest.lab.scenario import Pace, Scenario
from loadtest.lab.throughput import COLUMNS, Kind, Rules, in_brief, kinds, measure, measure_fio, written
from loadtest.measuring.bench import Bench, Turn
from loadtest.measuring.findings import (
    Cell,
    Column,
    Findings,
    Plot,
    Target,
    at_least,
    best,
    middle,
    peers_in,
    ratio,
)

MEMORY_MIB = 192  # of a server's group, its page cache included
TIMES_MEMORY = 10
BLOCK_BACKENDS = ("linux-aio", "posix-aio", "threads")
SECONDS = 20.0  # after which a slow server's turn is over


def run(bench: Bench) -> Findings:
    times = 2 if bench.quick else TIMES_MEMORY
    seconds = 3.0 if bench.quick else SECONDS
    sets = kinds(times * MEMORY_MIB * MIB)
    with written(bench, sets) as (disk, targets), memory.group(MEMORY_MIB * MIB) as group:
        if not fio_missing():
            # Unmeasured, and before everybody: what a host keeps of a virtual disk is then the same for all.
            for kind in sets:
                measure_fio(disk, kind, 0, SECONDS)
        rules = Rules(seconds, memory="0", enter=group.enter)

        def one(turn: Turn[Kind]) -> Cell:
            if turn.server == FIO:
                return measure_fio(disk, turn.case, turn.round, seconds)
            return measure(disk, turn, targets[turn.case], rules)

        cells = bench.measure(sets, one, in_brief, fio_and(bench.names))
    return Findings(
        columns=(*COLUMNS, Column("cpu_us_per_block", "CPU µs per 256 KiB")),
        cells=cells,
        targets=[*_targets(cells, sets)],
        plots=[
            Plot("bars", "mb_per_second", "Cold, from the machine's own disk", "MB/s"),
            Plot("bars", "cpu_per_gb", "Cold, from the machine's own disk", "CPU ms per GB"),
        ],
        notes=[
            f"Each set is {times} times the memory of the server's group, {MEMORY_MIB} MiB; Headrace takes "
            "its default of that, a quarter. Each file is asked for once; a server's turn ends after "
            f"{seconds:g} s. The disk is a loop device with direct I/O in a file on the machine's own.",
            *_cost_of_a_block(cells, str(sets[-1])),
        ],
    )


def _cost_of_a_block(cells: Sequence[Cell], case: str) -> Iterator[str]:
    """Of our backends, by name: what `auto` chooses on this disk is linux-aio."""
    spent = {name: middle(cells, f"headrace-{name}", case, "cpu_us_per_block") for name in BLOCK_BACKENDS}
    if known := [f"{cost:.0f} µs with {name}" for name, cost in spent.items() if cost is not None]:
        yield (
            f"The CPU that a cold block of 256 KiB costs Headrace, to read and to send, {case}: "
            f"{', '.join(known)}. What the kernel does in threads of its own is in nobody's figure."
        )


def _targets(cells: Sequence[Cell], sets: Sequence[Kind]) -> Iterator[Target]:
    for case in map(str, sets):
        ours, plain = (middle(cells, one, case, "mb_per_second") for one in ("headrace", "headrace-sendfile"))
        disk = middle(cells, FIO, case, "mb_per_second")
        peer = best(cells, peers_in(cells), case, "mb_per_second")
        yield at_least(f"{case}: at least 1.8x our own sendfile", ratio(ours, plain), 1.8)
        wanted = min((one for one in (peer and 1.3 * peer, disk and 0.95 * disk) if one), default=None)
        yield at_least(
            f"{case}: MB/s, at least min(1.3x the best peer, 0.95x fio) = {wanted or 0:.0f}", ours, wanted
        )


SCENARIO = Scenario(
    "cold",
    "The machine's own disk, cold (lighttpd 2006)",
    "100 clients fetch files that nobody has read, of 100 kB and of 10 MB, many times more than fits into "
    "the memory that a control group allows. fio reads the same files with O_DIRECT (a file, or 1 MiB, at "
    "once; 32 at a time).",
    run,
    flames=True,
    full=Pace(set_up=30, turn=30),
    quick=Pace(set_up=8, turn=4.5),
    with_backends=("headrace-sendfile", "headrace-linux-aio", "headrace-threads"),
)
