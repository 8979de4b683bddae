"""A crowd of clients in one thread: each asks for one file, on its own connection, and takes what comes.

Rule 1: a body is not kept, only its length and its digest: a thousand downloads fit into any memory.
Rule 2: no client is waited for alone. `turn` takes what has arrived for all, `until` takes turns.
"""

from __future__ import annotations

import hashlib
import selectors
import socket
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

Address = tuple[str, int]
PIECE = 256 * 1024  # bytes taken from one client at a time


class Client:
    """One connection, one request, and what has come of the answer."""

    def __init__(self, address: Address, path: str) -> None:
        self.path = path
        self.received = 0  # bytes, of whatever
        self.status = 0
        self.length = -1  # of the body, as announced
        self.body = 0  # bytes of it so far
        self.ended = False  # by the server, complete or not
        self._digest = hashlib.sha256()
        self._head = b""
        self._request = f"GET {path} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\n\r\n".encode()
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex(address)

    @property
    def over(self) -> bool:
        return self.ended or self.body == self.length

    @property
    def digest(self) -> bytes:
        return self._digest.digest()

    def ask(self) -> None:
        self.socket.sendall(self._request)

    def take(self) -> None:
        try:
            data = self.socket.recv(PIECE)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        self.received += len(data)
        self.ended = not data
        if self.length < 0:
            self._head, data = self._head + data, b""
            head, found, rest = self._head.partition(b"\r\n\r\n")
            if found:
                self._read_head(head)
                data = rest
        self._digest.update(data)
        self.body += len(data)

    def _read_head(self, head: bytes) -> None:
        first, *lines = head.split(b"\r\n")
        self.status = int(first.split()[1])
        fields = dict(line.lower().split(b":", 1) for line in lines)
        self.length = int(fields[b"content-length"])

    def __str__(self) -> str:
        end = ", then the end" if self.ended else ""
        return f"{self.path}: status {self.status}, {self.body} of {self.length} bytes{end}"


class Crowd:
    """Clients that ask at once and can be left waiting, sent home, or seen through to the last byte."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._selector = selectors.DefaultSelector()
        self.clients: list[Client] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hang_up(list(self.clients))
        self._selector.close()

    def ask(self, paths: Iterable[str], *, seconds: float) -> None:
        """Connect and have every request on its way. It is for the server to take it up."""
        newcomers = [Client(self._address, path) for path in paths]
        for client in newcomers:
            self._selector.register(client.socket, selectors.EVENT_WRITE, client)
        self.clients += newcomers
        sockets = {client.socket for client in newcomers}
        assert self.until(lambda: sockets.isdisjoint(self._connecting()), seconds), "some cannot connect"

    def hang_up(self, clients: Iterable[Client]) -> None:
        for client in clients:
            if client.socket in self._selector.get_map():
                self._selector.unregister(client.socket)
            client.socket.close()
            self.clients.remove(client)

    def turn(self, seconds: float = 0.0) -> None:
        """Take what has arrived; when there is nothing, wait for it so long."""
        for key, events in self._selector.select(seconds):
            client: Client = key.data
            if events & selectors.EVENT_WRITE:
                client.ask()
                self._selector.modify(client.socket, selectors.EVENT_READ, client)
                continue
            client.take()
            if client.ended:
                self._selector.unregister(client.socket)

    def until(self, wanted: Callable[[], bool], seconds: float) -> bool:
        """Take turns until it has come to pass, or the time is up."""
        deadline = time.monotonic() + seconds
        while not (come := wanted()) and time.monotonic() < deadline:
            self.turn(0.05)
        return come

    def _connecting(self) -> set[socket.socket]:
        keys = self._selector.get_map().values()
        return {key.data.socket for key in keys if key.events & selectors.EVENT_WRITE}
