"""Who judges a page: a process of its own, not on the server's core, above the load to the scheduler."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from multiprocessing.connection import Connection

LOAD_CORE = 1
PAGE = "/page.html"
LAST_CHUNK = b"0\r\n\r\n"
PAGES_PER_SECOND = 100  # to each of the servers, which take turns


class Answer:
    """Counts one answer off the wire: a head, then Content-Length bytes, or chunks up to the last."""

    __slots__ = ("_chunked", "_head", "_left", "_tail", "ok")

    def __init__(self) -> None:
        self._head = b""
        self._left = -1
        self._chunked = False
        self._tail = b""
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
            self._chunked = b"transfer-encoding: chunked" in lines
            self._left = length_in(lines) - len(body)
            data = memoryview(body)
        else:
            self._left -= len(data)
        if self._chunked:
            # Bytes that look like the last chunk, just where one arrival ends, are not worth a parser here.
            self._tail = (self._tail + bytes(data[-len(LAST_CHUNK) :]))[-len(LAST_CHUNK) :]
            self._left = 0
            return self._tail == LAST_CHUNK
        return self._left <= 0


def length_in(lines: Sequence[bytes]) -> int:
    """Content-Length, from the lines of a head in lower case; 0 if there is none."""
    lengths = [line.partition(b":")[2] for line in lines if line.startswith(b"content-length:")]
    return int(lengths[0]) if lengths else 0


@dataclass(frozen=True, slots=True)
class Sample:
    """One page that was due, in nanoseconds of the monotonic clock; 0 for what has not happened."""

    due: int
    sent: int
    done: int


@dataclass(frozen=True, slots=True)
class Timetable:
    """Whom the judge asks for what, and how often. The targets are asked for in turn, and then again."""

    port: int
    targets: Sequence[str] = (PAGE,)
    per_second: float = PAGES_PER_SECOND


def ask_by_timetable(timetables: Sequence[Timetable], end: int, report: Connection) -> None:
    """Keep to all the timetables until the end, each on one connection that is kept."""
    settle_on_core(realtime=True)
    start = time.monotonic_ns() + 10_000_000
    asked = [
        # Between the others' times.
        _Asked(timetable, start + index * 10_000_000 // len(timetables))
        for index, timetable in enumerate(timetables)
    ]
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

    def __init__(self, timetable: Timetable, due: int) -> None:
        self._port = timetable.port
        self._period = int(1e9 / timetable.per_second)
        self._targets = cycle(timetable.targets)
        self._request = request(next(self._targets))
        self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=30)
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
        if received == 0:  # the server has closed; it is asked again, and has been waited for all the time
            self._socket.close()
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=30)
            self._answer = Answer()
            self._socket.send(self._request)
        elif self._answer.feed(self._buffer[:received]):
            if not self._answer.ok:
                raise RuntimeError(f"port {self._port} does not serve {self._request.split()[1].decode()}")
            self._request = request(next(self._targets))
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


def settle_on_core(realtime: bool) -> None:
    """This process's share of the machine. Whoever started it ends it: a Ctrl-C is not for it."""
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
