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

LATENCY = Path("/dev/cpu_dma_latency")  # held as long as it is open (pm_qos_interface.rst)
LIGHTEST = Path("/sys/devices/system/cpu/cpu0/cpuidle/state0/name")  # of the ways to idle


def can_be_kept_awake() -> bool:
    """Without a driver, and where a core cannot look for work meanwhile, it sleeps whatever is asked."""
    try:
        return LIGHTEST.read_text().strip() == "POLL" and os.access(LATENCY, os.R_OK | os.W_OK)
    except OSError:
        return False


@contextmanager
def awake() -> Iterator[None]:
    """Idle cores look for work instead of sleeping, where that can be asked for."""
    if not can_be_kept_awake():
        yield
        return
    with LATENCY.open("wb", buffering=0) as held:
        held.write(struct.pack("=i", 0))  # microseconds until a core that idles must be there
        yield
