"""What of a request's fields the answer to a plain request depends on.

Two requests for the same target whose aspects are alike get the same answer, as long as the files
and the rules are what they were, and nothing guards them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

CONSULTED = (b"accept-encoding", b"accept", b"sec-fetch-dest")  # what a search looks at
REVALIDATING = (b"if-none-match", b"if-modified-since")
# There is no end of ranges, and who sends the others does not come often: each is decided anew.
DECIDED_EACH_TIME = frozenset((b"range", b"if-range", b"if-match", b"if-unmodified-since"))


class Aspect(NamedTuple):
    """The fields that count, and the host that is asked."""

    host: bytes
    accept_encoding: bytes | None
    accept: bytes | None
    destination: bytes | None
    none_match: bytes | None
    modified_since: bytes | None
    of_other_origin: bool

    @classmethod
    def of(cls, host: bytes, fields: Mapping[bytes, bytes]) -> Aspect | None:
        """None for a request whose answer depends on more."""
        if not DECIDED_EACH_TIME.isdisjoint(fields):
            return None
        get = fields.get
        none_match = get(b"if-none-match")
        # RFC 9110 section 13.2.2: who sends both is answered by the first.
        since = get(b"if-modified-since") if none_match is None else None
        coding, accept, destination = map(get, CONSULTED)
        return cls(host, coding, accept, destination, none_match, since, b"origin" in fields)
