"""What the kernel does with all TCP connections of this machine, and for a while something else."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SETTINGS = Path("/proc/sys/net/ipv4")
CONGESTION = SETTINGS / "tcp_congestion_control"
AVAILABLE = SETTINGS / "tcp_available_congestion_control"
MEMORY = SETTINGS / "tcp_mem"  # pages: low, pressure, high
USUAL = "cubic"  # what Linux takes if nobody says otherwise


def congestion_control() -> str:
    """What new connections get. BBR paces what it sends with a timer for each burst, on loopback too."""
    return CONGESTION.read_text().strip()


def available() -> list[str]:
    return AVAILABLE.read_text().split()


def may_set() -> bool:
    return os.access(CONGESTION, os.W_OK)


@contextmanager
def congestion(name: str | None) -> Iterator[None]:
    """New connections get this one; None: what they get anyway."""
    if name is None:
        yield
        return
    with _instead(CONGESTION, name):
        yield


@contextmanager
def more_memory(times: int) -> Iterator[None]:
    """The kernel's bound for the memory of all TCP sockets is so many times as high.

    Beyond its second figure the kernel gives every socket less, however fast its reader is.
    """
    with _instead(MEMORY, " ".join(str(times * int(pages)) for pages in MEMORY.read_text().split())):
        yield


def pressure_mib() -> float:
    """From which memory of all TCP sockets on the kernel gives each of them less."""
    return int(MEMORY.read_text().split()[1]) * resource.getpagesize() / (1 << 20)


@contextmanager
def _instead(setting: Path, value: str) -> Iterator[None]:
    before = setting.read_text()
    setting.write_text(value)
    try:
        yield
    finally:
        setting.write_text(before)
