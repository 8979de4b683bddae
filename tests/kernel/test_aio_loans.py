"""Memory that is lent to a socket: the right bytes, also when the memory has long been used for others."""

from __future__ import annotations

import errno
import select
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from aio import BLOCK, File, Parcel
from aio.parcel import LONGEST_LOAN, SHORTEST_LOAN
from loadtest import disks
from tests.kernel.ways import BACKENDS, VMSPLICE, Bench, in_child, refuse, tile
from tests.rig.until import until

BLOCKS = LONGEST_LOAN + 1
SIZE = BLOCKS * BLOCK - 1000
SLOTS = 2 * BLOCKS
HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
CACHED = [name for name, backend in BACKENDS.items() if backend.means.cached]


@pytest.fixture
def root(mounted):
    with TemporaryDirectory(dir=mounted("here" if disks.missing("ext4") else "ext4")) as folder:
        for number in range(SLOTS):
            Path(folder, str(number)).write_bytes(tile(number, SIZE))
        yield Path(folder)


@pytest.fixture(autouse=True)
def blocks_of_new_files_are_kept(monkeypatch):
    monkeypatch.setattr("aio.file.KEEP_AFTER_NS", 0)


@contextmanager
def lending(root: Path, backend: str = "aio") -> Iterator[Bench]:
    with Bench(root, BACKENDS[backend], slots=SLOTS, lends=True) as bench:
        if not bench.service.lends:
            pytest.skip(f"the kernel lends nothing: {', '.join(bench.reports)}")
        yield bench


