"""A limit to the memory of processes, the page cache for what they read included, kept by control groups.

Rule 1: both versions of control groups are one thing to the caller; the first with the controller is taken.
Rule 2: a group is this run's own, and gone at the end; what a killed run has left, the next one clears away.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from loadtest import throttle

PREFIX = "headrace-memory-"  # then the maker's process id


@dataclass(frozen=True, slots=True)
class Group:
    """A group of processes that share so much memory."""

    path: Path

    def enter(self, pid: int) -> None:
        (self.path / "cgroup.procs").write_text(str(pid))


def missing() -> str | None:
    return None if _find() else "no memory controller of control groups can be written to here"


@contextmanager
def group(limit_bytes: int) -> Iterator[Group]:
    found = _find()
    if found is None:
        raise RuntimeError("this machine has no memory controller")
    sweep()
    path = found.root / f"{PREFIX}{os.getpid()}"
    path.mkdir()
    try:
        knob = "memory.limit_in_bytes" if found.version == 1 else "memory.max"
        (path / knob).write_text(str(limit_bytes))
        yield Group(path)
    finally:
        throttle.remove(found, path)


def sweep() -> None:
    """Clear away the groups whose makers are gone."""
    if (found := _find()) is not None:
        for left in found.root.glob(f"{PREFIX}*"):
            if not Path("/proc", left.name.removeprefix(PREFIX)).exists():
                with suppress(OSError):
                    throttle.remove(found, left)


def _find() -> throttle.Hierarchy | None:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, kind = line.partition(" - ")
        root = Path(mount.split()[4])
        filesystem, _, options = kind.split(" ", 2)
        if filesystem == "cgroup" and "memory" in options.split(","):
            version = 1
        elif filesystem == "cgroup2" and _delegated(root):
            version = 2
        else:
            continue
        if os.access(root / "cgroup.procs", os.W_OK):
            return throttle.Hierarchy(root, version)
    return None


def _delegated(root: Path) -> bool:
    """Version 2 has memory.max only in groups whose parent hands the controller down."""
    controllers = root / "cgroup.controllers"
    if not controllers.exists() or "memory" not in controllers.read_text().split():
        return False
    with suppress(OSError):
        (root / "cgroup.subtree_control").write_text("+memory")
    return "memory" in (root / "cgroup.subtree_control").read_text().split()
