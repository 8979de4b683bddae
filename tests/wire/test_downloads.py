"""Large answers: slow readers, readers that go, files beyond 4 GiB, too few descriptors."""

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.rig.client import Client, ask, get
from tests.rig.files import KIB, MIB, noise, write
from tests.rig.server import serving
from tests.rig.until import until

GIB = 1 << 30
NO_MORE = re.compile(r"no new connections for now")


def test_a_slow_reader_gets_every_byte_while_others_are_served(server, root):
    expected = (root / "big.bin").read_bytes()
    with Client(server.port, receive_buffer=4096) as slow, Client(server.port) as other:
        slow.send(get("/big.bin"))
        slow.head()
        got = b""
        while len(got) < len(expected):
            got += slow.body(min(97 * KIB, len(expected) - len(got)))
            assert other.ask("/small.txt").body == b"0123456789"
        assert got == expected


def test_who_reads_fast_may_leave_more_and_who_then_reads_slowly_still_gets_every_byte(tmp_path):
    """For longer than a client may take nothing: it takes what the kernel has, and nothing can be sent.
    Its own buffer is small, so that the kernel has that on our side."""
    body = noise(24 * MIB)
    write(tmp_path / "big.bin", body)
    constants = {"server.wire.patience:SEND_SECONDS": 2}
    with (
        serving(tmp_path, rig={"constants": constants}) as server,
        Client(server.port, receive_buffer=64 * KIB) as client,
    ):
        for _ in range(2):  # from memory it comes faster
            assert client.ask("/big.bin").body == body
        client.send(get("/big.bin"))
        client.head()
        got = bytearray(client.body(16 * MIB))
        until(lambda: server.state()["generous"] == 1, "that it may leave more")
        while len(got) < len(body):
            time.sleep(0.1)  # nothing is waited for: to read slowly is what the client does
            got += client.body(min(128 * KIB, len(body) - len(got)))
        assert got == body
        server.await_state(lambda state: state["generous"] == 0, "that it may not any more")


def test_readers_of_one_file_share_its_blocks(server, root):
    expected = (root / "big.bin").read_bytes()
    clients = [Client(server.port) for _ in range(20)]
    try:
        for client in clients:
            client.send(get("/big.bin"))
        for client in clients:
            assert client.response().body == expected
    finally:
        for client in clients:
            client.sock.close()


def test_a_thousand_clients_that_break_off_leave_nothing_behind(server):
    assert ask(server.port, "/big.bin").status == 200  # from here on the file is open
    server.await_quiet()
    before = server.descriptors
    for _ in range(10):
        clients = [Client(server.port, receive_buffer=4096) for _ in range(100)]
        for number, client in enumerate(clients):
            client.send(get("/big.bin", f"Range: bytes={number * 10_000}-"))
        for client in clients[::2]:
            client.head()
        for client in clients:
            client.reset()
    state = server.await_quiet()
    assert state["slots"]["free"] + state["slots"]["kept"] == state["slots"]["total"]
    assert state["open_files"] == 1
    assert state["faults"] == 0
    until(lambda: server.descriptors == before, f"as many descriptors as before, {before}")
    assert ask(server.port, "/big.bin").status == 200


def test_clients_beyond_the_descriptors_wait_and_nothing_spins(tmp_path):
    write(tmp_path / "small.txt", b"0123456789")
    write(tmp_path / "big.bin", noise(MIB))
    with serving(tmp_path, descriptors=64) as server:
        assert ask(server.port, "/small.txt").status == 200
        clients = [Client(server.port).send(get("/small.txt")) for _ in range(100)]
        server.await_line(NO_MORE, 20)
        served = [client for client in clients[:40] if client.response().status == 200]
        assert len(served) == 40
        before = server.cpu_seconds
        time.sleep(1)  # what is measured is that nothing happens
        assert server.cpu_seconds - before < 0.5
        assert served[0].ask("/small.txt").status == 200
        for client in clients[:50]:
            client.sock.close()
        for client in clients[50:]:
            assert client.response().body == b"0123456789"
            client.sock.close()
        assert ask(server.port, "/big.bin").body == noise(MIB)
        server.await_quiet()


