"""Clients by the hundred, in a process of their own that spends as little as it can on each byte.

Rule 1: bodies are received with MSG_TRUNC: TCP counts the bytes off its queue and copies nothing.
Rule 2: what the process takes of its core all the same is reported with the rest.
Rule 3: a client that is refused or cut off comes again, but not for ever.
"""

from __future__ import annotations

import multiprocessing
import random
import select
import socket
import time
from collections.abc import Iterator, Sequence
from ctypes import Array, c_uint64
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import RawArray
from types import TracebackType
from typing import Self

from loadtest.judge import length_in, request, settle_on_core

FORK = multiprocessing.get_context("fork")
GULP = 1 << 20  # bytes taken at once
HEAD = 1 << 14
CHUNK_HEAD = 16  # bytes: a size of up to twelve digits


@dataclass(frozen=True, slots=True)
class Order:
    """Who is to ask for what."""

    ports: Sequence[int]  # clients are spread over them
    targets: Sequence[str]
    clients: int
    repeat: bool = False  # or else each target once, and then it is over
    weights: Sequence[float] | None = None  # at random by these, for ever
    one_each: bool = False  # client n asks for target n alone, once
    most_seconds: float = 30.0
    connect_seconds: float = 0.0  # over which they arrive


@dataclass(frozen=True, slots=True)
class Report:
    """How they fared."""

    seconds: float = 0.0
    bytes: int = 0
    completed: int = 0
    failed: int = 0
    ran_out: bool = False  # every target has been asked for before the time was over
    cpu_seconds: float = 0.0
    took: Sequence[tuple[float, float]] = field(default_factory=tuple)  # seconds since start, milliseconds

    @property
    def load_percent(self) -> float:
        return 100 * self.cpu_seconds / self.seconds if self.seconds else 0.0

    @property
    def mb_per_second(self) -> float:
        return self.bytes / 1e6 / self.seconds if self.seconds else 0.0


class Clients:
    """The process of the clients. Bytes received so far can be read at any time."""

    def __init__(self, order: Order) -> None:
        self._received = RawArray(c_uint64, 1)
        self._reported, report = FORK.Pipe(duplex=False)
        self._most_seconds = order.most_seconds
        self._process = FORK.Process(target=_serve, args=(order, self._received, report), daemon=True)
        self._process.start()
        report.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.join()
        self._reported.close()

    @property
    def bytes(self) -> int:
        return int(self._received[0])

    def report(self) -> Report:
        if not self._reported.poll(self._most_seconds + 15):
            raise RuntimeError("the clients have not reported")
        try:
            report: Report = self._reported.recv()
        except EOFError:
            raise RuntimeError("the clients have ended without a report") from None
        return report


def fetch(order: Order) -> Report:
    """All of it, from beginning to end."""
    with Clients(order) as clients:
        return clients.report()


def _serve(order: Order, received: Array[c_uint64], report: Connection) -> None:
    settle_on_core(realtime=False)
    report.send(_Fleet(order, received).run())


class _Client:
    __slots__ = ("asked", "chunked", "head", "last_chunk", "left", "number", "sock")

    def __init__(self, number: int, sock: socket.socket) -> None:
        self.number = number
        self.sock = sock
        self.head = b""
        self.left = -1  # of the body or, with its line's end, the chunk; -1: the head is yet to come
        self.chunked = False
        self.last_chunk = False
        self.asked = 0.0


