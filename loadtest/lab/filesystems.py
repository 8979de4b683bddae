"""The same files, cold, on every file system that can be had: which of them let native AIO be what it is?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from loadtest import disks, loops
from loadtest.lab.ground import MB, megabytes_for
from loadtest.lab.scenario import Pace, Scenario
from loadtest.lab.throughput import COLUMNS, Kind, Rules, in_brief, measure
from loadtest.measuring.bench import Bench
from loadtest.measuring.findings import Findings, Plot

KINDS = ("ext4", "xfs", "overlay", "btrfs")
FILE_BYTES = 10 * MB
FILES, QUICK_FILES = 60, 20
YOUTH_SECONDS = 32.0  # Headrace reads what is younger than 30 s through the page cache
SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class _Volume:
    """One file system with the files on it."""

    kind: str
    path: Path
    targets: Sequence[str]

    def __str__(self) -> str:
        return self.kind

    def cool(self) -> None:
        for _ in range(disks.COOLINGS):
            loops.run("sync", "-f", str(self.path))
            Path("/proc/sys/vm/drop_caches").write_text("3")

    def reads(self) -> tuple[int, int]:
        """Of all loop devices: nobody else's are read meanwhile, or what is read is not known."""
        stats = [(block / "stat").read_text().split() for block in Path("/sys/block").glob("loop*")]
        return sum(int(one[0]) for one in stats), sum(int(one[2]) for one in stats) * 512


def run(bench: Bench) -> Findings:
    files = QUICK_FILES if bench.quick else FILES
    sizes = [FILE_BYTES] * files
    kind = Kind(FILE_BYTES, files, 1 << 20)
    notes = [f"{files} files of 10 MB, each fetched once; on overlayfs from the upper layer, on ext4."]
    with ExitStack() as stack:
        volumes = []
        for name in KINDS:
            if reason := disks.missing(name):
                notes.append(f"Without {name}: {reason}.")
                bench.say(notes[-1])
                continue
            bench.doing(f"writing on {name}")
            path = stack.enter_context(disks.filesystem(name, megabytes_for(sizes) + 300, direct=True))
            volumes.append(_Volume(name, path, kind.write(path)))
        bench.doing("waiting until the files are no longer young")
        time.sleep(YOUTH_SECONDS)
        rules = Rules(SECONDS, "128M")
        cells = bench.measure(
            volumes,
            lambda turn: measure(turn.case, turn, turn.case.targets, rules),
            in_brief,
        )
    return Findings(
        columns=COLUMNS,
        cells=cells,
        plots=[Plot("bars", "mb_per_second", "Headrace on file systems, cold files of 10 MB", "MB/s")],
        notes=notes,
    )


SCENARIO = Scenario(
    "filesystems",
    "File systems",
    "100 clients fetch cold files of 10 MB from Headrace, on loop devices with direct I/O in files on the "
    "machine's own "
    "disk.",
    run,
    full=Pace(set_up=60, turn=15),
    quick=Pace(set_up=36, turn=4),
    takes_part=lambda name: name == "headrace",
)
