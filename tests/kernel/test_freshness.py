"""How long what is known of a path is served, by a clock that only the test moves."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.kernel.clocked import PAGE, Asker, Clocked, put
from tests.kernel.ways import BACKENDS, Bench


@pytest.fixture
def clocked(tmp_path: Path) -> Iterator[Clocked]:
    put(tmp_path, b"old")
    with Bench(tmp_path, BACKENDS["threads"]) as bench:
        yield Clocked(bench, tmp_path)


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(("seconds", "unasked"), [(0.5, True), (0.99, True), (1.01, False), (3.9, False)])
def test_what_was_looked_at_is_served_for_a_second(clocked: Clocked, seconds: float, unasked: bool) -> None:
    assert clocked.asked() == b"old"
    clocked.loop.now += seconds
    assert clocked.at_once() is unasked
    clocked.bench.rest()


def test_who_asks_after_a_second_is_told_what_is_there_now(clocked: Clocked, tmp_path: Path) -> None:
    assert clocked.asked() == b"old"
    put(tmp_path, b"new")
    assert clocked.asked() == b"old"
    clocked.loop.now += 1.01
    assert clocked.asked() == b"new"
    assert clocked.at_once()


def test_a_look_from_before_is_not_believed_when_the_file_could_not_be_opened(
    clocked: Clocked, tmp_path: Path
) -> None:
    assert clocked.asked() == b"old"
    clocked.loop.now += 1.01
    assert clocked.asked() == b"old"  # by a look, which is kept
    put(tmp_path, b"new")
    clocked.loop.now += 1.01
    asker = Asker()
    assert not clocked.docroot.find(PAGE, asker)[1]
    clocked.bench.service.flush()
    clocked.after_one_answer()  # the look has seen another file, which is now to be opened
    with no_descriptor_left():
        clocked.bench.service.flush()
        clocked.after_one_answer()
    assert [entry.content for entry in asker.told] == [(b"old",)]
    clocked.loop.now += 1.01
    assert clocked.asked() == b"new"
