"""The directory that a root's path names, followed when it names another one."""

from __future__ import annotations

import os

from aio import Disk
from server.files.changes import Changes


class Root:
    """A descriptor that always is of the directory at `path`, at most a second late.

    The disk service looks the path up and, where it leads to another directory by now, puts
    that one in the descriptor's place: its number stays the same (dup3(2)).
    """

    def __init__(self, fd: int, path: str, disk: Disk, changes: Changes) -> None:
        self.fd = fd
        self.version = 0
        self._path = os.fsencode(path)
        self.disk = disk
        self._looking = False
        self._changes = changes

    def follow(self) -> None:
        if not self._looking:
            self._looking = True
            self.disk.follow(self.fd, self._path, self._followed)

    def _followed(self, swapped: bool) -> None:
        self._looking = False
        if swapped:
            self.version += 1
            self._changes.note()
