"""The short way: what was answered before leaves at once, and whoever takes it keeps nobody waiting."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.rig.client import Client, get
from tests.rig.files import noise, write
from tests.rig.server import Server, serving
from tests.rig.until import until

BLOCK = noise(255_000)
KNOWN_AFTER = 4  # times that a question was asked


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "root/index.html", b"page")
    return tmp_path / "root"


@pytest.fixture
def server(root: Path) -> Iterator[Server]:
    with serving(root) as server:
        yield server


def recalled(server: Server) -> int:
    count = server.state()["replies_recalled"]
    assert isinstance(count, int)
    return count


@pytest.mark.parametrize("count", [1, 16, 33, 200])
def test_whoever_asks_much_at_once_and_hangs_up_gets_it_all(server: Server, count: int) -> None:
    for _ in range(KNOWN_AFTER):
        with Client(server.port) as client:
            client.send(get("/") * count).shut()
            assert client.rest().count(b"HTTP/1.1 200 OK") == count
    assert recalled(server) > 0


def test_what_is_answered_again_as_a_whole_has_the_date_of_its_second(server: Server) -> None:
    dates = set()
    with Client(server.port) as client:
        until(lambda: client.ask("/").status == 200 and recalled(server) > KNOWN_AFTER, "known", 10.0)
        began = time.time()
        while time.time() < began + 2.5:
            date = parsedate_to_datetime(client.ask("/")["date"]).timestamp()
            assert int(began) <= date <= time.time()
            assert time.time() - date < 2
            dates.add(date)
    assert len(dates) > 1


def test_empty_lines_between_requests_do_not_end_a_connection(root: Path) -> None:
    rig = {"constants": {"server.wire.patience:KEEP_ALIVE_SECONDS": 1}}
    with serving(root, rig=rig) as server, Client(server.port) as client:

        def known() -> bool:
            before = recalled(server)
            client.ask("/")
            return recalled(server) > before

        until(known, "the page is not young any more, and known", 10.0)
        for _ in range(30):  # for three seconds
            assert client.send(get("/") + b"\r\n").response().status == 200
            time.sleep(0.1)


def test_who_takes_nothing_of_a_block_in_memory_gives_way(root: Path) -> None:
    with serving(root, "--memory", "8M") as server, ExitStack() as stack:
        slots = server.state()["slots"]["total"]
        for number in range(slots + 1):
            write(root / f"{number}.bin", BLOCK)

        with Client(server.port) as client:

            def known() -> bool:
                before = recalled(server)
                for number in range(slots):
                    assert client.ask(f"/{number}.bin").body == BLOCK
                return recalled(server) - before == slots

            until(known, "all of the files are in memory, and known", 20.0)
        for number in range(slots):
            slow = stack.enter_context(Client(server.port, receive_buffer=4096))
            slow.send(get(f"/{number}.bin"))
        server.await_state(
            lambda state: state["slots"]["pinned"] > slots // 2, "slow clients hold the memory"
        )
        with Client(server.port) as fast:
            assert fast.ask(f"/{slots}.bin").body == BLOCK
        assert server.state()["taken_back"] > 0
