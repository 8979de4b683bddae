"""The short way: heads that have been answered before, from memory, all with one call.

What a connection gets is the same as if each had gone the long way: only what is known to have the
same answer is answered here, and the first that is not ends it.
"""

from __future__ import annotations

import socket
from typing import NamedTuple

from server.observe.access import AccessLog
from server.wire.heads import END, Request
from server.wire.inbox import Inbox
from server.wire.outbox import Outbox
from server.wire.recall import Recall
from server.wire.verdicts import Verdicts

MOST_ANSWERS = 16  # at once, until it is the next connection's turn
MOST_BYTES = 64 * 1024  # of answers that are gathered
JOINED_BYTES = 16 * 1024  # what is shorter is copied together: cheaper than a list for the kernel


class Known(NamedTuple):
    """A head that is answered, up to where it reaches in the inbox, and its answer."""

    end: int
    request: Request
    status: int
    head: bytes
    body: bytes


class Express:
    """Ask answer(), whenever something came and nothing is under way."""

    def __init__(self, verdicts: Verdicts, recall: Recall, log: AccessLog | None) -> None:
        self._verdicts = verdicts
        self._recall = recall
        self._log = log

    def answer(self, sock: socket.socket, inbox: Inbox, peer: str, date: bytes) -> tuple[bool, Outbox | None]:
        """Answers what the inbox begins with, as far as that is known: whether anything was, and
        what is left over of an answer when the socket is full. Raises OSError."""
        known = self._known(inbox.bytes, date)
        if not known:
            return False, None
        parts = [part for each in known for part in (each.head, each.body)]
        sent = _send(sock, parts)
        for end, request, status, head, body in known:
            length = len(head) + len(body)
            if sent < length:
                inbox.skip(end)
                outbox = Outbox(request, status, head)
                if body:
                    outbox.add(body)
                outbox.sent(sent)
                return True, outbox
            sent -= length
            if self._log is not None:
                self._log.answered(peer, request, status, len(body))
        inbox.skip(known[-1].end)
        return True, None

    def _known(self, data: bytes, date: bytes) -> list[Known]:
        known: list[Known] = []
        at = size = 0
        while len(known) < MOST_ANSWERS and size < MOST_BYTES:
            end = data.find(END, at) + len(END)
            if end < len(END):
                break
            request = self._verdicts.recall(data[at:end])
            if request is None or not request.keep_alive:
                break
            reply = self._recall.reply(request, b"")
            if reply is None or reply.bandwidth is not None or reply.entry is None:
                break
            body = b""
            if reply.answer.body:
                content = reply.entry.content
                if content is None or len(content) != 1:
                    break
                body = content[0]
            head = reply.head.dated(date)
            known.append(Known(end, request, reply.answer.status, head, body))
            size += len(head) + len(body)
            at = end
        return known


def _send(sock: socket.socket, parts: list[bytes]) -> int:
    """How much the socket took."""
    try:
        if len(parts) > 2 or len(parts[1]) <= JOINED_BYTES:
            return sock.send(b"".join(parts))
        return sock.sendmsg(parts)
    except BlockingIOError:
        return 0
