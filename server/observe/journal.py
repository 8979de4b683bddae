"""Lines for the operator, written by a thread, so that a full pipe stalls nobody.

The thread only ever waits: for lines, and for the pipe. If the pipe takes none for so long
that the queue is full, lines are dropped and counted.
"""

from __future__ import annotations

import os
import threading
from collections import deque

MOST_LINES = 10_000
WRITE_LINES = 256  # in one write(2), at most


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

    def add(self, line: bytes) -> None:
        """A line to be written at the next flush()."""
        if len(self._lines) >= MOST_LINES:
            self.dropped += 1
        else:
            self._lines.append(line)

    def flush(self) -> None:
        """Has the thread write what is there."""
        self._something.set()

    def notice(self, text: str) -> None:
        """A line in the server's own name, soon."""
        self.add(f"headrace: {text}\n".encode(errors="backslashreplace"))
        self.flush()

    def close(self, seconds: float) -> None:
        """Writes what is left, if the pipe takes it in time."""
        self._ending = True
        self.flush()
        self._thread.join(seconds)

    def _write_lines(self) -> None:
        lines = self._lines
        while lines or not self._ending:
            self._something.wait()
            self._something.clear()
            while lines:
                self._write(b"".join(lines.popleft() for _ in range(min(len(lines), WRITE_LINES))))

    def _write(self, text: bytes) -> None:
        view = memoryview(text)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError:
            self.dropped += bytes(view).count(b"\n")
