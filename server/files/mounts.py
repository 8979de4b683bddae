"""The disks beneath one root: its own, and those of mounts that are met inside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from aio import Disk

MOST_CROSSINGS: Final = 16  # mounts inside a root with threads of their own


class Mounts:
    """Which disk a path lies on, as far as is known."""

    def __init__(
        self, disk: Disk, another_disk: Callable[[bytes], Disk], make_room: Callable[[], None]
    ) -> None:
        self.disk = disk
        self._another_disk = another_disk
        self._make_room = make_room
        self._crossings: dict[bytes, Disk] = {}
        disk.make_room = make_room

    def disk_for(self, path: bytes) -> Disk:
        for prefix, disk in self._crossings.items():
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in (b"", b"/"):
                return disk
        return self.disk

    def disk_across(self, prefix: bytes) -> Disk | None:
        """The disk of the mount at this prefix: its own, or, where there are too many, any of them."""
        if prefix not in self._crossings and len(self._crossings) < MOST_CROSSINGS:
            try:
                disk = self._another_disk(prefix)
            except OSError:  # the service has all the groups, or the process all the threads, that it may
                return next(iter(self._crossings.values()), None)
            disk.make_room = self._make_room
            self._crossings[prefix] = disk
        return self._crossings.get(prefix) or next(iter(self._crossings.values()))
