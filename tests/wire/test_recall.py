"""Replies that are given again without a search: to the same question, and only as long as they hold."""

from __future__ import annotations

import os
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from tests.rig.client import Client, get
from tests.rig.files import noise, write
from tests.rig.server import Server, serving
from tests.rig.until import until

TIMES = 4
LARGE = noise(300_000)
SLOW = 50_000  # bytes, at 100 KB a second
CONFIG = """
[[rule]]
path = "/guarded/**"
deny = ["127.0.0.1"]

[[rule]]
path = "/cors/**"
cors = ["https://a.example"]

[[rule]]
path = "/slow.css"
bandwidth = "100K"

[[site]]
hosts = ["other.example"]
root = "other"
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    root = tmp_path / "root"
    for name in ("index.html", "guarded/a.html", "cors/a.html", "app.js"):
        write(root / name, name.encode())
    write(root / "large.bin", LARGE)
    write(root / "slow.css", LARGE[:SLOW])
    write(root / "app.js.gz", b"in gzip")
    write(tmp_path / "other/index.html", b"other")
    (tmp_path / "headrace.toml").write_text(CONFIG)
    with serving(root, "--config", tmp_path / "headrace.toml") as server:
        yield server


def asked(server: Server, *requests: bytes) -> list[tuple[int, bytes]]:
    with Client(server.port) as client:
        answers = []
        for request in requests:
            client.send(request)
            response = client.response("HEAD" if request.startswith(b"HEAD") else "GET")
            answers.append((response.status, response.undated))
        return answers


QUESTIONS = [
    get("/"),
    get("/index"),
    get("/large.bin"),
    get("/app.js"),
    get("/app.js", "Accept-Encoding: gzip"),
    get("/app.js", "Accept-Encoding: gzip", method="HEAD"),
    get("/app.js", "Accept-Encoding: identity;q=0, br"),
    get("/app.js", "Range: bytes=0-1"),
    get("/app.js", "If-None-Match: *"),
    get("/", host="other.example"),
    get("/missing"),
    get("/missing", "Accept: text/html"),
    get("/guarded/a"),
    get("/cors/a", "Origin: https://a.example"),
    get("/cors/a", "Origin: https://b.example"),
    get("/cors/a"),
    get("/", version="1.0"),
    get("/", "Connection: keep-alive", version="1.0"),
]


def test_every_question_gets_the_same_answer_whoever_asked_what_before(server):
    def settled() -> bool:  # young files have other tags, which change once
        return not any(b"W/" in head for _, (head, _) in first_answers())

    def first_answers() -> list[tuple[int, tuple[bytes, bytes]]]:
        return [asked(server, question)[0] for question in QUESTIONS]

    until(settled, "no file is young", 10.0)
    expected = first_answers()
    for _ in range(TIMES):
        assert first_answers() == expected
        backwards = [asked(server, question)[0] for question in reversed(QUESTIONS)]
        assert backwards[::-1] == expected
    assert server.state()["replies_recalled"] > 0
    assert server.state()["heads_judged"] < TIMES * len(QUESTIONS)


def test_what_is_to_be_sent_slowly_is_sent_slowly_from_memory_too(server):
    def fetched() -> bool:
        before = server.state()["replies_recalled"]
        with Client(server.port) as client:
            began = time.monotonic()
            assert client.send(get("/slow.css")).head()
            assert client.rest_of(SLOW) == LARGE[:SLOW]
            assert time.monotonic() - began > 0.2
        return server.state()["replies_recalled"] > before

    until(fetched, "that the reply is known", 20.0)


@pytest.mark.parametrize(("path", "status"), [("/", 200), ("/site.toml", 404), ("/nothing", 404)])
def test_what_is_not_fresh_is_looked_at_at_once_and_no_disk_looks_stuck(tmp_path, path, status):
    """The second is what nobody may have, whatever there is, and needs no look."""
    write(tmp_path / "index.html", b"page")
    (tmp_path / "site.toml").write_text("listing = true\n")
    never_fresh = {"server.files.docroot:FRESH_SECONDS": -1.0, "server.files.docroot:CHECK_SECONDS": 0.0}
    with serving(tmp_path, "--config", tmp_path / "site.toml", rig={"constants": never_fresh}) as server:
        for _ in range(20):
            assert asked(server, get(path))[0][0] == status
        assert not server.state()["counters"].get("served unchecked")


def test_a_file_that_is_another_one_is_soon_seen(server, tmp_path):
    for _ in range(TIMES):
        asked(server, get("/"))
    assert server.state()["replies_recalled"] > 0
    write(tmp_path / "root/new", b"new")
    (tmp_path / "root/new").rename(tmp_path / "root/index.html")
    until(lambda: asked(server, get("/"))[0][1][1] == b"new", "the new page", 5.0)
    (tmp_path / "root/index.html").unlink()
    until(lambda: asked(server, get("/"))[0][0] == 404, "that there is none", 5.0)


def test_a_rule_that_is_new_is_soon_followed(server, tmp_path):
    for _ in range(TIMES):
        asked(server, get("/"))
    write(tmp_path / "root/_headers", b"/*\n  X-New: 1\n")
    until(lambda: b"X-New: 1" in asked(server, get("/"))[0][1][0], "the new field", 5.0)


def test_a_better_variant_that_is_new_is_soon_sent(server, tmp_path):
    gzip_or_zstd = get("/app.js", "Accept-Encoding: gzip;q=0.5, zstd")
    for _ in range(TIMES):
        assert asked(server, gzip_or_zstd)[0][1][1] == b"in gzip"
    write(tmp_path / "root/app.js.zst", b"in zstd")
    until(lambda: asked(server, gzip_or_zstd)[0][1][1] == b"in zstd", "the new variant", 5.0)


def test_a_tag_that_became_known_while_a_password_was_checked_is_told_from_then_on(tmp_path):
    root = tmp_path / "root"
    write(root / "large.bin", LARGE)
    os.utime(root / "large.bin", (0, 0))  # so its tag is of the content, which a thread has to read first
    hashed = bcrypt.hashpw(b"word", bcrypt.gensalt(10))
    (tmp_path / "users").write_bytes(b"user:" + hashed + b"\n")
    (tmp_path / "headrace.toml").write_text(
        "[[rule]]\npath = '/**'\nauth = { file = 'users', realm = 'x' }\n"
    )
    request = get("/large.bin", "Authorization: Basic " + b64encode(b"user:word").decode())
    with serving(root, "--config", tmp_path / "headrace.toml") as server:
        until(lambda: b"\r\nETag: " in asked(server, request)[0][1][0], "the tag", 8.0)
