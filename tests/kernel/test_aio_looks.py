"""How a path is looked up: links, siblings, digests, directories, a root that is swapped."""

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aio import Disk, Facts, Failed, Hashed, Links, Listed, Loaded, Look, Way
from aio._kernel import ffi
from aio.request import REPORT, REPORT_AT
from tests.kernel.ways import BACKENDS, EACH_BACKEND, Bench


def told(bench: Bench, ask: Callable[..., Any], *arguments: object) -> Any:
    """What a question came to."""
    got: list[Any] = []
    ask(*arguments[:2], got.append, *arguments[2:])
    bench.until(lambda: bool(got))
    return got[0]


def content(outcome: object) -> bytes | int:
    """What was opened, or why nothing was."""
    match outcome:
        case Loaded():
            return outcome.content
        case Failed():
            return outcome.errno
    raise AssertionError(outcome)


def test_a_report_lies_as_it_is_read() -> None:
    numbers = ("device", "inode", "ctime_ns", "size", "mtime_ns")
    facts = (*numbers, "mode", "offset_align", "why_buffered", "siblings")
    at = REPORT_AT
    for field in ("result", "took_ns"):
        assert ffi.offsetof("struct job", field) == at
        at += 8
    for field, code in zip(facts, REPORT.format[3:-4], strict=True):
        assert ffi.offsetof("struct job", "facts", field) == at
        at += {"Q": 8, "q": 8, "I": 4}[code]
    assert REPORT.format.startswith("=qq")
    assert REPORT.format.endswith("16xQ")
    assert ffi.offsetof("struct job", "digest") == at
    assert ffi.offsetof("struct job", "content") == at + 16
    assert REPORT_AT + REPORT.size == at + 16 + ffi.sizeof("char *")


# --- links (openat2(2)) ---


def lay_links(root: Path) -> None:
    (root / "folder").mkdir(parents=True)
    (root / "folder/file").write_bytes(b"inside")
    (root.parent / "outside").write_bytes(b"outside")
    (root.parent / (root.name + "-not")).mkdir()
    (root.parent / (root.name + "-not") / "file").write_bytes(b"beside")
    for name, target in {
        "near": "folder/file",
        "absolute": str(root / "folder/file"),
        "absolute folder": str(root / "folder"),
        "and back": f"../{root.name}/folder/file",
        "to the root": str(root),
        "out": "../outside",
        "absolute out": str(root.parent / "outside"),
        "beside": str(root.parent / (root.name + "-not") / "file"),
        "by two": "absolute",
        "magic": "/proc/self/root/etc/hostname",
        "loop": "loop",
    }.items():
        (root / name).symlink_to(target)


@pytest.mark.parametrize("backend", EACH_BACKEND)
@pytest.mark.parametrize(
    ("path", "within", "follow"),
    [
        ("folder/file", b"inside", b"inside"),
        ("near", b"inside", b"inside"),
        ("absolute", b"inside", b"inside"),
        ("absolute folder/file", b"inside", b"inside"),
        ("and back", b"inside", b"inside"),
        ("to the root/folder/file", b"inside", b"inside"),
        ("to the root", errno.EISDIR, errno.EISDIR),
        ("by two", b"inside", b"inside"),
        ("out", errno.EXDEV, b"outside"),
        ("absolute out", errno.EXDEV, b"outside"),
        ("beside", errno.EXDEV, b"beside"),
        ("magic", errno.EXDEV, errno.ELOOP),
        ("loop", errno.ELOOP, errno.ELOOP),
    ],
)
def test_links_lead_as_far_as_they_may(tmp_path, backend, path, within, follow):
    root = tmp_path / "root"
    lay_links(root)
    denied = b"inside" if path == "folder/file" else errno.ELOOP
    with Bench(root, BACKENDS[backend]) as bench:
        for links, expected in ((Links.WITHIN, within), (Links.FOLLOW, follow), (Links.DENY, denied)):
            look = Look(load_limit=100, links=links)
            found = told(bench, bench.disk.open, bench.root, path.encode(), look)
            assert content(found) == expected, links
            checked = told(bench, bench.disk.check, bench.root, path.encode(), look)
            if isinstance(expected, bytes):
                assert isinstance(checked, Facts)
                assert checked.size == len(expected)


