"""Two roots on two disks, one of which has stopped answering: does the other one's throughput suffer?"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from loadtest import disks, peers, servers
from loadtest.command import Site
from loadtest.lab import ground
from loadtest.lab.clients import Order, Report, fetch
from loadtest.lab.scenario import Pace, Scenario
from loadtest.lab.stuck import Crowd
from loadtest.measuring.bench import Bench, Turn
from loadtest.measuring.findings import Cell, Column, Findings, Plot, Target, at_least, middle, ratio

PREFIX = "/other"
STUCK_BYTES = 300_000
PROOFS = 5
CLIENTS = 16
HEALTHY_FILES, HEALTHY_BYTES = 60, 10 * ground.MB
THAW_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Stuck:
    clients: int
    seconds: float  # of each measurement

    def __str__(self) -> str:
        return f"{self.clients} clients stuck on the other disk"


def run(bench: Bench) -> Findings:
    stuck = Stuck(200, 1.0 if bench.quick else 8.0)
    sizes, healthy_sizes = [STUCK_BYTES] * (stuck.clients + PROOFS), [HEALTHY_BYTES] * HEALTHY_FILES
    targets: dict[str, list[str]] = {}

    def write_frozen(root: Path) -> None:
        targets["frozen"] = ground.write_files(root, "d", sizes[PROOFS:])
        # In folders of their own, or the names would be warm.
        targets["proof"] = [
            one for n in range(PROOFS) for one in ground.write_files(root, f"p{n}", sizes[:1])
        ]

    def write_healthy(root: Path) -> None:
        targets["healthy"] = ground.write_files(root, "h", healthy_sizes)

    with (
        disks.OwnDisk(ground.megabytes_for(healthy_sizes)) as healthy,
        disks.FrozenDisk(ground.megabytes_for(sizes)) as frozen,
    ):
        healthy.populate(write_healthy)
        frozen.populate(write_frozen)
        cells = bench.measure(
            [stuck],
            lambda turn: _measure(healthy, frozen, turn, targets),
            _in_brief,
        )
    return Findings(
        columns=[
            Column("alone", "healthy disk alone, MB/s"),
            Column("beside", "beside the frozen one, MB/s"),
            Column("of_alone", "of what it is alone"),
            Column("stuck", "clients stuck"),
            Column("completed", "of them served after the thaw"),
            Column("load_percent", "load's CPU, %"),
        ],
        cells=cells,
        targets=[*_targets(cells, str(stuck))],
        plots=[Plot("bars", "beside", "A healthy disk beside a frozen one", "MB/s")],
        notes=[
            f"{CLIENTS} clients fetch {HEALTHY_FILES} files of 10 MB from the healthy disk, again and "
            "again; servers "
            "with the page cache have them in memory then. The other disk is mounted under a prefix. "
            "Servers that "
            "are not told of a second directory here are left out."
        ],
    )


def _measure(
    healthy: disks.OwnDisk, frozen: disks.FrozenDisk, turn: Turn[Stuck], targets: dict[str, list[str]]
) -> Cell:
    healthy.cool()
    frozen.cool()
    site = Site(healthy.path, mounts={PREFIX: frozen.path})
    with ExitStack() as stack:
        server = stack.enter_context(servers.start(turn.server, site, enter=frozen.enter))
        _fetch(
            server.port, targets["healthy"], turn.case.seconds
        )  # so that both figures are of the same state
        alone = _fetch(server.port, targets["healthy"], turn.case.seconds)
        crowd = stack.enter_context(Crowd(server.port, [f"{PREFIX}{target}" for target in targets["frozen"]]))
        stack.callback(frozen.thaw)  # before the server is stopped: who sleeps on the disk cannot end
        frozen.freeze()
        frozen.prove(ground.at(frozen.path, targets["proof"]), seconds=0.5)
        crowd.grow(turn.case.clients)
        time.sleep(1.0)
        beside = _fetch(server.port, targets["healthy"], turn.case.seconds)
        frozen.thaw()
        crowd.read(THAW_SECONDS)
        state = server.state()
    figures = {
        "alone": alone.mb_per_second,
        "beside": beside.mb_per_second,
        "of_alone": ratio(beside.mb_per_second, alone.mb_per_second),
        "stuck": float(crowd.size),
        "completed": float(crowd.completed),
        "load_percent": beside.load_percent,
    }
    return Cell(turn.server, str(turn.case), turn.round, figures, state=state)


def _fetch(port: int, targets: Sequence[str], seconds: float) -> Report:
    return fetch(Order([port], targets, CLIENTS, repeat=True, most_seconds=seconds))


def _in_brief(cell: Cell) -> str:
    found = cell.figures
    return (
        f"{cell.server:18} {found['alone']:.0f} MB/s alone, {found['beside']:.0f} beside "
        f"{found['stuck']:.0f} stuck"
    )


def _targets(cells: Sequence[Cell], case: str) -> Iterator[Target]:
    beside = middle(cells, "headrace", case, "of_alone")
    yield at_least("the healthy disk, at least 0.95x its throughput alone", beside, 0.95)


SCENARIO = Scenario(
    "two-disks",
    "Two disks, one of them frozen",
    "Files from a healthy disk, alone and while 200 clients are stuck on another disk that stands still.",
    run,
    full=Pace(set_up=10, turn=34),
    quick=Pace(set_up=4, turn=5),
    takes_part=lambda name: peers.kind_of(name) in peers.MOUNTING,
)
