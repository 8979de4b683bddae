"""How long what is known of a path is served, by a clock that only the test moves."""

from __future__ import annotations

import os
import resource
import select
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from server.files.changes import Changes
from server.files.content import Contents
from server.files.docroot import Docroot
from server.files.entry import Entry
from server.files.root import Root
from server.files.tags import Digests
from server.files.terms import Terms
from server.loop import Loop
from tests.kernel.ways import BACKENDS, SILENCE_MS, Bench

PAGE = b"page.html"
LONG_AGO = 1_000_000_000  # a file's time: it has settled
ENOUGH = 1 << 20


@dataclass(eq=False)
class Asker:
    told: list[Entry] = field(default_factory=list)

    def found(self, entry: Entry) -> None:
        self.told.append(entry)


class Clocked:
    """A docroot over a real disk service, in whose loop it is as late as it is told."""

    def __init__(self, bench: Bench, path: Path) -> None:
        self.bench = bench
        self.loop = Loop()
        self.loop.now = 1000.0
        changes = Changes()
        self.docroot = Docroot(
            Root(bench.root, str(path), bench.disk, changes),
            lambda _: bench.disk,
            Contents(ENOUGH),
            Digests(),
            Terms("none"),
            self.loop,
            changes,
        )
        self._poll = select.poll()
        self._poll.register(bench.service.eventfd, select.POLLIN)

    def asked(self) -> bytes:
        """What somebody is told who asks, and if need be waits."""
        asker = Asker()
        entry, at_once = self.docroot.find(PAGE, asker)
        if not at_once:
            self.bench.until(lambda: bool(asker.told))
            entry = asker.told[0]
        assert entry.content is not None
        return b"".join(entry.content)

    def at_once(self) -> bool:
        """Whether who asks is told without a look at the disk."""
        asker = Asker()
        entry, at_once = self.docroot.find(PAGE, asker)
        entry.waiters.pop(asker, None)
        return at_once

    def after_one_answer(self) -> None:
        assert self._poll.poll(SILENCE_MS), "the service has nothing to say"
        self.bench.service.reap()


@pytest.fixture
def clocked(tmp_path: Path) -> Iterator[Clocked]:
    put(tmp_path, b"old")
    with Bench(tmp_path, BACKENDS["threads"]) as bench:
        yield Clocked(bench, tmp_path)


def put(folder: Path, content: bytes) -> None:
    """As a deployment does it: another file takes the name."""
    new = folder / "new"
    new.write_bytes(content)
    os.utime(new, (LONG_AGO, LONG_AGO))
    new.rename(folder / os.fsdecode(PAGE))


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
