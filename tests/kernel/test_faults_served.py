"""Reads that fail under a server, as its clients see it: an error before the first byte, an end after it."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EINVAL, EIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from aio import BLOCK
from loadtest import disks
from tests.kernel import faults
from tests.kernel.faults import Faults
from tests.kernel.ways import tile
from tests.rig.client import Client, Response, ask, get
from tests.rig.files import write
from tests.rig.server import Server, serving
from tests.rig.until import until

pytestmark = pytest.mark.skipif(faults.MISSING is not None, reason=str(faults.MISSING))

BACKENDS = ("auto", "linux-aio", "threads")
NATIVE = BACKENDS[:2]
BLOCKS = 13
SIZE = BLOCKS * BLOCK + 12_345
LONGEST_RUN = 4
PAGE = 4096
SMALL = 20_000
BAD_BLOCKS = [0, 1, 6, BLOCKS - 1, BLOCKS]  # the last is not a whole one
PATIENT = 16 * 1024  # bytes of a client's buffer: it is still being served while something else happens


@dataclass(frozen=True)
class Scene:
    """A server whose disk has a bad place, as soon as the test says where."""

    server: Server
    faults: Faults
    root: Path
    native: bool

    @property
    def struck(self) -> int:
        return self.faults.native if self.native else self.faults.by_thread

    def unread(self) -> str:
        """The big file under one more name. That changes its ctime, so that nothing of it is in memory."""
        path = self.root / f"big-{len(list(self.root.iterdir()))}.bin"
        os.link(self.root / "big.bin", path)
        return f"/{path.name}"

    def ask(self, *fields: str, target: str = "/big.bin") -> Response:
        return ask(self.server.port, target, *fields)


@pytest.fixture(scope="module")
def preload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return faults.built(tmp_path_factory.mktemp("preload"))


@contextmanager
def served(preload: Path, root: Path, backend: str) -> Iterator[Scene]:
    """Afterwards no slot is in use, and the server has had no fault of its own."""
    with TemporaryDirectory() as folder, Faults(Path(folder, "plan")) as plan:
        environment = plan.environment(preload)
        with serving(root, backend=backend, environment=environment) as server:
            yield Scene(server, plan, root, backend in NATIVE)
            plan.heal()
            state = server.await_quiet()
            assert state["faults"] == 0
            assert state["slots"]["free"] + state["slots"]["kept"] == state["slots"]["total"]
            assert [disk["slots_reading"] for disk in state["disks"]] == [0]
            assert ask(server.port, "/big.bin").body == tile(0, SIZE)


@pytest.fixture(scope="module")
def root(mounted: Callable[[str], Path]) -> Iterator[Path]:
    with TemporaryDirectory(dir=mounted("here" if disks.missing("ext4") else "ext4")) as folder:
        write(Path(folder, "big.bin"), tile(0, SIZE))
        write(Path(folder, "other.bin"), tile(7, SIZE))
        write(Path(folder, "small.bin"), tile(3, SMALL))
        yield Path(folder)


@pytest.fixture(params=BACKENDS)
def scene(request: pytest.FixtureRequest, preload: Path, root: Path) -> Iterator[Scene]:
    with served(preload, root, request.param) as scene:
        if scene.native:
            assert scene.ask("Range: bytes=0-0", target="/other.bin").body == tile(7, 1)
            if scene.server.state()["disks"][0]["native_reads"] == 0:
                pytest.skip("no direct I/O on this file system")
        yield scene


def begun(client: Client) -> int:
    """The status of an answer whose body may never come."""
    head = re.match(rb"HTTP/1\.1 (\d+) ", client.head())
    assert head
    return int(head[1])


def test_before_the_first_byte_an_error_is_an_answer(scene):
    for bad in BAD_BLOCKS:
        scene.faults.fail(scene.root / "big.bin", EIO, bad * BLOCK, (bad + 1) * BLOCK)
        with Client(scene.server.port) as client:
            found = client.ask("/big.bin", f"Range: bytes={bad * BLOCK + 5}-{bad * BLOCK + 9}")
            assert (found.status, len(found.body)) == (500, int(found["content-length"]))
            assert tile(bad * BLOCK + 5, 5) not in found.body
            assert client.rest() == b"", "after an error of the server's the connection ends"
        assert scene.struck > 0
        assert scene.ask(target="/other.bin").body == tile(7, SIZE)
        scene.faults.heal()
        again = scene.ask(f"Range: bytes={bad * BLOCK + 5}-{bad * BLOCK + 9}")
        assert (again.status, again.body) == (206, tile(bad * BLOCK + 5, 5))
    assert scene.server.state()["broken_off"] == 0


def test_after_the_first_byte_an_error_is_the_end_and_nothing_is_padded(scene):
    for bad in BAD_BLOCKS[1:]:
        target = scene.unread()
        scene.faults.fail(scene.root / "big.bin", EIO, bad * BLOCK, (bad + 1) * BLOCK)
        with Client(scene.server.port) as client:
            client.send(get(target) + get("/small.bin"))  # the second one is not answered any more
            status = begun(client)
            body = client.rest_or_reset()
        if status == 500:  # the bad block was in one read with the first one
            assert bad < LONGEST_RUN
            continue
        assert status == 200
        assert body == tile(0, len(body))
        assert max(0, bad - LONGEST_RUN + 1) * BLOCK <= len(body) <= bad * BLOCK
        assert scene.struck > 0
        assert scene.ask(target="/other.bin").body == tile(7, SIZE)
        scene.faults.heal()
        assert scene.ask(target=target).body == tile(0, SIZE)
    assert scene.server.state()["broken_off"] > 0


def test_who_is_being_served_meanwhile_notices_nothing(scene):
    with (
        Client(scene.server.port, receive_buffer=PATIENT) as other,
        Client(scene.server.port) as kept_alive,
    ):
        other.send(get("/other.bin"))
        assert begun(other) == 200
        assert kept_alive.ask("/small.bin").body == tile(3, SMALL)
        scene.faults.fail(scene.root / "big.bin", EIO)
        for _ in range(20):
            assert scene.ask().status == 500
            assert kept_alive.ask("/small.bin").body == tile(3, SMALL)
        assert other.rest_of(SIZE) == tile(7, SIZE)
        scene.faults.heal()
        assert kept_alive.ask("/big.bin").body == tile(0, SIZE)


def test_a_crowd_that_asks_for_a_bad_file_costs_nothing_that_stays(scene):
    scene.faults.fail(scene.root / "big.bin", EIO)
    assert scene.ask("Range: bytes=0-0").status == 500  # from here on the file is open
    scene.server.await_quiet()
    before = scene.server.descriptors
    clients = [Client(scene.server.port) for _ in range(60)]
    try:
        for number, client in enumerate(clients):
            client.send(get("/big.bin", f"Range: bytes={number * 50_000}-"))
        for client in clients[::3]:
            client.reset()  # some do not wait to be told
        for number, client in enumerate(clients):
            if number % 3:
                assert begun(client) == 500
    finally:
        for client in clients:
            client.sock.close()
    state = scene.server.await_quiet()
    assert state["slots"]["free"] + state["slots"]["kept"] == state["slots"]["total"]
    # Idle files may be closed meanwhile, and the last socket may not have been when we looked.
    until(
        lambda: all(count <= before.get(kind, 0) for kind, count in scene.server.descriptors.items()),
        "no more descriptors are open than before",
    )


def test_a_small_file_is_an_error_as_long_as_it_cannot_be_read(scene):
    scene.faults.fail(scene.root / "small.bin", EIO, SMALL - 1, SMALL)
    assert scene.ask(target="/small.bin").status == 500
    assert scene.server.state()["counters"]["open failed: EIO"] >= 1
    scene.faults.heal()
    until(lambda: scene.ask(target="/small.bin").status == 200, "it is served again")
    assert scene.ask(target="/small.bin").body == tile(3, SMALL)


def test_a_read_that_ends_early_is_read_on_or_the_end(scene):
    for at in (PAGE, BLOCK + PAGE, 6 * BLOCK - PAGE, BLOCKS * BLOCK + PAGE):
        target = scene.unread()
        scene.faults.cut(scene.root / "big.bin", at)
        with Client(scene.server.port) as client:
            client.send(get(target, "Connection: close"))
            assert begun(client) == 200
            body = client.rest_or_reset()
        assert scene.struck > 0
        assert body == tile(0, at if scene.native else SIZE)
        scene.faults.heal()
        assert scene.ask(target=target).body == tile(0, SIZE)


@pytest.mark.parametrize("scene", NATIVE, indirect=True)
@pytest.mark.parametrize("way", ["fail", "refuse"])
def test_where_direct_reads_are_not_taken_threads_read(scene, way):
    getattr(scene.faults, way)(scene.root / "big.bin", EINVAL, 2 * BLOCK)
    with Client(scene.server.port) as client:
        assert client.ask("/big.bin").body == tile(0, SIZE)
        assert client.ask("/other.bin").body == tile(7, SIZE)
    assert scene.faults.native > 0
    state = scene.server.state()
    assert state["counters"]["direct failed"] > 0
    assert state["disks"][0]["native"], "other files are still read directly"
    assert scene.server.said.count("direct reads fail") == 1