@contextmanager
def connected(
    *, send_buffer: int = 4 << 20, receive_buffer: int = 4 << 20
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Who sends and does not block, and who receives."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        with socket.create_connection(listener.getsockname()) as ours:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
            ours.setblocking(False)
            theirs, _ = listener.accept()
            with theirs:
                theirs.settimeout(20)
                yield ours, theirs


def received(sock: socket.socket, count: int) -> bytes:
    got = bytearray()
    while len(got) < count:
        piece = sock.recv(count - len(got))
        assert piece, "it has ended early"
        got += piece
    return bytes(got)


def warm(bench: Bench, file: File) -> None:
    """Reads it until all of it is in memory: which blocks stay is the arena's affair."""
    for _ in range(10):
        with bench.stream(file, 0, file.size) as stream:
            while stream.left:
                bench.until(lambda: stream.view() is not None)
                stream.advance(len(stream.view()))
        if all(is_there(bench, file, block) for block in range(BLOCKS)):
            return
    pytest.fail("it does not stay in memory")


def is_there(bench: Bench, file: File, block: int) -> bool:
    return bench.service.arena.find((file.identity, block)) is not None


def loan(bench: Bench, file: File, offset: int = 0, length: int = BLOCK) -> Parcel:
    """What is shown first of a file that is in memory."""
    with bench.stream(file, offset, length) as stream:
        view = stream.view()
    assert view is not None
    assert not isinstance(view, memoryview)
    return view


@pytest.mark.parametrize("backend", CACHED)
def test_what_is_lent_arrives(root, backend):
    with lending(root, backend) as bench, bench.opened("1") as opened, connected() as (ours, theirs):
        warm(bench, opened.file)
        most = 0
        for offset in (0, 1, 4095, 4096, 5000, BLOCK - SHORTEST_LOAN, BLOCK, BLOCK + 77, 2 * BLOCK):
            for head in (b"", HEAD, HEAD * 100):
                length = min(LONGEST_LOAN * BLOCK - offset % BLOCK, SIZE - offset)
                lent = loan(bench, opened.file, offset, SIZE - offset)
                assert len(lent) == length
                count = lent.send_to(ours.fileno(), head)
                assert received(theirs, count) == (head + tile(1 + offset, length))[:count]
                most = max(most, count)
        assert most > BLOCK + len(HEAD), "of more than one block"


def test_all_that_can_be_lent_at_once_arrives(root):
    """Somebody receives meanwhile, so it does not depend on how much there is room for."""
    with lending(root) as bench, bench.opened("1") as opened, connected() as (ours, theirs):
        warm(bench, opened.file)
        whole = LONGEST_LOAN * BLOCK
        with receiving(theirs, tile(1, whole)):
            sent = 0
            while sent < whole:
                lent = loan(bench, opened.file, sent, whole - sent)
                with suppress(BlockingIOError):
                    sent += lent.send_to(ours.fileno(), b"")


def test_what_is_lent_may_be_cut(root):
    with lending(root) as bench, bench.opened("1") as opened, connected() as (ours, theirs):
        warm(bench, opened.file)
        for most in (1, 4096, 70_001, BLOCK, BLOCK + 1, 3 * BLOCK, SIZE):
            lent = loan(bench, opened.file, 0, SIZE).at_most(most)
            assert len(lent) == min(most, LONGEST_LOAN * BLOCK)
            count = lent.send_to(ours.fileno(), b"")
            assert 0 < count <= len(lent)
            assert received(theirs, count) == tile(1, count)


@pytest.mark.parametrize("backend", CACHED)
def test_what_was_lent_stays_as_it_was_when_its_slots_hold_other_bytes(root, backend):
    with lending(root, backend) as bench, bench.opened("0") as opened, connected() as (ours, theirs):
        for _ in range(3):  # also of slots that were lent before
            warm(bench, opened.file)
            sent = 0
            with suppress(BlockingIOError):
                while sent < SIZE:
                    sent += loan(bench, opened.file, sent, SIZE - sent).send_to(ours.fileno(), b"")
            assert sent > BLOCK, "more than one block is lent"
            for other in range(1, SLOTS):
                with bench.opened(str(other)) as another:
                    for _ in range(3):
                        assert read_by_copy(bench, another.file) == tile(other, SIZE)
            assert not any(is_there(bench, opened.file, block) for block in range(BLOCKS))
            assert received(theirs, sent) == tile(0, sent)


def read_by_copy(bench: Bench, file: File) -> bytes:
    bench.service.lends = False
    try:
        return bench.read(file, 0, file.size)
    finally:
        bench.service.lends = True


def test_a_full_socket_takes_a_part_and_nothing_of_the_rest_is_left_for_the_next(root):
    with lending(root) as bench, bench.opened("1") as opened, bench.opened("2") as second:
        warm(bench, opened.file)
        warm(bench, second.file)
        with connected(send_buffer=16 * 1024) as (ours, theirs), connected() as (other, of_other):
            lent, sent = loan(bench, opened.file), 0
            for _ in range(100):
                try:
                    sent += lent.send_to(ours.fileno(), b"")
                except BlockingIOError:
                    break
            assert sent % BLOCK, "a part was taken"
            assert loan(bench, second.file).send_to(other.fileno(), HEAD) == len(HEAD) + BLOCK
            assert received(of_other, len(HEAD) + BLOCK) == HEAD + tile(2, BLOCK)
            whole, rest = divmod(sent, BLOCK)
            assert received(theirs, sent) == tile(1, BLOCK) * whole + tile(1, rest)


def test_who_has_gone_is_an_error_and_the_next_gets_what_is_his(root):
    with lending(root) as bench, bench.opened("1") as opened:
        warm(bench, opened.file)
        with connected() as (ours, theirs):
            theirs.close()
            with suppress(ConnectionResetError):
                loan(bench, opened.file).send_to(ours.fileno(), b"")
            until(lambda: select.select([ours], [], [], 0)[0], "that it has gone")
            with pytest.raises((BrokenPipeError, ConnectionResetError)):
                loan(bench, opened.file).send_to(ours.fileno(), b"")
        with connected() as (ours, theirs):
            assert loan(bench, opened.file).send_to(ours.fileno(), b"") == BLOCK
            assert received(theirs, BLOCK) == tile(1, BLOCK)


@pytest.mark.parametrize("start", [0, BLOCK - SHORTEST_LOAN])
def test_parts_of_two_blocks_are_taken_and_the_rest_comes_from_where_it_stopped(root, start):
    """Small buffers on both sides take what they take: also of the first block alone, or of both."""
    with (
        lending(root) as bench,
        bench.opened("1") as opened,
        connected(send_buffer=16 * 1024, receive_buffer=64 * 1024) as (ours, theirs),
    ):
        warm(bench, opened.file)
        got = b""
        parts = 0
        with bench.stream(opened.file, start, SIZE - start) as stream:
            while stream.left:
                view = stream.view()
                try:
                    if isinstance(view, memoryview):
                        count = ours.send(view)
                    else:
                        count = view.send_to(ours.fileno(), b"")
                except BlockingIOError:
                    select.select([], [ours], [], 1)
                    continue
                parts += count < len(view)
                stream.advance(count)
                got += received(theirs, count)
        assert parts > 1
        assert got == tile(1 + start, SIZE - start)


@pytest.mark.parametrize("step", [100_000, BLOCK, SIZE], ids=["in parts", "block by block", "as it is lent"])
def test_each_block_that_is_lent_is_used_once(root, step):
    """However often it is looked at, and whether it was held for that or not."""
    with lending(root) as bench, bench.opened("1") as opened:
        warm(bench, opened.file)
        before = bench.service.arena.hits
        with bench.stream(opened.file, 0, SIZE) as stream:
            while stream.left:
                view = stream.view()
                taken = min(step, len(view))
                stream.advance(taken // 2)  # it may be said in several goes
                stream.advance(taken - taken // 2)
        assert bench.service.arena.hits - before == BLOCKS
        slots = [bench.service.arena.find((opened.file.identity, block)) for block in range(BLOCKS)]
        counted_at = [slot.counted_at for slot in slots]
        assert counted_at == [counted_at[0] + n for n in range(BLOCKS)]


def test_who_takes_little_is_offered_one_block_and_all_again_who_takes_a_whole_one(root):
    def offered() -> int:
        view = stream.view()
        assert view is not None
        return len(view)

    with lending(root) as bench, bench.opened("1") as opened:
        warm(bench, opened.file)
        with bench.stream(opened.file, 0, SIZE) as stream:
            assert offered() == LONGEST_LOAN * BLOCK
            stream.advance(70_000)
            assert offered() == BLOCK - 70_000
            stream.advance(BLOCK - 70_000)  # all that is offered, but a socket that was nearly full took it
            assert offered() == BLOCK
            stream.advance(BLOCK)
            assert offered() == SIZE - 2 * BLOCK


def test_what_is_short_or_was_only_just_read_is_copied(root):
    with lending(root) as bench, bench.opened("1") as opened:
        with bench.stream(opened.file, 0, SIZE) as first:
            bench.until(lambda: first.view() is not None)
            assert isinstance(first.view(), memoryview)
        with bench.stream(opened.file, 100, SHORTEST_LOAN - 1) as short:
            assert short.view() == tile(101, SHORTEST_LOAN - 1)
        assert not isinstance(loan(bench, opened.file, 100, SHORTEST_LOAN), memoryview)


@contextmanager
def receiving(sock: socket.socket, expected: bytes) -> Iterator[None]:
    """A thread that receives what is sent meanwhile, which in the end must be this."""
    got = bytearray()
    receiver = threading.Thread(target=lambda: got.extend(received(sock, len(expected))))
    receiver.start()
    yield
    receiver.join()
    assert bytes(got) == expected


def lend_all(bench: Bench, file: File, number: int, sock: socket.socket) -> None:
    """What a socket does not take of a loan is sent to it as a copy."""
    start = 0
    while start < SIZE:
        lent, sent = loan(bench, file, start, SIZE - start), 0
        with suppress(BlockingIOError):
            sent = lent.send_to(sock.fileno(), b"")
        sock.sendall(tile(number + start + sent, len(lent) - sent))
        start += len(lent)


def test_bytes_arrive_while_the_same_slots_are_lent_and_read_into_again_and_again(root):
    order = [(7 * n) % SLOTS for n in range(60)]
    expected = b"".join(tile(number, SIZE) for number in order)
    with lending(root) as bench, connected() as (ours, theirs), receiving(theirs, expected):
        ours.settimeout(20)
        for number in order:
            with bench.opened(str(number)) as opened:
                warm(bench, opened.file)
                lend_all(bench, opened.file, number, ours)


@contextmanager
def signals_every(seconds: float) -> Iterator[list[int]]:
    """Python asks for calls that they interrupt not to be restarted."""
    came: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: came.append(number))
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield came
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_signals_that_come_meanwhile_change_nothing(root):
    rounds = 200
    with (
        lending(root) as bench,
        bench.opened("1") as opened,
        connected(send_buffer=64 * 1024) as (ours, theirs),
    ):
        warm(bench, opened.file)
        ours.settimeout(20)
        with receiving(theirs, tile(1, SIZE) * rounds), signals_every(0.0001) as came:
            for _ in range(rounds):
                lend_all(bench, opened.file, 1, ours)
        assert len(came) > 50


@pytest.mark.skipif(VMSPLICE is None, reason="the number of vmsplice(2) is not known here")
@pytest.mark.parametrize("refusal", [errno.EPERM, errno.ENOSYS], ids=errno.errorcode.get)
def test_memory_is_copied_where_the_kernel_forbids_to_lend_it(root, refusal):
    def confined() -> None:
        refuse(VMSPLICE, refusal)
        with Bench(root, BACKENDS["aio"], lends=True) as bench, bench.opened("1") as opened:
            assert bench.service.counters == {f"lending refused: {errno.errorcode[refusal]}": 1}
            assert len(bench.reports) == 1
            for _ in range(2):
                assert bench.read(opened.file, 0, SIZE) == tile(1, SIZE)

    in_child(confined)
