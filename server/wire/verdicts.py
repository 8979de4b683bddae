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

Every other head goes to h11 each time. Lines that are new are taken apart here, and h11 is asked
whether it accepts the parts: it would have taken them apart at the same bytes, the blanks of the
line and the first colon of a field.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from server.wire.aspect import ASPECTS, Aspect, without_query
from server.wire.heads import END, MOST_BYTES, MOST_FIELDS, Refusal, Request, accepted, fault_of, verdict
from server.wire.table import Table

MOST_HALVES = 4096  # of a kind
MOST_FIELD_LINES = 8192
MOST_TABLE_BYTES = 4 * 1024 * 1024  # of a kind, with what they mean
FIELD_BYTES = 200  # that a field takes, however short it is
LONGEST_HALF = MOST_BYTES // 2
LONGEST_COUNTING = 512  # bytes of a line that an answer may depend on
MOST_COUNTING = 12  # such lines of a block whose meaning is remembered
MOST_MEANINGS = 512
MOST_NEW = 4  # lines; of more h11 is given the whole head
TELLING = frozenset((b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"trailer", b"te"))
COUNTING = TELLING | ASPECTS | {b"host", b"connection"}
PERSISTENCE = frozenset((b"", b"keep-alive", b"close"))


class Line:
    """What a request line means."""

    __slots__ = ("method", "path", "target")

    def __init__(self, method: bytes, target: bytes) -> None:
        self.method = method
        self.target = target
        self.path = without_query(target)


class Field:
    """What a field line means."""

    __slots__ = ("counts", "name", "value")

    def __init__(self, text: bytes) -> None:
        """RFC 9112 section 5, of a line that is believed only if h11 accepts it."""
        name, _, value = text.partition(b":")
        self.name = name.lower()
        self.value = value.strip(b" \t")
        self.counts = self.name in COUNTING  # whether an answer may depend on it


@dataclass(slots=True, eq=False)
class Meaning:
    """What those fields of a block mean that count."""

    host: bytes
    keep_alive: bool
    aspect: Aspect | None


@dataclass(slots=True, eq=False)
class Block:
    """What a block of fields means."""

    meaning: Meaning
    lines: Sequence[Field]

    def below(self, line: Line) -> Request:
        """The two together."""
        host, keep_alive, aspect = self.meaning.host, self.meaning.keep_alive, self.meaning.aspect
        return Request(line.method, line.target, host, b"1.1", _joined(self.lines), keep_alive, aspect)


