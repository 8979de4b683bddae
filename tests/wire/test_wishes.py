"""What an owner wants for some paths, in headrace.toml and in the files of the root itself."""

import base64
import socket
import time

import bcrypt
import pytest

from tests.rig.client import Client, ask, get
from tests.rig.files import noise, write
from tests.rig.server import serving
from tests.rig.until import until

CONFIG = """
[[rule]]
path = "/**"
headers = { X-Everywhere = "yes", X-Level = "0" }
security = "basic"
[[rule]]
path = "/deep/"
headers = { X-Level = "1" }
add-headers = { Link = "</a.css>; rel=preload" }
remove-headers = ["X-Content-Type-Options"]
[[rule]]
path = "*.css"
cache-control = "public, max-age=60"
[[rule]]
path = "/old/**"
redirect = "/new/:splat"
status = 308
[[rule]]
path = "/blog/:year/:title"
redirect = "/posts/:title-:year"
[[rule]]
path = "/about"
redirect = "/elsewhere"
force = false
[[rule]]
path = "/away/**"
redirect = "https://example.org/:splat"
[[rule]]
path = "/app/**"
rewrite = "/index.html"
[[rule]]
path = "/gone/**"
rewrite = "/gone.html"
status = 410
[[rule]]
path = "/deep/**"
error-pages = { 404 = "/gone.html" }
[[rule]]
path = "/api/**"
cors = ["https://app.example"]
[[rule]]
path = ["/fonts/**", "/data/d.html"]
cors = true
[[rule]]
path = "/moved/away"
rewrite = "/deep"
[[rule]]
path = "/files/**"
download = true
[[rule]]
path = "/slow.bin"
bandwidth = "100K"
[[rule]]
path = ["/private/**", "/secret", "/report.html", "/vault"]
auth = { file = "users", realm = "Intern" }
cors = true
[[rule]]
path = "/local/**"
allow = ["127.0.0.0/24", "::1"]
deny = "127.0.0.2"
error-pages = { 403 = "/gone.html" }
[[rule]]
path = "/to-private"
rewrite = "/private/a.html"
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("wishes")
    for name in (
        "index.html", "about.html", "gone.html", "a.css", "deep/a.html", "deep/a.css", "api/a.json",
        "fonts/a.woff2", "private/a.html", "private/index.html", "secret.html", "local/a.html",
        "data/d.html", "report.html", "report.html.gz", "vault/index.html", "vault.txt",
    ):  # fmt: skip
        write(root / name, f"this is {name}\n".encode())
    write(root / 'files/Übersicht "1".pdf', b"%PDF")
    write(root / "slow.bin", noise(300_000))
    return root


@pytest.fixture(scope="module")
def site(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("config")
    (folder / "headrace.toml").write_text(CONFIG)
    hashed = [bcrypt.hashpw(word, bcrypt.gensalt(4)).decode() for word in (b"right", "pässword".encode())]
    (folder / "users").write_text(f"ada:{hashed[0]}\nbjörn:{hashed[1]}\n")
    with serving(root, "--config", str(folder / "headrace.toml")) as server:
        yield server
        server.await_quiet()


def basic(user: str, password: str) -> str:
    return f"Authorization: Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def test_headers_add_up_and_none_is_lost_by_a_deeper_rule(site):
    found = ask(site.port, "/deep/a.css")
    assert (found["x-everywhere"], found["x-level"], found["link"]) == ("yes", "1", "</a.css>; rel=preload")
    assert found["cache-control"] == "public, max-age=60"
    assert found["x-frame-options"] == "SAMEORIGIN"
    assert "x-content-type-options" not in found
    assert ask(site.port, "/a.css")["x-level"] == "0"


@pytest.mark.parametrize(
    ("target", "fields", "status"),
    [
        ("/a.css", ("Range: bytes=0-1",), 206),
        ("/none", (), 404),
        ("/old/x", (), 308),
        ("/none", ("Range: bytes=0-",), 404),
    ],
)
def test_headers_of_rules_are_on_every_kind_of_answer(site, target, fields, status):
    found = ask(site.port, target, *fields)
    assert (found.status, found["x-everywhere"]) == (status, "yes")


@pytest.mark.parametrize(
    ("target", "status", "location"),
    [
        ("/old/x/y", 308, "/new/x/y"),
        ("/old/x?q=1", 308, "/new/x?q=1"),
        ("/blog/2024/hello", 302, "/posts/hello-2024"),
        ("/away/x%20y", 302, "https://example.org/x%20y"),
        ("/away/%0d%0aX-Evil:%201", 302, "https://example.org/%0D%0AX-Evil:%201"),
        ("/old//evil.example", 308, "/new/evil.example"),
    ],
)
def test_a_redirect_leads_where_its_rule_says(site, target, status, location):
    found = ask(site.port, target)
    assert (found.status, found["location"]) == (status, location)
    assert "x-evil" not in found


def test_a_redirect_without_force_yields_to_what_there_is(site):
    assert ask(site.port, "/about").body == b"this is about.html\n"


def test_a_rewrite_serves_another_page_where_there_is_none(site):
    found = ask(site.port, "/app/any/where")
    assert (found.status, found.body) == (200, b"this is index.html\n")
    gone = ask(site.port, "/gone/x")
    assert (gone.status, gone.body) == (410, b"this is gone.html\n")


def test_a_page_of_errors_is_that_of_the_rule(site):
    found = ask(site.port, "/deep/none")
    assert (found.status, found.body) == (404, b"this is gone.html\n")


def test_only_named_origins_may_read(site):
    found = ask(site.port, "/api/a.json", "Origin: https://app.example")
    assert found["access-control-allow-origin"] == "https://app.example"
    assert found["vary"] == "Origin"
    foreign = ask(site.port, "/api/a.json", "Origin: https://evil.example")
    assert "access-control-allow-origin" not in foreign
    assert foreign["vary"] == "Origin"
    assert ask(site.port, "/fonts/a.woff2")["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in ask(site.port, "/a.css", "Origin: https://app.example")


@pytest.mark.parametrize(
    ("origin", "allowed"), [("https://app.example", True), ("https://evil.example", False)]
)
def test_a_browser_that_asks_first_is_told(site, origin, allowed):
    """Fetch standard, CORS-preflight request."""
    found = ask(
        site.port, "/api/a.json", f"Origin: {origin}", "Access-Control-Request-Method: GET", method="OPTIONS"
    )
    assert found.status == 204
    assert ("access-control-allow-origin" in found) == ("access-control-allow-methods" in found) == allowed


def preflight(site, target: str, *fields: str):
    asked = ("Origin: https://app.example", "Access-Control-Request-Method: GET", *fields)
    return ask(site.port, target, *asked, method="OPTIONS")


@pytest.mark.parametrize(
    ("target", "allowed"),
    [("/data/d", "*"), ("/data/d.html", "*"), ("/data/none", None), ("/private/a", "*"), ("/a.css", None)],
)
def test_a_browser_that_asks_first_is_told_what_holds_then(site, target, allowed):
    """For the file that the path leads to; without a password, which it cannot have yet."""
    found = preflight(site, target)
    assert (found.status, dict(found.fields).get("access-control-allow-origin")) == (204, allowed)
    if not target.startswith("/private"):
        then = ask(site.port, target, "Origin: https://app.example")
        assert dict(then.fields).get("access-control-allow-origin") == allowed


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [("x-custom, authorization", "x-custom, authorization"), ("x custom", "Range"), ("", "Range")],
)
def test_a_script_may_send_the_headers_that_it_asked_for(site, asked, allowed):
    found = preflight(site, "/api/a.json", *([f"Access-Control-Request-Headers: {asked}"] if asked else []))
    assert found["access-control-allow-headers"].startswith(allowed)


def test_a_directory_behind_a_rewrite_gets_its_slash_where_it_is(site):
    assert ask(site.port, "/moved/away?q")["location"] == "/deep/?q"


def test_a_download_is_saved_under_its_name(site):
    found = ask(site.port, "/files/%C3%9Cbersicht%20%221%22.pdf")
    assert found["content-disposition"] == (
        "attachment; filename=\"__bersicht _1_.pdf\"; filename*=UTF-8''%C3%9Cbersicht%20%221%22.pdf"
    )
    assert found["content-type"] == "application/pdf"


def test_a_connection_gets_no_more_than_it_may(site):
    began = time.monotonic()
    assert ask(site.port, "/slow.bin").body == noise(300_000)
    assert time.monotonic() - began > 1.0  # 300 kB at 100 KiB a second


# --- who may have it ---


@pytest.mark.parametrize(
    "target",
    [
        "/private/a.html", "/private/a", "/private/", "/private/none", "/secret", "/secret.html",
        "/%70rivate/a.html", "//private//a.html", "/x/../private/a.html", "/to-private", "/private",
        "/report", "/report.html.gz", "/vault", "/vault/", "/vault/index", "/vault/index.html", "/secret/",
    ],
)  # fmt: skip
def test_there_is_no_way_around_the_password(site, target):
    found = ask(site.port, target)
    assert found.status == 401
    assert found["www-authenticate"].startswith('Basic realm="Intern"')
    assert b"this is" not in found.body
    right = ask(site.port, target, basic("ada", "right"))
    assert right.status in (200, 301, 404)


@pytest.mark.parametrize(
    "field",
    [
        basic("ada", "wrong"), basic("eve", "right"), basic("ada", ""), basic("", "right"),
        "Authorization: Basic !!!", "Authorization: Basic", "Authorization: Bearer abc",
        "Authorization: Basic " + "A" * 5000,
    ],
)  # fmt: skip
def test_whoever_does_not_know_the_password_does_not_come_in(site, field):
    assert ask(site.port, "/private/a.html", field).status == 401


def test_a_name_and_a_password_may_have_any_letters(site):
    found = ask(site.port, "/private/a.html", basic("björn", "pässword"))
    assert (found.status, found.body) == (200, b"this is private/a.html\n")
    assert found["cache-control"].startswith("private")


def test_whoever_guesses_passwords_keeps_nobody_waiting(root, tmp_path):
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(10)).decode()
    write(tmp_path / "users", f"ada:{hashed}\n".encode())
    (tmp_path / "c.toml").write_text(
        '[[rule]]\npath = "/private/**"\nauth = { file = "users", realm = "r" }\n'
    )
    with serving(root, "--config", str(tmp_path / "c.toml")) as server:
        guesses = [
            Client(server.port).send(get("/private/a.html", basic("ada", f"guess {n}"))) for n in range(20)
        ]
        with Client(server.port) as client:
            for _ in range(200):
                assert client.ask("/index.html").status == 200
        assert {guess.response().status for guess in guesses} <= {401, 503}
        for guess in guesses:
            guess.sock.close()
        assert ask(server.port, "/private/a.html", basic("ada", "right")).status == 200


def ask_from(source: str, port: int, target: str) -> int:
    with socket.create_connection(("127.0.0.1", port), 10, (source, 0)) as sock:
        sock.sendall(get(target, "Connection: close"))
        return int(sock.recv(100).split(b" ")[1])


def test_addresses_are_let_in_and_kept_out(site):
    assert ask_from("127.0.0.1", site.port, "/local/a.html") == 200
    assert ask_from("127.0.0.2", site.port, "/local/a.html") == 403
    assert ask_from("127.0.1.1", site.port, "/local/a.html") == 403
    assert ask_from("127.0.0.2", site.port, "/a.css") == 200


# --- the files in the root ---


def test_rules_in_the_root_may_change_while_it_is_served(tmp_path):
    write(tmp_path / "a.html", b"a\n")
    with serving(tmp_path, quiet=False) as server, Client(server.port) as client:
        assert "x-a" not in client.ask("/a")
        (tmp_path / "_headers").write_text("/a\n  X-A: 1\n")
        until(lambda: "x-a" in client.ask("/a"), "the rule holds")
        (tmp_path / "_headers").write_text("/a\n  X-A: 2\n  Nonsense\n")
        until(lambda: client.ask("/a")["x-a"] == "2", "the new rule holds")
        until(
            lambda: server.state() and "_headers:3: neither a path nor NAME: VALUE" in server.said,
            "it is said",
        )
        (tmp_path / "_redirects").write_text("/b /a 302\n/* /a.html 200\n")
        until(lambda: client.ask("/b").status == 302, "redirects hold")
        assert client.ask("/any").body == b"a\n"
        (tmp_path / "_headers").unlink()
        (tmp_path / "_redirects").unlink()
        until(lambda: "x-a" not in client.ask("/a") and client.ask("/any").status == 404, "none holds")
        assert client.ask("/_headers").status == 404


def test_a_forced_redirect_goes_before_files_and_others_behind(tmp_path):
    write(tmp_path / "a.html", b"a\n")
    (tmp_path / "_redirects").write_text("/a.html /b 301!\n/a /b 301\n")
    with serving(tmp_path) as server:
        assert ask(server.port, "/a.html").status == 301
        assert ask(server.port, "/a").body == b"a\n"


def test_thousands_of_redirects_are_no_burden(tmp_path):
    write(tmp_path / "index.html", b"home\n")
    (tmp_path / "_redirects").write_text("".join(f"/old/{n} /new/{n}\n" for n in range(4000)))
    with serving(tmp_path) as server, Client(server.port) as client:
        for number in (0, 1, 3999):
            assert client.ask(f"/old/{number}")["location"] == f"/new/{number}"
        assert client.ask("/").body == b"home\n"


# --- sites ---


def test_each_host_has_its_site(tmp_path):
    for name in ("default", "docs", "wild", "mounted"):
        write(tmp_path / name / "index.html", f"{name}\n".encode())
        write(tmp_path / name / "page.html", b"page\n")
    (tmp_path / "headrace.toml").write_text("""
