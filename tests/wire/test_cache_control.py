"""What caches are told: by default, and by rules (RFC 9111 section 5.2.2, RFC 5861, RFC 8246)."""

import json
import os

import pytest

from tests.rig.client import ask
from tests.rig.files import write
from tests.rig.server import serving

DEFAULTS = [
    # RFC 9111 section 5.2.2.4: kept, but never used without a question: a deploy is seen at once
    ("/", 200, "no-cache"),
    ("/page", 200, "no-cache"),
    ("/page.html", 200, "no-cache"),
    ("/feed.xhtml", 200, "no-cache"),
    # RFC 8246: its name is another one when its content is
    ("/app.3f9ac1d2.js", 200, "public, max-age=31536000, immutable"),
    ("/assets/index-BX3hDk2Z.css", 200, "public, max-age=31536000, immutable"),
    # RFC 9111 sections 5.2.2.1 and 5.2.2.2: stale at once, and then never used without a question
    ("/style.css", 200, "max-age=0, must-revalidate"),
    ("/photo.jpg", 200, "max-age=0, must-revalidate"),
    ("/sw.js", 200, "max-age=0, must-revalidate"),
    ("/site.webmanifest", 200, "max-age=0, must-revalidate"),
]
RULED = [
    # RFC 9111 section 5.2.2
    "no-store",
    "no-cache",
    "private, max-age=60",
    "public, max-age=86400, s-maxage=3600",
    "max-age=60, must-revalidate, proxy-revalidate, no-transform",
    "no-store, must-understand",
    'no-cache="Set-Cookie"',
    # RFC 5861 sections 3 and 4
    "max-age=600, stale-while-revalidate=30",
    "max-age=600, stale-if-error=1200",
    "max-age=600, stale-while-revalidate=30, stale-if-error=1200",
    # RFC 8246 section 2
    "max-age=31536000, immutable",
    # RFC 9111 section 5.2.3: what a cache does not know it ignores
    "max-age=60, an-extension=5",
]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folder")
    names = [target.lstrip("/") for target, _, _ in DEFAULTS if "." in target]
    names += ["index.html", "404.html", *(f"ruled/{number}.css" for number in range(len(RULED)))]
    for name in names:
        write(folder / "site" / name, b"content\n")
        os.utime(folder / "site" / name, (1_795_000_000, 1_795_000_000))
    rules = "".join(
        f"[[rule]]\npath = '/ruled/{number}.css'\ncache-control = {json.dumps(value)}\n"
        for number, value in enumerate(RULED)
    )
    # And by _headers, which is where sites have theirs.
    lines = "".join(f"/joined/{n}.css\n  Cache-Control: {value}\n" for n, value in enumerate(RULED))
    write(folder / "site/_headers", lines.encode())
    for number in range(len(RULED)):
        write(folder / f"site/joined/{number}.css", b"content\n")
    (folder / "headrace.toml").write_text(f"root = 'site'\n{rules}")
    with serving(None, cwd=folder, environment={"PYTHONPATH": os.getcwd()}) as server:
        yield server


@pytest.mark.parametrize(("target", "status", "value"), DEFAULTS)
def test_what_a_cache_is_told_by_default(served, target, status, value):
    found = ask(served.port, target)
    assert (found.status, found["cache-control"]) == (status, value)
    # RFC 9110 section 15.4.5: a 304 says what the 200 would have said.
    again = ask(served.port, target, f"If-None-Match: {found['etag']}")
    assert (again.status, again["cache-control"]) == (304, value)
    assert ask(served.port, target, method="HEAD")["cache-control"] == value


@pytest.mark.parametrize("number", range(len(RULED)))
def test_what_a_rule_tells_a_cache_passes_through_as_it_is(served, number):
    value = RULED[number]
    found = ask(served.port, f"/ruled/{number}.css")
    assert [field for name, field in found.fields if name == "cache-control"] == [value]
    again = ask(served.port, f"/ruled/{number}.css", f"If-None-Match: {found['etag']}")
    assert again.status == 304
    assert again.fields.count(("cache-control", value)) == 1
    assert ask(served.port, f"/joined/{number}.css")["cache-control"] == value
    part = ask(served.port, f"/ruled/{number}.css", "Range: bytes=0-1")
    assert (part.status, part["cache-control"]) == (206, value)
