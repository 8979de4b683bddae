"""A client that sends the bytes it is given."""

from __future__ import annotations

import select
import socket
import struct
from dataclasses import dataclass
from typing import Self

PATIENCE_SECONDS = 20.0
RECEIVE_BYTES = 1 << 18
NO_BODY = (204, 304)
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time


def get(
    target: str, *fields: str, method: str = "GET", version: str = "1.1", host: str | None = "rig"
) -> bytes:
    """The head of a request."""
    hosts = [f"Host: {host}"] if host is not None else []
    return "\r\n".join((f"{method} {target} HTTP/{version}", *hosts, *fields, "", "")).encode("latin-1")


@dataclass(frozen=True)
class Response:
    """What came: the head as it was, and what it says."""

    head: bytes
    status: int
    fields: tuple[tuple[str, str], ...]  # names in lower case
    body: bytes

    def __getitem__(self, name: str) -> str:
        """The value of the one field of this name."""
        (value,) = (value for key, value in self.fields if key == name)
        return value

    def __contains__(self, name: str) -> bool:
        return any(key == name for key, _ in self.fields)

    @property
    def undated(self) -> tuple[bytes, bytes]:
        """All of it but the line that says what time it is."""
        lines = self.head.split(b"\r\n")
        return b"\r\n".join(line for line in lines if not line.lower().startswith(b"date:")), self.body


class Client:
    """One connection."""

    def __init__(self, port: int, *, receive_buffer: int = 0) -> None:
        self.sock = socket.socket()
        self.sock.settimeout(PATIENCE_SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            self.sock.connect(("127.0.0.1", port))
        except OSError:
            self.sock.close()
            raise
        self._come = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> Self:
        self.sock.sendall(data)
        return self

    def send_byte_by_byte(self, data: bytes) -> Self:
        for at in range(len(data)):
            self.sock.sendall(data[at : at + 1])
        return self

    def shut(self) -> Self:
        """Says that nothing more will be sent."""
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def reset(self) -> None:
        """Breaks the connection off without a word."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.sock.close()

    def ask(self, target: str, *fields: str, method: str = "GET", version: str = "1.1") -> Response:
        """One request, and its answer."""
        return self.send(get(target, *fields, method=method, version=version)).response(method)

    def head(self) -> bytes:
        """The next response head, without its empty line."""
        while b"\r\n\r\n" not in self._come:
            self._more()
        end = self._come.index(b"\r\n\r\n")
        head = bytes(self._come[:end])
        del self._come[: end + 4]
        return head

    def body(self, count: int) -> bytes:
        """The next `count` bytes."""
        while len(self._come) < count:
            self._more()
        taken = bytes(self._come[:count])
        del self._come[:count]
        return taken

    def response(self, method: str = "GET") -> Response:
        """The next answer, whole."""
        head = self.head()
        first, *lines = head.decode("latin-1").split("\r\n")
        version, status, _ = first.split(" ", 2)
        assert version == "HTTP/1.1", head
        fields = tuple(
            (name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)
        )
        lengths = [int(value) for name, value in fields if name == "content-length"]
        bodiless = method == "HEAD" or int(status) in NO_BODY
        return Response(head, int(status), fields, b"" if bodiless else self.body(lengths[0]))

    def rest_of(self, count: int) -> bytes:
        """The rest of a body whose head has been taken: exactly so many bytes, and nothing behind them."""
        body = self.body(count)
        assert not self._come, bytes(self._come[:100])
        return body

    def rest(self) -> bytes:
        """Everything until the server closes."""
        while True:
            data = self.sock.recv(RECEIVE_BYTES)
            if not data:
                rest = bytes(self._come)
                self._come.clear()
                return rest
            self._come += data

    def rest_or_reset(self) -> bytes:
        """Everything until the server closes, in whatever way."""
        try:
            return self.rest()
        except ConnectionError:
            return bytes(self._come)

    @property
    def has_ended(self) -> bool:
        """Whether the server has closed and nothing is left to read."""
        if self._come or not select.select([self.sock], [], [], 0)[0]:
            return False
        try:
            return self.sock.recv(1, socket.MSG_PEEK) == b""
        except ConnectionError:
            return True

    def _more(self) -> None:
        data = self.sock.recv(RECEIVE_BYTES)
        assert data, f"the server closed; until then came {bytes(self._come[:300])!r}"
        self._come += data


def ask(port: int, target: str, *fields: str, method: str = "GET") -> Response:
    """One request on a connection of its own."""
    with Client(port) as client:
        return client.ask(target, "Connection: close", *fields, method=method)
