"""Files that change while they are read, and paths that must not be followed."""

import errno
import os
import socket
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from aio import BLOCK, Failed, Loaded, Look, Opened, Shrunk
from aio.disk import CHECKS_TOGETHER, OPENERS
from loadtest import disks
from tests.kernel.ways import BACKENDS, EACH_BACKEND, Bench, tile

SIZE = 8 * BLOCK
LEFT = [0, 1, 4095, 4096, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 100, 5 * BLOCK - 513, SIZE - 1]


@pytest.fixture
def root(mounted):
    """A new directory on an ext4, or where the tests are if there can be none."""
    with TemporaryDirectory(dir=mounted("here" if disks.missing("ext4") else "ext4")) as folder:
        yield Path(folder)


def receive(pieces: Iterable[bytes], into: bytearray) -> None:
    for piece in pieces:
        into += piece


# --- content ---


@pytest.mark.parametrize("left", LEFT)
@pytest.mark.parametrize("backend", EACH_BACKEND)
def test_of_a_file_cut_short_the_right_prefix_comes_and_then_its_end(root, backend, left):
    path = root / "file"
    path.write_bytes(tile(0, SIZE))
    got = bytearray()
    with Bench(root, BACKENDS[backend]) as bench, bench.opened("file") as opened:
        with bench.stream(opened.file, 0, SIZE) as stream:
            bench.rest()
            held = 2 * BLOCK  # already in memory: the run that is being sent and the one after it
            os.truncate(path, left)
            with pytest.raises(Shrunk):
                receive(bench.pieces(stream), got)
        assert got == tile(0, max(left, held))


@pytest.mark.parametrize("backend", EACH_BACKEND)
def test_a_short_block_of_a_file_cut_short_is_not_kept(root, backend, monkeypatch):
    monkeypatch.setattr("aio.file.KEEP_AFTER_NS", 0)
    path = root / "file"
    path.write_bytes(tile(0, SIZE))
    with Bench(root, BACKENDS[backend]) as bench, bench.opened("file") as opened:
        os.truncate(path, BLOCK + 100)
        for _ in range(2):
            with pytest.raises(Shrunk):
                bench.read(opened.file, 0, SIZE)
        assert bench.service.arena.census().kept == (1 if bench.disk.means.cached else 0)
        assert bench.service.arena.find((opened.file.identity, 1)) is None


@pytest.mark.parametrize("size", [1, 4095, 4096, BLOCK - 1, BLOCK, 2 * BLOCK + 100])
@pytest.mark.parametrize("backend", EACH_BACKEND)
def test_of_a_file_that_grew_exactly_what_was_promised_comes(root, backend, size):
    path = root / "file"
    path.write_bytes(tile(0, size))
    with Bench(root, BACKENDS[backend]) as bench, bench.opened("file") as opened:
        with open(path, "ab") as file:
            file.write(b"more" * BLOCK)
        assert bench.read(opened.file, 0, size) == tile(0, size)
        assert opened.facts.size == size


@pytest.mark.parametrize("backend", EACH_BACKEND)
def test_a_file_replaced_by_rename_is_read_to_its_old_end(root, backend):
    (root / "file").write_bytes(tile(0, SIZE))
    (root / "new").write_bytes(tile(99, SIZE))
    with Bench(root, BACKENDS[backend]) as bench, bench.opened("file") as opened:
        with bench.stream(opened.file, 0, SIZE) as stream:
            pieces = bench.pieces(stream)
            first = next(pieces)
            os.rename(root / "new", root / "file")
            assert first + b"".join(pieces) == tile(0, SIZE)
        with bench.opened("file") as newer:
            assert newer.facts.identity != opened.facts.identity
            assert bench.read(newer.file, 0, SIZE) == tile(99, SIZE)
            assert bench.read(opened.file, 0, SIZE) == tile(0, SIZE)


@pytest.mark.parametrize("backend", EACH_BACKEND)
def test_two_versions_of_one_inode_never_meet(root, backend, monkeypatch):
    monkeypatch.setattr("aio.file.KEEP_AFTER_NS", 0)
    path = root / "file"
    path.write_bytes(tile(0, SIZE))
    with Bench(root, BACKENDS[backend], slots=32) as bench:
        with bench.opened("file") as old:
            assert bench.read(old.file, 0, SIZE) == tile(0, SIZE)
        before = path.stat()
        while path.stat().st_ctime_ns == before.st_ctime_ns:  # the file system's clock ticks slowly
            with open(path, "r+b") as file:
                file.write(tile(77, SIZE))
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        with bench.opened("file") as new:
            assert new.facts.mtime_ns == old.facts.mtime_ns
            assert (new.facts.device, new.facts.inode) == (old.facts.device, old.facts.inode)
            assert bench.read(new.file, 0, SIZE) == tile(77, SIZE)


