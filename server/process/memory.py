"""How much memory there is for what is served: arithmetic, not hope."""

from __future__ import annotations

from pathlib import Path

SHARE = 4  # of what there is, one part in so many
MOST = 1 << 30  # bytes
LEAST = 16 << 20
SMALL_FILES = 8  # of that, one part in so many is for small files


def limit() -> int:
    """Bytes of memory that this process may use: the machine's, or its cgroup's (v1 or v2)."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            machine = int(line.split()[1]) * 1024
    return min([machine, *_cgroup_limits()])


def default_budget() -> int:
    """What blocks and small files may take together."""
    return max(LEAST, min(limit() // SHARE, MOST))


def _cgroup_limits() -> list[int]:
    limits = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = Path("/sys/fs/cgroup/memory" if controllers else "/sys/fs/cgroup")
        name = "memory.limit_in_bytes" if controllers else "memory.max"
        here = root / path.lstrip("/")
        # In a container the path is often the host's, and its own cgroup the root.
        for place in (here, *here.parents, root):
            if not place.is_relative_to(root):
                break
            try:
                limits.append(int((place / name).read_text()))
            except (OSError, ValueError):
                continue  # no such file, or "max"
    return limits