def test_no_path_leads_out_whatever_is_linked(tmp_path):
    root = tmp_path / "root"
    lay_links(root)
    with Bench(root, BACKENDS["aio"]) as bench:
        for path in (b"../outside", b"/etc/hostname", b"folder/../../outside"):
            look = Look(load_limit=100)
            assert content(told(bench, bench.disk.open, bench.root, path, look)) == errno.EXDEV


# --- age ---


@pytest.mark.parametrize("backend", EACH_BACKEND)
def test_what_was_loaded_soon_after_it_changed_is_said_to_be_young(tmp_path, backend, monkeypatch):
    (tmp_path / "file").write_bytes(b"x")
    look = Look(load_limit=100)
    for keep_after_ns, way in ((0, Way.DIRECT), (3600 * 10**9, Way.BUFFERED_YOUNG)):
        monkeypatch.setattr("aio.request.KEEP_AFTER_NS", keep_after_ns)
        with Bench(tmp_path, BACKENDS[backend]) as bench:
            found = told(bench, bench.disk.open, bench.root, b"file", look)
            assert isinstance(found, Loaded)
            assert found.facts.way is way


# --- digests (RFC 7693) ---

LENGTHS = [0, 1, 2, 63, 64, 127, 128, 129, 255, 256, 257, 1000, 4095, 4096, 65536]
LONG = [65537, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_000_001]


@pytest.mark.parametrize("backend", EACH_BACKEND)
def test_digests_are_those_of_blake2b(tmp_path, backend):
    with Bench(tmp_path, BACKENDS[backend]) as bench:
        for length in (*LENGTHS, *LONG):
            data = os.urandom(length)
            (tmp_path / "file").write_bytes(data)
            expected = hashlib.blake2b(data, digest_size=16).digest()
            hashed = told(bench, bench.disk.hash, bench.root, b"file")
            assert isinstance(hashed, Hashed), hashed
            assert (hashed.digest, hashed.facts.size) == (expected, length)
            if length in LENGTHS:
                look = Look(load_limit=1 << 16, digest=True)
                loaded = told(bench, bench.disk.open, bench.root, b"file", look)
                assert (loaded.content, loaded.digest) == (data, expected)


