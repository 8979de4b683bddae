"""Verdicts that are remembered, by lines.

A verdict on the same bytes is the same verdict, and most heads have been seen before, in parts: a
browser sends the same fields with many targets, and many browsers ask for the same targets. So the
request line and the lines of the fields are looked up each by itself; and what an answer depends on
is looked up by those that count, the others being as good as absent: a cookie of which there is
nothing to be said changes nothing. A line is only remembered if h11 has accepted it, in a whole head
or by itself, and what lines mean together only if nothing of it depends on what is around them:

- the request line is a GET or HEAD of HTTP/1.1 in origin-form: in HTTP/1.0 Host may be missing and
  persistence is another, an absolute-form replaces Host;
- among the fields are one Host and none of those that announce content or a change of protocol,
  and Connection says no more than keep-alive or close. h11 reads each line by itself, for none of
  them is folded.

Every other head goes to h11 each time. Lines that are new are taken apart here, and h11 is asked
whether it accepts the parts: it would have taken them apart at the same bytes, the blanks of the
line and the first colon of a field.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from server.observe.access import LOGGED, Told
from server.wire.aspect import ASPECTS, Aspect, without_query
from server.wire.fields import Field, joined
from server.wire.heads import END, MOST_BYTES, MOST_FIELDS, Refusal, Request, accepted, fault_of, verdict
from server.wire.table import Table

MOST_LINES = 4096  # of requests
MOST_FIELD_LINES = 16_384
MOST_MEANINGS = 8192
MOST_TABLE_BYTES: Final = 4 * 1024 * 1024  # of a kind, with what they mean
LINE_BYTES: Final = 200  # that a line takes, however short it is
MEANING_BYTES: Final = 600  # that a meaning takes, and eight for each line
LONGEST_LINE = MOST_BYTES // 2
LONGEST_COUNTING: Final = 512  # bytes of a line that an answer may depend on
MOST_NEW: Final = 4  # lines; of more h11 is given the whole head
TELLING: Final = frozenset(
    (b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"trailer", b"te")
)
COUNTING: Final = TELLING | ASPECTS | {b"host", b"connection"}
PERSISTENCE: Final = frozenset((b"", b"keep-alive", b"close"))


class Line:
    """What a request line means."""

    __slots__ = ("method", "path", "target", "text")

    def __init__(self, text: bytes, method: bytes, target: bytes) -> None:
        self.text = text
        self.method = method
        self.target = target
        self.path = without_query(target)


class Kind:
    """What a field line counts for. Two lines of the same kind are as good as the same line."""

    __slots__ = ("field", "name")

    def __init__(self, name: bytes, field: Field | None = None) -> None:
        self.name = name
        self.field = field  # None: no answer depends on what it says


OTHER: Final = Kind(b"")
TOLD: Final = {name: Kind(name) for name in LOGGED}


@dataclass(slots=True, eq=False)
class Meaning:
    """What the fields of a head mean that count, and where those are that are logged."""

    fields: Mapping[bytes, bytes]
    host: bytes
    keep_alive: bool
    aspect: Aspect | None
    lasting: Aspect | None  # the same, unless the connection is to end
    logged: tuple[int | None, int | None]

    def told(self, lines: Sequence[bytes]) -> Told:
        """What the log wants to know of a head."""
        referer, agent = self.logged
        return b"" if referer is None else lines[referer], b"" if agent is None else lines[agent]


# What a head means whose lines are known, and the lines of its fields.
Known = tuple[Line, Meaning, list[bytes]]


class Verdicts:
    """Judges heads as heads.verdict() does, and remembers."""

    def __init__(self) -> None:
        self._lines: Table[bytes, Line] = Table(MOST_LINES, MOST_TABLE_BYTES, _size)
        self._kinds: Table[bytes, Kind] = Table(MOST_FIELD_LINES, MOST_TABLE_BYTES, _size)
        self._meanings: Table[tuple[Kind | None, ...], Meaning] = Table(
            MOST_MEANINGS, MOST_TABLE_BYTES, _size_with_kinds
        )
        self.remembered = 0  # heads all of which was known
        self.put_together = 0  # heads of lines that were known, or nearly all
        self.judged = 0  # heads that went to h11

    def judge(self, head: bytes) -> Request | Refusal:
        """The same as heads.verdict()."""
        known = self.recall(head)
        return self.judge_anew(head) if known is None else request_of(*known)

    def recall(self, head: bytes) -> Known | None:
        """What it means, if its lines are known, or nearly all of them. Of several heads that came together
        nothing is known: no line of a head is empty."""
        lines = head.split(b"\r\n")
        line = lines.pop(0)
        if not lines or lines.pop() or not lines or lines.pop():
            return None  # it does not end as a head does
        asked = self._lines.known.get(line)
        kinds = tuple(map(self._kinds.known.get, lines))
        meaning = self._meanings.known.get(kinds)
        if asked is not None and meaning is not None:
            self.remembered += 1
            return asked, meaning, lines
        if meaning is None:
            return None if b"" in lines else self._put_together(line, asked, lines, kinds)
        asked = _plain_line(line)
        if asked is None:
            return None
        self._learn_line(line, asked)
        self.put_together += 1
        return asked, meaning, lines

    def judge_anew(self, head: bytes) -> Request | Refusal:
        """By h11, all of it."""
        self.judged += 1
        judged = verdict(head)
        line, *lines = head[: -len(END)].split(b"\r\n")
        if isinstance(judged, Request) and _is_plain(judged, line):
            fields = list(map(Field.of, lines))
            if joined(fields) == judged.fields:
                self._learn_line(line, Line(line, judged.method, judged.target))
                self._learn_kinds(zip(lines, map(_kind, fields), strict=True))
        return judged

    def _put_together(
        self, line: bytes, asked: Line | None, lines: list[bytes], kinds: tuple[Kind | None, ...]
    ) -> Known | None:
        """What a head means whose fields have not been seen together, or not all of them."""
        new = {text: Field.of(text) for text, kind in zip(lines, kinds, strict=True) if kind is None}
        if len(lines) > MOST_FIELDS or len(new) > MOST_NEW or 2 * len(new) > len(lines):
            return None
        if new:
            asked = _read(line, new)
        elif asked is None:
            asked = _plain_line(line)
        if asked is None:
            return None
        if new:
            seen = {text: _kind(field) for text, field in new.items()}
            self._learn_kinds(seen.items())
            kinds = tuple([kind or seen[text] for text, kind in zip(lines, kinds, strict=True)])
        meaning = self._meanings.known.get(kinds)
        if meaning is None:
            meaning = _meaning([kind for kind in kinds if kind is not None])
            if meaning is None:
                return None
            if not any(field.name in COUNTING for field in new.values()):  # there may be no end of those
                self._meanings.learn(kinds, meaning)
        self._learn_line(line, asked)
        self.put_together += 1
        return asked, meaning, lines

    def _learn_line(self, line: bytes, asked: Line) -> None:
        if len(line) <= LONGEST_LINE:
            self._lines.learn(line, asked)

    def _learn_kinds(self, lines: Iterable[tuple[bytes, Kind]]) -> None:
        for text, kind in lines:
            if len(text) <= (LONGEST_LINE if kind.field is None else LONGEST_COUNTING):
                self._kinds.learn(text, kind)


def request_of(asked: Line, meaning: Meaning, lines: Sequence[bytes]) -> Request:
    """The whole of it."""
    return Request(
        asked.method,
        asked.target,
        meaning.host,
        b"1.1",
        meaning.keep_alive,
        meaning.aspect,
        meaning.fields,
        lines,
    )


def _size(line: bytes, _: Line | Kind) -> int:
    """It is kept as it came, and what it means besides, in up to two pieces."""
    return 3 * len(line) + LINE_BYTES


def _size_with_kinds(kinds: tuple[Kind | None, ...], _: Meaning) -> int:
    """It keeps the kinds alive, also those whose lines are forgotten."""
    counting = [kind.field for kind in kinds if kind is not None and kind.field is not None]
    return MEANING_BYTES + 8 * len(kinds) + sum(LINE_BYTES + len(field.value) for field in counting)


def _kind(field: Field) -> Kind:
    return Kind(field.name, field) if field.name in COUNTING else TOLD.get(field.name, OTHER)


def _meaning(kinds: Sequence[Kind]) -> Meaning | None:
    """What lines mean together that are in order by themselves; None if that is not plain."""
    names = [kind.name for kind in kinds]
    if any(names.count(name) > 1 for name in (b"host", *LOGGED)):
        return None
    fields = joined([kind.field for kind in kinds if kind.field is not None])
    host = fields.get(b"host")
    if not host or not _are_plain(fields):
        return None
    referer, agent = (names.index(name) if name in names else None for name in LOGGED)
    keep_alive = fields.get(b"connection", b"").lower() != b"close"
    aspect = Aspect.of(host, fields)
    return Meaning(fields, host, keep_alive, aspect, aspect if keep_alive else None, (referer, agent))


def _plain_line(line: bytes) -> Line | None:
    """What a request line means that is new, if it is plain."""
    parts = _parts(line) if len(line) <= LONGEST_LINE else None
    return Line(line, *parts) if parts is not None and accepted(*parts, ()) else None


def _read(line: bytes, new: Mapping[bytes, Field]) -> Line | None:
    """What a request line means that stands above fields that are new, if all of these are in order by
    themselves, and plain."""
    if len(line) > LONGEST_LINE or fault_of(b"\r\n".join((line, *new, b""))):
        return None
    parts = _parts(line)
    if parts is None or not all(b":" in text for text in new) or not _are_plain(joined(new.values())):
        return None
    return Line(line, *parts) if accepted(*parts, new.values()) else None


def _parts(line: bytes) -> tuple[bytes, bytes] | None:
    """Method and target of a plain request line, in origin-form and with nothing else in it."""
    method, _, rest = line.partition(b" ")
    target, _, version = rest.partition(b" ")
    if method not in (b"GET", b"HEAD") or version != b"HTTP/1.1":
        return None
    return (method, target) if target.startswith(b"/") and target.find(b"#") < 0 else None


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
