"""Reads as C sees them: one that is wrong fails alone, and what is too much is refused."""

import errno
import fcntl
import os
import select
import struct
from itertools import combinations
from pathlib import Path

import pytest

from aio import BLOCK
from aio._kernel import ffi, lib
from tests.kernel.ways import SILENCE_MS, tile
from tests.rig.until import until

READS = 6
DEPTH = 16
TURN_MS = 20
THREADS_ASLEEP = {"S"}
GROUPS = [("aio", 0), ("aio by call", lib.SERVICE_NO_RING), ("threads", 0), ("page cache", 0)]
WAYS = {
    "aio": lib.READ_NATIVE,
    "aio by call": lib.READ_NATIVE,
    "threads": lib.READ_THREAD,
    "page cache": lib.READ_CACHED,
}


class Group:
    """A service of one group without Python's side of it."""

    def __init__(self, flags: int = 0, *, depth: int = DEPTH, openers: int = 2, readers: int = 2) -> None:
        self.service = lib.service_new(flags)
        self.memory = lib.memory_new(DEPTH, BLOCK)
        self.group = lib.group_new(self.service, self.memory, depth, openers, readers)
        self.results: dict[int, int] = {}

    def reap(self, count: int, jobs_per_thread: int = 1) -> dict[int, int]:
        """The results of so many requests by their tags."""
        out = ffi.new(f"struct completion[{DEPTH}]")
        poll = select.poll()
        poll.register(lib.service_eventfd(self.service), select.POLLIN)
        silence_ms = 0
        while len(self.results) < count:
            lib.group_flush(self.group, jobs_per_thread)
            if not poll.poll(TURN_MS):
                silence_ms += TURN_MS
                assert silence_ms < SILENCE_MS, f"only {self.results} have come back"
                continue
            silence_ms = 0
            full = True
            while full:
                finished = lib.service_reap(self.service, out, DEPTH)
                full = finished == DEPTH
                for n in range(finished):
                    assert out[n].tag not in self.results, "finished twice"
                    self.results[out[n].tag] = out[n].result
        return self.results

    def slot(self, number: int, length: int) -> bytes:
        return bytes(ffi.buffer(lib.memory_base(self.memory) + number * BLOCK, length))

    def close(self) -> None:
        assert lib.service_close(self.service, SILENCE_MS) == 0
        lib.memory_free(self.memory)


def job_of(kind, path, root=-1):
    job = lib.job_new(path, len(path))
    job.kind = kind
    job.root = root
    return job