root = "default"
[[rule]]
path = "/**"
headers = { X-All = "1" }
[[site]]
hosts = "docs.example.org"
root = "docs"
clean-urls = false
[site.mount]
"/more" = "mounted"
[[site.rule]]
path = "/**"
headers = { X-Docs = "1" }
[[site]]
hosts = ["*.example.org", "[0::1]"]
root = "wild"
""")

    def page(host: str, target: str = "/", version: str = "1.1"):
        with Client(server.port) as client:
            return client.send(get(target, "Connection: close", host=host, version=version)).response()

    with serving(None, cwd=tmp_path) as server:
        for host, body in {
            "docs.example.org": "docs", "DOCS.example.org:8080": "docs", "docs.example.org.": "docs",
            "x.example.org": "wild", "a.b.example.org": "wild", "[::1]:80": "wild",
            "[0:0::1]": "wild", "[0:0:0:0:0:0:0:1]:80": "wild", "[::2]": "default",
            "example.org": "default",
            "other": "default", "": "default",
        }.items():  # fmt: skip
            assert page(host).body == f"{body}\n".encode(), host
        assert page("docs.example.org", "/page").status == 404
        assert page("x.example.org", "/page").status == 200
        assert page("docs.example.org", "/more/").body == b"mounted\n"
        assert page("x.example.org", "http://docs.example.org/").body == b"docs\n"
        assert page("docs.example.org")["x-docs"] == page("docs.example.org")["x-all"] == "1"
        assert "x-docs" not in page("x.example.org")
