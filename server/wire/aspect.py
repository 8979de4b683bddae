"""What of a request's fields the answer to a plain request depends on.

Two requests for the same target whose aspects are alike get the same answer, as long as the files
and the rules are what they were, and nothing guards them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from server.answer.wishes import Wishes

MOST_ASPECTS: Final = 8192
LONGEST: Final = 512  # bytes
# There is no end of ranges, and who sends the others does not come often: each is decided anew.
DECIDED_EACH_TIME: Final = frozenset((b"range", b"if-range", b"if-match", b"if-unmodified-since"))

# All that it may be made of.
ASPECTS: Final = DECIDED_EACH_TIME | {
    b"accept", b"accept-encoding", b"sec-fetch-dest", b"if-none-match", b"if-modified-since", b"origin",
}  # fmt: skip


@dataclass(slots=True, eq=False)
class Aspect:
    """What counts of a request. There is one object for all that are alike, as long as it is
    remembered: to compare aspects is to compare their places in memory."""

    host: bytes
    wishes: Wishes
    none_match: bytes | None  # what the client has already
    modified_since: bytes | None
    of_other_origin: bool  # whether a page of another origin asks

    @staticmethod
    def of(host: bytes, fields: Mapping[bytes, bytes]) -> Aspect | None:
        """None for a request whose answer depends on more, or whose fields have no end."""
        if not DECIDED_EACH_TIME.isdisjoint(fields):
            return None
        get = fields.get
        none_match = get(b"if-none-match")
        # RFC 9110 section 13.2.2: who sends both is answered by the first.
        since = get(b"if-modified-since") if none_match is None else None
        if len(host) + len(none_match or b"") + len(since or b"") > LONGEST:
            return None
        return _the_one(host, Wishes.of(fields), none_match, since, b"origin" in fields)


_the_one = lru_cache(MOST_ASPECTS)(Aspect)


def without_query(target: bytes) -> bytes:
    """All of a request target that tells one file from another."""
    return target.partition(b"?")[0]