def others_states():
    """The states of this process's other threads (proc_pid_stat(5))."""
    others = [task for task in Path("/proc/self/task").iterdir() if task.name != str(os.getpid())]
    return {(task / "stat").read_text().rpartition(")")[2].split()[0] for task in others}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(tile(0, READS * BLOCK))
    fd = os.open(path, os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.fixture
def closed_fd():
    fd = fcntl.fcntl(0, fcntl.F_DUPFD, 900)  # a number that nobody else will soon be given
    os.close(fd)
    return fd


@pytest.mark.parametrize(
    "bad", [*combinations(range(READS), 1), *combinations(range(READS), 2), range(READS)]
)
@pytest.mark.parametrize(("way", "flags"), GROUPS)
def test_of_a_batch_only_reads_of_a_bad_descriptor_fail(file, closed_fd, way, flags, bad):
    group = Group(flags)
    for n in range(READS):
        fd = closed_fd if n in bad else file
        assert lib.group_read(group.group, WAYS[way], n, fd, 1, n * BLOCK, BLOCK, n, 0, 0, 0) == 0
    results = group.reap(READS)
    assert results == {n: -errno.EBADF if n in bad else BLOCK for n in range(READS)}
    for n in set(range(READS)) - set(bad):
        assert group.slot(n, BLOCK) == tile(n * BLOCK, BLOCK)
    group.close()


@pytest.mark.parametrize(("way", "flags"), GROUPS)
def test_a_read_fills_its_slots_in_the_order_given(file, way, flags):
    group = Group(flags)
    assert lib.group_read(group.group, WAYS[way], 7, file, 1, 4096, 3 * BLOCK + 5, 9, 2, 5, 0) == 0
    assert group.reap(1) == {7: 3 * BLOCK + 5}
    got = b"".join(group.slot(n, BLOCK) for n in (9, 2, 5)) + group.slot(0, 5)
    assert got == tile(4096, 3 * BLOCK + 5)
    group.close()


@pytest.mark.parametrize("flags", [0, lib.SERVICE_NO_RING])
def test_reads_that_are_handed_over_together_go_to_the_disk_by_inode_and_offset(file, flags):
    """What needs no disk is read while it is submitted, and comes back in that order."""
    group = Group(flags)
    until(lambda: others_states() == THREADS_ASLEEP, "nobody looks for work yet")
    places = [(inode, n) for inode in (9, 7, 8) for n in (1, 0)]
    for tag, (inode, n) in enumerate(places):
        read = (lib.READ_NATIVE, tag, file, inode, n * BLOCK, BLOCK)
        assert lib.group_read(group.group, *read, tag, 0, 0, 0) == 0
    assert [places[tag] for tag in group.reap(len(places))] == sorted(places)
    group.close()


@pytest.mark.parametrize(
    ("offset", "expected"), [(0, READS * BLOCK), (5 * BLOCK + 1, BLOCK - 1), (READS * BLOCK, 0)]
)
@pytest.mark.parametrize(("way", "flags"), GROUPS)
def test_a_read_over_the_end_gives_what_there_is(file, way, flags, offset, expected):
    group = Group(flags)
    assert lib.group_read(group.group, WAYS[way], 1, file, 1, offset, 4 * BLOCK, 0, 1, 2, 3) == 0
    assert group.reap(1) == {1: min(4 * BLOCK, expected)}
    group.close()


def test_openers_read_where_there_are_no_readers(file):
    group = Group(readers=0)
    assert lib.group_read(group.group, lib.READ_THREAD, 3, file, 1, 0, BLOCK, 4, 0, 0, 0) == 0
    assert group.reap(1) == {3: BLOCK}
    assert group.slot(4, BLOCK) == tile(0, BLOCK)
    group.close()


def test_reads_beyond_the_depth_are_refused_until_others_are_done(file):
    group = Group(depth=2)
    assert lib.group_read(group.group, lib.READ_NATIVE, 0, file, 1, 0, 512, 0, 0, 0, 0) == 0
    assert lib.group_read(group.group, lib.READ_NATIVE, 1, file, 1, 0, 512, 1, 0, 0, 0) == 0
    assert lib.group_read(group.group, lib.READ_NATIVE, 2, file, 1, 0, 512, 2, 0, 0, 0) == -errno.EAGAIN
    group.reap(2)
    assert lib.group_read(group.group, lib.READ_NATIVE, 3, file, 1, 0, 512, 2, 0, 0, 0) == 0
    assert group.reap(3) == {0: 512, 1: 512, 3: 512}
    group.close()


def test_a_group_without_aio_takes_no_reads_by_aio(file):
    group = Group(depth=0)
    assert lib.group_read(group.group, lib.READ_NATIVE, 0, file, 1, 0, 512, 0, 0, 0, 0) == -errno.EAGAIN
    assert lib.group_aio_error(group.group) == 0
    lib.group_flush(group.group, 1)
    group.close()


def test_a_group_holds_so_many_requests_and_no_more(file):
    group = Group()
    for tag in range(lib.MAX_OUTSTANDING):
        assert lib.group_read(group.group, lib.READ_THREAD, tag, file, 1, 0, 512, tag % DEPTH, 0, 0, 0) == 0
    assert lib.group_read(group.group, lib.READ_THREAD, 5000, file, 1, 0, 512, 0, 0, 0, 0) == -errno.EAGAIN
    assert lib.group_read(group.group, lib.READ_NATIVE, 5000, file, 1, 0, 512, 0, 0, 0, 0) == -errno.EAGAIN
    job = job_of(lib.JOB_CHECK, b".")
    assert lib.group_job(group.group, 5000, job) == -errno.EAGAIN
    lib.job_free(job)
    results = group.reap(lib.MAX_OUTSTANDING)
    assert set(results.values()) == {512}
    group.close()


def test_a_close_of_what_is_not_open_tells_its_errno_and_the_others_are_closed(file, closed_fd):
    group = Group()
    others = [os.dup(file), os.dup(file)]
    job = job_of(lib.JOB_CLOSE, struct.pack("=3i", others[0], closed_fd, others[1]))
    assert lib.group_job(group.group, 1, job) == 0
    assert group.reap(1) == {1: -errno.EBADF}
    for fd in others:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
    lib.job_free(job)
    group.close()


def test_what_was_opened_for_nobody_is_closed_with_the_service(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 10)
    root = os.open(tmp_path, os.O_PATH)
    before = os.listdir("/proc/self/fd")
    group = Group()
    for tag in range(50):
        job = job_of(lib.JOB_OPEN, b"file", root)
        assert lib.group_job(group.group, tag, job) == 0
    group.close()
    assert os.listdir("/proc/self/fd") == before
    os.close(root)


@pytest.mark.parametrize(("jobs_per_thread", "wanted"), [(1, 8), (4, 2), (8, 1)])
def test_a_thread_is_woken_for_several_jobs(tmp_path, jobs_per_thread, wanted):
    root = os.open(tmp_path, os.O_PATH)
    group = Group(openers=8)  # one of them is there before there is anything to do, asleep or not yet
    before = len(os.listdir("/proc/self/task"))
    jobs = [job_of(lib.JOB_CHECK, b".", root) for _ in range(8)]
    for tag, job in enumerate(jobs):
        assert lib.group_job(group.group, tag, job) == 0
    lib.group_flush(group.group, jobs_per_thread)
    assert len(os.listdir("/proc/self/task")) - before in (wanted - 1, min(wanted, 7))
    assert group.reap(8) == dict.fromkeys(range(8), 0)
    group.close()
    for job in jobs:
        lib.job_free(job)
    os.close(root)


def test_what_stands_behind_jobs_that_do_not_end_is_taken_by_other_threads(tmp_path):
    (tmp_path / "endless").touch()
    os.truncate(tmp_path / "endless", 1 << 40)
    root = os.open(tmp_path, os.O_PATH)
    group = Group(openers=4)
    jobs = [job_of(lib.JOB_CHECK, b".", root) for _ in range(5)]
    for tag in range(3):
        assert lib.group_job(group.group, len(jobs) + tag, job_of(lib.JOB_HASH, b"endless", root)) == 0
    for tag, job in enumerate(jobs):
        assert lib.group_job(group.group, tag, job) == 0
    assert lib.group_flush(group.group, 8) == 1, "one thread has been woken, and cannot have all of them"
    assert group.reap(len(jobs), jobs_per_thread=8) == dict.fromkeys(range(len(jobs)), 0)
    assert lib.group_flush(group.group, 8) == 0
    group.close()
    for job in jobs:
        lib.job_free(job)
    os.close(root)


def test_no_second_thread_is_woken_for_what_has_only_just_been_passed_on(tmp_path):
    (tmp_path / "endless").touch()
    os.truncate(tmp_path / "endless", 1 << 40)
    root = os.open(tmp_path, os.O_PATH)
    group = Group(openers=4)
    until(lambda: others_states() == THREADS_ASLEEP, "nobody looks for work yet")
    threads = len(os.listdir("/proc/self/task"))
    for tag in range(2):
        assert lib.group_job(group.group, tag, job_of(lib.JOB_HASH, b"endless", root)) == 0
    lib.group_pass_on(group.group, 8)
    until(lambda: others_states() != THREADS_ASLEEP, "a thread has one of them")
    lib.group_flush(group.group, 8)
    assert len(os.listdir("/proc/self/task")) == threads

    def more_after_another_turn():
        lib.group_flush(group.group, 8)
        return len(os.listdir("/proc/self/task")) == threads + 1

    until(more_after_another_turn, "the second of them has a thread")
    group.close()
    os.close(root)


def test_nobody_has_to_come_back_for_jobs_when_no_thread_is_left_for_them(tmp_path):
    (tmp_path / "endless").touch()
    os.truncate(tmp_path / "endless", 1 << 40)
    root = os.open(tmp_path, os.O_PATH)
    group = Group(openers=1)
    assert lib.group_job(group.group, 0, job_of(lib.JOB_HASH, b"endless", root)) == 0
    assert lib.group_job(group.group, 1, job_of(lib.JOB_CHECK, b".", root)) == 0
    until(lambda: lib.group_flush(group.group, 1) == 0, "the only thread is at work, and one job waits")
    group.close()
    os.close(root)
