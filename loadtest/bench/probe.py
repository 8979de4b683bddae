"""The comparison before the measurement: that an answer is the file that was asked for, whole and right."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from loadtest.bench.site import CODINGS

PATIENCE_SECONDS = 20.0
CONDITIONS = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
Conditions = tuple[tuple[str, str], ...]


class Wrong(RuntimeError):
    """An answer is not what it should be."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    fields: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def conditions(self) -> Conditions:
        """What a browser that has this answer asks with, to see whether it is still so."""
        return tuple(
            (name, value)
            for field, name in CONDITIONS.items()
            if (value := self.fields.get(field)) is not None
        )


class Asker:
    """One client on one connection, which is made again when the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._sock: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._leave()

    def ask(self, head: bytes) -> Answer:
        if self._sock is None:
            self._sock = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE_SECONDS)
        self._sock.sendall(head)
        return self._answer()

    def ask_at_once(self, heads: bytes, number: int) -> list[Answer]:
        """Several requests in one piece."""
        with socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE_SECONDS) as sock:
            sock.sendall(heads)
            with sock.makefile("rb") as stream:
                return [_read(stream) for _ in range(number)]

    def _answer(self) -> Answer:
        assert self._sock is not None
        response = HTTPResponse(self._sock, method="GET")
        try:
            response.begin()
            body = response.read()
        except (HTTPException, OSError) as error:
            self._leave()
            raise Wrong(f"no whole answer: {type(error).__name__}: {error}") from None
        fields = {name.lower(): value for name, value in response.getheaders()}
        if response.will_close:
            self._leave()
        return Answer(response.status, fields, body)

    def _leave(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None


def compare(root: Path, target: str, answer: Answer) -> None:
    """Against the file, or its sidecar in the coding that the answer says it has."""
    path = root / target.partition("?")[0].lstrip("/")
    coding = answer.fields.get("content-encoding", "")
    if coding and coding not in CODINGS:
        raise Wrong(f"{target} came in the coding {coding}, in which it is not there")
    whole = path.with_name(path.name + CODINGS.get(coding, "")).read_bytes()
    if answer.status != 200:
        raise Wrong(f"{target} was answered with {answer.status}")
    if (length := answer.fields.get("content-length")) is not None and int(length) != len(whole):
        raise Wrong(f"{target} was said to have {length} bytes, and has {len(whole)}")
    if answer.body != whole:
        raise Wrong(f"{target} came with other bytes")


def compare_all(port: int, root: Path, heads: Iterable[tuple[str, bytes]]) -> list[Answer]:
    """The answers to heads for targets, all of them right."""
    answers = []
    with Asker(port) as asker:
        for target, head in heads:
            answers.append(asker.ask(head))
            compare(root, target, answers[-1])
    return answers


def _read(stream: BinaryIO) -> Answer:
    """One answer of several on a connection."""
    line = stream.readline()
    if not line.startswith(b"HTTP/1."):
        raise Wrong(f"not an answer, when several requests came at once: {line[:40]!r}")
    fields = {}
    while (field := stream.readline().rstrip()) != b"":
        name, _, value = field.decode("latin-1").partition(":")
        fields[name.lower()] = value.strip()
    if fields.get("transfer-encoding") == "chunked":
        body = b"".join(iter(lambda: _chunk(stream), b""))
    else:
        body = stream.read(int(fields.get("content-length", 0)))
    return Answer(int(line.split()[1]), fields, body)


def _chunk(stream: BinaryIO) -> bytes:
    body = stream.read(int(stream.readline().partition(b";")[0] or b"0", 16))
    stream.readline()
    return body
