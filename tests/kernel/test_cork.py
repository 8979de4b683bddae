"""What is left over of a call waits for what follows, and leaves when nothing does."""

from __future__ import annotations

import array
import fcntl
import socket

import pytest

from server.wire.cork import Cork

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