def test_a_file_known_to_have_changed_is_not_sent_on(root):
    (root / "file").write_bytes(tile(0, SIZE))
    with (
        Bench(root, BACKENDS["aio"]) as bench,
        bench.opened("file") as opened,
        bench.stream(opened.file, 0, SIZE) as stream,
    ):
        bench.until(lambda: stream.view() is not None)
        opened.file.changed = True
        with pytest.raises(OSError, match="changed") as caught:
            stream.view()
        assert caught.value.errno == errno.ESTALE


# --- names ---


def _fill(root) -> None:
    (root / "folder").mkdir()
    (root / "folder" / "file").write_bytes(b"inside")
    (root.parent / "outside").write_bytes(b"outside")
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(root / "socket"))
    for name, target in (
        ("loop", "loop"),
        ("inside", "folder/../folder/file"),
        ("absolute", str(root / "folder" / "file")),
        ("out", "../outside"),
        ("out by folder", ".."),
        ("magic", "/proc/self/root"),
        ("dangling", "nothing"),
    ):
        os.symlink(target, root / name)


FAILURES = [
    ("nothing", errno.ENOENT),
    ("", errno.ENOENT),
    ("folder/nothing", errno.ENOENT),
    ("folder/file/", errno.ENOTDIR),
    ("folder/file/x", errno.ENOTDIR),
    ("folder", errno.EISDIR),
    ("folder/", errno.EISDIR),
    (".", errno.EISDIR),
    ("fifo", errno.ENXIO),
    ("socket", errno.ENXIO),
    ("dangling", errno.ENOENT),
    ("loop", errno.ELOOP),
    ("x" * 256, errno.ENAMETOOLONG),
    ("x/" * 2048, errno.ENAMETOOLONG),
    ("..", errno.EXDEV),
    ("../outside", errno.EXDEV),
    ("folder/../../outside", errno.EXDEV),
    ("/etc/passwd", errno.EXDEV),
    ("out", errno.EXDEV),
    ("out by folder/outside", errno.EXDEV),
    ("magic/etc/passwd", errno.EXDEV),
]


