"""Every backend gives the same bytes and the same heads."""

import pytest

from tests.rig.client import Client, ask, get
from tests.rig.files import KIB, MIB, forget_cached, noise, settled_file, write
from tests.rig.server import serving

BACKENDS = ("auto", "linux-aio", "posix-aio", "threads", "sendfile", "buffered")
BLOCK = 256 * KIB
SIZES = (0, 1, 511, 4096, 64 * KIB, 64 * KIB + 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 17, 5 * MIB + 4095)
RANGES = (
    (0, 0),
    (4095, 4096),
    (BLOCK - 1, BLOCK),
    (BLOCK, 2 * BLOCK - 1),
    (3, 3 * BLOCK),
    (5 * MIB, 5 * MIB + 4094),
    (1_000_003, 4_000_037),
)


@pytest.fixture(scope="module", params=BACKENDS)
def server(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    for size in SIZES:
        write(root / f"{size}.bin", noise(size, size))
    settled = settled_file()
    mount = ("--mount", f"/settled={settled.parent}") if settled else ()
    with serving(root, *mount, backend=request.param) as server:
        server.root = root
        yield server
        state = server.await_quiet()
        assert state["slots"]["free"] + state["slots"]["kept"] == state["slots"]["total"]


@pytest.mark.parametrize("size", SIZES)
def test_a_file_is_what_it_is_first_cold_then_warm(server, size):
    path = server.root / f"{size}.bin"
    forget_cached(path)
    for _ in range(3):
        found = ask(server.port, f"/{path.name}")
        assert (found.status, found["content-length"]) == (200, str(size))
        assert found.body == noise(size, size)


@pytest.mark.parametrize(("first", "last"), RANGES)
def test_a_range_is_that_part_of_the_file(server, first, last):
    size = SIZES[-1]
    forget_cached(server.root / f"{size}.bin")
    found = ask(server.port, f"/{size}.bin", f"Range: bytes={first}-{last}")
    assert (found.status, found["content-range"]) == (206, f"bytes {first}-{last}/{size}")
    assert found.body == noise(size, size)[first : last + 1]


def test_many_at_once_get_each_their_own(server):
    clients = [Client(server.port) for _ in range(30)]
    wanted = [SIZES[n % len(SIZES)] for n in range(30)]
    try:
        for client, size in zip(clients, wanted, strict=True):
            client.send(get(f"/{size}.bin") + get("/none"))
        for client, size in zip(clients, wanted, strict=True):
            assert client.response().body == noise(size, size)
            assert client.response().status == 404
    finally:
        for client in clients:
            client.sock.close()


def test_a_file_that_nobody_has_changed_for_long_is_what_it_is(server):
    """Only such files are read directly, past the page cache, by `auto`."""
    settled = settled_file()
    if settled is None:
        pytest.skip("the interpreter has only just been installed")
    expected = settled.read_bytes()
    for _ in range(2):
        assert ask(server.port, f"/settled/{settled.name}").body == expected
    middle = len(expected) // 2 - 7
    found = ask(server.port, f"/settled/{settled.name}", f"Range: bytes={middle}-{middle + MIB}")
    assert found.body == expected[middle : middle + MIB + 1]


def test_a_file_that_shrinks_under_its_answer_ends_it(server):
    size = 16 * MIB
    path = server.root / "shrinks.bin"
    write(path, noise(size))
    with Client(server.port, receive_buffer=16 * KIB) as client:
        client.send(get("/shrinks.bin")).head()
        with path.open("r+b") as file:
            file.truncate(8 * MIB + 5)
        body = client.rest_or_reset()
    assert len(body) <= 8 * MIB + 5
    assert noise(size).startswith(body)
