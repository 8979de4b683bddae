"""UNIX sockets: a name in a directory, which outlives its server or does not."""

import socket
import subprocess

import pytest

from tests.rig.client import Client, get
from tests.rig.files import MIB, noise, write
from tests.rig.server import CHECKOUT, COMMAND, serving


@pytest.fixture
def root(tmp_path):
    write(tmp_path / "root/index.html", b"home\n")
    write(tmp_path / "root/big.bin", noise(8 * MIB))
    return tmp_path / "root"


def ask_at(name) -> bytes:
    """What a request at a UNIX socket is answered with."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(name))
        client.sendall(get("/", "Connection: close"))
        return b"".join(iter(lambda: client.recv(4096), b""))


def test_a_unix_socket_is_served_and_its_name_goes_with_the_server(root, tmp_path):
    name = tmp_path / "socket"
    with serving(root, "--listen", f"unix:{name}") as server:
        assert f"unix:{name}" in server.said
        assert ask_at(name).endswith(b"\r\n\r\nhome\n")
        assert name.is_socket()
    assert not name.exists()


def test_a_name_that_a_dead_server_left_is_taken_over(root, tmp_path):
    name = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(name))
    with serving(root, "--listen", f"unix:{name}"):
        assert ask_at(name).endswith(b"\r\n\r\nhome\n")


@pytest.mark.parametrize("is_socket", [True, False], ids=["a server", "a file"])
def test_a_name_in_use_is_left_alone(root, tmp_path, is_socket):
    name = tmp_path / "name"
    with socket.socket(socket.AF_UNIX) as used:
        if is_socket:
            used.bind(str(name))
            used.listen()
        else:
            name.write_bytes(b"precious\n")
        ran = subprocess.run(
            [*COMMAND, root, "--listen", f"unix:{name}"],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (ran.returncode, name.is_socket()) == (2, is_socket)
        assert f"cannot listen on unix:{name}" in ran.stderr


def test_a_name_that_is_gone_keeps_no_answer_from_ending(root, tmp_path):
    name = tmp_path / "socket"
    with (
        serving(root, "--listen", f"unix:{name}") as server,
        Client(server.port, receive_buffer=16_384) as client,
    ):
        client.send(get("/big.bin")).head()
        name.unlink()
        server.process.terminate()
        assert client.rest() == noise(8 * MIB)
