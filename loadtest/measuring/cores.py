"""Cores that stay awake.

A core that has nothing to do goes to sleep, and who has something for it then sends it an interrupt: in a
virtual machine that is a way out to the host, which costs the sender microseconds. How soon a core sleeps
follows from what woke it of late, so a third party that wakes it now and then changes what everybody pays.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LATENCY = Path("/dev/cpu_dma_latency")  # Documentation/power/pm_qos_interface: held as long as it is open


def can_be_kept_awake() -> bool:
    return os.access(LATENCY, os.W_OK)


@contextmanager
def awake() -> Iterator[None]:
    """Idle cores look for work instead of sleeping, where that can be asked for."""
    if not can_be_kept_awake():
        yield
        return
    with LATENCY.open("wb", buffering=0) as held:
        held.write(struct.pack("=i", 0))  # microseconds until a core that idles must be there
        yield
