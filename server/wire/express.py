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
from server.wire.inbox import Inbox
from server.wire.outbox import Outbox, Part, packed, transmit
from server.wire.recall import Recall, Remembered
from server.wire.table import Table
from server.wire.verdicts import Block, Line, Verdicts

SHORT_HEAD, SHORT_PACKET = 256, 2048  # bytes: what is remembered as a whole
MOST_PACKETS = 1024
MOST_PACKET_BYTES = 4 * 1024 * 1024
PACKET_BYTES = 2048  # that one takes beside what is in it, with what it keeps alive
MOST_ANSWERS = 16  # at once, until it is the next connection's turn
MOST_BYTES = 64 * 1024  # of answers that are gathered, but for the last

# Where the head ends, what it means, what is said to it, how long that is, and how long the body in it.
Answered = tuple[int, Line, Block, Remembered, int, int]
# The rest of an answer; or the next head, judged.
Left = Outbox | Request | Refusal | None


class Packet:
    """A short answer, head and body, as it leaves at this date."""

    __slots__ = ("block", "body_bytes", "data", "date", "known", "line")

    def __init__(
        self, line: Line, block: Block, known: Remembered, date: bytes, head: bytes, body: bytes
    ) -> None:
        self.line = line
        self.block = block
        self.known = known
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
            asked = data[at:end]
            packet = self._packet(asked, date) if len(asked) <= SHORT_HEAD else None
            if packet is not None:
                self._verdicts.remembered += 1
                length = len(packet.data)
                answered.append((end, packet.line, packet.block, packet.known, length, packet.body_bytes))
                parts.append(packet.data)
                size += length
            elif (halves := self._verdicts.recall(asked)) is None:
                left = self._verdicts.judge_anew(asked)
            else:
                line, block = halves
                known = self._find(line, block)
                body = None if known is None else _body(known)
                if known is None or body is None:
                    left = block.below(line)
                else:
                    head = known.head.dated(date)
                    length = len(head) + len(body)
                    answered.append((end, line, block, known, length, len(body)))
                    parts.append(head)
                    parts.append(body)
                    size += length
                    if len(asked) <= SHORT_HEAD and length <= SHORT_PACKET and isinstance(body, bytes):
                        self._packets.learn(asked, Packet(line, block, known, date, head, body))
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
                    inbox.skip(rest[0])
                    return rest[1]
        inbox.skip(at)
        return left

    def _packet(self, asked: bytes, date: bytes) -> Packet | None:
        """What the same head was answered with, if that holds."""
        packet = self._packets.known.get(asked)
        if packet is None:
            return None
        known = packet.known
        if not self._recall.holds(known):
            self._packets.forget(asked)
            return None
        if packet.date is not date:
            body = _body(known)
            if not isinstance(body, bytes):
                return None
            packet.date = date
            packet.data = known.head.dated(date) + body
        return packet

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
        sent: int,
        date: bytes,
        wake: Callable[[], None],
    ) -> tuple[int, Outbox] | None:
        """Logs whose answer has left; the first whose has not, or not whole, and where its head ends."""
        for end, line, block, known, length, body_bytes in answered:
            if sent < length:
                return end, _rest(block.below(line), known, known.head.dated(date), sent, wake)
            sent -= length
            if self._log is not None:
                self._log.answered(peer, block.below(line), known.answer.status, body_bytes)
        return None

    def _lose(self, peer: str, answered: Sequence[Answered]) -> None:
        """Logs that nobody was there to take the answers."""
        if self._log is not None:
            for _, line, block, known, _, _ in answered:
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


def _size(asked: bytes, packet: Packet) -> int:
    return len(asked) + len(packet.data) + PACKET_BYTES


def _rest(asked: Request, known: Remembered, head: bytes, sent: int, wake: Callable[[], None]) -> Outbox:
    """What is left of an answer of which so many bytes have left."""
    outbox = packed(asked, known.answer, head, known.entry(), wake)
    outbox.sendable()  # what comes from a file is held from now on
    outbox.sent(sent)
    return outbox
