"""Entries that are to be looked at in the background: cheaper a few at a time than each by itself."""

from __future__ import annotations

from collections.abc import Callable

from server.files.entry import RETIRED, Entry
from server.loop import Loop

TOGETHER = 32  # entries


class Due:
    """An entry is looked at within PATIENCE_SECONDS."""

    def __init__(self, loop: Loop, look: Callable[[Entry], None]) -> None:
        self._loop = loop
        self._look = look
        self._entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        if not self._entries:
            self._loop.when_patience_ends(self.look)
        self._entries.append(entry)
        if len(self._entries) >= TOGETHER:
            self.look()

    def look(self) -> None:
        """At all of them, now."""
        some, self._entries = self._entries, []
        for entry in some:
            if entry.version != RETIRED:
                self._look(entry)
