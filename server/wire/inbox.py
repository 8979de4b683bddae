"""What has come in and is not yet a request: bytes in, heads out."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final

from server.wire.heads import END, MOST_BYTES, Refusal, fault_of

EMPTY_LINES: Final = re.compile(rb"(?:\r\n)+")
SHOWN_BYTES: Final = 200  # of a request line that is refused, in the log


class Inbox:
    """Add to `bytes` what arrives; ask next_head() until there is none."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = b""  # that have not been dealt with

    def clear(self) -> None:
        self.bytes = b""

    @property
    def empty(self) -> bool:
        return not self.bytes

    @property
    def full(self) -> bool:
        """Whether enough has come for now: what follows can wait in the kernel."""
        return len(self.bytes) > MOST_BYTES + len(END)

    def next_head(self) -> bytes | Refusal | None:
        """The next head, up to and with its empty line; None if it is not all there. A head
        that can only become a bad one is refused without waiting for the rest of it."""
        if not self.bytes:
            return None
        # RFC 9112 section 2.2: empty lines before a request line are to be ignored.
        if empty := EMPTY_LINES.match(self.bytes):
            self.bytes = self.bytes[empty.end() :]
        head, end, rest = self.bytes.partition(END)
        if end and len(head) <= MOST_BYTES:
            self.bytes = rest
            return head + end
        fault = fault_of(head + end)
        return None if fault is None else fault.of(self.bytes[:SHOWN_BYTES])

    def too_slow(self) -> Refusal:
        """What has come of a head, and no more does."""
        refusal = Refusal(HTTPStatus.REQUEST_TIMEOUT, "the head took too long")
        return refusal.of(self.bytes[:SHOWN_BYTES])
