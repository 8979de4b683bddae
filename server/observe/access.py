"""The access log: a line for each answer, in the formats that every tool reads."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Protocol

from server.loop import Loop
from server.observe.journal import Journal

MOST_KNOWN = 2048  # request lines, referers and agents: most come again
LONG_BYTES = 512  # anybody can send any number of such that are longer
LOGGED = (b"referer", b"user-agent")  # fields, in the order in which they come in a line
UNSAFE = re.compile(r"[^ !#-\[\]-~]")  # all but printable ASCII without the quote and the backslash


class AccessLog(Protocol):
    def answered(
        self, peer: str, line: bytes, fields: Mapping[bytes, bytes], status: int, body_bytes: int
    ) -> None:
        """`line` is the request line, `fields` are those of the request, or those in LOGGED."""


class LineLog:
    """common: host, date, request line, status, bytes; combined: and Referer and User-Agent."""

    def __init__(self, journal: Journal, loop: Loop, form: str) -> None:
        self._journal = journal
        self._loop = loop
        self._form = form
        self._due = False
        self._second = 0
        self._date = ""

    def answered(
        self, peer: str, line: bytes, fields: Mapping[bytes, bytes], status: int, body_bytes: int
    ) -> None:
        now = time.time()
        if int(now) != self._second:
            self._second = int(now)
            self._date = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now))
        if self._form == "json":
            text = self._as_json(peer, line, fields, status, body_bytes)
        else:
            text = f'{peer or "-"} - - [{self._date}] "{_safe(line)}" {status} {body_bytes}'
            if self._form == "combined":
                referer, agent = (_safe(fields.get(name, b"-")) for name in LOGGED)
                text += f' "{referer}" "{agent}"'
        self._journal.add(text.encode() + b"\n")
        if not self._due:
            self._due = True
            self._loop.when_patience_ends(self._flush)

    def _as_json(
        self, peer: str, line: bytes, fields: Mapping[bytes, bytes], status: int, body_bytes: int
    ) -> str:
        referer, agent = (fields.get(name, b"").decode("latin-1") for name in LOGGED)
        return json.dumps(
            {
                "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._second)),
                "remote": peer or "-",
                "request": line.decode("latin-1"),
                "status": status,
                "bytes": body_bytes,
                "referer": referer,
                "user_agent": agent,
            }
        )

    def _flush(self) -> None:
        self._due = False
        self._journal.flush()


def _safe(text: bytes) -> str:
    return _known_as_safe(text) if len(text) <= LONG_BYTES else _made_safe(text)


def _made_safe(text: bytes) -> str:
    """Nothing in a line may end it, or a quoted part of it."""
    return UNSAFE.sub(lambda match: f"\\x{ord(match[0]):02x}", text.decode("latin-1"))


_known_as_safe = lru_cache(MOST_KNOWN)(_made_safe)
