"""httplint and REDbot over the site that is served out of the box: they find nothing bad.

httplint knows the grammar of some two hundred fields, and what status, fields and content have to do with
each other and with the request. REDbot asks by itself, several times, and compares the answers.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator

import bcrypt
import pytest
from httplint import HttpRequestLinter, HttpResponseLinter, Note, levels

from tests.clients.programs import url
from tests.rig.client import Client, Response, get
from tests.rig.server import CHECKOUT, Server, serving

SITE = CHECKOUT / "static"
FILES = ["/", *sorted(f"/{path.name}" for path in SITE.iterdir())]
COMPRESSED = ["/", "/headrace.mjs", "/index.html", "/loop.svg", "/style.css"]  # 1 KiB of text or more
ASKING = ("User-Agent: judge", "Accept: */*")
COMPRESS_SECONDS = 60
REDBOT_SECONDS = 60
BESIDE_PYTHON = os.pathsep.join((os.path.dirname(sys.executable), os.environ["PATH"]))
PASSWORD = b"open"
MEMBER = "Authorization: Basic " + b64encode(b"miller:" + PASSWORD).decode()
GRAVE = (levels.BAD, levels.WARN)

RULES = """
[[rule]]
path = "/basic/**"
security = "basic"
cors = true

[[rule]]
path = "/strict/**"
security = "strict"
cors = "https://example.org"

[[rule]]
path = "/isolated/**"
security = "isolated"
download = true

[[rule]]
path = "/intern/**"
auth = { file = "users.htpasswd", realm = "Intern" }

[[rule]]
path = "/closed/**"
allow = ["192.0.2.0/24"]

[[rule]]
path = "/old/**"
redirect = "/basic/:splat"
status = 301

[[rule]]
path = "/gone/**"
rewrite = "/404.html"
status = 410
"""

Judged = tuple[Response, list[Note]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The demo site with its compressed siblings, and two directories."""
    root = tmp_path_factory.mktemp("judged") / "site"
    shutil.copytree(SITE, root)
    (root / "docs").mkdir()
    shutil.copy(SITE / "index.html", root / "docs")
    (root / "list").mkdir()
    shutil.copy(SITE / "mill.webp", root / "list")
    compress = [sys.executable, "-m", "server", "compress", "--jobs", "1", str(root)]
    subprocess.run(compress, cwd=CHECKOUT, check=True, capture_output=True, timeout=COMPRESS_SECONDS)
    with serving(root, "--listing", "yes") as server:
        yield server


