"""Headrace without one of the measures that make it cheap, to see what each gains by itself.

python -m loadtest.bench.without MEASURE [what headrace takes]
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Mapping

from server import cli
from server.files.entry import Entry
from server.wire import express
from server.wire.express import Express
from server.wire.recall import Recall
from server.wire.verdicts import Verdicts


def _nothing(*_: object) -> None:
    return None


def _short_way() -> None:
    Express.answer = _nothing  # type: ignore[method-assign, assignment]


def _packets() -> None:
    express.SHORT_HEAD = 0


def _replies() -> None:
    Recall.keep = _nothing  # type: ignore[method-assign, assignment]


def _ready_heads() -> None:
    Entry.keep_ready = _nothing  # type: ignore[method-assign, assignment]


def _lines() -> None:
    Verdicts._put_together = _nothing  # type: ignore[method-assign, assignment]


def _verdicts() -> None:
    Verdicts.recall = _nothing  # type: ignore[method-assign, assignment]


def _lasting_replies() -> None:
    holds_until = Entry.holds_until

    def not_longer_than_this_turn(self: Entry) -> float:
        return min(holds_until(self), self._docroot._loop.now)

    Entry.holds_until = not_longer_than_this_turn  # type: ignore[method-assign]


def _quiet_collector() -> None:
    gc.disable = gc.freeze = _nothing


MEASURES: Mapping[str, tuple[Callable[[], None], str]] = {
    "short-way": (_short_way, "one recv, lookups, one send"),
    "packets": (_packets, "a short head is known as a whole, and what is sent to it"),
    "replies": (_replies, "what was answered is answered again without a search; no short way without them"),
    "ready-heads": (_ready_heads, "h11 writes the head of an answer once; no replies without them"),
    "lines": (_lines, "blocks of fields that are new, but made of known lines, are not given to h11"),
    "verdicts": (_verdicts, "h11 is not given what it has judged; no short way without them"),
    "lasting-replies": (_lasting_replies, "whether a reply holds is not asked in every turn"),
    "quiet-collector": (_quiet_collector, "the garbage collector does not run while clients are there"),
}


def main() -> None:
    measure = sys.argv.pop(1)
    MEASURES[measure][0]()
    sys.exit(cli.main())


if __name__ == "__main__":
    main()