@pytest.mark.parametrize(("path", "expected"), FAILURES, ids=[path[:30] or "empty" for path, _ in FAILURES])
def test_what_is_no_file_beneath_the_root_fails_with_its_reason(tmp_path, path, expected):
    root = tmp_path / "root"
    root.mkdir()
    _fill(root)
    with Bench(root, BACKENDS["aio"]) as bench:
        for stay in (True, False):
            failed = bench.failure(path, stay=stay)
            assert (errno.errorcode[failed.errno], failed.crossing) == (errno.errorcode[expected], 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
def test_a_device_is_no_file(tmp_path):
    os.mknod(tmp_path / "null", 0o020666, os.makedev(1, 3))
    with Bench(tmp_path, BACKENDS["aio"]) as bench:
        assert bench.failure("null").errno in (errno.ENXIO, errno.EACCES)  # the latter on a nodev mount


@pytest.mark.parametrize("path", ["inside", "folder/file", "folder/../folder/./file", "folder//file"])
def test_a_path_that_stays_beneath_the_root_is_followed(tmp_path, path):
    root = tmp_path / "root"
    root.mkdir()
    _fill(root)
    with Bench(root, BACKENDS["aio"]) as bench:
        outcome = bench.outcome(path, load_limit=100)
        assert isinstance(outcome, Loaded)
        assert outcome.content == b"inside"


@pytest.fixture
def root_with_a_mount(tmp_path):
    if why := disks.missing("tmpfs"):
        pytest.skip(why)
    with disks.filesystem("tmpfs", 4, where=tmp_path) as mount:
        (mount / "folder").mkdir()
        (mount / "folder" / "file").write_bytes(b"elsewhere")
        yield tmp_path, str(mount.relative_to(tmp_path))


@pytest.mark.parametrize("rest", ["", "/", "/nothing", "/folder", "/folder/file"])
def test_a_mount_beneath_the_root_is_not_entered_but_told(root_with_a_mount, rest):
    root, mount = root_with_a_mount
    os.symlink(mount, root / "link")
    with Bench(root, BACKENDS["aio"]) as bench:
        for way_in in (mount, "link"):
            failed = bench.failure(way_in + rest)
            assert (failed.errno, failed.crossing) == (errno.EXDEV, len(way_in))


def test_a_mount_beneath_the_root_is_entered_if_asked_for(root_with_a_mount):
    root, mount = root_with_a_mount
    with Bench(root, BACKENDS["aio"]) as bench:
        outcome = bench.outcome(f"{mount}/folder/file", load_limit=100, stay=False)
        assert isinstance(outcome, Loaded)
        assert outcome.content == b"elsewhere"


# --- small files, and what a path names by now ---


@pytest.mark.parametrize(("size", "limit"), [(0, 0), (0, 5), (5, 5), (4096, 65536), (65536, 65536)])
def test_a_file_up_to_the_limit_comes_whole(root, size, limit):
    (root / "file").write_bytes(tile(3, size))
    with Bench(root, BACKENDS["aio"]) as bench:
        outcome = bench.outcome("file", load_limit=limit)
        assert isinstance(outcome, Loaded)
        assert outcome.content == tile(3, size)
        assert outcome.facts.size == size


@pytest.mark.parametrize(("size", "limit"), [(1, 0), (6, 5), (65537, 65536)])
def test_a_file_above_the_limit_stays_open(root, size, limit):
    (root / "file").write_bytes(tile(3, size))
    with Bench(root, BACKENDS["aio"]) as bench:
        outcome = bench.outcome("file", load_limit=limit)
        assert isinstance(outcome, Opened)
        assert bench.read(outcome.file, 0, size) == tile(3, size)
        outcome.file.release()


def test_a_check_that_is_asked_again_tells_what_has_changed_and_no_more(root):
    path = root / "file"
    path.write_bytes(b"one")
    with Bench(root, BACKENDS["aio"]) as bench:
        answers = []
        look = Look(endings=(b".gz",))
        request = bench.disk.check(bench.root, b"file", answers.append, look)

        def answer() -> object:
            bench.until(lambda: bool(answers))
            return answers.pop()

        def again() -> object:
            bench.disk.check_again(request)
            return answer()

        first = answer()
        assert first.size == 3
        assert again() is None
        path.write_bytes(b"three")
        assert again().size == 5
        assert again() is None
        (root / "file.gz").write_bytes(b"")
        assert again().siblings == 1
        assert again() is None
        os.chmod(path, 0o600)
        assert again().mode & 0o777 == 0o600
        path.unlink()
        assert again() == again() == Failed(errno.ENOENT)
        path.write_bytes(b"three")
        assert again().size == 5
        assert again() is None


def test_checks_that_wait_together_are_made_together_and_one_that_fails_its_asker_costs_no_other(root):
    count = 2 * CHECKS_TOGETHER + 1
    with Bench(root, BACKENDS["aio"]) as bench:
        answers = {}
        for number in range(count):
            (root / str(number)).write_bytes(b"x" * number)

            def told(facts: object, number: int = number) -> None:
                answers[number] = facts
                if number == 3:
                    raise RuntimeError("a mistake")

            bench.disk.check(bench.root, b"%d" % number, told)
        bench.service.flush()
        assert bench.disk.jobs_in_flight == OPENERS  # all threads share them
        bench.until(lambda: len(answers) == count)
        assert [answers[number].size for number in range(count)] == list(range(count))
        assert bench.service.counters["fault: RuntimeError"] == 1


def test_a_check_tells_the_same_facts_as_an_open(root):
    (root / "file").write_bytes(tile(3, 70_000))
    with Bench(root, BACKENDS["aio"]) as bench, bench.opened("file") as opened:
        answers = []
        bench.disk.check(bench.root, b"file", answers.append)
        bench.disk.check(bench.root, b"nothing", answers.append)
        bench.disk.check(bench.root, b"../x", answers.append)
        bench.until(lambda: len(answers) == 3)
        facts = [answer for answer in answers if hasattr(answer, "identity")]
        failures = {answer.errno for answer in answers if not hasattr(answer, "identity")}
        assert [(fact.identity, fact.mtime_ns, fact.mode) for fact in facts] == [
            (opened.facts.identity, opened.facts.mtime_ns, opened.facts.mode)
        ]
        assert failures == {errno.ENOENT, errno.EXDEV}
