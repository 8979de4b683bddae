"""What is left over of a call waits for what follows, and leaves when nothing does."""

from __future__ import annotations

import array
import ctypes
import errno
import fcntl
import os
import socket
import stat
from contextlib import closing, suppress

import pytest

from server.wire.cork import Cork
from tests.rig.client import Client, get
from tests.rig.files import KIB, MIB, noise, write
from tests.rig.server import Server, serving
from tests.rig.until import until

SIOCOUTQNSD = 0x894B  # bytes that have not been sent: <linux/sockios.h>


@pytest.fixture
def tcp():
    """Two ends of a connection on which nothing waits for an acknowledgement."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as ours,
        listener.accept()[0] as theirs,
    ):
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        theirs.settimeout(20)
        yield ours, theirs


def is_held(sock: socket.socket) -> bool:
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CORK) != 0


def unsent(sock: socket.socket) -> int:
    count = array.array("i", [0])
    fcntl.ioctl(sock.fileno(), SIOCOUTQNSD, count)
    return count[0]


def test_what_does_not_fill_a_segment_is_held_back_until_it_is_released(tcp):
    ours, theirs = tcp
    cork = Cork(ours)
    cork.hold()
    cork.hold()
    assert is_held(ours)
    sent = 0
    while not unsent(ours):  # Linux holds nothing for longer than 0.2 s, and we may be stopped for that long
        sent += ours.send(b"some")
        assert sent < 100, "nothing is held back"
    cork.release()
    assert (is_held(ours), unsent(ours)) == (False, 0)
    assert theirs.recv(sent, socket.MSG_WAITALL) == b"some" * (sent // 4)


def test_it_can_be_held_back_again(tcp):
    ours, _ = tcp
    cork = Cork(ours)
    for _ in range(3):
        cork.hold()
        assert is_held(ours)
        cork.release()
        cork.release()
        assert not is_held(ours)


def test_where_there_are_no_segments_nothing_is_held_back():
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        cork = Cork(ours)
        cork.hold()
        ours.send(b"some")
        assert theirs.recv(100) == b"some"
        cork.release()


def test_a_connection_that_is_gone_does_no_harm(tcp):
    ours, _ = tcp
    cork = Cork(ours)
    cork.hold()
    ours.close()
    cork.release()
    cork.hold()


# --- a server's own sockets ---

PIDFD_GETFD = 438  # the same number on every architecture: pidfd_getfd(2)


def socket_towards(server: Server, client: Client) -> socket.socket:
    """A copy of the server's end of this connection."""
    client.ask("/nothing")  # then it has been accepted
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(server.pid)
    try:
        for number in map(int, os.listdir(f"/proc/{server.pid}/fd")):
            fd = libc.syscall(PIDFD_GETFD, process, number, 0)
            if fd < 0:
                if ctypes.get_errno() == errno.EBADF:
                    continue  # closed meanwhile
                pytest.skip(f"no descriptors of others here: {errno.errorcode[ctypes.get_errno()]}")
            if not stat.S_ISSOCK(os.fstat(fd).st_mode):
                os.close(fd)
                continue
            sock = socket.socket(fileno=fd)
            with suppress(OSError):  # not connected
                if sock.getpeername() == client.sock.getsockname():
                    return sock
            sock.close()
    finally:
        os.close(process)
    pytest.fail("the server has no such connection")


@pytest.mark.parametrize("backend", ["auto", "sendfile"])
def test_a_long_answer_is_held_together_while_it_leaves_and_not_when_it_has_left(tmp_path, backend):
    body = noise(24 * MIB)
    write(tmp_path / "big.bin", body)
    with (
        serving(tmp_path, backend=backend) as server,
        Client(server.port, receive_buffer=64 * KIB) as client,
        closing(socket_towards(server, client)) as theirs,
    ):

        def is_held_together() -> bool:
            """Half of an answer has been taken, and there is more than TCP takes: then the rest is."""
            client.send(get("/big.bin"))
            client.head()
            first = client.body(12 * MIB)
            held = is_held(theirs)
            assert first + client.body(12 * MIB) == body
            until(lambda: not is_held(theirs), "all of it has left")
            return held

        assert not is_held(theirs)
        until(is_held_together, "it is lent from memory")  # it is not kept as long as it is young


def test_what_has_come_from_a_disk_leaves_while_the_next_of_it_is_awaited(tmp_path):
    body = noise(24 * MIB)
    write(tmp_path / "big.bin", body)
    with (
        serving(tmp_path, backend="threads") as server,
        Client(server.port) as client,
        closing(socket_towards(server, client)) as theirs,
    ):
        client.send(get("/big.bin"))
        client.head()
        got = b""
        while len(got) < len(body):
            got += client.body(min(MIB, len(body) - len(got)))
            assert not is_held(theirs)
        assert got == body
