"""What a stream makes of reads that fail. test_faults.py runs these in a process that faults.c is in."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from errno import EINVAL, EIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from aio import BLOCK, Failed, Loaded, Opened, Shrunk, Stream
from loadtest import disks
from tests.kernel.faults import SHARED, Faults
from tests.kernel.ways import BACKENDS, Bench, tile

BLOCKS = 9
SIZE = BLOCKS * BLOCK + 12_345
LAST = BLOCKS * BLOCK
PAGE = 4096
LONGEST_RUN = 4
BAD_BLOCKS = [0, 1, 2, 4, 5, BLOCKS - 1, BLOCKS]  # the last is not a whole one
NATIVE = [name for name, backend in BACKENDS.items() if backend.means.native]


@pytest.fixture(scope="module")
def file(mounted: Callable[[str], Path]) -> Iterator[Path]:
    with TemporaryDirectory(dir=mounted("here" if disks.missing("ext4") else "ext4")) as folder:
        path = Path(folder, "file")
        path.write_bytes(tile(0, SIZE))
        Path(folder, "other").write_bytes(tile(7, SIZE))
        yield path


@pytest.fixture
def faults() -> Iterator[Faults]:
    with Faults(Path(os.environ[SHARED])) as faults:
        yield faults


# What glibc's POSIX AIO calls is inside of glibc, where nothing can come in between.
@pytest.fixture(params=[name for name, backend in BACKENDS.items() if not backend.means.posix])
def bench(request: pytest.FixtureRequest, file: Path) -> Iterator[Bench]:
    with Bench(file.parent, BACKENDS[request.param]) as bench:
        yield bench
        bench.rest()
        census = bench.service.arena.census()
        assert census.free + census.kept == census.total


@pytest.fixture
def opened(bench: Bench) -> Iterator[Opened]:
    with bench.opened("file") as opened:
        if bench.disk.means.native and not opened.file.direct:
            pytest.skip("no direct I/O on this file system")
        yield opened


def received(bench: Bench, stream: Stream) -> tuple[bytes, Exception | None]:
    """What comes until the end, or until the error."""
    got = bytearray()
    try:
        for piece in bench.pieces(stream):
            got += piece
    except (OSError, Shrunk) as error:
        return bytes(got), error
    return bytes(got), None


def says_eio(bench: Bench, bad: int, error: Exception | None) -> None:
    assert isinstance(error, OSError), repr(error)
    assert error.errno == EIO


def kept(bench: Bench, opened: Opened) -> list[int]:
    """Which blocks of the file are in memory."""
    arena = bench.service.arena
    return [at for at in range(BLOCKS + 1) if arena.find((opened.file.identity, at)) is not None]


def struck(bench: Bench, faults: Faults) -> int:
    return faults.native if bench.disk.means.native else faults.by_thread


def test_the_seam_is_where_it_should_be(bench, opened, faults, file):
    """Else all that follows would prove nothing."""
    assert not bench.disk.uses_ring
    faults.fail(file, EIO)
    with bench.stream(opened.file, 0, SIZE) as stream:
        got, error = received(bench, stream)
    assert (got, getattr(error, "errno", None)) == (b"", EIO)
    assert struck(bench, faults) > 0
    with bench.opened("other") as other:
        assert bench.read(other.file, 0, SIZE) == tile(7, SIZE)


@pytest.mark.parametrize("bad", BAD_BLOCKS)
def test_up_to_a_block_that_cannot_be_read_all_is_right_and_then_it_is_said(bench, opened, faults, file, bad):
    faults.fail(file, EIO, bad * BLOCK, (bad + 1) * BLOCK)
    with bench.stream(opened.file, 0, SIZE) as stream:
        got, error = received(bench, stream)
    assert got == tile(0, len(got))
    # Of a read into several slots that failed, it cannot be told which of them is good.
    assert max(0, bad - LONGEST_RUN + 1) * BLOCK <= len(got) <= bad * BLOCK
    assert len(got) % BLOCK == 0
    says_eio(bench, bad, error)
    bench.rest()
    assert bad not in kept(bench, opened)
    faults.heal()
    assert bench.read(opened.file, 0, SIZE) == tile(0, SIZE)


@pytest.mark.parametrize("bad", BAD_BLOCKS)
def test_a_range_that_ends_before_the_bad_block_is_whole(bench, opened, faults, file, bad):
    if bad == 0:
        pytest.skip("nothing is before it")
    faults.fail(file, EIO, bad * BLOCK, (bad + 1) * BLOCK)
    assert bench.read(opened.file, 5, bad * BLOCK - 5) == tile(5, bad * BLOCK - 5)


@pytest.mark.parametrize("bad", BAD_BLOCKS)
def test_all_who_wait_for_the_same_block_are_told(bench, opened, faults, file, bad):
    faults.fail(file, EIO, bad * BLOCK, (bad + 1) * BLOCK)
    with ExitStack() as stack:
        offsets = (0, 1, bad * BLOCK, 3)
        streams = [stack.enter_context(bench.stream(opened.file, at, SIZE - at)) for at in offsets]
        for offset, stream in zip(offsets, streams, strict=True):
            got, error = received(bench, stream)
            stream.close()
            assert got == tile(offset, len(got))
            says_eio(bench, bad, error)
    faults.heal()
    assert bench.read(opened.file, 0, SIZE) == tile(0, SIZE)


@pytest.mark.parametrize("bad", BAD_BLOCKS)
def test_who_leaves_before_a_read_fails_leaves_nothing_behind(bench, opened, faults, file, bad):
    faults.fail(file, EIO, bad * BLOCK, (bad + 1) * BLOCK)
    for offset in range(max(0, bad - 3) * BLOCK, min(bad + 1, BLOCKS) * BLOCK + 1, BLOCK):
        with bench.stream(opened.file, offset, SIZE - offset):
            bench.service.flush()
    bench.rest()
    assert bad not in kept(bench, opened)


@pytest.mark.parametrize("bad", BAD_BLOCKS)
def test_an_error_that_comes_once_is_gone_with_the_next_reader(bench, opened, faults, file, bad):
    faults.fail(file, EIO, bad * BLOCK, (bad + 1) * BLOCK, times=1)
    with bench.stream(opened.file, 0, SIZE) as stream:
        _, error = received(bench, stream)
    says_eio(bench, bad, error)
    assert bench.read(opened.file, 0, SIZE) == tile(0, SIZE)


@pytest.mark.parametrize("at", [PAGE, BLOCK - PAGE, BLOCK + PAGE, 4 * BLOCK + PAGE, LAST + PAGE])
def test_a_read_that_ends_early_is_never_padded(bench, opened, faults, file, at):
    """A thread reads the rest as well; native AIO's answer is that the file ends here."""
    faults.cut(file, at)
    with bench.stream(opened.file, 0, SIZE) as stream:
        got, error = received(bench, stream)
    assert struck(bench, faults) > 0
    assert got == tile(0, len(got))
    if bench.disk.means.native:
        assert (len(got), type(error)) == (at, Shrunk)
    else:
        assert (len(got), error) == (SIZE, None)
    bench.rest()
    if bench.disk.means.native:
        assert at // BLOCK not in kept(bench, opened)
    faults.heal()
    assert bench.read(opened.file, 0, SIZE) == tile(0, SIZE)


