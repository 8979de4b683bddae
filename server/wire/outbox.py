"""An answer that is leaving: pieces of memory and ranges of files, in order."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any, Final

from aio import Disk, File, Stream, View
from server.answer.plan import Answer
from server.answer.ranges import FileRange
from server.files.entry import Entry
from server.wire.heads import Refusal, Request

GATHERED_BYTES: Final = 256 * 1024  # of pieces of memory that leave in one call
JOINED_BYTES: Final = 16 * 1024  # what is shorter is copied together: cheaper than a list for the kernel

Piece = bytes | FileRange | Stream
Part = bytes | View


class Source:
    """The file that an answer comes from, held until the answer has left."""

    __slots__ = ("_disk", "_file", "_wake")

    def __init__(self, disk: Disk, file: File, wake: Callable[[], None]) -> None:
        file.retain()
        self._disk = disk
        self._file = file
        self._wake = wake

    def stream(self, part: FileRange) -> Stream:
        return self._disk.stream(self._file, part.offset, part.length, self._wake)

    def close(self) -> None:
        self._file.release()


class Outbox:
    """Ask sendable(), send as much of it as the socket takes, and say sent(n).

    A piece of memory is held back until what follows it from a file can go with it: it fills
    packets with that, and an answer whose first block cannot be read can still become
    an error.
    """

    __slots__ = (
        "_cut", "_pieces", "_source", "asked", "goes_on", "head_bytes", "offered", "sent_bytes", "status"
    )  # fmt: skip

    def __init__(
        self, asked: Request | Refusal, status: int, head: bytes, source: Source | None = None
    ) -> None:
        self._pieces: list[Piece] = [head]
        self._cut = 0  # bytes of the first piece that have left
        self._source = source
        self.asked = asked
        self.status = status
        self.head_bytes = len(head)
        self.offered = 0  # bytes, in what was sendable last
        self.goes_on = False  # these end with a parcel, and most likely with the next one right behind it
        self.sent_bytes = 0

    @property
    def from_file(self) -> bool:
        """Whether some of it is to come from a file that is open."""
        return self._source is not None

    @property
    def body_bytes(self) -> int:
        """How much of the body has left."""
        return max(0, self.sent_bytes - self.head_bytes)

    def add(self, piece: Piece) -> None:
        self._pieces.append(piece)

    @property
    def empty(self) -> bool:
        return not self._pieces

    def sendable(self) -> list[Part] | None:
        """What to send next, of which at most the last is a parcel; None as long as bytes are on
        their way from a disk.

        Raises what Stream.view() raises.
        """
        parts: list[Part] = []
        self.offered, self.goes_on = 0, False
        for index, piece in enumerate(self._pieces):
            if isinstance(piece, bytes):
                rest: Part = memoryview(piece)[self._cut :] if self._cut and index == 0 else piece
                parts.append(rest)
                self.offered += len(rest)
                if self.offered >= GATHERED_BYTES:
                    break
                continue
            if isinstance(piece, FileRange):
                # Only now, when it is its turn: an answer of many parts holds the slots of one.
                assert self._source is not None
                self._pieces[index] = piece = self._source.stream(piece)
            view = piece.view()
            if view is None:
                return None
            parts.append(view)
            size = len(view)
            self.offered += size
            self.goes_on = not isinstance(view, memoryview) and piece.left > size
            break
        return parts

    def sent(self, count: int) -> None:
        """`count` bytes of what was sendable have left."""
        self.sent_bytes += count
        while count:
            piece = self._pieces[0]
            if isinstance(piece, bytes):
                left = len(piece) - self._cut
                if count < left:
                    self._cut += count
                    return
                count -= left
                self._cut = 0
                self._pieces.pop(0)
                continue
            assert not isinstance(piece, FileRange), "a range is sent as a stream"
            piece.advance(count)
            count = 0
        self._tidy()

    def stall(self, *, at_once: bool = False) -> None:
        """The socket takes no more for now, or may not have more (`at_once`)."""
        for piece in self._pieces:
            if not isinstance(piece, (bytes, FileRange)):
                piece.stall(at_once=at_once)
                return

    def _tidy(self) -> None:
        """Lets go of streams that are through."""
        while self._pieces:
            piece = self._pieces[0]
            if isinstance(piece, (bytes, FileRange)) or piece.left:
                return
            piece.close()
            self._pieces.pop(0)
        self._close_source()

    def close(self) -> None:
        """Nothing more leaves."""
        for piece in self._pieces:
            if not isinstance(piece, (bytes, FileRange)):
                piece.close()
        self._pieces.clear()
        self._close_source()

    def _close_source(self) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None


def transmit(sock: socket.socket, parts: Sequence[Any], size: int) -> int:
    """Sends parts, `size` bytes together: buffers, and perhaps a parcel, which is the last. How many
    the socket took. Raises what Parcel.send_to() raises."""
    last = parts[-1]
    if not isinstance(last, (bytes, memoryview)):
        sent: int = last.send_to(sock.fileno(), b"".join(parts[:-1]))
        return sent
    if len(parts) == 1:
        return sock.send(last)
    return sock.send(b"".join(parts)) if size <= JOINED_BYTES else sock.sendmsg(parts)


def packed(
    asked: Request | Refusal, answer: Answer, head: bytes, entry: Entry | None, wake: Callable[[], None]
) -> Outbox:
    """An answer, whose ranges are of what the entry has in memory, or open."""
    source = None
    if entry is not None and entry.file is not None and answer.body:
        source = Source(entry.disk, entry.file, wake)
    outbox = Outbox(asked, answer.status, head, source)
    for part in answer.body:
        if isinstance(part, FileRange) and entry is not None and entry.content is not None:
            for piece in entry.pieces(part):
                outbox.add(piece)
        else:
            outbox.add(part)
    return outbox
