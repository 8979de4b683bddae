"""The short way: heads that have been answered before, from memory, all with one call.

What a connection gets is the same as if each had gone the long way: only what is known to have the
same answer is answered here, and the first that is not ends it.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

from aio import BLOCK
from server.answer.ranges import FileRange
from server.observe.access import AccessLog
from server.wire.heads import END, Refusal, Request
from server.wire.heads import MOST_BYTES as MOST_HEAD_BYTES
from server.wire.inbox import Inbox
from server.wire.outbox import Outbox, packed
from server.wire.recall import Recall, Remembered
from server.wire.verdicts import Block, Line, Verdicts

MOST_ANSWERS = 16  # at once, until it is the next connection's turn
MOST_BYTES = 64 * 1024  # of answers that are gathered, but for the last
JOINED_BYTES = 16 * 1024  # what is shorter is copied together: cheaper than a list for the kernel

Answered = tuple[int, Line, Block, Remembered]  # where the head ends, what it means, what is said to it
Part = bytes | memoryview
# The rest of an answer; or the next head, judged.
Left = Outbox | Request | Refusal | None


class Express:
    """Ask answer(), whenever something came and nothing is under way."""

    def __init__(self, verdicts: Verdicts, recall: Recall, log: AccessLog | None) -> None:
        self._verdicts = verdicts
        self._recall = recall
        self._log = log

    def answer(
        self, sock: socket.socket, inbox: Inbox, peer: str, date: bytes, wake: Callable[[], None]
    ) -> Left:
        """Answers what the inbox begins with, as far as the answers are known. What is left is the
        rest of one, if the socket is full; else the next head, judged and taken out of the inbox,
        if that is all there. Raises OSError."""
        data = inbox.bytes
        answered: list[Answered] = []
        parts: list[Part] = []
        at = size = 0
        left: Left = None
        while left is None and at < len(data) and len(answered) < MOST_ANSWERS and size < MOST_BYTES:
            end = data.find(END, at) + len(END)
            if end < len(END) or end - at > MOST_HEAD_BYTES or data.startswith(b"\r\n", at):
                break  # it is not all there, or for the inbox to judge
            halves = self._verdicts.recall(data[at:end])
            if halves is None:
                left = self._verdicts.judge_anew(data[at:end])
            else:
                line, block = halves
                known = self._find(line, block)
                body = None if known is None else _body(known)
                if known is None or body is None:
                    left = block.below(line)
                else:
                    head = known.head.dated(date)
                    answered.append((end, line, block, known))
                    parts.append(head)
                    parts.append(body)
                    size += len(head) + len(body)
            at = end
        if answered:
            self._recall.hits += len(answered)
            try:
                sent = _send(sock, parts, size)
            except OSError:
                self._lose(peer, answered)
                raise
            if sent < size or self._log is not None:
                rest = self._account(peer, answered, parts, sent, wake)
                if rest is not None:  # what is behind it is read again
                    inbox.skip(rest[0])
                    return rest[1]
        inbox.skip(at)
        return left

    def _find(self, line: Line, block: Block) -> Remembered | None:
        """The answer, if it is known and may leave as fast as it can."""
        meaning = block.meaning
        if not meaning.keep_alive or meaning.aspect is None:
            return None
        known = self._recall.find(line.method, line.path, b"", meaning.aspect)
        return None if known is None or known.bandwidth is not None else known

    def _account(
        self,
        peer: str,
        answered: Sequence[Answered],
        parts: Sequence[Part],
        sent: int,
        wake: Callable[[], None],
    ) -> tuple[int, Outbox] | None:
        """Logs whose answer has left; the first whose has not, or not whole, and where its head ends."""
        for (end, line, block, known), head, body in zip(answered, parts[::2], parts[1::2], strict=True):
            length = len(head) + len(body)
            if sent < length:
                return end, _rest(block.below(line), known, bytes(head), sent, wake)
            sent -= length
            if self._log is not None:
                self._log.answered(peer, block.below(line), known.answer.status, len(body))
        return None

    def _lose(self, peer: str, answered: Sequence[Answered]) -> None:
        """Logs that nobody was there to take the answers."""
        if self._log is not None:
            for _, line, block, known in answered:
                self._log.answered(peer, block.below(line), known.answer.status, 0)


def _body(known: Remembered) -> Part | None:
    """All of it, if it is in memory in one piece."""
    body = known.answer.body
    if not body:
        return b""
    entry = known.entry()
    if entry is None:
        return None
    if entry.content is not None:
        return entry.content[0] if len(entry.content) == 1 else None
    whole = body[0]
    if entry.file is None or not isinstance(whole, FileRange) or whole.length > BLOCK:
        return None
    return entry.disk.reads.at_hand(entry.file, whole.length)


def _rest(asked: Request, known: Remembered, head: bytes, sent: int, wake: Callable[[], None]) -> Outbox:
    """What is left of an answer of which so many bytes have left."""
    outbox = packed(asked, known.answer, head, known.entry(), wake)
    outbox.sendable()  # what comes from a file is held from now on
    outbox.sent(sent)
    return outbox


def _send(sock: socket.socket, parts: Sequence[Part], size: int) -> int:
    """How much the socket took."""
    try:
        return sock.send(b"".join(parts)) if size <= JOINED_BYTES else sock.sendmsg(parts)
    except BlockingIOError:
        return 0
