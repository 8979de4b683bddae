"""Listening sockets and the connections that came from them."""

from __future__ import annotations

import secrets
import select
import socket
import time
import traceback
from collections.abc import Callable
from typing import Final

from server.answer.dates import http_date
from server.files.changes import Changes
from server.files.site import Sites
from server.loop import Loop
from server.observe.access import AccessLog
from server.wire.connection import Connection
from server.wire.credit import Credit
from server.wire.express import Express
from server.wire.passwords import Passwords
from server.wire.recall import Recall
from server.wire.verdicts import Verdicts

ACCEPTS_AT_ONCE: Final = 64


class Server:
    """Accepts connections, keeps the roll of them, and shows them the door."""

    def __init__(
        self,
        loop: Loop,
        sites: Sites,
        changes: Changes,
        passwords: Passwords,
        credit: Credit,
        listeners: list[socket.socket],
        report: Callable[[str], None],
        access_log: AccessLog | None = None,
    ) -> None:
        self.loop = loop
        self.sites = sites
        self.passwords = passwords
        self.credit = credit
        self.access_log = access_log
        self.verdicts = Verdicts()
        self.recall = Recall(loop, changes)
        self.express = Express(self.verdicts, self.recall, access_log)
        self.boundary = secrets.token_hex(16).encode()  # between the parts of an answer
        self.draining = False
        self.broken_off = 0  # answers that could not be completed
        self.accepted = 0
        self.faults = 0
        self._report = report
        self._listeners = listeners
        self._paused = False  # no descriptor was left
        self._connections: set[Connection] = set()
        self._date = b""
        self._date_second = 0
        self._dated_at = 0.0
        loop.every_second(self._sweep)

    @property
    def connections(self) -> int:
        return len(self._connections)

    @property
    def second(self) -> int:
        """Seconds since the epoch."""
        return int(time.time())

    def date(self) -> bytes:
        """The Date of an answer that leaves in this turn: the same object for a second."""
        if self._dated_at != self.loop.now:
            self._dated_at = self.loop.now
            second = self.second
            if second != self._date_second:
                self._date_second = second
                self._date = http_date(second)
        return self._date

    def listen(self) -> None:
        """From now on connections are accepted."""
        for sock in self._listeners:
            self._watch(sock)

    def forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self.credit.forget(connection)
        if self._paused:
            self._resume()
        if self.draining and not self._connections:
            self.loop.stop()

    def fault(self, connection: Connection, fault: Exception) -> None:
        """A mistake of ours, which costs this one connection. No source lines are printed:
        they would be read from files, here in the loop."""
        self.faults += 1
        frames = traceback.walk_tb(fault.__traceback__)
        where = ", ".join(f"{frame.f_code.co_qualname}:{line}" for frame, line in frames)
        self._report(f"fault: {type(fault).__name__}: {fault} in {where}")
        connection.drop()

    def drain(self) -> None:
        """Listens no more, lets answers end, and stops the loop after the last one."""
        self.draining = True
        self.close_listeners()
        for connection in list(self._connections):
            if connection.idle:
                connection.drop()
        if not self._connections:
            self.loop.stop()

    def close_listeners(self) -> None:
        """Shut down first: a socket that this process merely closes stays open as long as a
        thread of it hangs on a dead disk, and would go on taking connections."""
        for sock in self._listeners:
            sock.shutdown(socket.SHUT_RD)
            self.loop.close(sock)
        self._listeners = []

    def drop_all(self) -> None:
        for connection in list(self._connections):
            connection.drop()

    def _watch(self, sock: socket.socket) -> None:
        self.loop.watch(sock.fileno(), select.EPOLLIN, lambda _: self._accept(sock))

    def _accept(self, sock: socket.socket) -> None:
        for _ in range(ACCEPTS_AT_ONCE):
            try:
                client, peer = sock.accept()
            except BlockingIOError:
                return
            except (ConnectionError, TimeoutError):
                continue  # that client has gone; accept(2) passes on the errors of its connection
            except OSError as error:
                self._pause(error)
                return
            client.setblocking(False)
            self.accepted += 1
            # At a UNIX socket it is a name, if the client has one, and not an address.
            self._connections.add(Connection(client, peer[0] if isinstance(peer, tuple) else "", self))

    def _pause(self, error: OSError) -> None:
        """No descriptor or no memory: to try again at once would be to spin."""
        if not self._paused:
            self._paused = True
            self._report(f"no new connections for now: {error.strerror}")
            for sock in self._listeners:
                self.loop.unwatch(sock.fileno())

    def _resume(self) -> None:
        self._paused = False
        for sock in self._listeners:
            self._watch(sock)

    def _sweep(self) -> None:
        now = self.loop.now
        for connection in list(self._connections):
            if connection.deadline < now:
                connection.expire()
        if self._paused:
            self._resume()
