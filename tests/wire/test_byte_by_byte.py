"""The same request, whole and byte by byte, gets the same answer, whatever is asked for."""

import base64
import os

import bcrypt
import pytest

from tests.rig.client import Client, get
from tests.rig.files import noise, write
from tests.rig.server import serving

YESTERDAY = 1_795_000_000  # in seconds; a tag of what is younger is weak, and then it is not
CONFIG = """
root = "site"
[[rule]]
path = "/old/**"
redirect = "/new/:splat"
[[rule]]
path = "/api/**"
cors = ["https://app.example"]
[[rule]]
path = "/private/**"
auth = { file = "users", realm = "Intern" }
[[rule]]
path = "/shut/**"
deny = "127.0.0.0/8"
[[site]]
hosts = "app.example"
root = "site"
spa = true
"""
PAGE = b"<!doctype html><title>home</title>\n"
TEXT = noise(5000)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folder")
    for name, content in {
        "index.html": PAGE, "data.bin": noise(300_000), "app.js": TEXT, "app.js.gz": b"gzip", "app.js.br": b"brotli",
        "app.js.zst": b"zstandard", "api/a.json": b"{}", "private/a.html": b"private\n", "shut/a.html": b"shut\n",
    }.items():  # fmt: skip
        write(folder / "site" / name, content)
        os.utime(folder / "site" / name, (YESTERDAY, YESTERDAY))
    (folder / "users").write_text(f"ada:{bcrypt.hashpw(b'right', bcrypt.gensalt(4)).decode()}\n")
    (folder / "headrace.toml").write_text(CONFIG)
    with serving(None, cwd=folder, environment={"PYTHONPATH": os.getcwd()}) as server:
        yield server


def basic(password: str) -> str:
    return f"Authorization: Basic {base64.b64encode(f'ada:{password}'.encode()).decode()}"


RANGES = [
    ("Range: bytes=0-9,1000-1009", 206),  # RFC 9110 section 14.6
    ("Range: bytes=299990-,0-0,200000-200100", 206),
    ("Range: bytes=-1,7-7", 206),
    ("Range: bytes=0-9,1000-1009,0-9", 206),
    ("Range: bytes=300000-,400000-400001", 416),
]
CODINGS = [
    # RFC 9110 section 12.5.3
    ("gzip", "gzip"),
    ("gzip, deflate, br", "br"),
    ("gzip, deflate, br, zstd", "zstd"),
    ("br;q=0.5, gzip;q=0.8", "gzip"),
    ("*;q=0, identity", None),
    ("identity;q=0, gzip;q=0.001", "gzip"),
    ("deflate", None),
    ("", None),
]
# What is asked for, with which fields, by which method, of which host; the status, and a field that is there.
OTHERS = [
    pytest.param(("/deep/link", ["Sec-Fetch-Dest: document"], "GET", "app.example"), 200, "content-type", id="a navigation"),
    pytest.param(("/deep/link", ["Accept: text/html"], "HEAD", "app.example"), 200, "content-type", id="a navigation by Accept"),
    pytest.param(("/none.js", ["Sec-Fetch-Dest: script"], "GET", "app.example"), 404, "content-type", id="a script that is missing"),
    pytest.param(("/deep/link", ["Sec-Fetch-Dest: document"], "GET", "other"), 404, "content-type", id="no single-page app"),
    pytest.param(("/old/x%20y?z=1", [], "GET", "other"), 302, "location", id="a redirect of a rule"),
    pytest.param(("/api", [], "GET", "other"), 301, "location", id="a redirect to a directory"),
    pytest.param(("/private/a.html", [], "GET", "other"), 401, "www-authenticate", id="no password"),
    pytest.param(("/private/a.html", [basic("wrong")], "GET", "other"), 401, "www-authenticate", id="a wrong password"),
    pytest.param(("/private/a.html", [basic("right")], "GET", "other"), 200, "etag", id="the right password"),
    pytest.param(("/shut/a.html", [], "GET", "other"), 403, "content-type", id="an address that is shut out"),
    pytest.param(("/api/a.json", ["Origin: https://app.example", "Access-Control-Request-Method: GET", "Access-Control-Request-Headers: x-a"], "OPTIONS", "other"), 204, "access-control-allow-origin", id="a preflight"),
    pytest.param(("/api/a.json", ["Origin: https://app.example"], "GET", "other"), 200, "access-control-allow-origin", id="another origin"),
    pytest.param(("/app.js", ['If-None-Match: "x"', "Range: bytes=0-1"], "GET", "other"), 206, "content-range", id="a condition and a range"),
]  # fmt: skip


def both(server, target, fields, method="GET", host="other"):
    """The answer to the whole, which is that to its bytes one by one."""
    raw = get(target, *fields, method=method, host=host)
    with Client(server.port) as client:
        whole = client.send(raw).response(method)
        assert client.send_byte_by_byte(raw).response(method).undated == whole.undated
        # And nothing is left behind.
        assert client.send(get("/", host="other")).response().body == PAGE
    with Client(server.port) as client:
        assert client.send_byte_by_byte(raw).response(method).undated == whole.undated
    return whole


@pytest.mark.parametrize(("field", "status"), RANGES)
@pytest.mark.parametrize("target", ["/data.bin", "/app.js"])
def test_several_ranges(served, target, field, status):
    if target == "/app.js" and status == 206:
        field = field.replace("2999", "49").replace("200", "2")
    found = both(served, target, [field])
    assert found.status == status
    assert ("content-range" in found) == (status == 416)  # of several, it is in the parts (section 15.3.7.2)


@pytest.mark.parametrize(("accept", "coding"), CODINGS)
def test_a_coding(served, accept, coding):
    found = both(served, "/app.js", [f"Accept-Encoding: {accept}"])
    assert (found.status, found["vary"]) == (200, "Accept-Encoding")
    assert ("content-encoding" in found) == (coding is not None)
    assert found["etag"]
    if coding:
        assert found["content-encoding"] == coding


@pytest.mark.parametrize(("asked", "status", "field"), OTHERS)
def test_anything_else(served, asked, status, field):
    found = both(served, *asked)
    assert found.status == status
    assert field in found
