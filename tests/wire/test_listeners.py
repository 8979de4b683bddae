"""UNIX sockets: a name in a directory, which outlives its server or does not."""

import socket
import subprocess
import tempfile

import pytest

from tests.rig.client import Client, get
from tests.rig.files import MIB, noise, write
from tests.rig.server import CHECKOUT, COMMAND, serving


@pytest.fixture
def root(tmp_path):
    write(tmp_path / "root/index.html", b"home\n")
    write(tmp_path / "root/big.bin", noise(8 * MIB))
    return tmp_path / "root"


def ask_at(name, prepare=lambda client: None) -> bytes:
    """What a request at a UNIX socket is answered with."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        prepare(client)
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


NAMES = {
    "none": lambda client: None,
    "a file's": lambda client: client.bind(f"{tempfile.mkdtemp()}/client"),
    "an abstract one": lambda client: client.bind("\0headrace of a client"),
    "the kernel's": lambda client: client.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1),
}


@pytest.mark.parametrize("prepare", NAMES.values(), ids=NAMES)
def test_whatever_its_name_is_a_client_at_a_unix_socket_has_no_address(root, tmp_path, prepare):
    name, rules = tmp_path / "socket", tmp_path / "rules.toml"
    rules.write_text('[[rule]]\npath = "/**"\ndeny = ["192.0.2.0/24"]\n')
    options = ("--listen", f"unix:{name}", "--config", rules, "--log", "common")
    log = tmp_path / "log"
    with log.open("wb") as lines, serving(root, *options, stdout=lines.fileno()):
        assert [ask_at(name, prepare)[-5:] for _ in range(2)] == [b"home\n"] * 2
    assert [line[:7] for line in log.read_text().splitlines()] == ["- - - ["] * 2


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
