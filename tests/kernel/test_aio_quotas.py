"""Who waits for whom: a disk is given so much and no more, and what is in memory waits for nobody."""

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from aio import BLOCK, File, Opened
from aio.disk import OPENERS
from aio.reads import RUN as LONGEST_RUN
from aio.stream import MOST_AHEAD
from loadtest import disks
from tests.kernel.ways import BACKENDS, EACH_BACKEND, Bench, tile

SIZE = 6 * BLOCK
FILES = 40
CACHED = [name for name, backend in BACKENDS.items() if backend.means.cached]
UNCACHED = [name for name in EACH_BACKEND if name not in CACHED]


@pytest.fixture
def root(mounted):
    with TemporaryDirectory(dir=mounted("here" if disks.missing("ext4") else "ext4")) as folder:
        for number in range(FILES):
            Path(folder, str(number)).write_bytes(tile(number, SIZE // 4 + 1 if number else SIZE))
        yield Path(folder)


@pytest.fixture(autouse=True)
def blocks_of_new_files_are_kept(monkeypatch):
    monkeypatch.setattr("aio.file.KEEP_AFTER_NS", 0)


@pytest.mark.parametrize("backend", CACHED)
def test_what_is_in_memory_is_there_without_a_turn(root, backend):
    with Bench(root, BACKENDS[backend]) as bench, bench.opened("1") as opened:
        size = opened.facts.size
        assert bench.read(opened.file, 0, size) == tile(1, size)
        with bench.stream(opened.file, 5, size - 5) as stream:
            got = b""
            while stream.left:
                view = stream.view()
                assert view is not None
                got += view
                stream.advance(len(view))
        assert got == tile(6, size - 5)
        assert bench.disk.reads.in_flight == 0


@pytest.mark.parametrize("backend", CACHED)
def test_what_is_in_memory_does_not_wait_behind_those_who_wait_for_the_disk(root, backend):
    with Bench(root, BACKENDS[backend]) as bench, bench.opened("0") as hot, bench.opened("1") as cold:
        assert bench.read(hot.file, 0, SIZE) == tile(0, SIZE)
        quota, bench.disk.reads.quota = bench.disk.reads.quota, 0  # a disk that has all it can bear
        with bench.stream(cold.file, 0, 100) as stuck, bench.stream(hot.file, 0, SIZE) as stream:
            for start in range(0, SIZE, BLOCK):
                view = stream.view()
                assert view == tile(start, BLOCK)
                stream.advance(len(view))
            assert stuck.view() is None
            assert bench.disk.waiting == 1
            bench.disk.reads.quota = quota
            bench.until(lambda: stuck.view() is not None)


@pytest.mark.parametrize("backend", CACHED)
def test_clients_of_one_cold_block_share_one_read_and_one_slot(root, backend):
    with Bench(root, BACKENDS[backend]) as bench, bench.opened("0") as opened, ExitStack() as stack:
        streams = [stack.enter_context(bench.stream(opened.file, n, 1000)) for n in range(50)]
        assert bench.disk.reads.in_flight == 1
        assert bench.service.arena.census().reading == 1
        bench.until(lambda: all(stream.view() is not None for stream in streams))
        assert [bytes(stream.view()) for stream in streams] == [tile(n, 1000) for n in range(50)]
        assert bench.service.arena.census().pinned == 1


@pytest.mark.parametrize("backend", EACH_BACKEND)
def test_clients_of_one_cold_block_are_all_called_back(root, backend):
    with Bench(root, BACKENDS[backend]) as bench, bench.opened("0") as opened:
        woken: list[int] = []
        streams = [
            bench.disk.stream(opened.file, 0, 1000, lambda n=n: woken.append(n))
            for n in range(5)  # no more than may be read at once
        ]
        bench.until(lambda: bench.disk.reads.in_flight == 0)
        assert sorted(woken) == list(range(5))
        for stream in streams:
            stream.close()


@pytest.mark.parametrize("backend", UNCACHED)
def test_without_a_cache_each_client_has_a_read_of_its_own_and_nothing_is_kept(root, backend):
    with Bench(root, BACKENDS[backend]) as bench, bench.opened("0") as opened:
        with bench.stream(opened.file, 0, 1000) as one, bench.stream(opened.file, 0, 1000) as other:
            assert bench.disk.reads.in_flight == 2
            bench.until(lambda: one.view() is not None and other.view() is not None)
        assert bench.service.arena.census().kept == 0


@pytest.mark.parametrize("backend", EACH_BACKEND)
def test_readers_in_any_number_are_all_served_with_few_slots_and_reads(root, backend):
    with Bench(root, BACKENDS[backend], slots=8) as bench, ExitStack() as stack:
        bench.disk.reads.quota = 3
        files = [stack.enter_context(bench.opened(str(number))) for number in range(FILES)]
        streams = [stack.enter_context(bench.stream(opened.file, 0, opened.facts.size)) for opened in files]
        got = dict.fromkeys(streams, b"")
        bench.service.flush()
        while any(stream.left for stream in streams):
            assert bench.disk.reads.in_flight <= 3
            assert bench.service.arena.census().reading <= bench.disk.reads.slot_quota == 4
            moved = False
            for stream in streams:
                if stream.left and (view := stream.view()) is not None:
                    got[stream] += view
                    stream.advance(len(view))
                    moved = True
            if moved:
                bench.service.flush()
            else:
                bench.turn()
        for number, (opened, stream) in enumerate(zip(files, streams, strict=True)):
            assert got[stream] == tile(number, opened.facts.size)


class Reader:
    """Sends at once whenever it is called, and never asks otherwise."""

    def __init__(self, bench: Bench, file: File, offset: int, *, patient: bool) -> None:
        self.got = b""
        self.done = False
        self._most = 100_001 if patient else BLOCK
        self._stream = bench.disk.stream(file, offset, file.size - offset, self.go_on)
        self.go_on()

    def go_on(self) -> None:
        stream = self._stream
        while stream.left and (view := stream.view()) is not None:
            piece = bytes(view[: self._most])
            self.got += piece
            stream.advance(len(piece))
        if not stream.left:
            stream.close()
            self.done = True


@pytest.mark.parametrize("slots", [4, 8, 64])
@pytest.mark.parametrize("backend", EACH_BACKEND)
def test_a_reader_that_was_told_to_wait_is_called_when_there_are_bytes(root, backend, slots):
    with Bench(root, BACKENDS[backend], slots=slots) as bench, ExitStack() as stack:
        bench.disk.reads.quota = 2
        numbers = (0, 1, 2, 0, 1, 0, 2, 0, 0)
        files = [stack.enter_context(bench.opened(str(number))).file for number in numbers]
        readers = [
            Reader(bench, file, 4097 * place, patient=place % 2 == 0) for place, file in enumerate(files)
        ]
        bench.until(lambda: all(reader.done for reader in readers))
        for place, (number, file, reader) in enumerate(zip(numbers, files, readers, strict=True)):
            assert reader.got == tile(number + 4097 * place, file.size - 4097 * place)


@pytest.mark.parametrize("backend", CACHED)
def test_a_reader_in_line_is_called_when_its_block_was_read_for_another(root, backend):
    with (
        Bench(root, BACKENDS[backend]) as bench,
        bench.opened("0") as hot,
        bench.opened("1") as cold,
        bench.stream(hot.file, 0, 100) as first,
    ):
        bench.disk.reads.quota = 1
        with bench.stream(cold.file, 0, 100):  # stands in line
            late = Reader(bench, hot.file, SIZE - 100, patient=True)  # and behind it this one
            assert bench.disk.waiting == 2
            bench.until(lambda: first.view() is not None)
            key = (hot.file.identity, SIZE // BLOCK - 1)
            slot = bench.service.arena.take(key)
            bench.disk.reads.bytes_of(slot, 0, BLOCK)[:] = tile(SIZE - BLOCK, BLOCK)
            bench.service.arena.filled(slot, BLOCK, keep=True)
            bench.service.arena.unpin(slot)
            bench.until(lambda: late.done)
            assert late.got == tile(SIZE - 100, 100)


@pytest.mark.parametrize("backend", EACH_BACKEND)
@pytest.mark.parametrize(("slot_quota", "runs"), [(4, 2), (1000, 1 + MOST_AHEAD)], ids=["no room", "room"])
def test_a_reader_holds_two_runs_and_more_only_where_there_is_room(root, backend, slot_quota, runs):
    with (
        Bench(root, BACKENDS[backend], slots=64) as bench,
        bench.opened("0") as opened,
        bench.stream(opened.file, 0, SIZE) as stream,
    ):
        bench.disk.reads.slot_quota = slot_quota
        bench.rest()
        assert bench.service.arena.census().pinned == 2
        for _ in bench.pieces(stream):
            census = bench.service.arena.census()
            assert census.pinned + census.reading <= runs * LONGEST_RUN


def test_jobs_beyond_the_quota_wait_and_checks_go_first(root):
    with Bench(root, BACKENDS["aio"]) as bench:
        order: list[str] = []

        def opened(outcome: object) -> None:
            assert isinstance(outcome, Opened)
            order.append("open")
            outcome.file.release()

        for number in range(FILES):
            bench.disk.open(bench.root, str(number).encode(), opened)
        bench.disk.check(bench.root, b"0", lambda facts: order.append("check"))
        bench.service.flush()
        assert bench.disk.jobs_in_flight == OPENERS
        assert bench.disk.waiting == FILES + 1 - OPENERS
        bench.until(lambda: len(order) == FILES + 1)
        assert order.index("check") < 3 * OPENERS


def test_more_is_handed_over_than_there_are_threads_while_opens_are_quick(root):
    with Bench(root, BACKENDS["aio"]) as bench:
        came = asked = most = 0

        def opened(outcome: object) -> None:
            nonlocal came
            assert isinstance(outcome, Opened)
            came += 1
            outcome.file.release()

        while most < bench.disk.job_quota:
            assert asked < 100 * FILES, "these files are in memory, and still they are not opened quickly"
            asked += FILES
            for number in range(FILES):
                bench.disk.open(bench.root, b"%d" % number, opened)
            while came < asked:
                bench.service.flush()
                most = max(most, bench.disk.jobs_in_flight)
                bench.service.reap()
        assert most == bench.disk.job_quota


@pytest.mark.parametrize("age_ns", [0, 1_999_999_999, -5])
def test_a_block_read_too_soon_after_the_change_is_not_kept(root, monkeypatch, age_ns):
    monkeypatch.setattr("aio.file.KEEP_AFTER_NS", 2_000_000_000)
    with Bench(root, BACKENDS["aio"]) as bench, bench.opened("0") as opened:
        changed = opened.facts.ctime_ns
        assert opened.file.settled(changed + 2_000_000_000)
        assert not opened.file.settled(changed + age_ns)
        monkeypatch.setattr("aio.reads.time.time_ns", lambda: changed + age_ns)
        assert bench.read(opened.file, 0, SIZE) == tile(0, SIZE)
        assert bench.service.arena.census().kept == 0
        monkeypatch.setattr("aio.reads.time.time_ns", lambda: changed + 2_000_000_000)
        assert bench.read(opened.file, 0, SIZE) == tile(0, SIZE)
        assert bench.service.arena.census().kept == SIZE // BLOCK


@pytest.mark.parametrize("backend", EACH_BACKEND)
def test_files_beyond_the_quota_wait_until_others_are_closed(root, backend):
    with Bench(root, BACKENDS[backend]) as bench:
        bench.disk.file_quota = 3
        opened = []
        for number in range(8):
            bench.disk.open(bench.root, b"%d" % number, opened.append)
        bench.until(lambda: len(opened) == 3)
        pressed = []
        bench.disk.make_room = lambda: pressed.append(True)
        bench.service.flush()
        assert (len(opened), bench.disk.files_open, bench.disk.waiting) == (3, 3, 5)
        assert pressed
        for _ in range(8):
            bench.until(lambda: bool(opened))
            opened.pop().file.release()
        bench.rest()
        assert (bench.disk.files_open, bench.disk.waiting) == (0, 0)
