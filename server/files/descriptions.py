"""What is said of the files that are there: the tag may have to wait for the content's digest."""

from __future__ import annotations

import time

from aio import Facts, Failed, Hashed
from server.answer.found import Representation
from server.files.changes import Changes
from server.files.entry import UNAVAILABLE, Entry
from server.files.looks import Looks
from server.files.root import Root
from server.files.tags import Digests, is_provisional, wants_digest
from server.files.terms import Terms


class Descriptions:
    """Ask of() when a file was opened, and renew() when there may be more to say of it."""

    def __init__(self, root: Root, looks: Looks, terms: Terms, digests: Digests, changes: Changes) -> None:
        self._root = root
        self._looks = looks
        self._terms = terms
        self._digests = digests
        self._changes = changes

    def of(self, entry: Entry) -> Representation:
        facts = entry.facts
        assert facts is not None
        digest = b""
        if wants_digest(facts, self._terms.etag):
            digest = self._digests.of(facts.identity)
            settled = facts.settled(time.time_ns())  # or the digest would be of either version
            if not digest and settled and self._digests.begin(facts.identity):
                entry.disk.hash(
                    self._root.fd,
                    entry.path,
                    lambda outcome: self._hashed(entry, facts, outcome),
                    self._looks.at(entry.path, entry.kind, stay=entry.disk is self._root.disk),
                )
        return self._terms.represent(entry.path, entry.kind, facts, digest, time.time())

    def renew(self, entry: Entry, siblings: int) -> None:
        """It is what it was; its siblings are these by now."""
        known, said = entry.facts, entry.found
        assert known is not None
        assert isinstance(said, Representation)
        if siblings != known.siblings or is_provisional(known, self._terms.etag, said.validators):
            entry.facts = known.with_siblings(siblings)
            self._say_anew(entry)

    def learn(self, facts: Facts, digest: bytes) -> None:
        """The digest of what was loaded whole."""
        self._digests.learn(facts.identity, digest)

    def _hashed(self, entry: Entry, asked: Facts, outcome: Hashed | Failed) -> None:
        self._digests.end(asked.identity)
        if isinstance(outcome, Failed):
            if outcome.errno not in UNAVAILABLE:  # else it is of the moment, and tried again
                self._digests.learn(asked.identity, b"")
            return
        self._digests.learn(outcome.facts.identity, outcome.digest)
        if entry.facts is not None and entry.facts.identity == outcome.facts.identity:
            self._say_anew(entry)

    def _say_anew(self, entry: Entry) -> None:
        known, said = entry.found, self.of(entry)
        assert isinstance(known, Representation)
        if not said.says_the_same_as(known):
            entry.found = said
            entry.forget_ready()
            self._changes.note()
