"""What a server has in memory: its processes', and the kernel's for sockets.

Rule 1: of the sockets it is the whole machine's figure, the clients' side included: only what was added while
        one server was loaded says something.
Rule 2: Headrace's arena counts apart. It is memory of a fixed size that keeps what has been read, as the page
        cache does for the others, and which is not in anybody's figure.
"""

from __future__ import annotations

import resource
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from loadtest.lab.ground import MIB
from loadtest.servers import Server

SLOT_BYTES = 256 * 1024  # of Headrace's arena


@dataclass(frozen=True, slots=True)
class Footprint:
    """At one moment, in MiB."""

    pss: float  # of the server's processes; what they share counts in parts
    arena: float  # of that
    sockets: float  # of all TCP sockets on this machine

    @property
    def varying(self) -> float:
        """What depends on how many are served."""
        return self.pss - self.arena + self.sockets


def footprint(server: Server, arena_bytes: int = 0) -> Footprint:
    """The arena is known among all that is mapped by its size."""
    mappings = [mapping for pid in server.pids for mapping in _mappings(pid)]
    large = sorted(one for one in mappings if one[0] >= arena_bytes > 0)
    arena = large[0][1] if large else 0
    return Footprint(sum(pss for _, pss in mappings) / MIB, arena / MIB, _sockets())


def arena_bytes(state: dict[str, object]) -> int:
    """By what Headrace tells of itself; of the others 0."""
    slots = state.get("slots")
    return int(slots["total"]) * SLOT_BYTES if isinstance(slots, dict) else 0


def _mappings(pid: int) -> list[tuple[int, int]]:
    """Of each its size and its PSS, in bytes."""
    lines: list[str] = []
    with suppress(OSError):  # it has just ended
        lines = Path(f"/proc/{pid}/smaps").read_text().splitlines()
    sizes, shares = (
        [int(line.split()[1]) * 1024 for line in lines if line.startswith(name)] for name in ("Size:", "Pss:")
    )
    return list(zip(sizes, shares, strict=True))


def _sockets() -> float:
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        if line.startswith("TCP:"):
            return int(line.split()[-1]) * resource.getpagesize() / MIB
    return 0.0
