"""What is due to be looked at again is looked at together, but nobody waits for company."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.files.due import CHECKS_TOGETHER, Due
from server.files.entry import Entry
from server.loop import Loop
from tests.kernel.clocked import Clocked
from tests.kernel.ways import BACKENDS, Bench
from tests.rig.until import until


@pytest.fixture
def entries(tmp_path: Path) -> Iterator[list[Entry]]:
    with Bench(tmp_path, BACKENDS["threads"]) as bench:
        docroot = Clocked(bench, tmp_path).docroot
        yield [Entry(docroot, b"%d" % n, bench.disk, 0.0) for n in range(CHECKS_TOGETHER + 1)]


def test_nothing_is_looked_at_until_there_are_enough(entries: list[Entry]) -> None:
    seen: list[Entry] = []
    due = Due(Loop(), seen.append)
    for entry in entries[: CHECKS_TOGETHER - 1]:
        due.add(entry)
    assert not seen
    due.add(entries[CHECKS_TOGETHER - 1])
    assert seen == entries[:CHECKS_TOGETHER]


def test_who_waits_has_all_looked_at_and_none_twice(entries: list[Entry]) -> None:
    seen: list[Entry] = []
    due = Due(Loop(), seen.append)
    for entry in entries[:3]:
        due.add(entry)
    due.now()
    due.now()
    assert seen == entries[:3]


def test_a_few_are_looked_at_when_patience_ends_and_the_next_few_again(entries: list[Entry]) -> None:
    seen: list[Entry] = []
    loop = Loop()
    due = Due(loop, seen.append)
    for entry in entries[:2]:
        due.add(entry)

        def one(entry: Entry = entry) -> bool:
            loop.turn()
            return entry in seen

        assert entry not in seen
        until(one, "it is looked at", 10.0)
