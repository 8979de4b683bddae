"""Waiting for what can be seen."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LOOK_AGAIN_SECONDS = 0.02
ENOUGH_SECONDS = 20.0  # for anything, on a machine that is busy with other things


def until(look: Callable[[], T], what: str, seconds: float = ENOUGH_SECONDS) -> T:
    """Looks until what is seen is true, and returns it."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain: {what}"
        time.sleep(LOOK_AGAIN_SECONDS)
    return seen
