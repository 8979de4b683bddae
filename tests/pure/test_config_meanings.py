"""What rules of the file mean, and which of several values counts."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from server.answer.guard import Realm
from server.answer.security import PRESETS
from server.config import Config, read_config

FILE = "headrace.toml"
HASH = "$2y$05$abcdefghijklmnopqrstuuJjRbIO2D1NzIBQBWYeUUW0pHLVZ6t9q"
USERS = f"alice:{HASH}\nbob:{HASH}\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty directory, where headrace.toml is found."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(text: str, *arguments: str, **environment: str) -> Config:
    Path(FILE).write_text(text)
    return read_config(arguments, {f"HEADRACE_{name}": value for name, value in environment.items()})


def rule(text: str):
    """The one rule of a file."""
    (found,) = read(f'[[rule]]\npath = "/a/*"\n{text}').sites[0].rules
    return found


# What a rule says, the name of that in the answers' rules, and what it is there.
MEANINGS = [
    ("headers = { X-A = 'b', x-c = '' }", "set_headers", ((b"X-A", b"b"), (b"x-c", b""))),
    ("add-headers = { Link = '</a>' }", "add_headers", ((b"Link", b"</a>"),)),
    ("remove-headers = ['X-A', 'ETag']", "remove_headers", (b"x-a", b"etag")),
    ("cache-control = 'max-age=60'", "cache_control", b"max-age=60"),
    ("error-pages = { 404 = '/no.html', 403 = '/shut' }", "error_pages", {404: b"/no.html", 403: b"/shut"}),
    ("cors = true", "cors", (b"*",)),
    ("cors = '*'", "cors", (b"*",)),
    ("cors = ['*']", "cors", (b"*",)),
    ("cors = false", "cors", ()),
    ("cors = ['https://a.example', 'http://[::1]:8080', 'null']", "cors", (b"https://a.example", b"http://[::1]:8080", b"null")),
    ("security = 'basic'", "security", PRESETS["basic"]),
    ("auth = { file = 'users', realm = 'r' }", "realm", Realm("r", {b"alice": HASH.encode(), b"bob": HASH.encode()})),
    ("allow = '192.0.2.1'", "allow", (ip_network("192.0.2.1/32"),)),
    ("deny = ['192.0.2.0/24', '2001:db8::/32']", "deny", (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))),
    ("bandwidth = '2M'", "bandwidth", 2 << 20),
    ("bandwidth = 1", "bandwidth", 1),
    ("download = false", "download", False),
    ("download = true", "cache_control", None),  # what it does not say
    ("download = true", "realm", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "name", "expected"), MEANINGS)
def test_a_rule_is_what_its_keys_say(here, text, name, expected):
    (here / "users").write_text(USERS)
    assert getattr(rule(text), name) == expected


@pytest.mark.parametrize(
    ("text", "status", "force"),
    [
        ("redirect = '/b'", 302, True),  # no browser remembers it for good
        ("redirect = '/b'\nstatus = 301\nforce = false", 301, False),
        ("rewrite = '/b'", 200, False),
        ("rewrite = '/b'\nstatus = 410\nforce = true", 410, True),
    ],
)
def test_a_detour_holds_as_it_is_mostly_meant_unless_it_says_otherwise(text, status, force):
    found = rule(text).detour
    assert (found.status, found.force) == (status, force)


def test_a_rule_for_several_paths_is_one_for_each_and_those_of_a_site_come_behind():
    config = read(
        "[[rule]]\npath = ['/a', '/b']\ndownload = true\n"
        "[[site]]\nhosts = 'x'\nroot = '.'\n[[site.rule]]\npath = '/c'\ndownload = true"
    )
    (site,) = config.sites  # the top level says nothing of what is there
    assert [rule.pattern.text for rule in site.rules] == [b"/a", b"/b", b"/c"]
    assert [rule.source for rule in site.rules] == [
        f"{FILE}: {at}" for at in (*["rule[0]"] * 2, "site[0].rule[0]")
    ]


@pytest.mark.parametrize(
    ("file", "environment", "arguments", "expected"),
    [
        ("", {}, (), "mtime"),
        ("etag = 'content'", {}, (), "content"),
        ("etag = 'content'", {"ETAG": "none"}, (), "none"),
        ("etag = 'content'", {"ETAG": "none"}, ("--etag", "mtime"), "mtime"),
        ("etag = 'content'", {}, ("--etag", "none"), "none"),
    ],
)
def test_the_command_line_beats_the_environment_and_that_the_file(file, environment, arguments, expected):
    config = read(f"root = '.'\n{file}\n[[site]]\nhosts = 'a'\nroot = '.'", *arguments, **environment)
    assert [site.etag for site in config.sites] == [expected, expected]


def test_what_a_site_says_of_itself_beats_all_of_them():
    config = read(
        "root = '.'\n[[site]]\nhosts = 'a'\nroot = 's'\netag = 'none'",
        "r",
        "--etag",
        "content",
        ETAG="mtime",
        ROOT="e",
    )
    assert [(site.etag, site.roots[b""].name) for site in config.sites] == [("content", "r"), ("none", "s")]
