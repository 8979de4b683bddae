"""How many clients must be stuck on a disk that does not answer until a page from memory is no longer served.

Rule 1: the disk is proved to stand still (cold files hang in other processes) before anything is concluded.
Rule 2: the page has been asked for before the freeze, and this process keeps it in the page cache; every
        stuck client asks for a file of its own: all of it cold, or else its name, inode and extents warm.
Rule 3: after the thaw every download that was stuck should complete. They are counted.
"""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest import disks, servers
from loadtest.command import DESCRIPTORS
from loadtest.judge import ask_page
from loadtest.lab.clients import FORK
from loadtest.lab.ground import MIB, at, megabytes_for, page_held, write_files, write_page
from loadtest.lab.scenario import Pace, Scenario
from loadtest.lab.stuck import PROBE_PAUSE_SECONDS, Crowd, Page
from loadtest.measuring.bench import Bench, Turn, first_round
from loadtest.measuring.findings import Cell, Column, Findings, Plot, Target, middle

CROWDS, QUICK_CROWDS = (1, 32, 1000, 10_000), (1, 32, 300)
FILE_BYTES = MIB
PROVED_FILES = 20  # one in each of so many folders
THAW_SECONDS = 240.0  # ten thousand files, on a disk that may do 50 MB/s
WARMING_ROUNDS, WARMING_PAGES = 5, 5


@dataclass(frozen=True, slots=True)
class Freeze:
    """What of the files is not in memory when the disk stops."""

    warm_names: bool

    def __str__(self) -> str:
        return "the data only" if self.warm_names else "all of it"


def run(bench: Bench) -> Findings:
    crowds = QUICK_CROWDS if bench.quick else CROWDS
    freezes = [Freeze(False)] if bench.quick else [Freeze(False), Freeze(True)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    sizes = [FILE_BYTES] * crowds[-1]
    with disks.FrozenDisk(megabytes_for(sizes)) as disk:
        bench.doing(f"writing {len(sizes):,} files")
        targets: list[str] = []
        disk.populate(lambda root: targets.extend(_write(root, sizes)))
        hold = 2.0 if bench.quick else 15.0
        cells = bench.measure(freezes, lambda turn: _try(disk, turn, targets, crowds, hold), _in_brief)
    return Findings(
        columns=[
            Column("unanswered_from", "page no longer answered from", worst=True),
            Column("tried", "stuck clients"),
            Column("slowest_ms", "slowest page, ms", worst=True),
            Column("answered", "answered while frozen"),
            Column("completed", "completed after the thaw"),
            Column("thaw_seconds", "within s"),
        ],
        cells=cells,
        targets=[*_targets(cells, crowds[-1])],
        plots=[Plot("time", "page", "The page in memory, while clients get stuck", "ms")],
        notes=["- in the first column: it was answered all the time. 3,000 ms in the plot: not answered."],
    )


def _write(root: Path, sizes: Sequence[int]) -> list[str]:
    write_page(root)
    for number in range(PROVED_FILES):
        folder = root / f"proof{number:02}"
        folder.mkdir()
        (folder / "file").write_bytes(b"p" * 300_000)
    return write_files(root, "d", sizes)


def _try(
    disk: disks.FrozenDisk, turn: Turn[Freeze], targets: Sequence[str], crowds: Sequence[int], hold: float
) -> Cell:
    disk.cool()
    with ExitStack() as stack:
        if turn.case.warm_names:
            stack.enter_context(_warm_metadata(disk, at(disk.path, targets)))
        server = stack.enter_context(servers.start(turn.server, disk.path, enter=disk.enter))
        stack.enter_context(page_held(disk.path))
        for _ in range(WARMING_ROUNDS):
            ask_page(server.port, WARMING_PAGES)
            time.sleep(0.1)
        crowd = stack.enter_context(Crowd(server.port, targets))
        stack.callback(disk.thaw)  # before the server is stopped: who sleeps on the disk cannot end
        disk.freeze()
        disk.prove([disk.path / f"proof{number:02}" / "file" for number in range(PROVED_FILES)], seconds=1.0)
        page = stack.enter_context(Page(server.port))
        failed = _raise_crowd(crowd, page, crowds, hold)
        crowd.read(seconds=0.5)
        early, answers = crowd.ended, list(page.answers)
        disk.thaw()
        thawed = time.monotonic()
        crowd.read(THAW_SECONDS)
        seconds = time.monotonic() - thawed
        alive = page.answered_afresh()
        state = server.state()
    figures = {
        "unanswered_from": failed,
        "tried": crowd.size,
        "slowest_ms": max((took for _, took in answers), default=None),
        "answered": early,
        "completed": crowd.completed,
        "thaw_seconds": seconds,
        "alive_after_thaw": alive,
    }
    traces = first_round(turn, {"page": answers})
    return Cell(turn.server, f"frozen: {turn.case}", turn.round, figures, traces, state)


@contextmanager
def _warm_metadata(disk: disks.FrozenDisk, paths: Sequence[Path]) -> Iterator[None]:
    """By another process: the files are held open, and we need our descriptors for the crowd."""
    said, say_warm = FORK.Pipe(duplex=False)

    def hold() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        disk.warm_metadata(paths)
        say_warm.send(True)
        signal.pause()

    holder = FORK.Process(target=hold, daemon=True)
    holder.start()
    try:
        if not said.poll(THAW_SECONDS):
            raise TimeoutError("the metadata could not be read")
        yield
    finally:
        holder.kill()
        holder.join()


def _raise_crowd(crowd: Crowd, page: Page, crowds: Sequence[int], hold: float) -> int | None:
    """The first crowd under which the page is not answered; the largest is held for some time."""
    for size in crowds:
        if not crowd.grow(size):
            return size
        # So that a second passes, after which what is known is looked at again.
        if not page.answered_for(hold if size == crowds[-1] else 3 * PROBE_PAUSE_SECONDS):
            return size
    return None


def _targets(cells: Sequence[Cell], most: int) -> Iterator[Target]:
    ours = [cell for cell in cells if cell.server == "headrace"]
    for case in dict.fromkeys(cell.case for cell in ours):
        first = middle(cells, "headrace", case, "unanswered_from", of=min)
        text = f"{case}: the page is served beside {most:,} stuck clients (first number that was too many)"
        yield Target(text, first, first is None)
        fewest = middle(cells, "headrace", case, "completed", of=min)
        text = f"{case}: all {most:,} complete after the thaw"
        yield Target(text, fewest, fewest == most)


def _in_brief(cell: Cell) -> str:
    found = cell.figures
    outcome = (
        f"not answered from {found['unanswered_from']}"
        if found["unanswered_from"]
        else "answered all the time"
    )
    return (
        f"{cell.server:18} {cell.case}: page {outcome}; {found['completed']} of {found['tried']} completed "
        f"{found['thaw_seconds']:.1f} s after the thaw"
        f"{'' if found['alive_after_thaw'] else '; PAGE NOT ANSWERED AFTER THE THAW'}"
    )


SCENARIO = Scenario(
    "frozen",
    "A disk that has stopped answering",
    "A page in memory, while more and more clients wait for files of 1 MiB each on a disk that stands still: "
    "ext4 on a loop device in an ext4 on a throttled loop device. It is cold with names and inodes, or these "
    "are in memory and the data is not.",
    run,
    full=Pace(set_up=60, turn=100),
    quick=Pace(set_up=6, turn=5),
)
