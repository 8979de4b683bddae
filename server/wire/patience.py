"""What a connection is at, and how long it may be."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

KEEP_ALIVE_SECONDS = 15
HEAD_SECONDS = 20  # for all of a head, however it trickles in
SEND_SECONDS = 60  # for the client to take anything
LINGER_SECONDS = 2
GONE_SECONDS: Final = 15  # for a client that has shut its side, and may be gone, while a disk is waited for


class Phase(Enum):
    OPEN = auto()  # requests may arrive, or an answer is leaving
    LINGERING = auto()  # our side is shut; what arrives is thrown away
    CLOSED = auto()  # forgotten; late completions find nobody


# Bound once, as the statuses are.
OPEN: Final = Phase.OPEN
LINGERING: Final = Phase.LINGERING
CLOSED: Final = Phase.CLOSED
