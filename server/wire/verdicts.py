"""Verdicts that are remembered, by halves and by lines.

A verdict on the same bytes is the same verdict, and most heads have been seen before, in parts: a
browser sends the same fields with many targets, and many browsers ask for the same targets. So
request lines and blocks of fields are looked up apart; and where a block is new, its lines, for
most of them are not. A part is only remembered from a head that h11 has accepted as a whole, and
only if nothing of what it means depends on the others:

- the line is a GET or HEAD of HTTP/1.1 in origin-form: in HTTP/1.0 Host may be missing and
  persistence is another, an absolute-form replaces Host;
- the block has one Host and none of the fields that announce content or a change of protocol, and
  its Connection says no more than keep-alive or close. This is asked of a block that is put
  together from lines, too: h11 reads each line by itself, for none of them is folded.

Every other head goes to h11 each time. Lines that are new go to h11 in a head of their own, which
is shorter; only if that is plain, too, are they believed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from server.wire.aspect import Aspect
from server.wire.heads import END, MOST_BYTES, MOST_FIELDS, Refusal, Request, verdict
from server.wire.table import Table

MOST_HALVES = 4096  # of a kind
MOST_FIELD_LINES = 8192
MOST_TABLE_BYTES = 4 * 1024 * 1024  # of a kind, with what they mean
FIELD_BYTES = 200  # that a field takes, however short it is
LONGEST_HALF = MOST_BYTES // 2
MOST_NEW = 4  # lines that are worth a head of their own
TELLING = frozenset((b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"trailer", b"te"))
PERSISTENCE = frozenset((b"", b"keep-alive", b"close"))

HOST = b"\r\nHost: a"


class Line(NamedTuple):
    """What a request line means."""

    method: bytes
    target: bytes


class Field(NamedTuple):
    """What a field line means."""

    name: bytes  # in lower case
    value: bytes


class Block(NamedTuple):
    """What a block of fields means."""

    host: bytes
    fields: Mapping[bytes, bytes]
    keep_alive: bool
    aspect: Aspect | None


class Verdicts:
    """Judges heads as heads.verdict() does, and remembers."""

    def __init__(self) -> None:
        self._lines: Table[bytes, Line] = Table(MOST_HALVES, MOST_TABLE_BYTES, _size)
        self._blocks: Table[bytes, Block] = Table(MOST_HALVES, MOST_TABLE_BYTES, _size)
        self._fields: Table[bytes, Field] = Table(MOST_FIELD_LINES, MOST_TABLE_BYTES, _size)
        self.remembered = 0  # heads both of whose halves were known
        self.put_together = 0  # heads that were known by their lines, or nearly
        self.judged = 0  # heads that went to h11

    def recall(self, head: bytes) -> Request | None:
        """The request that it is, if both halves are known."""
        line, _, block = head.partition(b"\r\n")
        meant = self._blocks.known.get(block)
        asked = self._lines.known.get(line)
        if meant is None or asked is None:
            return None
        self.remembered += 1
        return Request(
            asked.method, asked.target, meant.host, b"1.1", meant.fields, meant.keep_alive, meant.aspect
        )

    def judge(self, head: bytes) -> Request | Refusal:
        line, _, block = head.partition(b"\r\n")
        request = self.recall(head) or self._put_together(line, block)
        if request is not None:
            return request
        self.judged += 1
        judged = verdict(head)
        if isinstance(judged, Request) and _is_plain(judged, line):
            lines = block[: -len(END)].split(b"\r\n")
            fields = list(map(_field, lines))
            if _joined(fields) == judged.fields:
                for text, field in zip(lines, fields, strict=True):
                    self._learn_field(text, field)
            self._learn(line, block, judged)
        return judged

    def _put_together(self, line: bytes, block: bytes) -> Request | None:
        """The request that a head is which has been seen before in pieces, or all but a few."""
        asked = self._lines.known.get(line)
        half = self._blocks.known.get(block)
        lines = block[: -len(END)].split(b"\r\n") if half is None else []
        known = self._fields.known
        new = [text for text in lines if text not in known]
        if len(lines) > MOST_FIELDS or len(new) > MOST_NEW or len(line) > LONGEST_HALF:
            return None
        if new and 2 * len(new) > len(lines):
            return None
        if asked is None or new:
            asked = self._read(line, new)
            if asked is None:
                return None
        if half is None:
            fields = [known.get(text) or _field(text) for text in lines]
            if sum(field.name == b"host" for field in fields) != 1:
                return None
            request = Request.of(asked.method, asked.target, _joined(fields))
            if not _is_plain(request, line):
                return None
        else:
            request = Request(
                asked.method, asked.target, half.host, b"1.1", half.fields, half.keep_alive, half.aspect
            )
        self.put_together += 1
        self._learn(line, block, request)
        return request

    def _read(self, line: bytes, new: Sequence[bytes]) -> Line | None:
        """What a request line means that is new, or stands above fields that are, by h11's
        judgement of just these."""
        judged = verdict(b"".join((line, HOST, *(b"\r\n" + text for text in new), END)))
        if not isinstance(judged, Request) or not _is_plain(judged, line):
            return None
        fields = list(map(_field, new))
        if _joined([Field(b"host", b"a"), *fields]) != judged.fields:
            return None
        for text, field in zip(new, fields, strict=True):
            self._learn_field(text, field)
        return Line(judged.method, judged.target)

    def _learn(self, line: bytes, block: bytes, request: Request) -> None:
        if len(line) <= LONGEST_HALF:
            self._lines.learn(line, Line(request.method, request.target))
        if len(block) <= LONGEST_HALF:
            block_meaning = Block(request.host, request.fields, request.keep_alive, request.aspect)
            self._blocks.learn(block, block_meaning)

    def _learn_field(self, text: bytes, field: Field) -> None:
        if len(text) <= LONGEST_HALF:
            self._fields.learn(text, field)


def _size(part: bytes) -> int:
    return len(part) + (1 + part.count(b"\r\n")) * FIELD_BYTES


def _field(text: bytes) -> Field:
    """RFC 9112 section 5, of a line that h11 has accepted, or is about to judge."""
    name, _, value = text.partition(b":")
    return Field(name.lower(), value.strip(b" \t"))


def _joined(lines: Sequence[Field]) -> dict[bytes, bytes]:
    """The fields by name, those of one name as one (RFC 9110 section 5.3)."""
    fields: dict[bytes, bytes] = {}
    for name, value in lines:
        fields[name] = fields[name] + b", " + value if name in fields else value
    return fields


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