@pytest.mark.parametrize("bench", NATIVE, indirect=True)
@pytest.mark.parametrize("way", ["fail", "refuse"])
@pytest.mark.parametrize("bad", BAD_BLOCKS)
def test_direct_reads_that_are_not_taken_are_done_by_threads(bench, opened, faults, file, way, bad):
    getattr(faults, way)(file, EINVAL, bad * BLOCK, (bad + 1) * BLOCK)
    assert bench.read(opened.file, 0, SIZE) == tile(0, SIZE)
    assert bench.service.counters["direct failed"] > 0
    assert len(bench.reports) == 1
    assert not opened.file.direct
    native = bench.disk.reads.native_reads
    faults.heal()
    bench.read(opened.file, 0, SIZE)
    assert bench.disk.reads.native_reads == native, "this file is never read directly again"
    with bench.opened("other") as other:
        assert other.file.direct
        assert bench.read(other.file, 0, SIZE) == tile(7, SIZE)


@pytest.mark.parametrize("bad", [0, 5 * PAGE, SIZE - 1])
def test_a_small_file_that_cannot_be_read_is_not_opened(bench, faults, file, bad):
    faults.fail(file, EIO, bad, bad + 1)
    assert bench.outcome("file", load_limit=SIZE) == Failed(EIO)
    assert faults.by_thread == 1
    faults.heal()
    outcome = bench.outcome("file", load_limit=SIZE)
    assert isinstance(outcome, Loaded)
    assert outcome.content == tile(0, SIZE)


def test_a_small_file_that_comes_in_pieces_is_whole(bench, faults, file):
    for at in (1, PAGE + 1, SIZE - 1):
        faults.cut(file, at)
        outcome = bench.outcome("file", load_limit=SIZE)
        assert isinstance(outcome, Loaded)
        assert outcome.content == tile(0, SIZE)
        assert faults.by_thread == 1


def test_the_digest_of_a_file_that_cannot_be_read_is_an_error(bench, faults, file):
    got: list[object] = []
    faults.fail(file, EIO, 3 * BLOCK, 3 * BLOCK + 1)
    bench.disk.hash(bench.root, b"file", got.append)
    bench.until(lambda: bool(got))
    assert got == [Failed(EIO)]
    faults.heal()
    bench.disk.hash(bench.root, b"file", got.append)
    bench.until(lambda: len(got) == 2)
    assert not isinstance(got[1], Failed)
