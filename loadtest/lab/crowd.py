"""A flash crowd: a thousand clients want one cold file of 64 MB within a second. How often is it read?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest import disks, servers
from loadtest.lab import ground
from loadtest.lab.clients import Order, fetch
from loadtest.lab.scenario import Pace, Scenario
from loadtest.measuring.bench import Bench, Meter, Turn, per_gb
from loadtest.measuring.findings import Cell, Column, Findings, Plot, Target, at_most, middle, percentile
from loadtest.measuring.flames import recorded

FILE_BYTES = 64 * ground.MB
READS_PER_SECOND, BYTES_PER_SECOND = 3000, 125 * ground.MB
MOST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Crowd:
    clients: int

    def __str__(self) -> str:
        return f"{self.clients:,} clients"


def run(bench: Bench) -> Findings:
    crowd = Crowd(150 if bench.quick else 1000)
    targets: list[str] = []

    def write(root: Path) -> None:
        targets.extend(ground.write_files(root, "d", [FILE_BYTES]))

    with disks.SlowDisk(ground.megabytes_for([FILE_BYTES])) as disk:
        disk.populate(write)
        cells = bench.measure([crowd], lambda turn: _measure(disk, turn, targets), _in_brief)
    return Findings(
        columns=[
            Column("reads_per_block", "bytes read / 64 MB"),
            Column("completed", "clients who have it"),
            Column("seconds", "after s"),
            Column("p50", "download p50, ms"),
            Column("mb_per_second", "MB/s"),
            Column("cpu_per_gb", "CPU ms per GB"),
            Column("load_percent", "load's CPU, %"),
        ],
        cells=cells,
        targets=[*_targets(cells, str(crowd))],
        plots=[
            Plot("bars", "reads_per_block", "How often a cold file is read for a crowd", "bytes read / size")
        ],
        notes=[
            f"A disk of {READS_PER_SECOND:,} reads/s and {BYTES_PER_SECOND // ground.MB} MB/s. Who has not "
            "got it "
            f"after {MOST_SECONDS:g} s is not waited for."
        ],
    )


def _measure(disk: disks.SlowDisk, turn: Turn[Crowd], targets: Sequence[str]) -> Cell:
    disk.unlimit()
    disk.cool()
    clients = turn.case.clients
    with servers.start(turn.server, disk.path, enter=disk.enter) as server:
        disk.limit(READS_PER_SECOND, BYTES_PER_SECOND)
        meter = Meter(server.cpu_seconds, disk.reads)
        order = Order(
            [server.port],
            [*targets] * clients,
            clients,
            one_each=True,
            connect_seconds=1.0,
            most_seconds=MOST_SECONDS,
        )
        with recorded(server, turn.flame):
            report = fetch(order)
        span = meter.span()
        disk.unlimit()
        state = server.state()
    took = sorted(milliseconds for _, milliseconds in report.took)
    figures = {
        "reads_per_block": span.disk_bytes / FILE_BYTES,
        "completed": float(report.completed),
        "failed": float(report.failed),
        "seconds": report.seconds,
        "p50": percentile(took, 50),
        "mb_per_second": report.mb_per_second,
        "cpu_per_gb": per_gb(span.server_cpu, report.bytes),
        "load_percent": report.load_percent,
    }
    return Cell(turn.server, str(turn.case), turn.round, figures, state=state)


def _in_brief(cell: Cell) -> str:
    found = cell.figures
    return (
        f"{cell.server:18} read {found['reads_per_block']:.2f} times; {found['completed']:.0f} have it "
        f"after {found['seconds']:.1f} s"
    )


def _targets(cells: Sequence[Cell], case: str) -> Iterator[Target]:
    reads = middle(cells, "headrace", case, "reads_per_block")
    yield at_most("each block is read at most 1.05 times on average", reads, 1.05)


SCENARIO = Scenario(
    "crowd",
    "A flash crowd",
    "1,000 clients (150 in the quick form) ask for one cold file of 64 MB within a second.",
    run,
    flames=True,
    full=Pace(set_up=5, turn=22),
    quick=Pace(set_up=2, turn=4),
)
