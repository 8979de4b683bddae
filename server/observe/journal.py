"""Lines for the operator, written by a thread, so that a full pipe stalls nobody.

The thread only ever waits: for lines, and for the pipe. If the pipe takes none for so long
that the queue is full, lines are dropped and counted; the count is written when it can be.
"""

from __future__ import annotations

import os
import threading
from collections import deque

MOST_LINES = 10_000


class Journal:
    """A bounded queue of lines before a descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()
        self._something = threading.Event()
        self._ending = False
        self.dropped = 0
        self._thread = threading.Thread(target=self._write_lines, name="journal", daemon=True)
        self._thread.start()

    def line(self, text: str) -> None:
        """Writes the line soon."""
        if len(self._lines) >= MOST_LINES:
            self.dropped += 1
            return
        self._lines.append(text.encode(errors="backslashreplace") + b"\n")
        self._something.set()

    def notice(self, text: str) -> None:
        """A line in the server's own name."""
        self.line(f"headrace: {text}")

    def close(self, seconds: float) -> None:
        """Writes what is left, if the pipe takes it in time."""
        self._ending = True
        self._something.set()
        self._thread.join(seconds)

    def _write_lines(self) -> None:
        while not (self._ending and not self._lines):
            self._something.wait()
            self._something.clear()
            while self._lines:
                self._write(self._lines.popleft())

    def _write(self, line: bytes) -> None:
        view = memoryview(line)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError:
            self.dropped += 1
