"""Every way to read gives the same bytes: on each file system, to each user, and without AIO."""

import errno
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from functools import cache
from pathlib import Path

import pytest

from aio import Disk, Loaded, Means, Opened, Way
from tests.kernel.ways import (
    BACKENDS,
    EACH_BACKEND,
    IO_SETUP,
    SAMPLES,
    Backend,
    Bench,
    all_aio_contexts_in_use,
    become_nobody,
    check_all_of,
    in_child,
    refuse,
)

KINDS = ("here", "ext4", "ext4-journal", "xfs", "btrfs", "tmpfs", "overlay")
SURELY_DIRECT = ("ext4", "xfs")
FOREIGN_MACHINE = pytest.mark.skipif(IO_SETUP is None, reason="the number of io_setup(2) is not known here")


@pytest.fixture(scope="session")
def samples(mounted) -> Callable[[str], Path]:
    """The directory with all samples on a file system of this kind."""

    @cache
    def filled(root: Path) -> Path:
        folder = root / "samples"
        folder.mkdir()
        for sample in SAMPLES:
            sample.write(folder)
        return folder

    return lambda kind: filled(mounted(kind))


@pytest.fixture(autouse=True)
def blocks_of_new_files_are_kept(monkeypatch):
    """The samples were written a moment ago; nobody changes them."""
    monkeypatch.setattr("aio.file.KEEP_AFTER_NS", 0)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample.size} bytes")
@pytest.mark.parametrize("backend", EACH_BACKEND)
@pytest.mark.parametrize("kind", KINDS)
def test_every_way_gives_the_same_bytes(samples, kind, backend, sample):
    with Bench(samples(kind), BACKENDS[backend]) as bench:
        outcome = check_all_of(bench, sample)
        assert isinstance(outcome, Opened if sample.size else Loaded)


@pytest.mark.parametrize("backend", ["aio", "aio by call", "aio uncached"])
@pytest.mark.parametrize("kind", SURELY_DIRECT)
def test_direct_reads_are_really_used(samples, kind, backend):
    with Bench(samples(kind), BACKENDS[backend]) as bench:
        for sample in SAMPLES:
            if sample.size:
                assert check_all_of(bench, sample).facts.way is Way.DIRECT
        assert bench.service.counters == Counter()


def test_a_file_of_a_journal_that_holds_data_is_read_by_threads_and_counted(samples):
    with Bench(samples("ext4-journal"), BACKENDS["aio"]) as bench:
        for sample in SAMPLES:
            if sample.size:
                assert check_all_of(bench, sample).facts.way is Way.BUFFERED_REFUSED
        assert bench.service.counters == {"direct refused": len(SAMPLES) - 1}
        assert len(bench.reports) == 1


def test_a_file_that_has_just_changed_is_read_by_threads_and_counted(samples):
    with Bench(samples("ext4"), Backend(Means(settle_ns=10**18))) as bench:
        assert check_all_of(bench, SAMPLES[-1]).facts.way is Way.BUFFERED_YOUNG
        assert bench.service.counters == {"young": 1}


def test_threads_are_asked_for_and_then_nothing_is_counted(samples):
    with Bench(samples("ext4"), BACKENDS["threads"]) as bench:
        assert check_all_of(bench, SAMPLES[-1]).facts.way is Way.BUFFERED_ASKED
        assert bench.service.counters == Counter()


@pytest.mark.parametrize("backend", EACH_BACKEND)
def test_direct_reads_that_fail_after_all_are_done_by_threads(samples, backend):
    with Bench(samples("ext4"), BACKENDS[backend]) as bench, bench.opened(SAMPLES[-2].name) as opened:
        opened.file.unit = 1  # as if statx(2) had promised more than the file system keeps
        bench.disk.reads.cached = False
        assert bench.read(opened.file, 1, 10_000) == SAMPLES[-2].bytes(1, 10_000)
        assert bench.read(opened.file, 3, 10_000) == SAMPLES[-2].bytes(3, 10_000)
        assert bench.service.counters == ({"direct failed": 1} if opened.facts.way is Way.DIRECT else {})


# A child of a process that has used glibc's POSIX AIO waits for ever for threads that it has not.
@pytest.mark.parametrize("backend", [name for name in EACH_BACKEND if name != "posix"])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "here"])
def test_a_user_without_rights_gets_the_same_bytes(samples, kind, backend):
    folder = samples(kind)

    def as_nobody() -> None:
        become_nobody()
        with Bench(folder, BACKENDS[backend]) as bench:
            for sample in SAMPLES:
                outcome = check_all_of(bench, sample)
                if kind in SURELY_DIRECT and BACKENDS[backend].means.native and sample.size:
                    assert outcome.facts.way is Way.DIRECT

    in_child(as_nobody)


@FOREIGN_MACHINE
@pytest.mark.parametrize("ring", [True, False])
@pytest.mark.parametrize("refusal", [errno.EPERM, errno.ENOSYS], ids=errno.errorcode.get)
def test_threads_read_where_the_kernel_forbids_aio(samples, refusal, ring):
    folder = samples("here")

    def confined() -> None:
        refuse(IO_SETUP, refusal)
        _reads_by_threads(folder, f"aio refused: {errno.errorcode[refusal]}", ring)

    in_child(confined)


@FOREIGN_MACHINE
def test_threads_read_where_others_have_used_up_all_aio_contexts(samples):
    folder = samples("here")
    in_child(lambda: _reads_by_threads(folder, "aio refused: EAGAIN", ring=True, crowded=True))


def _reads_by_threads(folder: Path, cause: str, ring: bool, *, crowded: bool = False) -> None:
    with ExitStack() as stack:
        with all_aio_contexts_in_use() if crowded else nullcontext():
            bench = stack.enter_context(Bench(folder, BACKENDS["aio" if ring else "aio by call"]))
            another = Disk(bench.service, "another", bench.disk.means)
        assert bench.service.counters == {cause: 2}
        assert len(bench.reports) == 1
        for disk in (another, bench.disk):
            bench.disk = disk
            for sample in SAMPLES:
                outcome = check_all_of(bench, sample)
                assert isinstance(outcome, Loaded) or outcome.facts.way is Way.BUFFERED_ASKED
            bench.rest()
        assert bench.service.counters == {cause: 2}
