"""What a site gets without a word of configuration, and by a single option."""

import gzip
import os
import threading
from urllib.parse import urljoin

import pytest

from tests.rig.client import Client, ask, get
from tests.rig.files import noise, write
from tests.rig.server import serving
from tests.rig.until import until

OLD = 1_600_000_000
HTML = "Accept: text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("site")
    for name, content in {
        "index.html": b"<h1>home</h1>\n",
        "about.html": b"<h1>about</h1>\n",
        "404.html": b"<h1>not here</h1>\n",
        "docs/index.html": b"<h1>docs</h1>\n",
        "docs/404.html": b"<h1>not in docs</h1>\n",
        "docs/a b/ü.html": b"<h1>names</h1>\n",
        "both.html": b"file\n",
        "both/index.html": b"directory\n",
        "app.3f9ac1d2.js": b"let x\n",
        "app.js": b"let x\n" * 100,
        "data.bin": noise(5000),
        ".secret": b"hidden\n",
        ".git/config": b"never\n",
        ".well-known/security.txt": b"seen\n",
        "_headers": b"/about\n  X-About: yes\n",
        "_redirects": b"/old /about 301\n",
        "headrace.toml": b"spa = true\n",
        "big.bin": noise(3_000_000, 5),
        "big.bin.gz": gzip.compress(noise(2_000_000, 6)),
        "app.js.gz": gzip.compress(b"let x\n" * 100),
        "app.js.br": b"as brotli would have it",
        "stale.txt": b"new\n",
        "stale.txt.gz": gzip.compress(b"old\n"),
    }.items():
        write(root / name, content)
        os.utime(root / name, (OLD, OLD))
    os.utime(root / "stale.txt", (OLD + 100, OLD + 100))
    return root


@pytest.fixture(scope="module")
def site(root):
    with serving(root, "--config", "") as server:
        yield server
        server.await_quiet()


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/", b"<h1>home</h1>\n"),
        ("/about", b"<h1>about</h1>\n"),
        ("/about.html", b"<h1>about</h1>\n"),
        ("/docs/", b"<h1>docs</h1>\n"),
        ("/docs/a%20b/%C3%BC", b"<h1>names</h1>\n"),
        ("/docs/a%20b/%c3%bc.html?x=1", b"<h1>names</h1>\n"),
        ("/both", b"file\n"),
        ("/both/", b"directory\n"),
        ("/.well-known/security.txt", b"seen\n"),
    ],
)
def test_a_page_is_where_its_author_expects_it(site, target, body):
    found = ask(site.port, target)
    assert (found.status, found.body) == (200, body)


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("/docs", "/docs/"),
        ("/docs?x=1&y", "/docs/?x=1&y"),
        ("/docs/a%20b", "/docs/a%20b/"),
        ("/about/", "/about"),
        ("/about/?q", "/about?q"),
        ("/old", "/about"),
        ("/old?q=1", "/about?q=1"),
    ],
)
def test_a_redirect_is_right_here(site, target, leads_to):
    found = ask(site.port, target)
    assert found.status == 301
    assert urljoin("http://here" + target, found["location"]) == "http://here" + leads_to


@pytest.mark.parametrize("target", ["/docs", "/docs/a%20b", "/about/"])
def test_a_redirect_is_right_behind_a_proxy_too(site, target):
    """Which puts a prefix before the path that Headrace never sees."""
    location = urljoin("https://proxy/some/prefix" + target, ask(site.port, target)["location"])
    assert location.rstrip("/") == "https://proxy/some/prefix" + target.rstrip("/")


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "//evil.example/..",
        "//evil.example/docs",
        "/\\evil.example",
        "/%2F%2Fevil.example/docs",
    ],
)
def test_no_redirect_leads_to_another_host(site, target):
    found = ask(site.port, target)
    if "location" in found:
        assert urljoin("http://here/", found["location"]).startswith("http://here/")


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/none", b"<h1>not here</h1>\n"),
        ("/none/deeper/none.png", b"<h1>not here</h1>\n"),
        ("/docs/none", b"<h1>not in docs</h1>\n"),
        ("/docs/a%20b/none", b"<h1>not in docs</h1>\n"),
    ],
)
def test_what_is_missing_gets_the_nearest_page_upward(site, target, body):
    found = ask(site.port, target)
    assert (found.status, found.body) == (404, body)
    assert "etag" not in found
    assert ask(site.port, target, method="HEAD")["content-length"] == str(len(body))


@pytest.mark.parametrize(
    "target",
    ["/.secret", "/.git/config", "/.git/", "/_headers", "/_redirects", "/headrace.toml", "/%2egit/config"],
)
def test_what_is_not_for_the_public_is_not_found(site, target):
    assert ask(site.port, target).status == 404


@pytest.mark.parametrize(
    ("target", "caching"),
    [
        ("/", "no-cache"),
        ("/app.3f9ac1d2.js", "public, max-age=31536000, immutable"),
        ("/data.bin", "max-age=0, must-revalidate"),
    ],
)
def test_caches_are_told_how_long(site, target, caching):
    assert ask(site.port, target)["cache-control"] == caching
    tag = ask(site.port, target)["etag"]
    again = ask(site.port, target, f"If-None-Match: {tag}")
    assert (again.status, again["cache-control"]) == (304, caching)


