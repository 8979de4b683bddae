"""The short way: heads that have been answered before, from memory, all of them together.

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
from server.wire.outbox import Outbox, Part, packed, transmit
from server.wire.recall import Recall, Remembered
from server.wire.table import Table
from server.wire.verdicts import Known, Verdicts, request_of

SHORT_HEAD, SHORT_PACKET = 256, 2048  # bytes: what is remembered as a whole
MOST_PACKETS = 1024
MOST_PACKET_BYTES = 4 * 1024 * 1024
PACKET_BYTES = 2048  # that one takes beside what is in it, with what it keeps alive
MOST_ANSWERS = 16  # at once, until it is the next connection's turn
MOST_BYTES = 64 * 1024  # of answers that are gathered, but for the last

# Where the head ends, what it means, what is said to it, how long that is, and how long the body in it.
Answered = tuple[int, Known, Remembered, int, int]
# The rest of an answer; or the next head, judged.
Left = Outbox | Request | Refusal | None


class Packet:
    """A short answer, head and body, as it leaves at this date."""

    __slots__ = ("asked", "body_bytes", "data", "date", "reply")

    def __init__(self, asked: Known, reply: Remembered, date: bytes, head: bytes, body: bytes) -> None:
        self.asked = asked
        self.reply = reply
        self.date = date
        self.data = head + body
        self.body_bytes = len(body)


class Express:
    """Ask answer(), whenever something came and nothing is under way."""

    def __init__(self, verdicts: Verdicts, recall: Recall, log: AccessLog | None) -> None:
        self._verdicts = verdicts
        self._recall = recall
        self._log = log
        self._packets: Table[bytes, Packet] = Table(MOST_PACKETS, MOST_PACKET_BYTES, _size)

    def answer(
        self, sock: socket.socket, data: bytes, peer: str, date: bytes, wake: Callable[[], None]
    ) -> tuple[int, Left]:
        """Answers what the data begins with, as far as the answers are known. How many bytes of it have been
        dealt with, and what is left: the rest of an answer, if the socket is full; else the next head,
        judged, if that is all there. Raises OSError."""
        answered: list[Answered] = []
        parts: list[Part] = []
        at = size = 0
        left: Left = None
        while left is None and at < len(data) and len(answered) < MOST_ANSWERS and size < MOST_BYTES:
            end = data.find(END, at) + len(END)
            if end < len(END) or end - at > MOST_HEAD_BYTES:
                break  # it is not all there, or for the inbox to judge
            head = data[at:end]
            packet = self._packet(head, date) if end - at <= SHORT_HEAD else None
            if packet is not None:
                self._verdicts.remembered += 1
                length = len(packet.data)
                answered.append((end, packet.asked, packet.reply, length, packet.body_bytes))
                parts.append(packet.data)
                size += length
            elif (asked := self._verdicts.recall(head)) is None:
                if head.startswith(b"\r\n"):
                    break  # the inbox knows what to do about empty lines
                left = self._verdicts.judge_anew(head)
            else:
                line, meaning, _ = asked
                reply = self._recall.find(line.method, line.path, b"", meaning.lasting)
                body = None if reply is None else _body(reply)
                if reply is None or body is None:
                    left = request_of(*asked)
                else:
                    ready = reply.head.dated(date)
                    length = len(ready) + len(body)
                    answered.append((end, asked, reply, length, len(body)))
                    parts.append(ready)
                    parts.append(body)
                    size += length
                    if end - at <= SHORT_HEAD and length <= SHORT_PACKET and isinstance(body, bytes):
                        self._packets.learn(head, Packet(asked, reply, date, ready, body))
            at = end
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
                rest = self._account(peer, answered, sent, date, wake)
                if rest is not None:  # what is behind it is read again
                    return rest
        return at, left

    def _packet(self, head: bytes, date: bytes) -> Packet | None:
        """What the same head was answered with, if that holds."""
        packet = self._packets.known.get(head)
        if packet is None:
            return None
        reply = packet.reply
        if not self._recall.holds(reply):
            self._packets.forget(head)
            return None
        if packet.date is not date:
            body = _body(reply)
            if not isinstance(body, bytes):
                return None
            packet.date = date
            packet.data = reply.head.dated(date) + body
        return packet

    def _account(
        self,
        peer: str,
        answered: Sequence[Answered],
        sent: int,
        date: bytes,
        wake: Callable[[], None],
    ) -> tuple[int, Outbox] | None:
        """Logs whose answer has left; where the head ends of the first whose has not, or not whole, and the
        rest of that."""
        for end, asked, reply, length, body_bytes in answered:
            if sent < length:
                return end, _rest(request_of(*asked), reply, reply.head.dated(date), sent, wake)
            sent -= length
            self._note(peer, asked, reply, body_bytes)
        return None

    def _lose(self, peer: str, answered: Sequence[Answered]) -> None:
        """Logs that nobody was there to take the answers."""
        for _, asked, reply, _, _ in answered:
            self._note(peer, asked, reply, 0)

    def _note(self, peer: str, asked: Known, reply: Remembered, body_bytes: int) -> None:
        if self._log is not None:
            line, meaning, lines = asked
            self._log.answered(peer, line.text, meaning.said(lines), reply.answer.status, body_bytes)


def _body(reply: Remembered) -> Part | None:
    """All of it, if it is in memory in one piece, and may leave as fast as it can."""
    body = reply.answer.body
    if reply.bandwidth is not None:
        return None
    if not body:
        return b""
    entry = reply.entry()
    if entry is None:
        return None
    if entry.content is not None:
        return entry.content[0] if len(entry.content) == 1 else None
    whole = body[0]
    if entry.file is None or not isinstance(whole, FileRange) or whole.length > BLOCK:
        return None
    return entry.disk.reads.at_hand(entry.file, whole.length)


def _size(asked: bytes, packet: Packet) -> int:
    return len(asked) + len(packet.data) + PACKET_BYTES


def _rest(asked: Request, reply: Remembered, head: bytes, sent: int, wake: Callable[[], None]) -> Outbox:
    """What is left of an answer of which so many bytes have left."""
    outbox = packed(asked, reply.answer, head, reply.entry(), wake)
    outbox.sendable()  # what comes from a file is held from now on
    outbox.sent(sent)
    return outbox
