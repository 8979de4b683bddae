"""One large file, cold, for one client: does anything stand between him and the disk?"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest import disks, servers
from loadtest.lab import ground
from loadtest.lab.clients import Order, fetch
from loadtest.lab.scenario import Pace, Scenario
from loadtest.measuring.bench import Bench, Meter, Turn, per_gb
from loadtest.measuring.findings import Cell, Column, Findings, Plot, Target, at_least, middle, ratio
from loadtest.measuring.flames import recorded

FIO_DEPTH, FIO_BLOCK = 4, ground.MIB
MOST_SECONDS = 120.0
TARGET = "/large.bin"
PIECE = 64 * ground.MIB


@dataclass(frozen=True, slots=True)
class File:
    size: int

    def __str__(self) -> str:
        return f"one file of {self.size / 1e9:g} GB"

    def write(self, root: Path) -> None:
        content = os.urandom(PIECE)
        with (root / TARGET.lstrip("/")).open("wb", buffering=0) as file:
            for start in range(0, self.size, PIECE):
                file.write(memoryview(content)[: min(PIECE, self.size - start)])


def run(bench: Bench) -> Findings:
    large = File(10**9 if bench.quick else 10**10)
    with disks.OwnDisk(ground.megabytes_for([large.size])) as disk:
        bench.doing(f"writing {large}")
        disk.populate(large.write)
        if not ground.fio_missing():
            # Unmeasured, and before everybody: what a host keeps of a virtual disk is then the same for all.
            _fio(disk)

        def one(turn: Turn[File]) -> Cell:
            if turn.server == ground.FIO:
                return Cell(ground.FIO, str(turn.case), turn.round, {"mb_per_second": _fio(disk)})
            return _measure(disk, turn)

        cells = bench.measure([large], one, _in_brief, ground.fio_and(bench.names))
    return Findings(
        columns=[
            Column("mb_per_second", "MB/s"),
            Column("cpu_per_gb", "CPU ms per GB"),
            Column("core_idle", "core 0 idle, %"),
            Column("load_percent", "load's CPU, %"),
        ],
        cells=cells,
        targets=[*_targets(cells, str(large))],
        plots=[Plot("bars", "mb_per_second", "One large cold file, one client", "MB/s")],
        notes=["fio reads 1 MiB at once, 4 at a time, from core 0. A loop device on the machine's own disk."],
    )


def _fio(disk: disks.OwnDisk) -> float:
    disk.cool()
    path = disk.path / TARGET.lstrip("/")
    return ground.fio(path, block=FIO_BLOCK, depth=FIO_DEPTH, seconds=MOST_SECONDS)


def _measure(disk: disks.OwnDisk, turn: Turn[File]) -> Cell:
    disk.cool()
    with servers.start(turn.server, disk.path) as server:
        meter = Meter(server.cpu_seconds, disk.reads)
        with recorded(server, turn.flame):
            report = fetch(Order([server.port], [TARGET], 1, most_seconds=MOST_SECONDS))
        span = meter.span()
        state = server.state()
    figures = {
        "mb_per_second": report.mb_per_second,
        "cpu_per_gb": per_gb(span.server_cpu, report.bytes),
        "core_idle": 100 * span.core_idle,
        "load_percent": report.load_percent,
        "whole": float(report.completed),
        "read_per_byte": span.disk_bytes / report.bytes if report.bytes else None,
    }
    return Cell(turn.server, str(turn.case), turn.round, figures, state=state)


def _in_brief(cell: Cell) -> str:
    found = cell.figures
    rate = f"{cell.server:18} {found['mb_per_second']:.0f} MB/s"
    if cell.server == ground.FIO:
        return rate
    return f"{rate}, {found['cpu_per_gb']:.0f} CPU ms per GB, load {found['load_percent']:.0f} %"


def _targets(cells: Sequence[Cell], case: str) -> Iterator[Target]:
    ours, disk = (middle(cells, name, case, "mb_per_second") for name in ("headrace", ground.FIO))
    yield at_least("at least 0.9x fio, sequential, O_DIRECT", ratio(ours, disk), 0.9)


SCENARIO = Scenario(
    "single",
    "One large file",
    "One client fetches one cold file of 10 GB (1 GB in the quick form).",
    run,
    flames=True,
    full=Pace(set_up=50, turn=25),
    quick=Pace(set_up=4, turn=2.5),
)
