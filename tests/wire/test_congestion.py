"""Which congestion control connections have."""

import socket
import subprocess
from pathlib import Path

import pytest

from server.wire.address import Address, UnknownCongestion, listen
from tests.rig.client import ask
from tests.rig.server import CHECKOUT, COMMAND, serving

MACHINE_HAS = Path("/proc/sys/net/ipv4/tcp_congestion_control")
ALLOWED = Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control")


def control_of(address, congestion):
    """What a connection has that came from such a listener."""
    with listen(Address(*address), congestion) as listener:
        listener.setblocking(True)
        with socket.create_connection(("localhost", listener.getsockname()[1])):
            ours = listener.accept()[0]
            with ours:
                name = ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
                return name.rstrip(b"\0").decode()


@pytest.fixture
def machine_has():
    return MACHINE_HAS.read_text().strip()


@pytest.mark.parametrize("name", ["reno", "cubic"])
def test_a_name_is_what_all_connections_have(name):
    if name not in ALLOWED.read_text().split():
        pytest.skip(f"this kernel has no {name}")
    assert control_of(("127.0.0.1",), name) == name


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_system_is_what_the_machine_has(host, machine_has):
    assert control_of((host,), "system") == machine_has


def test_by_itself_loopback_has_none_that_paces(machine_has):
    """BBR lets bytes go by a timer."""
    if not machine_has.startswith("bbr"):
        pytest.skip(f"this machine has {machine_has}, which paces nothing")
    assert control_of(("127.0.0.1",), "auto") in ("cubic", "reno")


def test_by_itself_loopback_has_what_the_machine_has_if_that_does_not_pace(machine_has):
    if machine_has.startswith("bbr"):
        pytest.skip("this machine has BBR, which paces")
    assert control_of(("127.0.0.1",), "auto") == machine_has


def test_by_itself_all_others_have_what_the_machine_has(machine_has):
    assert control_of(("0.0.0.0",), "auto") == machine_has


def test_what_no_kernel_has_is_no_listener():
    with pytest.raises(UnknownCongestion, match="no nosuch"):
        listen(Address("127.0.0.1"), "nosuch")


def test_the_server_says_so_in_one_sentence(tmp_path):
    ran = subprocess.run(
        [*COMMAND, tmp_path, "--listen", "127.0.0.1:0", "--congestion", "nosuch"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith("headrace: --congestion: this kernel has no nosuch for us")
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize("congestion", ["auto", "system", "reno"])
def test_files_come_with_any(tmp_path, congestion):
    (tmp_path / "a.txt").write_bytes(b"abc\n")
    with serving(tmp_path, "--congestion", congestion) as server:
        assert ask(server.port, "/a.txt").body == b"abc\n"
