"""Readers that leave in the middle: in whatever order things happen, nothing is lost and nothing is left."""

import gc
import os
import select
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from aio import BLOCK, Disk, Failed, File, Loaded, Look, Opened, Outcome, Service, Stream
from aio.disk import CHECKS_TOGETHER, OPENERS
from aio.request import Request
from loadtest import disks
from tests.kernel.ways import BACKENDS, EACH_BACKEND, Bench, tile
from tests.rig.until import until

STEPS = 3000
ENOUGH = 30 * BLOCK  # bytes received, on a machine that is busy
ENOUGH_LEFT = 100
SIZES = (1, 5000, BLOCK, BLOCK + 1, 3 * BLOCK - 5, 20 * BLOCK + 4097)
LOAD_LIMIT = 4096
MOST_OPEN = 12
MOST_STREAMS = 20


@pytest.fixture
def root(mounted):
    with TemporaryDirectory(dir=mounted("here" if disks.missing("ext4") else "ext4")) as folder:
        for size in SIZES:
            Path(folder, str(size)).write_bytes(tile(0, size))
        yield Path(folder)


class Crowd:
    """Clients that ask, read, stop listening and leave at random, on two disks of one service."""

    def __init__(self, service: Service, disks: list[Disk], root: int, random: Random) -> None:
        self.service = service
        self.disks = disks
        self.root = root
        self.random = random
        self.files: list[tuple[Disk, File]] = []
        self.streams: list[tuple[Stream, int, int]] = []  # and the offset, and the file's size
        self.requests: list[Request] = []
        self.bytes = self.left_early = self.woken = 0

    def step(self) -> None:
        actions: list[Callable[[], None]] = [
            self.open, self.open, self.check, self.cancel, self.release, self.begin, self.begin, self.begin,
            self.leave, self.turn, self.turn, *[self.receive] * 8,
        ]  # fmt: skip
        self.random.choice(actions)()

    def open(self) -> None:
        disk = self.random.choice(self.disks)
        if len(self.files) < MOST_OPEN:
            path = self.random.choice([*map(str, SIZES), "nothing"])

            def opened(outcome: Outcome) -> None:
                match outcome:
                    case Opened(facts, file):
                        assert str(facts.size) == path
                        self.files.append((disk, file))
                    case Loaded(facts, content):
                        assert content == tile(0, facts.size)
                    case Failed():
                        assert path == "nothing"

            self.requests.append(disk.open(self.root, path.encode(), opened, Look(load_limit=LOAD_LIMIT)))

    def check(self) -> None:
        disk = self.random.choice(self.disks)
        self.requests.append(disk.check(self.root, b"1", lambda facts: None))

    def cancel(self) -> None:
        if self.requests:
            self.requests.pop(self.random.randrange(len(self.requests))).cancel()

    def release(self) -> None:
        if self.files:
            self.files.pop(self.random.randrange(len(self.files)))[1].release()

    def begin(self) -> None:
        if self.files and len(self.streams) < MOST_STREAMS:
            disk, file = self.random.choice(self.files)
            offset = self.random.randrange(file.size)
            length = self.random.randint(1, file.size - offset)
            self.streams.append((disk.stream(file, offset, length, self.wake), offset + length, file.size))

    def wake(self) -> None:
        self.woken += 1
        if self.woken % 7 == 0 and self.streams:  # to be called back is no reason to stay
            self.leave()

    def leave(self) -> None:
        if self.streams:
            stream, _, _ = self.streams.pop(self.random.randrange(len(self.streams)))
            self.left_early += stream.left > 0
            stream.close()
            stream.close()

    def receive(self) -> None:
        if not self.streams:
            return
        place = self.random.randrange(len(self.streams))
        stream, end, _ = self.streams[place]
        view = stream.view()
        if view is None:
            return
        count = min(len(view), self.random.choice((1, 4096, BLOCK // 3, BLOCK)))
        assert view[:count] == tile(end - stream.left, count)
        stream.advance(count)
        self.bytes += count
        if stream.left == 0:
            del self.streams[place]
            stream.close()

    def turn(self) -> None:
        self.service.flush()
        under_way = any(disk.reads.in_flight + disk.jobs_in_flight for disk in self.disks)
        if under_way and self.random.random() < 0.5:
            select.select([self.service.eventfd], [], [])
        self.service.reap()

    def leave_all(self) -> None:
        while self.streams:
            self.leave()
        while self.files:
            self.release()
        while self.requests:
            self.cancel()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("backend", EACH_BACKEND)
def test_whoever_leaves_whenever_nothing_is_lost_and_nothing_is_left(root, monkeypatch, backend, seed):
    monkeypatch.setattr("aio.file.KEEP_AFTER_NS", 0)
    descriptors = os.listdir("/proc/self/fd")
    with Bench(root, BACKENDS[backend]) as bench:
        another = Disk(bench.service, "another", bench.disk.means)
        both = [bench.disk, another]
        crowd = Crowd(bench.service, both, bench.root, Random(seed))
        steps = 0
        while steps < STEPS or crowd.bytes < ENOUGH or crowd.left_early < ENOUGH_LEFT:
            steps += 1
            assert steps < 100 * STEPS, "the service does not get on"
            crowd.step()
            for disk in both:
                assert disk.reads.in_flight <= disk.reads.quota
                assert disk.reads.slots_in_flight <= disk.reads.slot_quota
                assert disk.jobs_in_flight <= disk.job_quota
        crowd.leave_all()
        for disk in both:
            bench.disk = disk
            bench.rest()
        assert not crowd.streams
        assert not crowd.files
        census = bench.service.arena.census()
        assert census.free + census.kept == census.total
        assert (census.reading, census.pinned) == (0, 0)
        for disk in both:
            assert (
                disk.jobs_in_flight == disk.reads.in_flight == disk.reads.slots_in_flight == disk.waiting == 0
            )
    assert os.listdir("/proc/self/fd") == descriptors


@pytest.mark.parametrize("backend", EACH_BACKEND)
def test_the_slots_of_a_reader_that_left_are_nobodys_until_the_kernel_gives_them_back(root, backend):
    with Bench(root, BACKENDS[backend]) as bench, bench.opened(str(SIZES[-1])) as opened:
        for _ in range(50):
            bench.rest()
            stream = bench.disk.stream(opened.file, 0, SIZES[-1], lambda: None)
            under_way = bench.service.arena.census().reading
            assert under_way > 0
            stream.close()
            assert bench.service.arena.census().reading == under_way
            assert bench.disk.reads.in_flight > 0
        bench.rest()
        assert bench.service.arena.census().reading == 0


@pytest.mark.parametrize("backend", EACH_BACKEND)
def test_a_descriptor_is_closed_after_its_last_read_and_not_before(root, backend):
    with Bench(root, BACKENDS[backend]) as bench:
        outcome = bench.outcome(str(SIZES[-1]))
        assert isinstance(outcome, Opened)
        descriptor = f"/proc/self/fd/{outcome.file.fd}"
        stream = bench.disk.stream(outcome.file, 0, SIZES[-1], lambda: None)
        outcome.file.release()
        bench.until(lambda: stream.view() is not None)
        stream.close()
        while bench.disk.reads.in_flight:
            assert os.path.samefile(descriptor, root / str(SIZES[-1]))
            bench.turn()
        bench.rest()
        with suppress(FileNotFoundError):
            assert not os.path.samefile(descriptor, root / str(SIZES[-1]))


@pytest.mark.parametrize("backend", EACH_BACKEND)
def test_a_request_that_nobody_waits_for_leaves_nothing_open(root, backend):
    descriptors = set(os.listdir("/proc/self/fd"))
    got: list[Outcome] = []
    with Bench(root, BACKENDS[backend]) as bench:
        ours = set(os.listdir("/proc/self/fd"))
        for _ in range(30):
            requests = [bench.disk.open(bench.root, str(SIZES[-1]).encode(), got.append) for _ in range(10)]
            bench.service.flush()
            for request in requests:
                request.cancel()
        bench.rest()
        assert set(os.listdir("/proc/self/fd")) == ours
        assert got == []
    assert set(os.listdir("/proc/self/fd")) == descriptors


@pytest.mark.parametrize("backend", EACH_BACKEND)
def test_a_service_closed_in_the_middle_of_everything_leaves_no_thread_and_no_descriptor(root, backend):
    threads, descriptors = set(os.listdir("/proc/self/task")), os.listdir("/proc/self/fd")
    for turns in range(12):
        bench = Bench(root, BACKENDS[backend])
        delivered: list[Outcome] = []
        for size in SIZES[1:]:
            bench.disk.open(bench.root, str(size).encode(), delivered.append)
        bench.until(lambda delivered=delivered: len(delivered) == len(SIZES) - 1)
        for opened in list(delivered):
            bench.disk.stream(opened.file, 0, opened.facts.size, lambda: None)
            bench.disk.open(bench.root, str(SIZES[-1]).encode(), delivered.append)
        for _ in range(turns // 2):
            bench.service.flush()
            bench.service.reap()
        assert bench.service.close(60) == 0
        for opened in delivered:
            os.close(opened.file.fd)
        os.close(bench.root)
        # One that has been joined is seen there for a moment longer, and glibc's idle ones for a second.
        until(lambda: threads.issuperset(os.listdir("/proc/self/task")), "no thread is left")
        assert os.listdir("/proc/self/fd") == descriptors


def test_checks_that_nobody_takes_delivery_of_are_freed_once(root):
    beneath = os.open(root, os.O_PATH)
    service = Service(1)
    disk = Disk(service, "disk", BACKENDS["aio"].means)
    requests = [disk.check(beneath, b"1", lambda facts: None) for _ in range(2 * OPENERS * CHECKS_TOGETHER)]
    service.flush()
    under_way = disk.jobs_in_flight * CHECKS_TOGETHER
    assert service.close(10.0) == 0
    assert sum(request.job is not None for request in requests) == under_way > 0
    os.close(beneath)
    del requests, service, disk  # the second free would end all of these tests
    gc.collect()
