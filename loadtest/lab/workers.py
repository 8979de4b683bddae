"""Four worker processes and one memory: what does it cost that each keeps blocks of its own?"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from loadtest import disks, memory, peers, servers
from loadtest.command import Site
from loadtest.lab import ground
from loadtest.lab.clients import Order, fetch, spread
from loadtest.lab.scenario import Pace, Scenario
from loadtest.measuring.bench import Bench, Meter, Turn, per_gb
from loadtest.measuring.findings import Cell, Column, Findings, Plot, Target, middle, percentile
from loadtest.measuring.flames import recorded

WORKERS = 4
CLIENTS = 32
FILE_BYTES = 2 * ground.MB


@dataclass(frozen=True, slots=True)
class Memory:
    """The group's, for all workers and the page cache together."""

    limit_mib: int
    seconds: float

    def __str__(self) -> str:
        return f"{WORKERS} workers in {self.limit_mib} MiB"

    @property
    def files(self) -> int:
        """Half the memory is full of them."""
        return self.limit_mib * ground.MIB // 2 // FILE_BYTES

    @property
    def own(self) -> str:
        """Of each Headrace: all of them together have half the memory, too."""
        return f"{self.limit_mib // 2 // WORKERS}M"


def run(bench: Bench) -> Findings:
    size = Memory(512, 1.5 if bench.quick else 10.0)
    targets: list[str] = []

    def write(root: Path) -> None:
        targets.extend(ground.write_files(root, "d", [FILE_BYTES] * size.files))

    with (
        disks.OwnDisk(ground.megabytes_for([FILE_BYTES] * size.files)) as disk,
        memory.group(size.limit_mib * ground.MIB) as group,
    ):
        disk.populate(write)
        cells = bench.measure(
            [size],
            lambda turn: _measure(disk, group, turn, targets),
            _in_brief,
        )
    return Findings(
        columns=[
            Column("mb_per_second", "MB/s"),
            Column("read_per_byte", "bytes read per byte served"),
            Column("cpu_per_gb", "CPU ms per GB"),
            Column("p50", "request p50, ms"),
            Column("p99", "p99"),
            Column("load_percent", "load's CPU, %"),
        ],
        cells=cells,
        targets=[_compared(cells, str(size), name) for name in ("read_per_byte", "cpu_per_gb")],
        plots=[
            Plot("bars", "read_per_byte", "Four workers, a hot set of half the memory", "bytes read / served")
        ],
        notes=[
            f"{size.files} files of 2 MB, asked for at random by Zipf's law, by {CLIENTS} clients that are "
            "spread over "
            f"the {WORKERS} workers' ports. Each Headrace has --memory {size.own}. All workers share core 0."
        ],
    )


def _measure(disk: disks.OwnDisk, group: memory.Group, turn: Turn[Memory], targets: Sequence[str]) -> Cell:
    disk.cool()
    site = Site(disk.path, memory=turn.case.own)
    with ExitStack() as stack:
        started = [
            stack.enter_context(servers.start(turn.server, site, enter=group.enter)) for _ in range(WORKERS)
        ]
        ports = [one.port for one in started]
        fetch(Order(ports, targets, CLIENTS, most_seconds=20))
        order = Order(ports, targets, CLIENTS, weights=spread(len(targets)), most_seconds=turn.case.seconds)
        fetch(order)  # until what stays has stayed
        meter = Meter(lambda: sum(one.cpu_seconds() for one in started), disk.reads)
        with recorded(started[0], turn.flame):
            report = fetch(order)
        span = meter.span()
        states = {str(number): one.state() for number, one in enumerate(started)}
    if not report.bytes:
        raise RuntimeError("nothing was served")
    took = sorted(milliseconds for _, milliseconds in report.took)
    figures = {
        "mb_per_second": report.mb_per_second,
        "read_per_byte": span.disk_bytes / report.bytes,
        "cpu_per_gb": per_gb(span.server_cpu, report.bytes),
        "p50": percentile(took, 50),
        "p99": percentile(took, 99),
        "load_percent": report.load_percent,
        "failed": float(report.failed),
    }
    return Cell(turn.server, str(turn.case), turn.round, figures, state=states)


def _in_brief(cell: Cell) -> str:
    found = cell.figures
    return (
        f"{cell.server:18} {found['mb_per_second']:.0f} MB/s, {found['read_per_byte']:.3f} bytes read per "
        f"byte served, {found['cpu_per_gb']:.0f} CPU ms per GB"
    )


def _compared(cells: Sequence[Cell], case: str, figure: str) -> Target:
    """A figure to decide by, without a target of its own."""
    ours, theirs = (middle(cells, name, case, figure) for name in ("headrace", "nginx-sendfile"))
    return Target(f"{figure.replace('_', ' ')}, beside nginx sendfile's {theirs or 0:.3g}", ours, None)


SCENARIO = Scenario(
    "workers",
    "Four workers",
    "Four processes of each server, and a hot set of half the memory that their control group allows.",
    run,
    flames=True,
    full=Pace(set_up=4, turn=25),
    quick=Pace(set_up=3, turn=4),
    takes_part=lambda name: peers.kind_of(name) in ("headrace", "nginx"),
)