class Verdicts:
    """Judges heads as heads.verdict() does, and remembers."""

    def __init__(self) -> None:
        self._lines: Table[bytes, Line] = Table(MOST_HALVES, MOST_TABLE_BYTES, _size)
        self._blocks: Table[bytes, Block] = Table(MOST_HALVES, MOST_TABLE_BYTES, _size)
        self._fields: Table[bytes, Field] = Table(MOST_FIELD_LINES, MOST_TABLE_BYTES, _size)
        self.remembered = 0  # heads both of whose halves were known
        self.put_together = 0  # heads that were known by their lines, or nearly
        self.judged = 0  # heads that went to h11

    def judge(self, head: bytes) -> Request | Refusal:
        """The same as heads.verdict()."""
        halves = self.recall(head)
        if halves is not None:
            line, block = halves
            return block.below(line)
        return self.judge_anew(head)

    def recall(self, head: bytes) -> tuple[Line, Block] | None:
        """What both halves of it mean, if they are known or can be put together."""
        line, _, block = head.partition(b"\r\n")
        half = self._blocks.known.get(block)
        if half is not None and (asked := self._lines.known.get(line)) is not None:
            self.remembered += 1
            return asked, half
        return self._put_together(line, block, half)

    def judge_anew(self, head: bytes) -> Request | Refusal:
        """By h11, all of it."""
        self.judged += 1
        judged = verdict(head)
        line, _, block = head.partition(b"\r\n")
        if isinstance(judged, Request) and _is_plain(judged, line):
            lines = block[: -len(END)].split(b"\r\n")
            fields = list(map(Field, lines))
            if _joined(fields) == judged.fields:
                self._learn_fields(zip(lines, fields, strict=True))
                half = Block(Meaning(judged.host, judged.keep_alive, judged.aspect), fields)
                self._learn(line, Line(judged.method, judged.target), block, half)
        return judged

    def _put_together(self, line: bytes, block: bytes, half: Block | None) -> tuple[Line, Block] | None:
        """What a head means that has been seen before in pieces, or all but a few of them."""
        asked = self._lines.known.get(line)
        fields: list[Any] = []  # Field, as soon as all are known
        new: dict[bytes, Field] = {}
        if half is None:
            lines = block[: -len(END)].split(b"\r\n")
            fields = list(map(self._fields.known.get, lines))
            if None in fields:
                new = {text: Field(text) for text, field in zip(lines, fields, strict=True) if field is None}
                fields = [field or new[text] for text, field in zip(lines, fields, strict=True)]
            if len(lines) > MOST_FIELDS or len(new) > MOST_NEW or 2 * len(new) > len(lines):
                return None
        if (new or asked is None) and (asked := self._read(line, new)) is None:
            return None
        if half is None:
            counting = tuple([field for field in fields if field.counts])
            # Of what is new, or much, there is no end: that is worked out each time.
            endless = len(counting) > MOST_COUNTING or (new and any(field.counts for field in new.values()))
            meaning = _meaning.__wrapped__(counting) if endless else _meaning(counting)
            if meaning is None:
                return None
            half = Block(meaning, fields)
        self.put_together += 1
        self._learn(line, asked, block, half)
        return asked, half

    def _read(self, line: bytes, new: Mapping[bytes, Field]) -> Line | None:
        """What a request line means that is new, or stands above fields that are, if all of these
        are in order by themselves, and plain."""
        if len(line) > LONGEST_HALF or fault_of(b"\r\n".join((line, *new, b""))):
            return None
        parts = _parts(line)
        if parts is None or not all(b":" in text for text in new) or not _are_plain(_joined(new.values())):
            return None
        if not accepted(*parts, [(field.name, field.value) for field in new.values()]):
            return None
        self._learn_fields(new.items())
        return Line(*parts)

    def _learn(self, line: bytes, asked: Line, block: bytes, half: Block) -> None:
        if len(line) <= LONGEST_HALF:
            self._lines.learn(line, asked)
        if len(block) <= LONGEST_HALF:
            self._blocks.learn(block, half)

    def _learn_fields(self, lines: Iterable[tuple[bytes, Field]]) -> None:
        for text, field in lines:
            if len(text) <= (LONGEST_COUNTING if field.counts else LONGEST_HALF):
                self._fields.learn(text, field)


def _size(part: bytes, meaning: Line | Field | Block) -> int:
    """It is kept as it came, and what it means besides, in up to two pieces."""
    lines = len(meaning.lines) if isinstance(meaning, Block) else 1
    return 3 * len(part) + (1 + lines) * FIELD_BYTES


def _joined(lines: Iterable[Field]) -> dict[bytes, bytes]:
    """The fields by name, those of one name as one (RFC 9110 section 5.3)."""
    fields: dict[bytes, bytes] = {}
    for line in lines:
        name, value = line.name, line.value
        fields[name] = fields[name] + b", " + value if name in fields else value
    return fields


@lru_cache(MOST_MEANINGS)
def _meaning(counting: tuple[Field, ...]) -> Meaning | None:
    """What lines mean together that are in order by themselves; None if that is not plain."""
    fields = _joined(counting)
    host = fields.get(b"host")
    if not host or [line.name for line in counting].count(b"host") > 1 or not _are_plain(fields):
        return None
    return Meaning(host, fields.get(b"connection", b"").lower() != b"close", Aspect.of(host, fields))


def _parts(line: bytes) -> tuple[bytes, bytes] | None:
    """Method and target of a plain request line, in origin-form and with nothing else in it."""
    method, _, rest = line.partition(b" ")
    target, _, version = rest.partition(b" ")
    if method not in (b"GET", b"HEAD") or version != b"HTTP/1.1":
        return None
    return (method, target) if target.startswith(b"/") and b"#" not in target else None


def _is_plain(request: Request, line: bytes) -> bool:
    return (
        _parts(line) == (request.method, request.target)
        and request.version == b"1.1"
        and bool(request.host)
        and request.fields.get(b"host") == request.host
        and _are_plain(request.fields)
    )


def _are_plain(fields: Mapping[bytes, bytes]) -> bool:
    return TELLING.isdisjoint(fields) and fields.get(b"connection", b"").lower() in PERSISTENCE
