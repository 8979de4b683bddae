"""Who has to give way: readers that take nothing, downloads to pages, the disk to the page cache."""

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from aio import BLOCK, Look, Means, Opened, Stream, Way
from aio.disk import OPENERS
from loadtest import disks
from tests.kernel.ways import BACKENDS, EACH_BACKEND, Backend, Bench, tile

BLOCKS = 6
FILES = 8
SLOTS = 8


@pytest.fixture
def root(mounted):
    with TemporaryDirectory(dir=mounted("here" if disks.missing("ext4") else "ext4")) as folder:
        for number in range(FILES):
            Path(folder, str(number)).write_bytes(tile(number, BLOCKS * BLOCK))
        yield Path(folder)


@pytest.fixture(autouse=True)
def blocks_of_new_files_are_kept(monkeypatch):
    monkeypatch.setattr("aio.file.KEEP_AFTER_NS", 0)


def files(bench: Bench, stack: ExitStack) -> list[Opened]:
    return [stack.enter_context(bench.opened(str(number))) for number in range(FILES)]


def take_all(bench: Bench, stack: ExitStack, opened: list[Opened]) -> list[Stream]:
    """Readers that have taken a little, and now take nothing, and hold all slots."""
    streams = [stack.enter_context(bench.stream(one.file, 0, one.facts.size)) for one in opened]
    bench.until(lambda: not bench.service.arena.can_take() and bench.disk.reads.in_flight == 0)
    for stream in streams:
        if stream.view() is not None:
            stream.advance(1000)
        stream.stall()
    return streams


@pytest.mark.parametrize("backend", EACH_BACKEND)
def test_who_takes_nothing_for_long_loses_the_slots_to_who_takes_and_gets_the_bytes_later(
    root, backend, monkeypatch
):
    with Bench(root, BACKENDS[backend], slots=SLOTS) as bench, ExitStack() as stack:
        opened = files(bench, stack)
        slow = take_all(bench, stack, opened[:-1])
        monkeypatch.setattr("aio.service.STALLED_SECONDS", 0.0)
        assert bench.read(opened[-1].file, 0, BLOCKS * BLOCK) == tile(FILES - 1, BLOCKS * BLOCK)
        assert bench.service.taken_back > 0
        for number, stream in enumerate(slow):
            begun = BLOCKS * BLOCK - stream.left
            assert b"".join(bench.pieces(stream)) == tile(number + begun, BLOCKS * BLOCK - begun)
            stream.close()


@pytest.mark.parametrize("backend", EACH_BACKEND)
def test_who_has_just_stopped_taking_keeps_the_slots(root, backend, monkeypatch):
    monkeypatch.setattr("aio.service.STALLED_SECONDS", 1000.0)
    with Bench(root, BACKENDS[backend], slots=SLOTS) as bench, ExitStack() as stack:
        opened = files(bench, stack)
        take_all(bench, stack, opened[:-1])
        with bench.stream(opened[-1].file, 0, 1000) as late:
            bench.service.flush()
            assert late.view() is None
            assert bench.disk.waiting > 0
        assert bench.service.taken_back == 0


def test_a_stalled_reader_that_goes_on_is_no_longer_one(root, monkeypatch):
    monkeypatch.setattr("aio.service.STALLED_SECONDS", 0.0)
    with (
        Bench(root, BACKENDS["aio"], slots=SLOTS) as bench,
        bench.opened("0") as opened,
        bench.stream(opened.file, 0, BLOCK) as stream,
        bench.stream(opened.file, BLOCK, BLOCK) as gone,
    ):
        bench.until(lambda: stream.view() is not None and gone.view() is not None)
        stream.stall()
        gone.stall()
        assert stream.view() is not None
        gone.close()
        with bench.stream(opened.file, 2 * BLOCK, 1) as needy:
            assert not bench.service.take_back(needy)


