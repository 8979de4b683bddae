"""Clients that are too slow. The server's own limits are lowered, so that nobody has to wait for them."""

import pytest

from tests.rig.client import Client, get
from tests.rig.files import MIB, noise, write
from tests.rig.server import serving

SHORT = {
    "server.wire.patience:HEAD_SECONDS": 1,
    "server.wire.patience:KEEP_ALIVE_SECONDS": 1,
    "server.wire.patience:SEND_SECONDS": 1,
    "server.wire.patience:LINGER_SECONDS": 1,
}


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    root = tmp_path_factory.mktemp("hasty")
    write(root / "small.txt", b"0123456789")
    write(root / "big.bin", noise(16 * MIB))
    with serving(root, rig={"constants": SHORT}) as server:
        yield server


def test_a_head_that_does_not_end_is_408(hasty):
    with Client(hasty.port) as client:
        client.send(get("/small.txt")[:-2])
        assert client.response().status == 408
        assert client.rest() == b""


def test_a_head_that_asks_with_head_and_does_not_end_gets_no_content(hasty):
    """RFC 9110 section 9.3.2."""
    with Client(hasty.port) as client:
        client.send(get("/small.txt", method="HEAD")[:-2])
        assert client.response("HEAD").status == 408
        assert client.rest() == b""


def test_a_second_head_that_does_not_end_is_408(hasty):
    with Client(hasty.port) as client:
        assert client.ask("/small.txt").status == 200
        client.send(b"GET")
        assert client.response().status == 408


def test_a_head_that_trickles_in_has_no_more_time_than_another(hasty):
    with Client(hasty.port) as client:
        client.sock.settimeout(0.1)
        for byte in get("/small.txt", f"X: {'x' * 1000}"):
            client.send(bytes((byte,)))
            try:
                if client.sock.recv(1):
                    break
            except TimeoutError:
                continue
        else:
            pytest.fail("all of it was waited for")


def test_a_client_that_says_nothing_is_let_go_without_a_word(hasty):
    with Client(hasty.port) as client:
        assert client.rest() == b""


def test_a_client_that_only_sends_empty_lines_is_let_go(hasty):
    with Client(hasty.port) as client:
        client.sock.settimeout(0.1)
        for _ in range(150):
            try:
                client.send(b"\r\n")
                if client.sock.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        else:
            pytest.fail("it could stay for ever")


def test_a_client_that_is_idle_between_requests_is_let_go(hasty):
    with Client(hasty.port) as client:
        assert client.ask("/small.txt").status == 200
        assert client.rest() == b""


def test_a_client_that_takes_nothing_is_let_go(hasty):
    with Client(hasty.port, receive_buffer=4096) as client:
        client.send(get("/big.bin")).head()
        hasty.await_state(lambda state: state["connections"] == 0, "that it is let go")
        assert len(client.rest_or_reset()) < 16 * MIB
    hasty.await_quiet()


def test_a_client_that_goes_on_sending_after_a_refusal_is_let_go(hasty):
    with Client(hasty.port) as client:
        client.send(get("/", host=None))
        assert client.response().status == 400
        hasty.await_state(lambda state: state["connections"] == 0, "that it is let go")
