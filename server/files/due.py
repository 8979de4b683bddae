"""What is to be looked at again, soon: many entries with one question to the disk."""

from __future__ import annotations

from collections.abc import Callable

from aio import CHECKS_TOGETHER
from server.files.entry import Entry
from server.loop import Loop


class Due:
    """Those that are added are looked at when there are enough of them, or when somebody waits; and at
    last when the loop's patience ends."""

    def __init__(self, loop: Loop, look_at: Callable[[Entry], None]) -> None:
        self._loop = loop
        self._look_at = look_at
        self._entries: list[Entry] = []
        self._alarmed = False

    def add(self, entry: Entry) -> None:
        self._entries.append(entry)
        if len(self._entries) >= CHECKS_TOGETHER:
            self.now()
        elif not self._alarmed:
            self._alarmed = True
            self._loop.when_patience_ends(self._patience_ended)

    def now(self) -> None:
        """All that are there."""
        entries, self._entries = self._entries, []
        for entry in entries:
            self._look_at(entry)

    def _patience_ended(self) -> None:
        self._alarmed = False
        self.now()
