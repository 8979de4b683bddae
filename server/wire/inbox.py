"""What has come in and is not yet a request: bytes in, heads out."""

from __future__ import annotations

import re
from http import HTTPStatus

from server.wire.heads import CONTROL, MOST_BYTES, MOST_LINE_BYTES, Refusal

END = b"\r\n\r\n"
EMPTY_LINES = re.compile(rb"(?:\r\n)+")
ENDS_BARELY = re.compile(rb"\n\r?\n")
SHOWN_BYTES = 200  # of a request line that is refused, in the log


class Inbox:
    """Feed it what arrives; ask next_head() until there is none."""

    __slots__ = ("_bytes",)

    def __init__(self) -> None:
        self._bytes = b""

    def feed(self, data: bytes) -> None:
        self._bytes += data

    def clear(self) -> None:
        self._bytes = b""

    @property
    def empty(self) -> bool:
        return not self._bytes

    @property
    def full(self) -> bool:
        """Whether enough has come for now: what follows can wait in the kernel."""
        return len(self._bytes) > MOST_BYTES + len(END)

    def next_head(self) -> bytes | Refusal | None:
        """The next head, up to and with its empty line; None if it is not all there. A head
        that can only become a bad one is refused without waiting for the rest of it."""
        # RFC 9112 section 2.2: empty lines before a request line are to be ignored.
        if empty := EMPTY_LINES.match(self._bytes):
            self._bytes = self._bytes[empty.end() :]
        head, end, rest = self._bytes.partition(END)
        if end and len(head) <= MOST_BYTES:
            self._bytes = rest
            return head + end
        so_far = head.rstrip(b"\r\n")  # what may be the beginning of its end does not count
        if len(so_far.partition(b"\r\n")[0]) > MOST_LINE_BYTES:
            return self._refusal(HTTPStatus.REQUEST_URI_TOO_LONG, "the request line is too long")
        if len(so_far) > MOST_BYTES:
            return self._refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is too long")
        if CONTROL.search(head) or ENDS_BARELY.search(head):
            return self._refusal(HTTPStatus.BAD_REQUEST, "this is not HTTP/1")
        return None

    def _refusal(self, status: HTTPStatus, why: str) -> Refusal:
        return Refusal(status, why, line=self._bytes.partition(b"\r\n")[0][:SHOWN_BYTES])