def test_rules_in_the_root_hold(site):
    assert ask(site.port, "/about")["x-about"] == "yes"
    assert "x-about" not in ask(site.port, "/")


# --- sidecars ---


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (None, None), ("gzip", "gzip"), ("gzip, br", "br"), ("br;q=0, gzip", "gzip"), ("*", "br"),
        ("gzip;q=0", None), ("identity", None), ("identity;q=0", "missing"), ("zstd", None),
    ],
)  # fmt: skip
def test_a_sidecar_is_sent_to_whoever_prefers_it(site, root, accepted, coding):
    fields = () if accepted is None else (f"Accept-Encoding: {accepted}",)
    found = ask(site.port, "/app.js", *fields)
    assert found["vary"] == "Accept-Encoding"
    if coding == "missing":
        assert found.status == 406
        return
    ending = {"gzip": ".gz", "br": ".br", None: ""}[coding]
    assert found.body == (root / f"app.js{ending}").read_bytes()
    assert found["content-type"] == "text/javascript; charset=utf-8"
    assert (found["content-encoding"] if coding else "content-encoding" not in found) in (coding, True)


def test_each_variant_has_its_own_tag_and_its_own_ranges(site, root):
    tags = {}
    for coding, ending in (("identity", ""), ("gzip", ".gz"), ("br", ".br")):
        content = (root / f"app.js{ending}").read_bytes()
        asked = f"Accept-Encoding: {coding}"
        tags[coding] = ask(site.port, "/app.js", asked)["etag"]
        part = ask(site.port, "/app.js", asked, "Range: bytes=3-9", f"If-Range: {tags[coding]}")
        assert (part.status, part.body) == (206, content[3:10])
        assert part["content-range"] == f"bytes 3-9/{len(content)}"
        again = ask(site.port, "/app.js", asked, f"If-None-Match: {tags[coding]}")
        assert (again.status, again["etag"], again["vary"]) == (304, tags[coding], "Accept-Encoding")
    assert len(set(tags.values())) == 3


def test_a_large_sidecar_streams_and_an_older_one_is_not_used(site, root):
    found = ask(site.port, "/big.bin", "Accept-Encoding: gzip")
    assert found.body == (root / "big.bin.gz").read_bytes()
    stale = ask(site.port, "/stale.txt", "Accept-Encoding: gzip")
    assert stale.body == b"new\n"
    assert "vary" not in stale


def test_a_sidecar_that_comes_and_goes_is_noticed(tmp_path):
    write(tmp_path / "a.txt", b"plain\n")
    os.utime(tmp_path / "a.txt", (OLD, OLD))
    with serving(tmp_path) as server, Client(server.port) as client:

        def sent() -> bytes:
            return client.ask("/a.txt", "Accept-Encoding: gzip").body

        assert sent() == b"plain\n"
        (tmp_path / "a.txt.gz").write_bytes(b"packed")
        until(lambda: sent() == b"packed", "the sidecar is used")
        (tmp_path / "a.txt.gz").unlink()
        until(lambda: sent() == b"plain\n", "the sidecar is gone")


# --- single-page applications ---


@pytest.fixture(scope="module")
def app(root):
    with serving(root, "--config", "", "--spa", "yes") as server:
        yield server
        server.await_quiet()


@pytest.mark.parametrize(
    "fields", [("Sec-Fetch-Dest: document",), (HTML,), ("Sec-Fetch-Dest: iframe", "Accept: */*")]
)
def test_a_navigation_to_nowhere_gets_the_application(app, fields):
    found = ask(app.port, "/users/42", *fields)
    assert (found.status, found.body) == (200, b"<h1>home</h1>\n")
    assert found["cache-control"] == "no-cache"
    assert "Accept" in found["vary"]
    assert "Sec-Fetch-Dest" in found["vary"]


@pytest.mark.parametrize(
    "fields",
    [(), ("Sec-Fetch-Dest: script", HTML), ("Sec-Fetch-Dest: image",), ("Accept: application/json",)],
)
def test_what_is_no_navigation_stays_a_404(app, fields):
    found = ask(app.port, "/assets/none.3f9ac1d2.js", *fields)
    assert found.status == 404
    assert "immutable" not in found["cache-control"]


def test_what_there_is_goes_before_the_application(app):
    assert ask(app.port, "/about", HTML).body == b"<h1>about</h1>\n"
    assert ask(app.port, "/docs", HTML).status == 301


# --- validators ---


