"""What is due to be looked at again is looked at together, but nobody waits for company."""

from __future__ import annotations

from typing import cast

from server.files.due import CHECKS_TOGETHER, Due
from server.files.entry import Entry
from server.loop import Loop
from tests.rig.until import until

ENTRIES = [cast("Entry", object()) for _ in range(CHECKS_TOGETHER + 1)]


def test_nothing_is_looked_at_until_there_are_enough() -> None:
    seen: list[Entry] = []
    due = Due(Loop(), seen.append)
    for entry in ENTRIES[: CHECKS_TOGETHER - 1]:
        due.add(entry)
    assert not seen
    due.add(ENTRIES[CHECKS_TOGETHER - 1])
    assert seen == ENTRIES[:CHECKS_TOGETHER]


def test_who_waits_has_all_looked_at_and_none_twice() -> None:
    seen: list[Entry] = []
    due = Due(Loop(), seen.append)
    for entry in ENTRIES[:3]:
        due.add(entry)
    due.now()
    due.now()
    assert seen == ENTRIES[:3]


def test_a_few_are_looked_at_when_patience_ends_and_the_next_few_again() -> None:
    seen: list[Entry] = []
    loop = Loop()
    due = Due(loop, seen.append)
    for entry in ENTRIES[:2]:
        due.add(entry)

        def one(entry: Entry = entry) -> bool:
            loop.turn()
            return entry in seen

        assert entry not in seen
        until(one, "it is looked at", 10.0)
