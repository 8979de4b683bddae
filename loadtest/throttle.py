"""A ceiling on what processes read from a device and write to it, kept by the block controller of cgroups.

Rule 1: a group is this run's own, and it is gone at the end. Of others' groups only the root is changed:
        version 1 wants the ceiling of our device there as well, version 2 that the controller is handed down.
Rule 2: both versions are one thing to the caller. The first that has the block controller is taken.

Some facts about the block throttle
-----------------------------------
* A ceiling of two bytes a second holds a read back for half an hour. To the reader that is a disk that has
  stopped answering: it sleeps in state D, and not even SIGKILL gets it out.
* Reads of metadata (marked so by the filesystem) pass over the ceiling. `disks.FrozenDisk` has the way round.
* Raising the ceiling lets what waits go on at once.
* Version 1 judges every group by itself, its root group included. In version 2 the root has no ceilings, and
  needs none here: a loop device reads its backing file in the name of the group that asked.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

NO_CEILING = 0  # what version 1 takes for "none"; version 2 says "max"
LOWEST = 2  # bytes a second; version 2 refuses 1
REMOVAL_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most that a device does in a second; 0 is as much as it can."""

    read_bytes: int = NO_CEILING
    read_operations: int = NO_CEILING
    write_bytes: int = NO_CEILING


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where the block controller is mounted, and which of the two languages it speaks."""

    root: Path
    version: int

    def set_ceiling(self, group: Path, device: str, ceiling: Ceiling) -> None:
        """Device is MAJOR:MINOR. Every figure is written, so that what was set before is gone."""
        if self.version == 1:
            for name, most in (
                ("read_bps", ceiling.read_bytes),
                ("read_iops", ceiling.read_operations),
                ("write_bps", ceiling.write_bytes),
            ):
                (group / f"blkio.throttle.{name}_device").write_text(f"{device} {most}")
            return
        figures = {"rbps": ceiling.read_bytes, "riops": ceiling.read_operations, "wbps": ceiling.write_bytes}
        words = " ".join(f"{name}={most or 'max'}" for name, most in figures.items())
        (group / "io.max").write_text(f"{device} {words}")


class Group:
    """A group whose processes are held to its ceilings."""

    def __init__(self, hierarchy: Hierarchy, path: Path) -> None:
        self._hierarchy = hierarchy
        self.path = path
        self.procs = path / "cgroup.procs"

    def enter(self, pid: int) -> None:
        """The process with all its threads; what it starts from now on is born here."""
        self.procs.write_text(str(pid))

    def limit(self, device: str, ceiling: Ceiling) -> None:
        self._hierarchy.set_ceiling(self.path, device, ceiling)

    def limit_everybody(self, device: str, ceiling: Ceiling) -> None:
        """Also for who is in no group: kernel threads that read on their own account, under version 1."""
        self.limit(device, ceiling)
        if self._hierarchy.version == 1:
            self._hierarchy.set_ceiling(self._hierarchy.root, device, ceiling)


@contextmanager
def group(name: str) -> Iterator[Group]:
    """A new group; at the end, whoever is left in it goes back to the root group."""
    hierarchy = find()
    if hierarchy is None:
        raise RuntimeError("this machine has no block throttle")
    if hierarchy.version == 2:
        _delegate(hierarchy.root)
    path = hierarchy.root / name
    path.mkdir()
    try:
        yield Group(hierarchy, path)
    finally:
        remove(hierarchy, path)


def remove(hierarchy: Hierarchy, path: Path) -> None:
    """A process that is about to end can be moved no more, and is in the way until it has ended."""
    deadline = time.monotonic() + REMOVAL_SECONDS
    while True:
        for pid in (path / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError):
                (hierarchy.root / "cgroup.procs").write_text(pid)
        try:
            path.rmdir()
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def find() -> Hierarchy | None:
    """The mounted hierarchy that has the block controller, and that we may write to."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, kind = line.partition(" - ")
        root = Path(mount.split()[4])
        filesystem, _, options = kind.split(" ", 2)
        if filesystem == "cgroup" and "blkio" in options.split(","):
            found, knob = Hierarchy(root, version=1), root / "blkio.throttle.read_bps_device"
        elif filesystem == "cgroup2" and _has_io(root / "cgroup.controllers"):
            found, knob = Hierarchy(root, version=2), root / "cgroup.subtree_control"
        else:
            continue
        if os.access(knob, os.W_OK):
            return found
    return None


def _delegate(root: Path) -> None:
    """Version 2 has io.max only in groups whose parent hands the controller down."""
    if not _has_io(root / "cgroup.subtree_control"):
        (root / "cgroup.subtree_control").write_text("+io")


def _has_io(controllers: Path) -> bool:
    return controllers.exists() and "io" in controllers.read_text().split()