@pytest.fixture(scope="module")
def ruled_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The demo site in several places, and a rule for each."""
    home = tmp_path_factory.mktemp("ruled")
    for place in ("basic", "strict", "isolated", "intern", "closed"):
        shutil.copytree(SITE, home / "site" / place)
    shutil.copy(SITE / "404.html", home / "site")
    (home / "headrace.toml").write_text(RULES)
    hashed = bcrypt.hashpw(PASSWORD, bcrypt.gensalt(4))
    (home / "users.htpasswd").write_bytes(b"miller:" + hashed + b"\n")
    with serving(home / "site", "--config", str(home / "headrace.toml")) as server:
        yield server


def judged(port: int, target: str, *fields: str, method: str = "GET") -> Judged:
    """The answer as it came over the socket, and what the judge has to say of it."""
    head = get(target, *ASKING, *fields, method=method)
    with Client(port) as client:
        response = client.send(head).response(method)
    return response, notes_on(head, response)


def notes_on(request_head: bytes, response: Response) -> list[Note]:
    now = time.time()
    request, answer = HttpRequestLinter(start_time=now), HttpResponseLinter(start_time=now)
    line, *fields = request_head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    method, target, version = line.split(b" ")
    request.process_request_topline(method, target, version.removeprefix(b"HTTP/"))
    request.process_headers([pair(field) for field in fields])
    request.finish_content(True)
    answer.request = request
    answer.is_head_response = method == b"HEAD"
    line, *fields = response.head.split(b"\r\n")
    version, status, reason = line.split(b" ", 2)
    answer.process_response_topline(version.removeprefix(b"HTTP/"), status, reason)
    answer.process_headers([pair(field) for field in fields])
    answer.feed_content(response.body)
    answer.finish_content(True)
    return [note for said in answer.notes for note in (said, *said.subnotes)]


def pair(field: bytes) -> tuple[bytes, bytes]:
    name, _, value = field.partition(b":")
    return name, value.strip()


def assert_not_bad(judged: Judged, status: int, *wrong: str) -> None:
    """With every warning in the message, for whoever has to find out.

    `wrong`: bad notes, by name, that have to be there, because the judge errs.
    """
    response, notes = judged
    bad = {type(note).__name__ for note in notes if note.level is levels.BAD}
    said = "\n".join(f"{note.level.name} {note.summary}" for note in notes if note.level in GRAVE)
    assert response.status == status, response.head.decode()
    assert levels.GOOD in {note.level for note in notes}, "the judge has seen nothing"
    assert bad == set(wrong), f"{said}\n{response.head.decode()}"


def test_the_judge_says_it_if_an_answer_is_bad(server: Server) -> None:
    response, notes = judged(server.port, "/style.css")
    cut = Response(response.head, response.status, response.fields, response.body[:-1])
    head = get("/style.css", *ASKING)
    assert levels.BAD not in {note.level for note in notes}
    assert [type(note).__name__ for note in notes_on(head, cut) if note.level is levels.BAD] == [
        "CL_INCORRECT"
    ]


@pytest.mark.parametrize("target", FILES)
@pytest.mark.parametrize(
    ("fields", "method", "status"),
    [
        pytest.param((), "GET", 200, id="plain"),
        pytest.param(("Accept-Encoding: gzip",), "GET", 200, id="gzip"),
        pytest.param(("Accept-Encoding: br",), "GET", 200, id="br"),
        pytest.param(("Accept-Encoding: gzip, deflate, br, zstd",), "GET", 200, id="as browsers do"),
        pytest.param(("Accept-Encoding: identity;q=0, br",), "HEAD", None, id="not as it is"),
        pytest.param((), "HEAD", 200, id="head"),
        pytest.param(("Range: bytes=0-9",), "GET", 206, id="range"),
        pytest.param(("Range: bytes=-1",), "GET", 206, id="last byte"),
        pytest.param(("Range: bytes=0-9",), "HEAD", 200, id="range of a head"),
        pytest.param(("Range: bytes=99999999-",), "GET", 416, id="range beyond"),
        pytest.param(('If-Match: "other"',), "GET", 412, id="other version"),
        pytest.param(("If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT",), "GET", None, id="future"),
        pytest.param(("If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT",), "GET", 412, id="past"),
        pytest.param((), "OPTIONS", 204, id="options"),
        pytest.param(("Content-Length: 0",), "POST", 405, id="post"),
        pytest.param((), "BREW", 501, id="unknown method"),
    ],
)
def test_no_answer_about_a_file_of_the_demo_site_is_bad(
    server: Server, target: str, fields: tuple[str, ...], method: str, status: int | None
) -> None:
    verdict = judged(server.port, target, *fields, method=method)
    assert_not_bad(verdict, verdict[0].status if status is None else status)


@pytest.mark.parametrize("target", FILES)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("coding", ["identity", "gzip", "br", "zstd"])
def test_no_304_for_a_file_of_the_demo_site_is_bad(
    server: Server, target: str, method: str, coding: str
) -> None:
    accept = f"Accept-Encoding: {coding}"
    first, _ = judged(server.port, target, accept)
    verdict = judged(server.port, target, accept, f"If-None-Match: {first['etag']}", method=method)
    assert_not_bad(verdict, 304)
    since = f"If-Modified-Since: {first['last-modified']}"
    assert_not_bad(judged(server.port, target, accept, since, method=method), 304)


@pytest.mark.parametrize("target", COMPRESSED)
@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_what_the_judge_sees_compressed_has_its_own_validator(
    server: Server, target: str, coding: str
) -> None:
    plain, _ = judged(server.port, target)
    verdict = judged(server.port, target, f"Accept-Encoding: {coding}")
    assert_not_bad(verdict, 200)
    assert verdict[0]["content-encoding"] == coding
    assert verdict[0]["etag"] != plain["etag"]
    assert verdict[0]["vary"] == plain["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    ("target", "fields", "method", "status"),
    [
        pytest.param("/docs", (), "GET", 301, id="a directory"),
        pytest.param("/docs?page=2", (), "HEAD", 301, id="a directory with a query"),
        pytest.param("/list/", (), "GET", 200, id="a list"),
        pytest.param("/list/", ("Accept: application/json",), "GET", 200, id="a list as JSON"),
        pytest.param("/list/", (), "HEAD", 200, id="the head of a list"),
        pytest.param("/missing", (), "GET", 404, id="missing"),
        pytest.param("/missing", (), "HEAD", 404, id="the head of what is missing"),
        pytest.param("/missing", ("Accept-Encoding: br",), "GET", 404, id="missing, compressed"),
        pytest.param("/missing", ("Range: bytes=0-9",), "GET", 404, id="a range of what is missing"),
        pytest.param("/.git/config", (), "GET", 404, id="hidden"),
        pytest.param("/..%2fetc", (), "GET", 400, id="outside"),
        pytest.param("/style.css", ("Content-Length: 70000",), "GET", 413, id="a large body"),
        pytest.param("/style.css", ("Expect: magic",), "GET", 417, id="an unknown expectation"),
        pytest.param("*", (), "OPTIONS", 204, id="the server as a whole"),
    ],
)
def test_no_other_answer_over_the_demo_site_is_bad(
    server: Server, target: str, fields: tuple[str, ...], method: str, status: int
) -> None:
    assert_not_bad(judged(server.port, target, *fields, method=method), status)


@pytest.mark.parametrize("target", ["/index.html", "/water.webm"])
def test_of_several_ranges_the_judge_only_misses_what_must_not_be_there(server: Server, target: str) -> None:
    """RFC 9110, 15.3.7.2: the parts have a Content-Range each, and the answer as a whole must not."""
    verdict = judged(server.port, target, "Range: bytes=0-9,4000-4009")
    assert_not_bad(verdict, 206, "PARTIAL_WITHOUT_RANGE")
    assert verdict[0].body.count(b"\r\nContent-Range: bytes ") == 2


def test_of_a_long_target_the_judge_only_says_that_it_was_refused(server: Server) -> None:
    assert_not_bad(judged(server.port, "/" + "a" * 20_000), 414, "STATUS_URI_TOO_LONG")


@pytest.mark.parametrize(
    ("target", "fields", "method", "status"),
    [
        pytest.param("/basic/", ("Origin: https://example.org",), "GET", 200, id="basic"),
        pytest.param("/basic/style.css", ("Origin: https://example.org",), "GET", 200, id="any origin"),
        pytest.param("/strict/", ("Origin: https://example.org",), "GET", 200, id="strict"),
        pytest.param("/strict/", ("Origin: https://example.net",), "GET", 200, id="another origin"),
        pytest.param("/strict/style.css", (), "HEAD", 200, id="no origin"),
        pytest.param(
            "/strict/style.css",
            ("Origin: https://example.org", "Access-Control-Request-Method: GET"),
            "OPTIONS",
            204,
            id="preflight",
        ),
        pytest.param("/isolated/", (), "GET", 200, id="isolated"),
        pytest.param("/isolated/mill.webp", (), "GET", 200, id="to be saved"),
        pytest.param("/intern/", (), "GET", 401, id="who are you"),
        pytest.param("/intern/", (MEMBER,), "GET", 200, id="a member"),
        pytest.param("/closed/", (), "GET", 403, id="forbidden"),
        pytest.param("/old/style.css", (), "GET", 301, id="moved"),
        pytest.param("/gone/style.css", (), "GET", 410, id="gone"),
    ],
)
def test_no_answer_that_rules_have_shaped_is_bad(
    ruled_server: Server, target: str, fields: tuple[str, ...], method: str, status: int
) -> None:
    assert_not_bad(judged(ruled_server.port, target, *fields, method=method), status)


def notes_of_redbot(address: str, *options: str) -> list[dict[str, str]]:
    """Of all it has asked for, from the archive that it writes."""
    redbot = shutil.which("redbot", path=BESIDE_PYTHON)
    if redbot is None:
        pytest.skip("redbot is not installed")
    ran = subprocess.run(
        [redbot, "--output-format", "har", *options, address],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=REDBOT_SECONDS,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    log = json.loads(ran.stdout)["log"]
    assert "_red_error" not in log, log
    notes = [note for entry in log["entries"] for note in entry["_red_messages"]]
    return [said for note in notes for said in (note, *note.get("subnotes", []))]


@pytest.mark.parametrize("target", FILES)
def test_redbot_finds_nothing_bad_about_a_file_of_the_demo_site(server: Server, target: str) -> None:
    """And that conditions, ranges and compression work, each of which it tries."""
    notes = notes_of_redbot(url(server, target[1:]))
    found = {note["note_id"] for note in notes}
    assert [note for note in notes if note["level"] == "BAD"] == []
    assert {"CL_CORRECT", "INM_304", "IMS_304", "RANGE_CORRECT"} <= found, found
    assert ("CONNEG_GZIP_GOOD" in found) == (target in COMPRESSED)


@pytest.mark.parametrize("path", ["docs", "docs/", "missing", "list/"])
def test_redbot_finds_nothing_bad_about_other_answers(server: Server, path: str) -> None:
    notes = notes_of_redbot(url(server, path))
    assert notes
    assert [note for note in notes if note["level"] == "BAD"] == []
