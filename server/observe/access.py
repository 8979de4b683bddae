"""The access log: a line for each answer, in the formats that every tool reads."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sized
from typing import Final, NamedTuple, Protocol, TypeVar

from server.loop import Loop
from server.observe.journal import Journal

Key = TypeVar("Key", bound=Sized)

MOST_KNOWN: Final = 2048  # request lines, and as many lines of fields: most come again
LONG_BYTES: Final = 512  # anybody can send any number of such that are longer
LOGGED: Final = (b"referer", b"user-agent")  # fields, in the order in which they come in a line
UNSAFE: Final = re.compile(rb"[^ !#-\[\]-~]")  # all but printable ASCII without the quote and the backslash

Told = tuple[bytes, bytes]  # the lines of the fields LOGGED, as they came; empty for those that did not


class Said(NamedTuple):
    """What was answered, and how it is written."""

    status: int
    body_bytes: int  # that have left
    text: bytes

    @classmethod
    def of(cls, status: int, body_bytes: int) -> Said:
        return cls(status, body_bytes, b"%d %d" % (status, body_bytes))


class AccessLog(Protocol):
    def answered(self, peer: str, line: bytes, told: Told, said: Said) -> None:
        """`line` is the request line."""


def told_by(fields: Mapping[bytes, bytes]) -> Told:
    referer, agent = (b"%b:%b" % (name, fields[name]) if name in fields else b"" for name in LOGGED)
    return referer, agent


class LineLog:
    """common: host, date, request line, status, bytes; combined: and Referer and User-Agent.

    Nothing is put together for a line: it is of pieces that come again, and the journal joins them."""

    def __init__(self, journal: Journal, loop: Loop, form: str) -> None:
        self._journal = journal
        self._loop = loop
        self._form = form
        self._due = False
        self._dated_at = 0.0
        self._second = 0
        self._date = b""
        self._beginnings: Texts[str] = Texts(self._beginning)
        self._lines: Texts[bytes] = Texts(lambda line: _safe(line) + b'" ')
        self._referers: Texts[bytes] = Texts(lambda line: b" %b " % _quoted(line))
        self._agents: Texts[bytes] = Texts(lambda line: b"%b\n" % _quoted(line))

    def answered(self, peer: str, line: bytes, told: Told, said: Said) -> None:
        if self._dated_at != self._loop.now:
            self._look_at_the_clock()
        if self._form == "combined":
            referer, agent = self._referers[told[0]], self._agents[told[1]]
            self._journal.add((self._beginnings[peer], self._lines[line], said.text, referer, agent))
        elif self._form == "json":
            self._journal.add((self._as_json(peer, line, told, said),))
        else:
            self._journal.add((self._beginnings[peer], self._lines[line], said.text, b"\n"))
        if not self._due:
            self._due = True
            self._loop.when_patience_ends(self._flush)

    def _look_at_the_clock(self) -> None:
        self._dated_at = self._loop.now
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._date = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(second)).encode()
            self._beginnings.clear()

    def _beginning(self, peer: str) -> bytes:
        return b'%b - - [%b] "' % (peer.encode() or b"-", self._date)

    def _as_json(self, peer: str, line: bytes, told: Told, said: Said) -> bytes:
        referer, agent = (_value(field).decode("latin-1") for field in told)
        facts = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._second)),
            "remote": peer or "-",
            "request": line.decode("latin-1"),
            "status": said.status,
            "bytes": said.body_bytes,
            "referer": referer,
            "user_agent": agent,
        }
        return json.dumps(facts).encode() + b"\n"

    def _flush(self) -> None:
        self._due = False
        self._journal.flush()


class Texts(dict[Key, bytes]):
    """What is written for something, made once for what comes again."""

    def __init__(self, make: Callable[[Key], bytes]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, said: Key) -> bytes:
        text = self._make(said)
        if len(said) <= LONG_BYTES:
            if len(self) >= MOST_KNOWN:
                self.clear()
            self[said] = text
        return text


def _value(line: bytes) -> bytes:
    return line.partition(b":")[2].strip(b" \t")


def _quoted(line: bytes) -> bytes:
    """What a field line says."""
    return b'"%b"' % _safe(_value(line) if line else b"-")


def _safe(text: bytes) -> bytes:
    """Nothing in a line may end it, or a quoted part of it."""
    return UNSAFE.sub(lambda match: b"\\x%02x" % ord(match[0]), text)
