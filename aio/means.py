"""How a backend reads."""

from __future__ import annotations

from typing import Final, NamedTuple

SETTLE_NS: Final = 30_000_000_000  # dirty pages are written back after 30 s (vm.dirty_expire_centisecs)


class Means(NamedTuple):
    """Without any of these, threads read, and the arena keeps blocks."""

    native: bool = True  # by AIO and O_DIRECT where a file allows it
    cached: bool = True  # the arena keeps blocks and shares them
    page_cache: bool = True  # and what it has lost is read through the page cache the next time
    posix: bool = False  # by POSIX AIO, for comparison
    settle_ns: int = SETTLE_NS  # a file that changed within so long is read through the page cache
