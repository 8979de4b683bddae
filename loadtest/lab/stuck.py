"""Clients that wait for a disk which stands still, and one who asks for the page in memory meanwhile.

Rule 1: no clock decides. The disk stands still, and the page is answered within three seconds or it is not.
Rule 2: the page is asked for on a connection that is kept and on new ones, again and again: a server that
        still answers whom it has accepted, but accepts nobody, has stopped.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from loadtest.judge import Answer, ask_on, request

ANSWER_SECONDS = 3.0
PROBE_PAUSE_SECONDS = 0.7


class Page:
    """The client of the page in memory."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._start = time.monotonic()
        self._kept = self._connect()
        self.answers: list[tuple[float, float]] = []  # seconds since the start, milliseconds

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._kept.close()

    def answered_for(self, seconds: float) -> bool:
        """Both ways, and so on for some time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(PROBE_PAUSE_SECONDS)
            if not (self.answered() and self.answered_afresh()):
                return False
        return True

    def answered(self) -> bool:
        """On the connection that is kept. One that has been idle for too long is made anew."""
        try:
            return self._answered_on(self._kept)
        except ConnectionError:
            self._kept.close()
            self._kept = self._connect()
            return self._answered_on(self._kept)

    def answered_afresh(self) -> bool:
        try:
            with self._connect() as connection:
                return self._answered_on(connection)
        except OSError:
            return False

    def _answered_on(self, connection: socket.socket) -> bool:
        asked = time.monotonic()
        try:
            ask_on(connection)
        except TimeoutError:
            self.answers.append((asked - self._start, ANSWER_SECONDS * 1e3))
            return False
        self.answers.append((asked - self._start, (time.monotonic() - asked) * 1e3))
        return True

    def _connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), timeout=ANSWER_SECONDS)


class Crowd:
    """The clients that wait for the disk, each for a file of its own."""

    def __init__(self, port: int, targets: Sequence[str]) -> None:
        self._port = port
        self._targets = targets
        self._selector = selectors.DefaultSelector()
        self._buffer = memoryview(bytearray(1 << 18))
        self.size = 0
        self.completed = 0
        self.ended = 0  # completed, refused or cut off

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for key in list(self._selector.get_map().values()):
            self._end(key.fileobj)
        self._selector.close()

    def grow(self, size: int) -> bool:
        """Connect more clients, until they are so many; false if the server lets them wait at the door."""
        while self.size < size:
            client = socket.socket()
            try:
                client.settimeout(ANSWER_SECONDS)
                client.connect(("127.0.0.1", self._port))
                client.sendall(request(self._targets[self.size]))
            except OSError:
                client.close()
                return False
            client.setblocking(False)
            self._selector.register(client, selectors.EVENT_READ, Answer())
            self.size += 1
        return True

    def read(self, seconds: float) -> None:
        """Take what comes, for so long or until all have ended."""
        deadline = time.monotonic() + seconds
        while self.ended < self.size and (left := deadline - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                assert isinstance(key.fileobj, socket.socket)
                try:
                    received = key.fileobj.recv_into(self._buffer)
                except OSError:
                    received = 0
                if received and not key.data.feed(self._buffer[:received]):
                    continue
                self.completed += bool(received) and key.data.ok
                self.ended += 1
                self._end(key.fileobj)

    def _end(self, client: object) -> None:
        assert isinstance(client, socket.socket)
        self._selector.unregister(client)
        client.close()
