"""Siblings: which there are, and that a directory whose names are known is right about them."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from aio import Facts, Failed, Look, Opened
from aio._kernel import lib
from aio.inloop import InLoopDisk
from tests.kernel.ways import BACKENDS, EACH_BACKEND, SILENCE_MS, Bench, become_nobody, in_child

ENDINGS = (b".zst", b".br", b".gz")
LOOK = Look(load_limit=100, endings=ENDINGS)
ENOUGH = 20  # of a small directory's files, asked for, to make it worth reading
MOMENT = 10**18  # an mtime


@pytest.fixture(autouse=True)
def every_ctime_is_believed(monkeypatch):
    """Here no change ever keeps a ctime: see changing()."""
    monkeypatch.setattr("aio.request.KEEP_AFTER_NS", 0)


@contextmanager
def changing(*folders: Path) -> Iterator[None]:
    """What changes in them gives them a ctime that they never had, however coarse the clock is."""
    before = [folder.stat().st_ctime_ns for folder in folders]
    yield
    for folder, ctime_ns in zip(folders, before, strict=True):
        while folder.exists() and folder.stat().st_ctime_ns == ctime_ns:
            os.utime(folder)


def write(path: Path, *, mtime_ns: int = MOMENT) -> None:
    path.write_bytes(b"x" * 10)
    os.utime(path, ns=(mtime_ns, mtime_ns))


def ask(bench: Bench, name: bytes, *, check: bool = False) -> int | None:
    """The bits of the siblings; None if there is no such file."""
    got: list[object] = []
    (bench.disk.check if check else bench.disk.open)(bench.root, name, got.append, LOOK)
    bench.until(lambda: bool(got))
    found = got[0]
    if isinstance(found, Failed):
        assert found.errno == errno.ENOENT
        return None
    facts: Facts = found if isinstance(found, Facts) else found.facts
    return facts.siblings


def spared_by(bench: Bench, asking: Callable[[], object]) -> int:
    before = bench.service.siblings_spared
    asking()
    return bench.service.siblings_spared - before


def make_known(bench: Bench, *names: bytes) -> None:
    """Asks until something is not looked for any more that cannot be there."""
    gives_up = time.monotonic() + SILENCE_MS / 1000
    while time.monotonic() < gives_up:
        if spared_by(bench, lambda: [ask(bench, name) for name in names]):
            return
    raise AssertionError("the directory is not read")


@pytest.mark.parametrize("backend", EACH_BACKEND)
def test_siblings_are_files_that_are_not_older(tmp_path, backend):
    write(tmp_path / "app.js")
    write(tmp_path / "app.js.zst", mtime_ns=MOMENT - 1)
    write(tmp_path / "app.js.br")
    write(tmp_path / "app.js.gz", mtime_ns=MOMENT + 5)
    (tmp_path / "lone").write_bytes(b"x")
    (tmp_path / "lone.gz").mkdir()
    with Bench(tmp_path, BACKENDS[backend]) as bench:
        for _ in range(ENOUGH):
            for name, bits in ((b"app.js", 0b110), (b"app.js.gz", 0), (b"lone", 0)):
                assert ask(bench, name) == ask(bench, name, check=True) == bits
        got: list[object] = []
        bench.disk.open(bench.root, b"app.js", got.append, Look(endings=ENDINGS))
        bench.until(lambda: bool(got))
        opened = got[0]
        assert isinstance(opened, Opened)
        assert opened.facts.siblings == 0b110
        opened.file.release()


def test_a_directory_is_read_when_as_many_were_asked_for_as_it_costs(tmp_path):
    for number in range(100):
        write(tmp_path / f"{number}")
    names = tmp_path.stat().st_size // 64
    enough = 16 if names < 64 else 2 + names // 16
    with Bench(tmp_path, BACKENDS["threads"]) as bench:
        # Where the loop does it all itself, it is known when the directory has been read.
        bench.disk = InLoopDisk(bench.service, "in the loop", sendfile=False)
        assert spared_by(bench, lambda: [ask(bench, b"%d" % number) for number in range(enough)]) == 0
        assert spared_by(bench, lambda: ask(bench, b"0")) == len(ENDINGS)


@pytest.mark.parametrize("folder", ["", "inner", "inner/most", "linked", "linked/most", "absolute"])
def test_where_no_name_ends_so_nothing_is_looked_for_until_one_comes(tmp_path, folder):
    (tmp_path / "inner/most").mkdir(parents=True)
    (tmp_path / "linked").symlink_to("inner")
    (tmp_path / "absolute").symlink_to(tmp_path / "inner")
    place = tmp_path / folder
    for name in ("a", "b"):
        write(place / name)
    paths = [os.path.join(folder, name).encode() for name in ("a", "b")]
    with Bench(tmp_path, BACKENDS["aio"]) as bench:
        make_known(bench, *paths)
        for check in (False, True):
            assert (
                spared_by(bench, lambda check=check: [ask(bench, path, check=check) for path in paths]) == 6
            )
        with changing(place):
            write(place / "a.br")
        for check in (False, True):
            assert [ask(bench, path, check=check) for path in paths] == [0b010, 0]
        make_known(bench, paths[1])
        assert spared_by(bench, lambda: ask(bench, paths[0])) == 2  # only that ending is looked for
        assert ask(bench, paths[0]) == 0b010
        with changing(place):
            (place / "a.br").unlink()
        assert ask(bench, paths[0]) == 0


def test_capitals_may_be_small_letters_elsewhere(tmp_path):
    write(tmp_path / "a")
    write(tmp_path / "b.GZ")
    with Bench(tmp_path, BACKENDS["aio"]) as bench:
        make_known(bench, b"a")
        assert spared_by(bench, lambda: ask(bench, b"a")) == 2


def test_what_changed_a_moment_ago_is_not_believed(tmp_path, monkeypatch):
    monkeypatch.setattr("aio.request.KEEP_AFTER_NS", 3600 * 10**9)
    write(tmp_path / "a")
    with Bench(tmp_path, BACKENDS["aio"]) as bench:
        assert spared_by(bench, lambda: [ask(bench, b"a") for _ in range(3 * ENOUGH)]) == 0


def test_a_large_directory_is_read_when_that_pays(tmp_path):
    for number in range(5000):
        (tmp_path / f"{number}").touch()
    with Bench(tmp_path, BACKENDS["aio"]) as bench:
        assert spared_by(bench, lambda: [ask(bench, b"1") for _ in range(ENOUGH)]) == 0
        make_known(bench, b"1")
        # By now it is known how many there are, also where the size of a directory tells nothing.
        with changing(tmp_path):
            (tmp_path / "one more").touch()
        assert spared_by(bench, lambda: [ask(bench, b"1") for _ in range(100)]) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="gives up the rights of root")
def test_a_directory_that_may_not_be_read_is_asked_each_time(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    for name in ("a", "a.gz", "b"):
        write(root / name)
    root.chmod(0o711)

    def body() -> None:
        with Bench(root, BACKENDS["aio"]) as bench:  # opened while that was allowed
            become_nobody()
            told = [(ask(bench, b"a"), ask(bench, b"b")) for _ in range(ENOUGH)]
            open_before = len(os.listdir("/proc/self/fd"))
            told += [(ask(bench, b"a"), ask(bench, b"b")) for _ in range(10 * ENOUGH)]
            assert set(told) == {(0b100, 0)}
            assert bench.service.siblings_spared == spared
            bench.rest()
            assert len(os.listdir("/proc/self/fd")) == open_before

    spared = lib.siblings_spared()
    in_child(body)


def test_where_all_endings_occur_all_are_looked_for(tmp_path):
    write(tmp_path / "a")
    for ending in ENDINGS:
        write(tmp_path / f"b{ending.decode()}")
    with Bench(tmp_path, BACKENDS["aio"]) as bench:
        assert spared_by(bench, lambda: [ask(bench, b"a") for _ in range(5 * ENOUGH)]) == 0
        write(tmp_path / "a.br")
        assert ask(bench, b"a") == 0b010


def test_another_directory_in_its_place_is_another(tmp_path):
    for folder in ("now", "next"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "a")
    write(tmp_path / "next/a.gz")
    with Bench(tmp_path, BACKENDS["aio"]) as bench:
        make_known(bench, b"now/a")
        shutil.rmtree(tmp_path / "now")
        (tmp_path / "next").rename(tmp_path / "now")
        assert ask(bench, b"now/a") == 0b100


class Folders(RuleBasedStateMachine):
    """Names come and go in two directories; what is told is what is there."""

    root: Path

    @initialize()
    def begin(self) -> None:
        self.bench = Bench(self.root, BACKENDS["aio"])
        self.bench.__enter__()
        self.files = ["a", "b", "folder/a", "folder/b"]
        shutil.rmtree(self.root / "folder", ignore_errors=True)
        for path in self.root.iterdir():
            path.unlink()
        (self.root / "folder").mkdir()

    def teardown(self) -> None:
        self.bench.__exit__(None, None, None)

    names = st.sampled_from(["a", "b", "c", "a.br", "a.gz", "b.gz", "b.zst", "A.BR", "c.br"])
    folders = st.sampled_from(["", "folder"])

    @rule(folder=folders, name=names, older=st.booleans())
    def comes(self, folder: str, name: str, older: bool) -> None:
        with changing(self.root / folder):
            write(self.root / folder / name, mtime_ns=MOMENT - older)

    @rule(folder=folders, name=names)
    def goes(self, folder: str, name: str) -> None:
        with changing(self.root / folder):
            (self.root / folder / name).unlink(missing_ok=True)

    @rule(name=names, other=names)
    def moves(self, name: str, other: str) -> None:
        with changing(self.root, self.root / "folder"):
            if (self.root / name).exists():
                (self.root / name).rename(self.root / "folder" / other)

    @rule()
    def is_swapped(self) -> None:
        with changing(self.root):
            new = self.root / "new"
            new.mkdir()
            write(new / "a")
            shutil.rmtree(self.root / "folder")
            new.rename(self.root / "folder")

    @rule(times=st.integers(1, ENOUGH), check=st.booleans())
    def is_asked_for(self, times: int, check: bool) -> None:
        for _ in range(times):
            for name in self.files:
                ask(self.bench, name.encode(), check=check)

    @invariant()
    def what_is_told_is_there(self) -> None:
        for name in self.files:
            expected = None
            if (self.root / name).exists():
                age = (self.root / name).stat().st_mtime_ns
                there = [self.root / (name + ending.decode()) for ending in ENDINGS]
                newer = [path.exists() and path.stat().st_mtime_ns >= age for path in there]
                expected = sum(is_there << bit for bit, is_there in enumerate(newer))
            assert ask(self.bench, name.encode()) == expected, name


def test_whatever_comes_and_goes_what_is_told_is_there(tmp_path):
    Folders.root = tmp_path
    spared = lib.siblings_spared()
    slow = [HealthCheck.too_slow]
    limits = settings(max_examples=40, stateful_step_count=20, deadline=None, suppress_health_check=slow)
    run_state_machine_as_test(Folders, settings=limits)
    assert lib.siblings_spared() > spared
