"""A hundred clients who fetch files as fast as they come: what `cold`, `hot` and `filesystems` share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from loadtest import disks, servers
from loadtest.command import Site
from loadtest.lab.clients import Order, fetch
from loadtest.lab.ground import FIO, KB, MB, fio, megabytes_for, write_files
from loadtest.measuring.bench import Bench, Case, Meter, Turn, per_gb
from loadtest.measuring.findings import BOTH, Cell, Column, percentile
from loadtest.measuring.flames import recorded

CLIENTS = 100
FIO_DEPTH = 32
BLOCK_BYTES = 256 * 1024  # of which Headrace reads and keeps files
COLUMNS = (
    Column("mb_per_second", "MB/s"),
    Column("requests_per_second", "requests/s"),
    Column("p50", "request p50, ms"),
    Column("p99", "p99"),
    Column("cpu_per_gb", "CPU ms per GB"),
    BOTH,
    Column("core_idle", "core 0 idle, %"),
    Column("load_percent", "load's CPU, %"),
    Column("read_per_byte", "bytes read per byte served"),
)


class Ground(Protocol):
    """Where files lie that can be made cold."""

    @property
    def path(self) -> Path: ...
    def cool(self) -> None: ...
    def reads(self) -> tuple[int, int]: ...


@dataclass(frozen=True, slots=True)
class Kind:
    """A set of files of one size."""

    size: int
    files: int
    block: int  # bytes that fio reads at once

    @property
    def total(self) -> int:
        return self.size * self.files

    @property
    def prefix(self) -> str:
        return f"s{self.size}"

    def write(self, root: Path) -> list[str]:
        return write_files(root, self.prefix, [self.size] * self.files)

    def __str__(self) -> str:
        return f"files of {self.size // MB} MB" if self.size >= MB else f"files of {self.size // KB} kB"


def kinds(total: int) -> list[Kind]:
    """Lighttpd's of 2006: each set is so many bytes."""
    small, large = 100 * KB, 10 * MB
    return [Kind(small, total // small, small // 4096 * 4096), Kind(large, max(1, total // large), 1 << 20)]


@dataclass(frozen=True, slots=True)
class Rules:
    """How files are fetched, and with what memory."""

    seconds: float  # at most
    memory: str  # Headrace's own
    warm: bool = False
    enter: Callable[[int], object] | None = None  # the server's group


@contextmanager
def written(bench: Bench, sets: Sequence[Kind]) -> Iterator[tuple[disks.OwnDisk, dict[Kind, list[str]]]]:
    """A disk with all of the sets, and the targets in each."""
    room = megabytes_for(*([kind.size] * kind.files for kind in sets))
    with disks.OwnDisk(room) as disk:
        bench.doing(f"writing {room:,} MiB")
        targets: dict[Kind, list[str]] = {}
        disk.populate(lambda root: targets.update({kind: kind.write(root) for kind in sets}))
        yield disk, targets


def measure(disk: Ground, turn: Turn[Case], targets: Sequence[str], rules: Rules) -> Cell:
    """Cold: each file once. Warm: each file three times unmeasured, then all of them over and over."""
    disk.cool()
    site = Site(disk.path, memory=rules.memory)
    with servers.start(turn.server, site, enter=rules.enter) as server:
        if rules.warm:
            fetch(Order([server.port], [*targets] * 3, min(20, CLIENTS), most_seconds=20))
        meter = Meter(server.cpu_seconds, disk.reads)
        order = Order([server.port], targets, CLIENTS, repeat=rules.warm, most_seconds=rules.seconds)
        with recorded(server, turn.flame):
            report = fetch(order)
        span = meter.span()
        state = server.state()
    if not report.bytes or report.failed > CLIENTS:
        raise RuntimeError(f"{report.failed} downloads failed, {report.completed} did not")
    took = sorted(milliseconds for _, milliseconds in report.took)
    figures = {
        "mb_per_second": report.mb_per_second,
        "requests_per_second": report.completed / report.seconds,
        "p50": percentile(took, 50),
        "p99": percentile(took, 99),
        "cpu_per_gb": per_gb(span.server_cpu, report.bytes),
        BOTH.figure: per_gb(span.server_cpu + report.cpu_seconds, report.bytes),
        "cpu_us_per_block": span.server_cpu * 1e6 / (report.bytes / BLOCK_BYTES),
        "cpu_percent": span.server_percent,
        "core_idle": 100 * span.core_idle,
        "load_percent": report.load_percent,
        "read_per_byte": span.disk_bytes / report.bytes,
        "completed": float(report.completed),
        "failed": float(report.failed),
    }
    return Cell(turn.server, str(turn.case), turn.round, figures, state=state)


def measure_fio(disk: disks.OwnDisk, kind: Kind, number: int, seconds: float) -> Cell:
    """The same files, by fio, with reads of a file's size or 1 MiB."""
    disk.cool()
    rate = fio(disk.path / kind.prefix, block=kind.block, depth=FIO_DEPTH, seconds=seconds)
    return Cell(FIO, str(kind), number, {"mb_per_second": rate})


def in_brief(cell: Cell) -> str:
    found = {name: value for name, value in cell.figures.items() if value is not None}
    if cell.server == FIO:
        return f"{cell.server:18} {cell.case}: {found['mb_per_second']:.0f} MB/s"
    failed = f", {found['failed']:.0f} FAILED" if found["failed"] else ""
    return (
        f"{cell.server:18} {cell.case}: {found['mb_per_second']:.0f} MB/s, "
        f"{found['requests_per_second']:.0f} requests/s, {found['cpu_per_gb']:.0f} CPU ms per GB, "
        f"load {found['load_percent']:.0f} %{failed}"
    )
