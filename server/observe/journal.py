"""Lines for the operator, written by a thread, so that a full pipe stalls nobody.

The thread only ever waits: for lines, and for the pipe. If the pipe takes none for so long
that the queue is full, lines are dropped and counted.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable
from typing import Final

MOST_LINES: Final = 10_000  # handed over and not yet written
LINES_TOGETHER: Final = 128  # in one write(2): more would not stay in the core's own memory


class Journal:
    """Lines are gathered here and written there, many with one call."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._gathered: list[bytes] = []  # pieces of lines
        self._lines = 0  # that they make
        self._texts: deque[tuple[int, bytes]] = deque()  # with how many lines there are in each
        self._handed_over = 0  # lines; this thread's own count
        self._written = 0  # lines; the other thread's
        self._something = threading.Event()
        self._ending = False
        self.dropped = 0
        self._writer = threading.Thread(target=self._write_texts, name="journal", daemon=True)
        self._writer.start()

    def add(self, pieces: Iterable[bytes]) -> None:
        """A line, with what ends it, to be written at the next flush()."""
        self._gathered += pieces
        self._lines += 1
        if self._lines >= LINES_TOGETHER:
            self.flush()

    def flush(self) -> None:
        """Has the thread write what is there."""
        pieces, self._gathered = self._gathered, []
        lines, self._lines = self._lines, 0
        if self._handed_over - self._written + lines > MOST_LINES:
            self.dropped += lines
        elif lines:
            self._handed_over += lines
            self._texts.append((lines, b"".join(pieces)))
        self._something.set()

    def notice(self, text: str) -> None:
        """A line in the server's own name, soon."""
        self.add((f"headrace: {text}\n".encode(errors="backslashreplace"),))
        self.flush()

    def close(self, seconds: float) -> None:
        """Writes what is left, if the pipe takes it in time."""
        self.flush()
        self._ending = True  # only now: else the thread may leave before it has the last lines
        self._something.set()
        self._writer.join(seconds)

    def _write_texts(self) -> None:
        while self._texts or not self._ending:
            self._something.wait()
            self._something.clear()
            while self._texts:
                lines, text = self._texts.popleft()
                self._write(text)
                self._written += lines

    def _write(self, text: bytes) -> None:
        view = memoryview(text)
        try:
            while view:
                taken = os.write(self._descriptor, view)
                view = view[taken:]
        except OSError:
            self.dropped += bytes(view).count(b"\n")
