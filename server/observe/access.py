"""The access log: a line for each answer, in the formats that every tool reads."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from server.loop import Loop
from server.observe.journal import Journal

MOST_KNOWN = 2048  # request lines, and as many lines of fields: most come again
LONG_BYTES = 512  # anybody can send any number of such that are longer
LOGGED = (b"referer", b"user-agent")  # fields, in the order in which they come in a line
UNSAFE = re.compile(r"[^ !#-\[\]-~]")  # all but printable ASCII without the quote and the backslash

Told = tuple[bytes, bytes]  # the lines of the fields LOGGED, as they came; empty for those that did not


class AccessLog(Protocol):
    def answered(self, peer: str, line: bytes, told: Told, status: int, body_bytes: int) -> None:
        """`line` is the request line."""


def told_by(fields: Mapping[bytes, bytes]) -> Told:
    referer, agent = (b"%b:%b" % (name, fields[name]) if name in fields else b"" for name in LOGGED)
    return referer, agent


class LineLog:
    """common: host, date, request line, status, bytes; combined: and Referer and User-Agent."""

    def __init__(self, journal: Journal, loop: Loop, form: str) -> None:
        self._journal = journal
        self._loop = loop
        self._form = form
        self._due = False
        self._dated_at = 0.0
        self._second = 0
        self._date = ""
        self._lines = Texts(_safe)
        self._values = Texts(lambda line: _safe(_value(line) if line else b"-"))

    def answered(self, peer: str, line: bytes, told: Told, status: int, body_bytes: int) -> None:
        if self._dated_at != self._loop.now:
            self._look_at_the_clock()
        if self._form == "json":
            text = self._as_json(peer, line, told, status, body_bytes)
        else:
            seen = ""
            if self._form == "combined":
                referer, agent = told
                seen = f' "{self._values[referer]}" "{self._values[agent]}"'
            asked = self._lines[line]
            # int(): to write a member of an enumeration takes as long as all the rest.
            text = f'{peer or "-"} - - [{self._date}] "{asked}" {int(status)} {body_bytes}{seen}\n'
        self._journal.add(text)
        if not self._due:
            self._due = True
            self._loop.when_patience_ends(self._flush)

    def _look_at_the_clock(self) -> None:
        self._dated_at = self._loop.now
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._date = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(second))

    def _as_json(self, peer: str, line: bytes, told: Told, status: int, body_bytes: int) -> str:
        referer, agent = (_value(field).decode("latin-1") for field in told)
        facts = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._second)),
            "remote": peer or "-",
            "request": line.decode("latin-1"),
            "status": status,
            "bytes": body_bytes,
            "referer": referer,
            "user_agent": agent,
        }
        return json.dumps(facts) + "\n"

    def _flush(self) -> None:
        self._due = False
        self._journal.flush()


class Texts(dict[bytes, str]):
    """What is written for bytes, made once for those that come again."""

    def __init__(self, make: Callable[[bytes], str]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, said: bytes) -> str:
        text = self._make(said)
        if len(said) <= LONG_BYTES:
            if len(self) >= MOST_KNOWN:
                self.clear()
            self[said] = text
        return text


def _value(line: bytes) -> bytes:
    return line.partition(b":")[2].strip(b" \t")


def _safe(text: bytes) -> str:
    """Nothing in a line may end it, or a quoted part of it."""
    return UNSAFE.sub(lambda match: f"\\x{ord(match[0]):02x}", text.decode("latin-1"))
