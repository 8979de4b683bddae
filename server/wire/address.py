"""Where to listen: addresses, and the sockets made of them."""

from __future__ import annotations

import os
import socket
import stat
from errno import EADDRINUSE, ENAMETOOLONG
from typing import Final, NamedTuple

BACKLOG: Final = 4096
MOST_NAME_BYTES: Final = 16  # of a congestion control: TCP_CA_NAME_MAX
MOST_PATH_BYTES: Final = 107  # of a UNIX socket: unix(7) has 108, with a zero at the end
AUTO: Final = "auto"  # a congestion control: the machine's, unless that is of no use here
SYSTEM: Final = "system"  # the machine's
PACING: Final = b"bbr"  # how the names begin of those that let bytes go by a timer
CUBIC: Final = b"cubic"  # does not, and is what Linux has by default
RENO: Final = b"reno"  # does not, and is there always
UNSENT_BYTES: Final = 64 * 1024  # in the kernel for each connection, or a slow reader takes megabytes


class Address(NamedTuple):
    """A TCP address, or the path of a UNIX socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can come here; an address, not a name that leads to one."""
        return self.host.startswith("127.") or self.host == "::1"

    @property
    def url(self) -> str:
        return str(self) if self.path else f"http://{self}/"


class UnknownCongestion(Exception):
    """This kernel has no such congestion control, or does not let us have it."""


def listen(address: Address, congestion: str = AUTO) -> socket.socket:
    """A listening socket. What is set on it is inherited by every connection (tcp(7))."""
    if address.path:
        if len(os.fsencode(address.path)) > MOST_PATH_BYTES:
            raise OSError(ENAMETOOLONG, f"the path of a socket has at most {MOST_PATH_BYTES} bytes")
        return _listening(socket.AF_UNIX, address.path)
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    return _listening(family, (address.host, address.port), congestion)


def set_unsent(sock: socket.socket, size: int) -> None:
    """From so many unsent bytes on the socket takes no more: TCP_NOTSENT_LOWAT, tcp(7)."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, size)


def address_of(sock: socket.socket) -> Address:
    """Where it really listens: the port that was taken for 0."""
    name = sock.getsockname()
    return Address(path=name) if sock.family == socket.AF_UNIX else Address(name[0], name[1])


class SocketName:
    """The name of a UNIX socket in its directory, as long as it is ours: a successor may have
    put its own socket there. The empty path, of a TCP socket, names nothing."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._is = self._inode()

    def remove(self) -> None:
        if self._is is not None and self._inode() == self._is:
            os.unlink(self._path)

    def _inode(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino


def _listening(
    family: socket.AddressFamily, name: str | tuple[str, int], congestion: str = SYSTEM
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_UNIX:
            _clear_stale(str(name))
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            set_unsent(sock, UNSENT_BYTES)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(name)
        _control(sock, congestion)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except (OSError, UnknownCongestion):
        sock.close()
        raise
    return sock


def _control(sock: socket.socket, name: str) -> None:
    """BBR finds out how fast the path to a client is, and lets bytes go by a timer so that no router has to
    queue them. Within a machine there is neither path nor router, and a timer for each burst costs more
    than the burst: so loopback has another one there, unless the operator says which."""
    if name == AUTO:
        if address_of(sock).is_loopback and _congestion_of(sock).startswith(PACING):
            _ = _has(sock, CUBIC) or _has(sock, RENO)
    elif name != SYSTEM and not _has(sock, name.encode()):
        raise UnknownCongestion(
            f"this kernel has no {name} for us: /proc/sys/net/ipv4/tcp_allowed_congestion_control says what"
        )


def _congestion_of(sock: socket.socket) -> bytes:
    """Nothing where nobody says."""
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, MOST_NAME_BYTES).rstrip(b"\0")
    except OSError:
        return b""


def _has(sock: socket.socket, congestion: bytes) -> bool:
    """Whether the socket, and so all that come from it, could be given this control."""
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion)
    except OSError:
        return False
    return True


def _clear_stale(path: str) -> None:
    """Removes a socket that a server left behind; one that answers is in use."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise OSError(EADDRINUSE, os.strerror(EADDRINUSE))