class _Fleet:
    """An epoll loop over all clients."""

    def __init__(self, order: Order, received: Array[c_uint64]) -> None:
        self._order = order
        self._received = received
        self._epoll = select.epoll()
        self._clients: dict[int, _Client] = {}
        self._buffer = bytearray(GULP)
        self._targets = _targets(order)
        self._ran_out = False
        self._completed = self._failed = 0
        self._took: list[tuple[float, float]] = []

    def run(self) -> Report:
        cpu, start = time.process_time(), time.monotonic()
        self._start = start
        order = self._order
        pause = order.connect_seconds / order.clients
        arrived = 0
        last = start
        while (now := time.monotonic()) - start < order.most_seconds:
            while arrived < order.clients and now >= start + arrived * pause:
                self._arrive(arrived)
                arrived += 1
            if not self._clients and arrived == order.clients:
                break
            wait = 0.2 if arrived == order.clients else max(0.001, pause)
            for fd, _ in self._epoll.poll(wait):
                if (client := self._clients.get(fd)) is not None:
                    self._take(client)
            last = time.monotonic()
        for client in list(self._clients.values()):
            self._leave(client)
        return Report(
            seconds=last - start,
            bytes=self._received[0],
            completed=self._completed,
            failed=self._failed,
            ran_out=self._ran_out,
            cpu_seconds=time.process_time() - cpu,
            took=self._took,
        )

    def _arrive(self, number: int) -> None:
        ports = self._order.ports
        try:
            sock = socket.create_connection(("127.0.0.1", ports[number % len(ports)]), timeout=5)
        except OSError:
            self._failed += 1
            return
        sock.setblocking(False)
        client = _Client(number, sock)
        self._clients[sock.fileno()] = client
        self._epoll.register(sock, select.EPOLLIN)
        self._ask(client)

    def _ask(self, client: _Client) -> None:
        if self._order.one_each:
            target = self._order.targets[client.number] if client.asked == 0 else None
        else:
            target = next(self._targets, None)
        if target is None:
            self._ran_out = True
            self._leave(client)
            return
        client.head, client.left, client.asked = b"", -1, time.monotonic()
        client.chunked = client.last_chunk = False
        client.sock.send(request(target))

    def _take(self, client: _Client) -> None:
        try:
            if client.left < 0:
                # No more than the head, and what of the body came with it: the rest is not copied.
                size = client.sock.recv_into(self._buffer, HEAD)
                complete = size > 0 and self._took_head(client, bytes(self._buffer[:size]))
            elif client.chunked and client.left == 0:
                size = client.sock.recv_into(self._buffer, CHUNK_HEAD)
                complete = size > 0 and _took_chunk_heads(client, bytes(self._buffer[:size]))
            else:
                size = client.sock.recv_into(self._buffer, min(GULP, client.left), socket.MSG_TRUNC)
                client.left -= size
                complete = client.left == 0 and (client.last_chunk or not client.chunked)
        except BlockingIOError:
            return
        except OSError:
            size, complete = 0, False
        self._received[0] += size
        if complete:
            self._completed += 1
            now = time.monotonic()
            self._took.append((client.asked - self._start, (now - client.asked) * 1e3))
            self._ask(client)
        elif size == 0:
            self._come_again(client)

    def _took_head(self, client: _Client, data: bytes) -> bool:
        client.head += data
        head, end, body = client.head.partition(b"\r\n\r\n")
        if not end:
            return False
        lines = head.lower().split(b"\r\n")
        if not lines[0].startswith((b"http/1.1 200", b"http/1.1 206")):
            raise OSError("refused")
        client.head = b""
        if b"transfer-encoding: chunked" in lines:
            client.chunked, client.left = True, 0
            return _took_chunk_heads(client, body)
        client.left = length_in(lines) - len(body)
        return client.left == 0

    def _come_again(self, client: _Client) -> None:
        self._failed += 1
        self._leave(client)
        if self._failed < 2 * self._order.clients + 20:
            self._arrive(client.number)

    def _leave(self, client: _Client) -> None:
        del self._clients[client.sock.fileno()]
        client.sock.close()


def _took_chunk_heads(client: _Client, data: bytes) -> bool:
    """What may be the head of a chunk, several chunks with their heads, or a part of one."""
    data = client.head + data
    client.head = b""
    while data:
        head, end, rest = data.partition(b"\r\n")
        if not end:
            client.head = data
            return False
        size = int(head.partition(b";")[0], 16)
        client.last_chunk = size == 0
        client.left = max(0, size + 2 - len(rest))
        if client.left:
            return False
        data = rest[size + 2 :]
        if client.last_chunk:
            return True
    return False


def _targets(order: Order) -> Iterator[str]:
    if order.weights is not None:
        chance = random.Random(1)
        while True:
            yield from chance.choices(order.targets, order.weights, k=1000)
    while True:
        yield from order.targets
        if not order.repeat:
            return


def spread(count: int) -> list[float]:
    """Zipf's weights: the second is asked for half as often as the first."""
    return [1 / rank for rank in range(1, count + 1)]
