"""A disk stops answering: whoever asks for what is in memory gets it, whoever asks for the disk waits for it.

The disk is proved to be frozen before anything is believed. And with `--backend sendfile`, which reads in the
loop, the same page must stop coming at a single client: a test that this passed would prove nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from aio.disk import OPENERS
from loadtest import disks
from tests.kernel.crowd import Crowd
from tests.kernel.frozen import (
    ANSWER_SECONDS,
    FROZEN_PATHS,
    Footprint,
    Server,
    Visitor,
    digests,
    eventually,
    fill_frozen,
    fill_healthy,
    frozen,
    serving,
    tags_used_up,
)

LACK = disks.missing()
pytestmark = pytest.mark.skipif(LACK is not None, reason=f"no disk can be frozen: {LACK}")

WAIT_SECONDS = 2.5  # more than twice the time after which an entry is checked again
DOWNLOAD_SECONDS = 60
SETTLE_SECONDS = 30  # a file that nobody asks for any more stays open for ten
DEPARTURES = 3  # how often half of the crowd hangs up and others come


@dataclass(frozen=True)
class Scene:
    """A server that knows its page, on a disk of which nothing is in memory any more."""

    disk: disks.FrozenDisk
    server: Server
    visitor: Visitor
    before: Footprint
    expected: Mapping[str, bytes]  # digests of the files


@pytest.fixture(scope="module")
def disk() -> Iterator[disks.FrozenDisk]:
    with disks.FrozenDisk(1200) as disk:
        disk.populate(fill_frozen)
        yield disk


@pytest.fixture(scope="module")
def healthy() -> Iterator[Path]:
    with disks.filesystem("ext4", 200) as path:
        fill_healthy(path)
        yield path


@pytest.fixture(scope="module")
def expected() -> Mapping[str, bytes]:
    return digests(FROZEN_PATHS)


@pytest.fixture
def scene(
    disk: disks.FrozenDisk, healthy: Path, expected: Mapping[str, bytes], tmp_path: Path
) -> Iterator[Scene]:
    with serving(disk, healthy, tmp_path / "log") as server, Visitor(server) as visitor:
        eventually(lambda: server.state()["connections"] == 1, ANSWER_SECONDS, "only the visitor is here")
        before = server.footprint()
        disk.cool()
        yield Scene(disk, server, visitor, before, expected)


@pytest.mark.parametrize("clients", [1, 64, 1000])
def test_a_page_in_memory_is_served_however_many_wait_for_the_disk(scene: Scene, clients: int) -> None:
    with frozen(scene.disk):
        a_crowd_waits_without_harm(scene, FROZEN_PATHS[:clients])


def test_a_page_in_memory_is_served_while_writes_hang_as_well(scene: Scene) -> None:
    with frozen(scene.disk, writes=True):
        a_crowd_waits_without_harm(scene, FROZEN_PATHS[:64])


def test_a_page_in_memory_is_served_while_files_open_but_their_data_hangs(scene: Scene) -> None:
    paths = FROZEN_PATHS[:250]
    scene.disk.warm_metadata(scene.disk.path / path[1:] for path in paths)
    with frozen(scene.disk):
        a_crowd_waits_without_harm(scene, paths)


def test_a_page_in_memory_is_served_while_another_process_uses_up_the_request_tags(scene: Scene) -> None:
    """With the metadata warm, nothing but `io_submit` itself is left to sleep, and it does."""
    paths = FROZEN_PATHS[:64]
    scene.disk.warm_metadata(scene.disk.path / path[1:] for path in paths)
    with frozen(scene.disk), tags_used_up(scene.disk):
        a_crowd_waits_without_harm(scene, paths)


def test_with_sendfile_in_the_loop_the_page_is_gone_at_a_single_client(
    disk: disks.FrozenDisk, healthy: Path, expected: Mapping[str, bytes], tmp_path: Path
) -> None:
    """The control: nothing is wrong with the page until the client comes, and all is well after the thaw."""
    with serving(disk, healthy, tmp_path / "log", backend="sendfile") as server, Visitor(server) as visitor:
        disk.cool()
        disk.warm_data([disk.path / "page.html"])  # this backend has the page only when the page cache has it
        with frozen(disk), Crowd(server.address) as crowd:
            visitor.looks_in()
            crowd.ask(FROZEN_PATHS[:1], seconds=ANSWER_SECONDS)
            assert crowd.until(server.sleeps_uninterruptibly, ANSWER_SECONDS)
            with pytest.raises(TimeoutError):
                visitor.looks_in()
            disk.thaw()
            all_get_their_files(crowd, server, expected)
        visitor.comes_again()
        visitor.looks_around()


def a_crowd_waits_without_harm(scene: Scene, paths: Sequence[str]) -> None:
    """It asks and gets nothing, dwindles and renews itself, and is served after the thaw."""
    visitor = scene.visitor
    with Crowd(scene.server.address) as crowd:
        crowd.ask(paths, seconds=DOWNLOAD_SECONDS)
        visitor.looks_around_for(WAIT_SECONDS)
        nothing_has_come(crowd)
        the_disk_holds_no_more_than_its_quota(scene)
        for _ in range(DEPARTURES):
            leaving = crowd.clients[: len(paths) // 2]
            crowd.hang_up(leaving)
            crowd.ask([client.path for client in leaving], seconds=DOWNLOAD_SECONDS)
            visitor.looks_around()
            the_disk_holds_no_more_than_its_quota(scene)
        crowd.hang_up(crowd.clients[: len(paths) // 4])  # and these are not wanted any more
        nothing_has_come(crowd)
        scene.disk.thaw()
        all_get_their_files(crowd, scene.server, scene.expected)
    nothing_is_left_behind(scene)
    visitor.looks_around()


def nothing_has_come(crowd: Crowd) -> None:
    """But perhaps the head of an answer, where the file could be opened."""
    crowd.turn()
    answered = [one for one in crowd.clients if one.body or one.ended or one.status not in (0, 200)]
    assert not [str(client) for client in answered]


def all_get_their_files(crowd: Crowd, server: Server, expected: Mapping[str, bytes]) -> None:
    clients = crowd.clients
    over = crowd.until(lambda: all(client.over for client in clients), DOWNLOAD_SECONDS)
    assert over, ([str(client) for client in clients if not client.over], server.state())
    assert {client.status for client in clients} == {200}
    assert not [str(client) for client in clients if client.digest != expected[client.path]]


def the_disk_holds_no_more_than_its_quota(scene: Scene) -> None:
    state = scene.server.state()
    (held,) = (disk for disk in state["disks"] if disk["root"] == str(scene.disk.path))
    assert held["reads_in_flight"] <= held["read_quota"]
    assert held["slots_reading"] <= held["slot_quota"] < state["slots"]["total"]
    assert held["jobs_in_flight"] <= held["job_quota"]
    # One thread submits, the others do jobs. They may all have been there before the disk froze.
    assert scene.server.threads() <= scene.before.threads + OPENERS + 1


def nothing_is_left_behind(scene: Scene) -> None:
    """Soon the server holds what it held before: its own, and one connection."""

    def left() -> list[str]:
        scene.visitor.looks_in()  # its connection and its page are still wanted
        (disk,) = (disk for disk in scene.server.state()["disks"] if disk["root"] == str(scene.disk.path))
        busy = ("reads_in_flight", "slots_reading", "jobs_in_flight", "waiting")
        now = scene.server.footprint()
        found = [f"{name}: {disk[name]}" for name in busy if disk[name]]
        if (now.connections, now.slots_idle) != (scene.before.connections, scene.before.slots_idle):
            found.append(f"{now}, before: {scene.before}")
        if now.descriptors > scene.before.descriptors:
            found.append(f"{now.descriptors} descriptors, before: {scene.before.descriptors}")
        return found

    deadline = time.monotonic() + SETTLE_SECONDS
    while found := left():
        assert time.monotonic() < deadline, found
        time.sleep(0.5)