@pytest.mark.parametrize("backend", ["auto", "threads", "sendfile"])
def test_more_clients_than_files_may_be_open_all_get_theirs(tmp_path, backend):
    """To make room no file is closed that somebody has been told of and not begun to read."""
    for number in range(25):
        write(tmp_path / f"{number}.bin", noise(MIB))
    with serving(tmp_path, backend=backend, descriptors=64) as server:
        clients = [Client(server.port).send(get(f"/{number}.bin")) for number in range(25)]
        for client in clients:
            assert client.response().body == noise(MIB)
            client.sock.close()


def test_a_file_that_cannot_be_opened_for_want_of_descriptors_is_503_and_later_there(tmp_path):
    write(tmp_path / "small.txt", b"0123456789")
    write(tmp_path / "big.bin", noise(MIB))
    with serving(tmp_path, descriptors=64) as server:
        first = Client(server.port)
        assert first.ask("/small.txt").status == 200
        others = [Client(server.port).send(get("/small.txt")) for _ in range(100)]
        server.await_line(NO_MORE, 20)
        assert first.ask("/big.bin").status == 503
        for client in others:
            client.sock.close()
        until(lambda: first.ask("/big.bin").status == 200, "that it can be opened")
        first.sock.close()


def marks(size: int) -> tuple[int, ...]:
    """Where something is written."""
    return 0, 2 * GIB - 8, 4 * GIB - 8, size - 16


def read_at(path: Path, at: int, count: int) -> bytes:
    with path.open("rb") as file:
        file.seek(at)
        return file.read(count)


@pytest.fixture(scope="module")
def huge(tmp_path_factory):
    """4.5 GiB, nearly all of it holes; what is written stands around 4 GiB and at both ends."""
    path = tmp_path_factory.mktemp("huge") / "huge.bin"
    size = 4 * GIB + 512 * MIB + 3
    with path.open("wb") as file:
        file.truncate(size)
        for at in marks(size):
            file.seek(at)
            file.write(b"%016d" % at)
    yield path, size
    path.unlink()


def test_ranges_around_4_gib_are_what_they_are(huge):
    path, size = huge
    with serving(path.parent) as server:
        assert ask(server.port, "/huge.bin", method="HEAD")["content-length"] == str(size)
        for at in marks(size):
            found = ask(server.port, "/huge.bin", f"Range: bytes={at}-{at + 15}")
            assert found["content-range"] == f"bytes {at}-{at + 15}/{size}"
            assert found.body == b"%016d" % at
        assert ask(server.port, "/huge.bin", f"Range: bytes={4 * GIB - 1}-{4 * GIB}").body == read_at(
            path, 4 * GIB - 1, 2
        )
        assert ask(server.port, "/huge.bin", "Range: bytes=-16").body == b"%016d" % (size - 16)
        assert ask(server.port, "/huge.bin", f"Range: bytes={size}-").status == 416


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_all_of_a_file_beyond_4_gib_arrives(huge):
    path, size = huge
    with serving(path.parent, backend="linux-aio") as server:
        loader = subprocess.Popen(
            ["curl", "-sS", "--max-time", "100", f"http://127.0.0.1:{server.port}/huge.bin"],
            stdout=subprocess.PIPE,
        )
        come, nothing = 0, bytes(MIB)
        while data := loader.stdout.read(MIB):
            if any(mark < come + len(data) and come < mark + 16 for mark in marks(size)):
                assert data == read_at(path, come, len(data))
            else:
                assert data == nothing[: len(data)], come
            come += len(data)
        loader.stdout.close()
        assert loader.wait(10) == 0
        assert come == size
