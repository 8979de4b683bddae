"""The short way: heads that have been answered before, from memory, all of them together.

What a connection gets is the same as if each had gone the long way: only what is known to have the
same answer is answered here, and the first that is not ends it.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Final

from aio import BLOCK
from server.answer.ranges import FileRange
from server.files.entry import Client
from server.observe.access import AccessLog, Said
from server.wire.heads import END, Refusal, Request
from server.wire.heads import MOST_BYTES as MOST_HEAD_BYTES
from server.wire.outbox import Outbox, Part, packed, transmit
from server.wire.recall import Recall, Remembered
from server.wire.table import Table
from server.wire.verdicts import Known, Verdicts, request_of

SHORT_HEAD = 256  # bytes: what is remembered as a whole
MOST_SHORT = 1024
MOST_SHORT_BYTES: Final = 4 * 1024 * 1024
SHORT_BYTES: Final = 2048  # that one takes, with what it keeps alive, beside a body
MOST_ANSWERS: Final = 16  # at once, until it is the next connection's turn
MOST_BYTES: Final = 64 * 1024  # of answers that are gathered, but for the last

# Where the head ends, what it means, what is said to it, and how long that is.
Answered = tuple[int, Known, Remembered, int]
# What a head means, and the reply to it, if that is known.
Meant = tuple[Known, Remembered | None]
# The rest of an answer; or the next head, judged.
Left = Outbox | Request | Refusal | None


class Express:
    """Ask answer(), whenever something came and nothing is under way."""

    def __init__(self, verdicts: Verdicts, recall: Recall, log: AccessLog | None) -> None:
        self._verdicts = verdicts
        self._recall = recall
        self._log = log
        self._short: Table[bytes, tuple[Known, Remembered]] = Table(MOST_SHORT, MOST_SHORT_BYTES, _size)

    def answer(
        self, sock: socket.socket, data: bytes, peer: str, date: bytes, client: Client
    ) -> tuple[int, Left, bool]:
        """Answers what the data begins with, as far as the answers are known. How many bytes of it have been
        dealt with, and what is left: the rest of an answer, if the socket is full; else the next head,
        judged, if that is all there; and whether Recall surely knows nothing of that. Raises OSError."""
        one = self._one(data)
        if one is None:
            return self._answer_several(sock, data, peer, date, client)
        # One head, and no more, is what mostly comes: nothing is made ready for several.
        asked, reply = one
        if reply is None or (ready := _ready(reply, date)) is None:
            return len(data), request_of(*asked), reply is None and asked[1].lasting is not None
        begin, body = ready
        size = len(begin) if body is None else len(begin) + len(body)
        self._recall.hits += 1
        try:
            sent = sock.send(begin) if body is None else transmit(sock, (begin, body), size)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._lose(peer, [(len(data), asked, reply, size)])
            raise
        if sent < size:
            return len(data), _rest(asked, reply, date, sent, client), False
        if self._log is not None:
            self._note(peer, asked, reply.said)
        return len(data), None, False

    def _answer_several(
        self, sock: socket.socket, data: bytes, peer: str, date: bytes, client: Client
    ) -> tuple[int, Left, bool]:
        answered: list[Answered] = []
        parts: list[Part] = []
        at = size = 0
        left: Left = None
        while at < len(data) and len(answered) < MOST_ANSWERS and size < MOST_BYTES:
            end = data.find(END, at) + len(END)
            if end < len(END) or end - at > MOST_HEAD_BYTES:
                break  # it is not all there, or for the inbox to judge
            head = data[at:end]
            known = self._known(head)
            if known is None and head.startswith(b"\r\n"):
                break  # the inbox knows what to do about empty lines
            at = end
            if known is None:
                left = self._verdicts.judge_anew(head)
                break
            asked, reply = known
            if reply is None or not (length := _gather(parts, reply, date)):
                left = request_of(*asked)
                break
            answered.append((end, asked, reply, length))
            size += length
        if answered:
            self._recall.hits += len(answered)
            try:
                sent = transmit(sock, parts, size)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._lose(peer, answered)
                raise
            if sent < size or self._log is not None:
                rest = self._account(peer, answered, sent, date, client)
                if rest is not None:  # what is behind it is read again
                    return *rest, False
        return at, left, False

    def _one(self, data: bytes) -> Meant | None:
        """What it means, if it is one head, which is what mostly comes, and known."""
        if len(data) > MOST_HEAD_BYTES or not data.endswith(END):
            return None
        return self._known(data)

    def _short_one(self, head: bytes) -> Meant | None:
        """If it has been answered before, and would be so again."""
        short = self._short.known.get(head)
        if short is None:
            return None
        if self._recall.holds(short[1]):
            self._verdicts.remembered += 1
            return short
        self._short.forget(head)
        return None

    def _known(self, head: bytes) -> Meant | None:
        """What a head means, and the reply to it, as far as these are known."""
        if len(head) <= SHORT_HEAD and (short := self._short_one(head)) is not None:
            return short
        asked = self._verdicts.recall(head)
        return None if asked is None else self._meant(head, asked)

    def _meant(self, head: bytes, asked: Known) -> Meant:
        line, meaning, _ = asked
        reply = self._recall.find(line.method, line.path, b"", meaning.lasting)
        if reply is not None and len(head) <= SHORT_HEAD:
            self._short.learn(head, (asked, reply))
        return asked, reply

    def _account(
        self,
        peer: str,
        answered: Sequence[Answered],
        sent: int,
        date: bytes,
        client: Client,
    ) -> tuple[int, Outbox] | None:
        """Logs whose answer has left; where the head ends of the first whose has not, or not whole, and the
        rest of that."""
        for end, asked, reply, length in answered:
            if sent < length:
                return end, _rest(asked, reply, date, sent, client)
            sent -= length
            self._note(peer, asked, reply.said)
        return None

    def _lose(self, peer: str, answered: Sequence[Answered]) -> None:
        """Logs that nobody was there to take the answers."""
        for _, asked, reply, _ in answered:
            self._note(peer, asked, Said.of(reply.answer.status, 0))

    def _note(self, peer: str, asked: Known, said: Said) -> None:
        if self._log is not None:
            line, meaning, lines = asked
            self._log.answered(peer, line.text, meaning.told(lines), said)


def _gather(parts: list[Part], reply: Remembered, date: bytes) -> int:
    """Adds an answer to what is to leave; how long it is, or 0 if it is not ready."""
    if (ready := _ready(reply, date)) is None:
        return 0
    begin, body = ready
    parts.append(begin)
    if body is None:
        return len(begin)
    parts.append(body)
    return len(begin) + len(body)


def _ready(reply: Remembered, date: bytes) -> tuple[bytes, Part | None] | None:
    """An answer in one piece or two; None if it is not all in memory, or not to leave as fast as it can."""
    if reply.bandwidth is not None:
        return None
    if whole := reply.whole(date):
        return whole, None
    body = _body(reply)
    return None if body is None else (reply.head.dated(date), body)


def _body(reply: Remembered) -> Part | None:
    """What is not kept with its head, if it is in memory in one piece."""
    entry, body = reply.reference.entry, reply.answer.body
    if entry is None:
        return None
    if entry.content is not None:
        return entry.content[0] if len(entry.content) == 1 else None
    part = body[0]
    if entry.file is None or not isinstance(part, FileRange) or part.length > BLOCK:
        return None
    return entry.disk.reads.at_hand(entry.file, part.length)


def _size(head: bytes, known: tuple[Known, Remembered]) -> int:
    return len(head) + known[1].kept_bytes + SHORT_BYTES


def _rest(asked: Known, reply: Remembered, date: bytes, sent: int, client: Client) -> Outbox:
    """What is left of an answer of which so many bytes have left."""
    entry = reply.reference.entry
    outbox = packed(request_of(*asked), reply.answer, reply.head.dated(date), entry, client.wake)
    outbox.sendable()  # what comes from a file is held from now on
    outbox.sent(sent)
    return outbox
