"""How it ends: SIGTERM and SIGQUIT let answers end, SIGINT does not."""

import signal

import pytest

from tests.rig.client import Client, ask, get
from tests.rig.files import KIB, MIB, noise, write
from tests.rig.server import serving
from tests.rig.until import until

BIG = noise(24 * MIB)


@pytest.fixture(params=["auto", "threads", "sendfile"])
def server(request, tmp_path):
    write(tmp_path / "big.bin", BIG)
    write(tmp_path / "small.txt", b"0123456789")
    with serving(tmp_path, backend=request.param) as server:
        yield server


def is_refused(server) -> bool:
    try:
        Client(server.port).sock.close()
    except (ConnectionRefusedError, ConnectionResetError):  # the latter while it is being closed
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_answers_under_way_end_and_nothing_new_begins(server, number):
    with (
        Client(server.port, receive_buffer=16 * KIB) as loading,
        Client(server.port) as idle,
        Client(server.port) as silent,
        Client(server.port) as begun,
    ):
        loading.send(get("/big.bin")).head()
        assert idle.ask("/small.txt").status == 200
        begun.send(b"GET / HTT")
        server.await_state(lambda state: state["connections"] == 4, "four clients")
        server.signal(number)
        for client in (idle, silent, begun):
            assert client.rest_or_reset() == b""
        until(lambda: is_refused(server), "that nobody is let in")
        assert server.process.poll() is None
        assert loading.rest() == BIG
        loading.sock.close()
        assert server.ended() == 0


def test_an_answer_that_begins_while_it_drains_says_that_it_is_the_last(server):
    with Client(server.port, receive_buffer=16 * KIB) as client:
        client.send(get("/big.bin")).head()
        client.send(get("/small.txt") + get("/small.txt"))
        server.signal(signal.SIGTERM)
        rest = client.rest()
        client.sock.close()
        assert rest[: len(BIG)] == BIG
        head, _, body = rest[len(BIG) :].partition(b"\r\n\r\n")
        assert (head, body) == (b"", b"") or (b"Connection: close" in head and body == b"0123456789")
        assert server.ended() == 0


def test_a_second_signal_changes_nothing(server):
    with Client(server.port, receive_buffer=16 * KIB) as client:
        client.send(get("/big.bin")).head()
        for _ in range(3):
            server.signal(signal.SIGTERM)
            until(lambda: is_refused(server), "that nobody is let in")
        assert client.rest() == BIG
        client.sock.close()
        assert server.ended() == 0


def test_an_interrupt_ends_it_whoever_is_there(server):
    clients = [Client(server.port, receive_buffer=16 * KIB) for _ in range(20)]
    for client in clients:
        client.send(get("/big.bin")).head()
    server.signal(signal.SIGINT)
    assert server.ended() == 0
    for client in clients:
        assert len(client.rest_or_reset()) < len(BIG)
        client.sock.close()


def test_an_interrupt_ends_what_drains(server):
    with Client(server.port, receive_buffer=16 * KIB) as client:
        client.send(get("/big.bin")).head()
        server.signal(signal.SIGTERM)
        until(lambda: is_refused(server), "that nobody is let in")
        server.signal(signal.SIGINT)
        assert server.ended() == 0
        assert len(client.rest_or_reset()) < len(BIG)


def test_what_does_not_end_is_ended(tmp_path):
    write(tmp_path / "big.bin", BIG)
    rig = {"constants": {"server.process.worker:DRAIN_SECONDS": 1}}
    with serving(tmp_path, rig=rig) as server, Client(server.port, receive_buffer=16 * KIB) as client:
        client.send(get("/big.bin")).head()
        server.signal(signal.SIGTERM)
        assert server.ended() == 0
        assert len(client.rest_or_reset()) < len(BIG)


def test_its_state_is_said_when_asked_and_at_the_end_if_it_is_verbose(tmp_path):
    write(tmp_path / "small.txt", b"0123456789")
    with serving(tmp_path, "--verbose") as server:
        assert ask(server.port, "/small.txt").status == 200
        assert server.state()["accepted"] == 1
        server.signal(signal.SIGTERM)
        assert server.ended() == 0
        assert server.said.count("headrace: state {") == 2
    with serving(tmp_path, environment={"HEADRACE_VERBOSE": "0"}) as server:
        server.signal(signal.SIGTERM)
        assert server.ended() == 0
        assert "headrace: state {" not in server.said
