"""Who judges a page, and who loads the disk: processes of their own, not on the server's core."""

from __future__ import annotations

import os
import select
import selectors
import signal
import socket
import time
from collections.abc import Sequence
from ctypes import Array, c_uint64
from dataclasses import dataclass
from multiprocessing.connection import Connection

LOAD_CORE = 1
PAGE = "/page.html"
PAGES_PER_SECOND = 100  # to each of the servers, which take turns


class Answer:
    """Counts one answer off the wire: a head, then Content-Length bytes."""

    __slots__ = ("_head", "_left", "ok")

    def __init__(self) -> None:
        self._head = b""
        self._left = -1
        self.ok = False

    def feed(self, data: memoryview) -> bool:
        """Take what has come; true once the answer is complete."""
        if self._left < 0:
            self._head += data
            head, end, body = self._head.partition(b"\r\n\r\n")
            if not end:
                return False
            lines = head.lower().split(b"\r\n")
            self.ok = lines[0].startswith(b"http/1.1 200")
            lengths = [line.partition(b":")[2] for line in lines if line.startswith(b"content-length:")]
            self._left = int(lengths[0]) - len(body) if lengths else 0
        else:
            self._left -= len(data)
        return self._left <= 0


@dataclass(frozen=True, slots=True)
class Sample:
    """One page that was due, in nanoseconds of the monotonic clock; 0 for what has not happened."""

    due: int
    sent: int
    done: int


def ask_by_timetable(ports: Sequence[int], end: int, report: Connection) -> None:
    """Ask every port for the page by the timetable, in turns, each on one connection that is kept."""
    _settle_on_core(realtime=True)
    period = 1_000_000_000 // PAGES_PER_SECOND
    start = time.monotonic_ns() + period
    asked = [_Asked(port, start + index * period // len(ports), period) for index, port in enumerate(ports)]
    while (now := time.monotonic_ns()) < end:
        for one in asked:
            one.ask_if_due(now)
        next_due = min((one.due for one in asked if one.sent == 0), default=end)
        pause = max(0, min(next_due, end) - time.monotonic_ns()) / 1e9
        # Not epoll: its time-outs are whole milliseconds.
        ready, _, _ = select.select([one for one in asked if one.sent], [], [], pause)
        for one in ready:
            one.receive()
    report.send([one.finish(end) for one in asked])


class _Asked:
    """The judge's side of one server: one request under way at most, and what is due meanwhile waits."""

    def __init__(self, port: int, due: int, period: int) -> None:
        self._port = port
        self._period = period
        self._request = request(PAGE)
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._answer = Answer()
        self._buffer = memoryview(bytearray(65536))
        self.samples: list[Sample] = []
        self.due = due
        self.sent = 0

    def fileno(self) -> int:
        return self._socket.fileno()

    def ask_if_due(self, now: int) -> None:
        if self.sent or now < self.due:
            return
        self._answer = Answer()
        self.sent = time.monotonic_ns()
        self._socket.send(self._request)

    def receive(self) -> None:
        try:
            received = self._socket.recv_into(self._buffer)
        except ConnectionError:
            received = 0
        if (
            received == 0
        ):  # the server has closed; the request is asked again, and has been waiting all the time
            self._socket.close()
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=30)
            self._answer = Answer()
            self._socket.send(self._request)
        elif self._answer.feed(self._buffer[:received]):
            if not self._answer.ok:
                raise RuntimeError(f"port {self._port} does not serve {PAGE}")
            self._note_until(time.monotonic_ns(), answered=True)

    def finish(self, end: int) -> list[Sample]:
        """What is still under way, and what was due since, has had no answer."""
        if self.sent:
            self._note_until(end, answered=False)
        self._socket.close()
        return self.samples

    def _note_until(self, now: int, *, answered: bool) -> None:
        """One request has left; those that were due meanwhile have not, and are not made up for."""
        while self.due < now:
            self.samples.append(Sample(self.due, self.sent, now if answered else 0))
            self.due += self._period
            self.sent = 0


def keep_downloading(
    port: int, cold: Sequence[str], at_once: int, end: int, counters: Array[c_uint64]
) -> None:
    """Keep so many downloads going until the end; as one completes, its connection asks for the next file.

    The counters: bytes received, downloads completed, downloads failed, whether the files ran out.
    """
    _settle_on_core(realtime=False)
    targets = iter(cold)
    buffer = memoryview(bytearray(1 << 18))
    selector = selectors.DefaultSelector()

    def ask(connection: socket.socket) -> None:
        target = next(targets, None)
        if target is None:
            counters[3] = 1
            selector.unregister(connection)
            connection.close()
            return
        connection.sendall(request(target))
        selector.modify(connection, selectors.EVENT_READ, Answer())

    def begin() -> None:
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", port))
        selector.register(connection, selectors.EVENT_WRITE, None)

    for _ in range(at_once):
        begin()
    while (left := end - time.monotonic_ns()) > 0:
        for key, _ in selector.select(min(left / 1e9, 0.5)):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            try:
                if key.data is None:
                    ask(connection)
                    continue
                received = connection.recv_into(buffer)
            except BlockingIOError:
                continue
            except OSError:
                received = 0
            counters[0] += received
            if received == 0:
                counters[2] += 1
                selector.unregister(connection)
                connection.close()
                if (
                    counters[2] < at_once + len(cold) // 10
                ):  # a server that only refuses is not asked for ever
                    begin()
            elif key.data.feed(buffer[:received]):
                counters[1 if key.data.ok else 2] += 1
                ask(connection)


def _settle_on_core(realtime: bool) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.sched_setaffinity(0, {LOAD_CORE})
    if realtime:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def ask_page(port: int, times: int = 1, timeout: float = 30.0) -> None:
    """Ask for the page on a connection of its own; TimeoutError if an answer takes longer than that."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        for _ in range(times):
            ask_on(connection)


def ask_on(connection: socket.socket) -> None:
    connection.sendall(request(PAGE))
    answer = Answer()
    while not answer.feed(memoryview(data := connection.recv(65536))):
        if not data:
            raise ConnectionError(f"the connection was closed instead of serving {PAGE}")
    if not answer.ok:
        raise ConnectionError(f"{PAGE} is refused")


def request(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
