"""What a server remembers changes none of its answers: one that remembers and one that forgets everything
are sent the same, however it is mutated, recombined and cut, and give the same bytes but for the date.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rig.client import Client
from tests.rig.files import noise, write
from tests.rig.server import Server, serving
from tests.wire.test_raw_requests import cases

YESTERDAY = 1_795_000_000  # a tag of what is younger is weak, and then it is not
FORGETS = {
    "server.wire.verdicts:MOST_LINES": 0,
    "server.wire.verdicts:MOST_FIELD_LINES": 0,
    "server.wire.verdicts:MOST_MEANINGS": 0,
    "server.wire.recall:MOST_REPLIES": 0,
    "server.wire.express:MOST_SHORT": 0,
}
# Longer heads are looked up in another way: as low as this, both ways are gone.
REMEMBERS = {"server.wire.express:SHORT_HEAD": 60}
CONFIG = """
root = "site"
listing = true
[[rule]]
path = "/cors/**"
cors = ["https://a.example"]
[[rule]]
path = "/shut/**"
deny = ["127.0.0.0/8"]
[[site]]
hosts = ["other.example"]
root = "other"
spa = true
"""
DATE = re.compile(rb"\r\nDate: [^\r]*")
LINES = [
    b"GET / HTTP/1.1",
    b"HEAD / HTTP/1.1",
    b"GET /index HTTP/1.1",
    b"GET /app.js HTTP/1.1",
    b"HEAD /app.js HTTP/1.1",
    b"GET /block.bin HTTP/1.1",
    b"GET /large.bin HTTP/1.1",
    b"GET /folder/ HTTP/1.1",
    b"GET /cors/a.json HTTP/1.1",
    b"GET /shut/a.html HTTP/1.1",
    b"GET /missing?a=b HTTP/1.1",
    b"GET http://other.example/ HTTP/1.1",
    b"GET /%2e%2e/x HTTP/1.1",
    b"GET / HTTP/1.0",
    b"GET / HTTP/1.2",
    b"POST / HTTP/1.1",
    b"OPTIONS * HTTP/1.1",
    b"GET /a#b HTTP/1.1",
    b"GET /a b HTTP/1.1",
    b"GET  / HTTP/1.1",
    b"GET / HTTP/1.1 ",
    b"GET /\xe9 HTTP/1.1",
    b"G\xe9T / HTTP/1.1",
]
FIELDS = [
    b"Host: a.example",
    b"Host: other.example",
    b"host:a.example",
    b"Host: a.example",  # more often than others: without one all is refused
    b"Accept: */*",
    b"Accept: text/html",
    b"Accept: application/json",
    b"Accept-Encoding: gzip, br",
    b"Accept-Encoding: identity;q=0",
    b"Sec-Fetch-Dest: document",
    b"Origin: https://a.example",
    b"Cookie: a=b",
    b"Connection: close",
    b"Connection: keep-alive",
    b"If-None-Match: *",
    b"If-Modified-Since: Sun, 15 Nov 2026 00:00:00 GMT",
    b"If-Match: *",
    b"Range: bytes=1-3",
    b"Content-Length: 0",
    b"Content-Length: 3",
    b"Transfer-Encoding: chunked",
    b"Expect: 100-continue",
    b" folded",
    b"X : y",
    b"X: \x01",
    b"X: \xe9",
    b"no colon",
    b"nocolon",
    b": no name",
    b"X:",
    b"X:y: z\t",
]
# What hides a second message, and looks whole to whoever counts events.
SMUGGLING = [
    b"GET / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a.example\n\nGET /app.js HTTP/1.1\r\nHost: a.example\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nGET /",
    b"GET / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    folder = tmp_path_factory.mktemp("folder")
    for name, content in {
        "site/index.html": b"<!doctype html><title>home</title>\n",
        "site/app.js": noise(5000),
        "site/app.js.gz": b"in gzip",
        "site/block.bin": noise(200_000),
        "site/large.bin": noise(600_000),
        "site/folder/a.txt": b"a",
        "site/cors/a.json": b"{}",
        "site/shut/a.html": b"shut",
        "other/index.html": b"other",
    }.items():
        write(folder / name, content)
    for path in folder.rglob("*"):
        os.utime(path, (YESTERDAY, YESTERDAY))
    (folder / "headrace.toml").write_text(CONFIG)
    start = partial(serving, None, cwd=folder, environment={"PYTHONPATH": os.getcwd()})
    with start(rig={"constants": REMEMBERS}) as remembering, start(rig={"constants": FORGETS}) as forgetful:
        yield remembering, forgetful
        assert remembering.state()["replies_recalled"] > 0
        state = forgetful.state()
        assert state["replies_recalled"] == state["heads_remembered"] == 0


def answers(server: Server, data: bytes, cuts: list[int]) -> bytes:
    """All that is answered to these bytes, which come in pieces, and then nothing more."""
    edges = [0, *sorted(cuts), len(data)]
    with Client(server.port) as client:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before all of it has come
            for start, end in pairwise(edges):
                client.send(data[start:end])
            client.shut()
        return DATE.sub(b"", client.rest_or_reset())


HEADS = st.builds(
    lambda line, fields: b"\r\n".join((line, *fields, b"", b"")),
    st.sampled_from(LINES),
    st.lists(st.sampled_from(FIELDS), max_size=6),
)
PLAIN = st.builds(
    lambda line, fields: b"\r\n".join((line, b"Host: a.example", *fields, b"", b"")),
    st.sampled_from(LINES[:11]),
    st.lists(st.sampled_from(FIELDS[4:17]), max_size=4, unique=True),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    head = bytearray(draw(HEADS))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(head) - 1))
        head[at : at + draw(st.integers(0, 1))] = draw(st.binary(max_size=1))
        if not head:
            break
    return bytes(head)


BUFFERS = st.lists(
    st.one_of(PLAIN, PLAIN, PLAIN, HEADS, mutated(), st.sampled_from(SMUGGLING)), min_size=1, max_size=6
).map(b"".join)


def test_every_line_above_the_block_of_a_browser(servers: tuple[Server, Server]) -> None:
    fields = [b"Host: a.example", b"Accept: */*", b"Accept-Encoding: gzip, br", b"Cookie: " + b"a=b; " * 60]
    heads = [b"\r\n".join((line, *fields, b"", b"")) for line in LINES]
    expected = [answers(servers[1], head, []) for head in heads]
    for _ in range(6):  # until all is known that can be
        assert [answers(servers[0], head, []) for head in heads] == expected
        for head, answer in zip(heads, expected, strict=True):
            if answer.startswith(b"HTTP/1.1 200"):
                assert answers(servers[0], head * 3, []) == answers(servers[1], head * 3, [])


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(BUFFERS, min_size=1, max_size=3), st.data())
def test_at_random(servers: tuple[Server, Server], buffers: list[bytes], data: st.DataObject) -> None:
    for buffer in buffers:
        cuts = data.draw(st.lists(st.integers(0, len(buffer)), max_size=4))
        expected = answers(servers[1], buffer, cuts)
        for _ in range(3):  # seen, glimpsed, remembered
            assert answers(servers[0], buffer, cuts) == expected
        assert answers(servers[0], buffer, []) == answers(servers[1], buffer, [])


@pytest.mark.parametrize("smuggled", SMUGGLING)
def test_what_hides_a_second_message(servers: tuple[Server, Server], smuggled: bytes) -> None:
    plain = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
    expected = answers(servers[1], plain + smuggled + plain, [])
    for _ in range(4):
        assert answers(servers[0], plain + smuggled + plain, []) == expected
    for at in range(len(smuggled)):
        assert answers(servers[0], smuggled, [at]) == answers(servers[1], smuggled, [at])


@pytest.mark.parametrize(("raw", "expected"), list(cases()))
def test_every_request_of_the_suite(servers: tuple[Server, Server], raw: bytes, expected: list[str]) -> None:
    forgotten = answers(servers[1], raw, [])
    for _ in range(3):
        assert answers(servers[0], raw, []) == forgotten


def test_sixteen_pages_that_are_asked_for_at_once(servers: tuple[Server, Server]) -> None:
    pages = (b"/", b"/app.js", b"/index", b"/block.bin", b"/missing")
    request = b"".join(b"GET %b HTTP/1.1\r\nHost: a.example\r\n\r\n" % pages[n % 5] for n in range(40))
    expected = answers(servers[1], request, [])
    for _ in range(4):
        assert answers(servers[0], request, []) == expected
    assert expected.count(b"HTTP/1.1 200 OK") >= 32
