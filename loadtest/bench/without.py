"""Headrace without one of the measures that make it cheap, to see what each gains by itself. Of what is
translated nothing can be taken away: see interpreted.py."""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping, Sequence

from aio import disk
from server import cli
from server.files import due
from server.files.entry import Entry
from server.wire import express, recall, verdicts
from server.wire.express import Express
from server.wire.recall import Recall
from server.wire.verdicts import Verdicts


def _nothing(*_: object) -> None:
    return None


def _nothing_known(*_: object) -> tuple[int, None, bool]:
    """In place of Express.answer(): nothing of what came has been dealt with."""
    return 0, None, False


def _in_this_turn(self: Entry) -> float:
    """In place of Entry.holds_until(): what holds is to be asked again in the next turn."""
    return min(self._docroot.vouch(self), self._docroot._loop.now)


# What stands in place of what, and what that is.
MEASURES: Mapping[str, tuple[Sequence[tuple[object, str, object]], str]] = {
    "translation": ([], "what a request passes through is translated to C; those below are without that too"),
    "short-way": ([(Express, "answer", _nothing_known)], "one recv, lookups, one send"),
    "short-heads": ([(express, "SHORT_HEAD", 0)], "a short head is known as a whole, and the reply to it"),
    "whole-answers": (
        [(recall, "KEPT_BYTES", 0)],
        "a short body is kept behind its head, and both are joined once a second",
    ),
    "replies": (
        [(Recall, "keep", _nothing)],
        "what was answered is answered again without a search; no short way without them",
    ),
    "ready-heads": (
        [(Entry, "keep_ready", _nothing), (Recall, "keep", _nothing)],
        "h11 writes the head of an answer once; no replies without them",
    ),
    "new-lines": (
        [(verdicts, "MOST_NEW", 0)],
        "of a head with a few lines that are new, h11 is given these, and not the whole",
    ),
    "verdicts": (
        [(Verdicts, "recall", _nothing)],
        "h11 is not given what it has judged; no short way without them",
    ),
    "lasting-replies": (
        [(Entry, "holds_until", _in_this_turn)],
        "whether a reply holds is not asked in every turn",
    ),
    "common-looks": (
        [(due, "CHECKS_TOGETHER", 1), (disk, "CHECKS_TOGETHER", 1)],
        "many files are looked at together, whether they have changed",
    ),
    "quiet-collector": (
        [(gc, "disable", _nothing), (gc, "freeze", _nothing)],
        "the garbage collector does not run while clients are there",
    ),
}


def main() -> None:
    replaced, _ = MEASURES[sys.argv.pop(1)]
    for owner, name, replacement in replaced:
        setattr(owner, name, replacement)
    sys.exit(cli.main())
