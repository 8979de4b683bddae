"""Slow readers by the thousand, in a process of their own that hardly works for it.

Rule 1: a reader takes a few kilobytes every few seconds, not one each second: fewer calls for as much. Its
        receive buffer holds one such portion and little more, so that the server is who must wait.
Rule 2: they take turns around a wheel, a few at each step: no crowd of them wakes at once, and no event is
        waited for.
Rule 3: what the process takes of its core is counted, for it shares that with whoever is measured beside it.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from ctypes import Array, c_uint64
from multiprocessing.sharedctypes import RawArray
from types import TracebackType
from typing import Self

from loadtest.judge import request, settle_on_core
from loadtest.lab.clients import FORK

BYTES_PER_SECOND = 1000
TURN_SECONDS = 4.0  # from one portion of a reader to his next
STEPS_PER_SECOND = 50
RECEIVE_BUFFER = 8192  # asked of the kernel, which takes twice that, for its own book-keeping too


class SlowReaders:
    """The process of the readers. What they have done so far can be read at any time."""

    def __init__(self, port: int, targets: Sequence[str], count: int) -> None:
        self._counted = RawArray(c_uint64, 3)
        self._count = count
        self._process = FORK.Process(
            target=_read_slowly, args=(port, targets, count, self._counted), daemon=True
        )
        self._process.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.join()

    def wait(self, seconds: float) -> None:
        """Until all have asked, or for so long."""
        deadline = time.monotonic() + seconds
        while self.arrived < self._count and self._process.is_alive() and time.monotonic() < deadline:
            time.sleep(0.1)

    @property
    def arrived(self) -> int:
        return int(self._counted[0])

    @property
    def bytes(self) -> int:
        return int(self._counted[1])

    @property
    def cpu_seconds(self) -> float:
        return float(self._counted[2]) / 1e9


def _read_slowly(port: int, targets: Sequence[str], count: int, counted: Array[c_uint64]) -> None:
    settle_on_core(realtime=False)
    readers = []
    for number in range(count):
        readers.append(_arrive(port, targets[number % len(targets)]))
        counted[0] += 1
    steps = int(TURN_SECONDS * STEPS_PER_SECOND)
    wheel = [readers[step::steps] for step in range(steps)]
    portion = int(TURN_SECONDS * BYTES_PER_SECOND)
    thrown_away = bytearray(portion)
    due = time.monotonic()
    while True:
        for spoke in wheel:
            due += 1 / STEPS_PER_SECOND
            time.sleep(max(0.0, due - time.monotonic()))
            for reader in spoke:
                with suppress(OSError):
                    counted[1] += reader.recv_into(thrown_away, portion, socket.MSG_TRUNC)
            counted[2] = time.process_time_ns()


def _arrive(port: int, target: str) -> socket.socket:
    """One who could not connect stays, and reads nothing."""
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    reader.settimeout(5)
    with suppress(OSError):
        reader.connect(("127.0.0.1", port))
        reader.send(request(target))
    reader.setblocking(False)
    return reader