@pytest.mark.parametrize("backend", EACH_BACKEND)
def test_who_asks_again_is_not_taken_from_while_waiting(root, backend, monkeypatch):
    """A late completion wakes a reader that can take nothing: it is stalled, and holds nothing."""
    with Bench(root, BACKENDS[backend], slots=SLOTS) as bench, ExitStack() as stack:
        opened = files(bench, stack)
        slow = take_all(bench, stack, opened[:-1])
        lost = slow[0]
        lost.give_back()
        lost.stall()
        monkeypatch.setattr("aio.service.STALLED_SECONDS", 0.0)
        bench.until(lambda: lost.view() is not None)
        for stream in slow:
            stream.close()


def test_who_may_not_have_more_for_now_gives_way_at_once(root, monkeypatch):
    monkeypatch.setattr("aio.service.STALLED_SECONDS", 1000.0)
    with Bench(root, BACKENDS["aio"], slots=SLOTS) as bench, ExitStack() as stack:
        opened = files(bench, stack)
        for stream in take_all(bench, stack, opened[:-1]):
            stream.stall(at_once=True)
        assert bench.read(opened[-1].file, 0, BLOCKS * BLOCK) == tile(FILES - 1, BLOCKS * BLOCK)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "overlay", "tmpfs"])
def test_a_block_that_was_here_before_is_read_through_the_page_cache(mounted, kind):
    means = Means(settle_ns=0)
    with (
        TemporaryDirectory(dir=mounted(kind)) as folder,
        Bench(Path(folder), Backend(means), slots=SLOTS) as bench,
        ExitStack() as stack,
    ):
        for number in range(FILES):
            Path(folder, str(number)).write_bytes(tile(number, BLOCKS * BLOCK))
        opened = files(bench, stack)
        direct = opened[0].facts.way is Way.DIRECT
        for _ in range(2):
            for number, one in enumerate(opened):
                assert bench.read(one.file, 0, BLOCKS * BLOCK) == tile(number, BLOCKS * BLOCK)
        assert (bench.disk.reads.cached_reads > 0) == direct
        assert (bench.disk.reads.native_reads > 0) == direct


def test_what_was_never_here_or_is_not_to_be_kept_is_not_read_through_the_page_cache(root):
    for means in (Means(settle_ns=0, page_cache=False), Means(settle_ns=0, cached=False)):
        with Bench(root, Backend(means), slots=SLOTS) as bench, ExitStack() as stack:
            for one in files(bench, stack) * 2:
                bench.read(one.file, 0, BLOCKS * BLOCK)
            assert bench.disk.reads.cached_reads == 0
    with Bench(root, BACKENDS["aio"], slots=SLOTS) as bench, ExitStack() as stack:
        for one in files(bench, stack):
            bench.read(one.file, 0, BLOCKS * BLOCK)
        assert bench.disk.reads.cached_reads == 0


def test_pages_are_opened_before_what_is_downloaded_and_leave_it_a_thread(root):
    with Bench(root, BACKENDS["aio"]) as bench:
        order: list[str] = []

        def ask(what: str, number: int, *, page: bool) -> None:
            def opened(outcome: object) -> None:
                assert isinstance(outcome, Opened)
                order.append(what)
                outcome.file.release()

            bench.disk.open(bench.root, b"%d" % (number % FILES), opened, Look(page=page))

        for number in range(40):
            ask("download", number, page=False)
        for number in range(20):
            ask("page", number, page=True)
        bench.until(lambda: len(order) == 60)
        # One of the threads is for downloads as long as there are pages.
        assert order.index("download") < 2 * OPENERS
        last_page = 59 - order[::-1].index("page")
        assert order[: last_page + 1].count("download") <= last_page // 2


def test_one_block_does_not_stand_behind_all_who_want_many(root):
    with Bench(root, BACKENDS["aio uncached"], slots=64) as bench, ExitStack() as stack:
        bench.disk.reads.quota = 1
        opened = files(bench, stack)
        turns: list[str] = []

        def ask(what: str, length: int) -> Stream:
            def woken() -> None:
                turns.append(what)

            stream = bench.disk.stream(opened[0].file, 0, length, woken)
            stack.callback(stream.close)
            return stream

        many = [ask("many", BLOCKS * BLOCK) for _ in range(10)]
        brief = ask("brief", 1000)
        bench.until(lambda: brief.view() is not None)
        assert turns.count("many") <= 3
        assert sum(stream.view() is None for stream in many) >= 7
