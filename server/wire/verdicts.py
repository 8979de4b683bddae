"""Verdicts that are remembered, by halves.

A verdict on the same bytes is the same verdict, and most heads have been seen before, in halves: a
browser sends the same fields with many targets, and many browsers ask for the same targets. So
request lines and blocks of fields are looked up apart. A half is only remembered from a head that
h11 has accepted as a whole, and only if nothing of what it means depends on the other half:

- the line is a GET or HEAD of HTTP/1.1 in origin-form: in HTTP/1.0 Host may be missing and
  persistence is another, an absolute-form replaces Host;
- the block has one Host and none of the fields that announce content or a change of protocol, and
  its Connection says no more than keep-alive or close.

Every other head goes to h11 each time. What is seen for the first time is only glimpsed: heads
that come once push nothing out. A line that is new above a block that is known goes to h11 with a
block of one field, which takes half as long; only if that is plain, too, is it believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, NamedTuple, TypeVar

from server.wire.heads import MOST_BYTES, Refusal, Request, verdict

MOST_HALVES = 4096  # of a kind
MOST_HALVES_BYTES = 4 * 1024 * 1024  # of a kind, with what they mean
FIELD_BYTES = 200  # that a field takes, however short it is
MOST_GLIMPSES = 16_384
LONGEST_HALF = MOST_BYTES // 2
TELLING = frozenset((b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"trailer", b"te"))
PERSISTENCE = frozenset((b"", b"keep-alive", b"close"))

SHORTEST = b"\r\nHost: a\r\n\r\n"

Meaning = TypeVar("Meaning")


class Line(NamedTuple):
    """What a request line means."""

    method: bytes
    target: bytes


class Block(NamedTuple):
    """What a block of fields means."""

    host: bytes
    fields: Mapping[bytes, bytes]
    keep_alive: bool


class Halves(Generic[Meaning]):
    """Halves of one kind, within a number and a sum of bytes; the oldest go first."""

    def __init__(self) -> None:
        self.known: dict[bytes, Meaning] = {}
        self._bytes = 0
        self._glimpsed: dict[int, None] = {}

    def learn(self, half: bytes, meaning: Meaning) -> None:
        """The second time that it is seen."""
        if half in self.known or len(half) > LONGEST_HALF:
            return
        glimpse = hash(half)  # two halves that share one are remembered sooner, and that is all
        if glimpse not in self._glimpsed:
            self._glimpsed[glimpse] = None
            if len(self._glimpsed) > MOST_GLIMPSES:
                del self._glimpsed[next(iter(self._glimpsed))]
            return
        del self._glimpsed[glimpse]
        self.known[half] = meaning
        self._bytes += _size(half)
        while len(self.known) > MOST_HALVES or self._bytes > MOST_HALVES_BYTES:
            oldest = next(iter(self.known))
            del self.known[oldest]
            self._bytes -= _size(oldest)


def _size(half: bytes) -> int:
    return len(half) + half.count(b"\r\n") * FIELD_BYTES


class Verdicts:
    """Judges heads as heads.verdict() does, and remembers."""

    def __init__(self) -> None:
        self._lines: Halves[Line] = Halves()
        self._blocks: Halves[Block] = Halves()
        self.judged = 0  # heads that went to h11
        self.read = 0  # lines that did, without their blocks

    def judge(self, head: bytes) -> Request | Refusal:
        line, _, block = head.partition(b"\r\n")
        meant = self._blocks.known.get(block)
        if meant is not None:
            asked = self._lines.known.get(line) or self._read(line)
            if asked is not None:
                return Request(asked.method, asked.target, meant.host, b"1.1", meant.fields, meant.keep_alive)
        self.judged += 1
        judged = verdict(head)
        if isinstance(judged, Request) and _is_plain(judged, line):
            self._lines.learn(line, Line(judged.method, judged.target))
            self._blocks.learn(block, Block(judged.host, judged.fields, judged.keep_alive))
        return judged

    def _read(self, line: bytes) -> Line | None:
        """What a line means that is not known, if it is a plain one."""
        self.read += 1
        judged = verdict(line + SHORTEST) if len(line) <= LONGEST_HALF else None
        if not isinstance(judged, Request) or not _is_plain(judged, line):
            return None
        meaning = Line(judged.method, judged.target)
        self._lines.learn(line, meaning)
        return meaning


def _is_plain(request: Request, line: bytes) -> bool:
    fields = request.fields
    return (
        request.version == b"1.1"
        and request.method in (b"GET", b"HEAD")
        and line == request.line  # origin-form, and nothing else in it
        and request.target.startswith(b"/")
        and bool(request.host)
        and fields.get(b"host") == request.host
        and TELLING.isdisjoint(fields)
        and fields.get(b"connection", b"").lower() in PERSISTENCE
    )