def test_where_times_say_nothing_tags_are_made_of_the_content(tmp_path):
    for replica in ("one", "two"):
        for name, content in (("a.txt", b"same\n"), ("large.bin", noise(500_000))):
            write(tmp_path / replica / name, content)
            os.utime(tmp_path / replica / name, (0, 0))
    write(tmp_path / "other/a.txt", b"else\n")
    os.utime(tmp_path / "other/a.txt", (0, 0))
    tags = []
    for replica in ("one", "two", "other"):
        with serving(tmp_path / replica) as server:
            found = ask(server.port, "/a.txt")
            assert "last-modified" not in found
            tags.append(found["etag"])
            if replica != "other":
                assert ask(server.port, "/large.bin").body == noise(500_000)
                until(lambda port=server.port: "etag" in ask(port, "/large.bin"), "it has been hashed")
                tags.append(ask(server.port, "/large.bin")["etag"])
    assert tags[0] == tags[2] != tags[4]
    assert tags[1] == tags[3]


def test_the_tag_may_be_of_the_content_always_or_never(tmp_path):
    for name in ("one", "two"):
        write(tmp_path / name / "a.txt", b"same\n")
    os.utime(tmp_path / "one/a.txt", (OLD, OLD))
    tags = []
    for name in ("one", "two"):
        with serving(tmp_path / name, "--etag", "content") as server:
            tags.append(ask(server.port, "/a.txt")["etag"])
    assert tags[0] == tags[1]
    with serving(tmp_path / "one", "--etag", "none") as server:
        found = ask(server.port, "/a.txt")
        assert "etag" not in found
        assert ask(server.port, "/a.txt", f"If-Modified-Since: {found['last-modified']}").status == 304


# --- a root that is swapped ---


def release(tmp_path, number: int) -> None:
    for name in ("a.txt", "b.txt", "deep/index.html"):
        write(tmp_path / f"release-{number}" / name, b"%d\n" % number * (100 + number))
    write(tmp_path / f"release-{number}/large.bin", noise(2_000_000, number))
    write(tmp_path / f"release-{number}/_headers", b"/*\n  X-Release: %d\n" % number)
    write(tmp_path / f"release-{number}/_redirects", b"/moved /to-%d 302\n" % number)
    (tmp_path / "next").symlink_to(f"release-{number}")
    os.rename(tmp_path / "next", tmp_path / "current")


def test_a_root_that_is_swapped_is_followed_and_no_answer_is_of_both(tmp_path):
    release(tmp_path, 1)
    stop = threading.Event()
    faults: list[str] = []
    seen: set[bytes] = set()

    def visit(port: int) -> None:
        with Client(port) as client:
            while not stop.is_set():
                for target in ("/a.txt", "/deep/", "/b.txt"):
                    found = client.ask(target)
                    body = found.body
                    number = body.split(b"\n")[0]
                    seen.add(number)
                    if found["x-release"].encode() != number:
                        faults.append(f"{target}: {body[:20]!r} with the headers of {found['x-release']}")
                    if body != (number + b"\n") * (100 + int(number)):
                        faults.append(f"{target}: {body[:20]!r}...")
                moved = client.ask("/moved")
                if moved["location"] != f"/to-{moved['x-release']}":
                    faults.append(f"{moved['location']} of {moved['x-release']}")

    with serving(tmp_path / "current") as server:
        visitors = [threading.Thread(target=visit, args=(server.port,)) for _ in range(4)]
        for visitor in visitors:
            visitor.start()
        with Client(server.port, receive_buffer=4096) as slow:
            slow.send(get("/large.bin"))
            head = slow.head()
            for number in (2, 3, 4):
                release(tmp_path, number)
                until(lambda n=number: ask(server.port, "/a.txt").body[:1] == b"%d" % n, "it is followed")
            assert b"200 OK" in head
            assert slow.rest_of(2_000_000) == noise(2_000_000, 1)  # what was begun ends as it began
        assert ask(server.port, "/large.bin").body == noise(2_000_000, 4)
        stop.set()
        for visitor in visitors:
            visitor.join()
    assert not faults
    assert seen == {b"1", b"2", b"3", b"4"}


def test_a_root_that_is_away_for_a_moment_does_no_harm(tmp_path):
    release(tmp_path, 1)
    with serving(tmp_path / "current") as server:
        assert ask(server.port, "/a.txt").status == 200
        (tmp_path / "current").unlink()
        assert ask(server.port, "/a.txt").status == 200
        release(tmp_path, 2)
        until(lambda: ask(server.port, "/a.txt").body[:1] == b"2", "it is followed")


@pytest.mark.parametrize(
    ("policy", "seen"),
    [
        ("within", {"inner": 200, "absolute": 200, "outer": 404, "folder/x.txt": 200}),
        ("follow", {"inner": 200, "absolute": 200, "outer": 200, "folder/x.txt": 200}),
        ("deny", {"inner": 404, "absolute": 404, "outer": 404, "folder/x.txt": 404}),
    ],
)
def test_links_lead_where_the_policy_lets_them(tmp_path, policy, seen):
    root = tmp_path / "root"
    write(root / "real/x.txt", b"x\n")
    write(tmp_path / "outside.txt", b"out\n")
    (root / "inner").symlink_to("real/x.txt")
    (root / "absolute").symlink_to(root / "real/x.txt")
    (root / "outer").symlink_to("../outside.txt")
    (root / "folder").symlink_to("real")
    with serving(root, "--symlinks", policy) as server:
        assert {name: ask(server.port, f"/{name}").status for name in seen} == seen