def test_what_is_no_file_has_no_digest(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    with Bench(tmp_path, BACKENDS["aio"]) as bench:
        for name, error in ((b"fifo", errno.ENXIO), (b"folder", errno.ENXIO), (b"none", errno.ENOENT)):
            assert told(bench, bench.disk.hash, bench.root, name) == Failed(error)


def test_hashing_and_listing_leave_threads_for_others(tmp_path):
    """One of each at a time, however many are asked for; opens go first."""
    (tmp_path / "file").write_bytes(b"x" * 100)
    with Bench(tmp_path, BACKENDS["aio"]) as bench:
        order: list[str] = []
        for _ in range(5):
            bench.disk.hash(bench.root, b"file", lambda _: order.append("hash"))
            bench.disk.list_directory(
                bench.root, b".", lambda listed: (order.append("list"), listed.records.release())
            )
        bench.disk.open(bench.root, b"file", lambda _: order.append("open"), Look(load_limit=1000))
        bench.until(lambda: len(order) == 11)
        assert "hash" not in order[: order.index("open")]
        assert order.count("hash") == order.count("list") == 5


# --- directories ---


def names(listed: Listed) -> list[bytes]:
    found = [record.name for record in listed.records]
    assert len(listed.records) == len(found)
    listed.records.release()
    return found


@pytest.mark.parametrize("backend", EACH_BACKEND)
def test_a_directory_is_listed_in_the_order_that_is_asked_for(tmp_path, backend):
    for name, size, mtime in (("b", 3, 10), ("A", 1, 30), ("c", 2, 20), ("a", 2, 40)):
        (tmp_path / name).write_bytes(b"x" * size)
        os.utime(tmp_path / name, (mtime, mtime))
    (tmp_path / "z").mkdir()
    os.utime(tmp_path / "z", (5, 5))
    with Bench(tmp_path, BACKENDS[backend]) as bench:
        for order, expected in (
            (("name", False), [b"z", b"A", b"a", b"b", b"c"]),
            (("name", True), [b"z", b"c", b"b", b"a", b"A"]),
            (("size", False), [b"z", b"A", b"a", b"c", b"b"]),
            (("size", True), [b"z", b"b", b"a", b"c", b"A"]),
            (("time", False), [b"z", b"b", b"c", b"A", b"a"]),
            (("time", True), [b"z", b"a", b"A", b"c", b"b"]),
        ):
            listed = told(bench, bench.disk.list_directory, bench.root, b".", Look(), order)
            assert names(listed) == expected, order


def test_a_list_says_what_there_is_and_leaves_out_what_cannot_be_had(tmp_path):
    root = tmp_path / "root"
    lay_links(root)
    os.mkfifo(root / "fifo")
    (root / os.fsdecode(b"\xff\xfe")).write_bytes(b"12345")
    os.utime(root / os.fsdecode(b"\xff\xfe"), (7, 7))
    with Bench(root, BACKENDS["aio"]) as bench:
        listed = told(bench, bench.disk.list_directory, bench.root, b".")
        by_name = {record.name: record for record in listed.records}
        listed.records.release()
        assert by_name[b"\xff\xfe"] == (b"\xff\xfe", False, 5, 7)
        assert by_name[b"absolute"].size == 6
        assert by_name[b"folder"].directory
        assert by_name[b"absolute folder"].directory
        assert not {b"fifo", b"out", b"absolute out", b"loop", b"beside"} & set(by_name)
        denied = told(bench, bench.disk.list_directory, bench.root, b".", Look(links=Links.DENY))
        assert set(names(denied)) == {b"folder", b"\xff\xfe"}


def test_what_is_no_directory_is_not_listed(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    with Bench(tmp_path, BACKENDS["aio"]) as bench:
        for name, error in ((b"file", errno.ENOTDIR), (b"none", errno.ENOENT), (b"..", errno.EXDEV)):
            assert told(bench, bench.disk.list_directory, bench.root, name) == Failed(error)


def test_a_list_that_nobody_wants_any_more_is_freed(tmp_path):
    with Bench(tmp_path, BACKENDS["aio"]) as bench:
        request = bench.disk.list_directory(bench.root, b".", lambda _: pytest.fail("nobody asked"))
        bench.disk.pump()
        request.cancel()
        bench.rest()


# --- following a root ---


@pytest.mark.parametrize("backend", EACH_BACKEND)
def test_a_descriptor_follows_the_path_to_another_directory(tmp_path, backend):
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "file").write_bytes(version.encode())
    link = tmp_path / "current"
    link.symlink_to("one")
    with Bench(link, BACKENDS[backend]) as bench:

        def follow(disk: Disk = bench.disk) -> bool:
            got: list[bool] = []
            disk.follow(bench.root, os.fsencode(link), got.append)
            bench.until(lambda: bool(got))
            return got[0]

        def read() -> bytes | int:
            return content(told(bench, bench.disk.open, bench.root, b"file", Look(load_limit=100)))

        assert (follow(), read()) == (False, b"one")
        new = tmp_path / "new"
        new.symlink_to("two")
        os.replace(new, link)
        assert read() == b"one"  # until it is followed
        assert (follow(), read()) == (True, b"two")
        assert (follow(), read()) == (False, b"two")
        link.unlink()
        assert (follow(), read()) == (False, b"two")
