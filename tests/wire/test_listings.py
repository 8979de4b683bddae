"""Lists of directories: what is in them, what is not, and that a long one is in nobody's way."""

import json
import os
import re
from itertools import pairwise
from urllib.parse import unquote_to_bytes

import pytest

from tests.rig.client import Client, ask, get
from tests.rig.files import write
from tests.rig.server import serving
from tests.rig.until import until

MANY = 100_000
JSON = "Accept: application/json"


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """A directory of 100,000 files beside a page."""
    root = tmp_path_factory.mktemp("crowded")
    write(root / "page.html", b"the page\n")
    (root / "many").mkdir()
    directory = os.open(root / "many", os.O_RDONLY)
    for number in range(MANY):
        os.close(os.open(f"entry-{number:06d}.txt", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=directory))
    os.close(directory)
    return root


def names(response) -> list[bytes]:
    """What an HTML list links to, beneath itself."""
    return [
        unquote_to_bytes(href) for href in re.findall(r'href="\./([^"?]+)"', response.body.decode()) if href
    ]


def test_there_is_no_list_unless_it_is_asked_for(tmp_path):
    write(tmp_path / "d/a.txt", b"a")
    with serving(tmp_path) as server:
        assert ask(server.port, "/d/").status == 404
        assert ask(server.port, "/d/", JSON).status == 404


def test_a_list_has_what_the_directory_has_and_an_index_goes_first(tmp_path):
    write(tmp_path / "d/b.txt", b"bb")
    write(tmp_path / "d/a.txt", b"a")
    write(tmp_path / "d/sub/x", b"")
    write(tmp_path / "with/index.html", b"index\n")
    with serving(tmp_path, "--listing", "yes") as server:
        found = ask(server.port, "/d/")
        assert found.status == 200
        assert found["content-type"] == "text/html; charset=utf-8"
        assert sorted(names(found)) == [b"a.txt", b"b.txt", b"sub/"]
        assert ask(server.port, "/with/").body == b"index\n"
        assert ask(server.port, "/d")["location"] == "./d/"
        assert ask(server.port, "/none/").status == 404


def test_the_same_is_had_as_json_and_caches_are_told(tmp_path):
    write(tmp_path / "d/a.txt", b"four")
    (tmp_path / "d/sub").mkdir()
    with serving(tmp_path, "--listing", "yes") as server:
        found = ask(server.port, "/d/", JSON)
        assert found["content-type"] == "application/json"
        assert found["vary"] == ask(server.port, "/d/")["vary"] == "Accept"
        entries = {entry["name"]: entry for entry in json.loads(found.body)}
        assert entries["a.txt"]["size"] == 4
        assert (entries["a.txt"]["type"], entries["sub"]["type"]) == ("file", "directory")
        assert found["etag"] != ask(server.port, "/d/")["etag"]
        again = ask(server.port, "/d/", JSON, f"If-None-Match: {found['etag']}")
        assert (again.status, again["etag"]) == (304, found["etag"])
        assert ask(server.port, "/d/", JSON, method="HEAD")["content-length"] == str(len(found.body))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["a", "b", "c"]),
        ("?order=desc", ["c", "b", "a"]),
        ("?sort=size", ["b", "c", "a"]),
        ("?sort=size&order=desc", ["a", "c", "b"]),
        ("?sort=time", ["c", "a", "b"]),
        ("?sort=time&order=desc", ["b", "a", "c"]),
        ("?sort=colour", ["a", "b", "c"]),
    ],
)
def test_a_list_is_sorted_as_it_is_asked_for(tmp_path, query, expected):
    for name, size, time in (("a", 3, 2000), ("b", 1, 3000), ("c", 2, 1000)):
        write(tmp_path / name, b"x" * size)
        os.utime(tmp_path / name, (time, time))
    with serving(tmp_path, "--listing", "yes") as server:
        found = json.loads(ask(server.port, f"/{query}", JSON).body)
    assert [entry["name"] for entry in found] == expected


def test_what_is_not_served_is_not_listed(tmp_path):
    for name in (
        ".hidden",
        ".git/config",
        ".well-known/x",
        "_headers",
        "_redirects",
        "headrace.toml",
        "seen",
    ):
        write(tmp_path / name, b"")
    with serving(tmp_path, "--listing", "yes", "--config", "") as server:
        assert {e["name"] for e in json.loads(ask(server.port, "/", JSON).body)} == {".well-known", "seen"}
    with serving(tmp_path, "--listing", "yes", "--dotfiles", "yes", "--config", "") as server:
        found = {e["name"] for e in json.loads(ask(server.port, "/", JSON).body)}
        assert found == {".hidden", ".well-known", "seen"}


def test_a_list_is_made_anew_when_the_directory_has_changed(tmp_path):
    write(tmp_path / "a", b"")
    with serving(tmp_path, "--listing", "yes") as server, Client(server.port) as client:
        assert [e["name"] for e in json.loads(client.ask("/", JSON).body)] == ["a"]
        write(tmp_path / "b", b"")
        until(lambda: len(json.loads(client.ask("/", JSON).body)) == 2, "b is listed")
        os.unlink(tmp_path / "a")
        until(lambda: [e["name"] for e in json.loads(client.ask("/", JSON).body)] == ["b"], "a is not")


@pytest.mark.parametrize("accept", [JSON, "Accept: text/html"])
def test_a_hundred_thousand_names_are_listed_while_a_page_is_served(crowded, accept):
    """Not one answer, and then the other: the page is had many times while the list is being made."""
    with (
        serving(crowded, "--listing", "yes") as server,
        Client(server.port) as other,
        Client(server.port) as bystander,
    ):
        assert bystander.ask("/page.html").body == b"the page\n"
        before = server.state()["turns"]["count"]
        other.send(get("/many/?sort=size", accept))
        served = 0
        other.sock.setblocking(False)
        while True:
            assert bystander.ask("/page.html").body == b"the page\n"
            served += 1
            try:
                if other.sock.recv(1, 2):  # MSG_PEEK
                    break
            except BlockingIOError:
                pass
        turns = server.state()["turns"]["count"] - before
        other.sock.settimeout(20)
        found = other.response()
        # A thousand names in one turn would be too many for any machine that there is.
        assert turns > MANY // 1000
        assert served > 50
    listed = [entry["name"].encode() for entry in json.loads(found.body)] if accept == JSON else names(found)
    assert len(listed) == MANY
    assert set(listed) == {b"entry-%06d.txt" % number for number in range(MANY)}


def test_a_long_list_is_sorted_by_name(crowded):
    with serving(crowded, "--listing", "yes") as server:
        listed = names(ask(server.port, "/many/"))
        assert len(listed) == MANY
        assert all(a < b for a, b in pairwise(listed))


def test_many_who_want_a_long_list_at_once_get_the_same(crowded):
    with serving(crowded, "--listing", "yes") as server:
        clients = [Client(server.port).send(get("/many/", JSON)) for _ in range(20)]
        found = {client.response().body for client in clients}
        for client in clients:
            client.sock.close()
        assert len(found) == 1
        assert len(json.loads(found.pop())) == MANY


def test_whoever_leaves_before_a_list_is_ready_leaves_nothing_behind(crowded):
    with serving(crowded, "--listing", "yes") as server:
        for _ in range(5):
            Client(server.port).send(get("/many/", JSON)).reset()
        assert ask(server.port, "/page.html").status == 200
        assert len(json.loads(ask(server.port, "/many/", JSON).body)) == MANY
        server.await_state(lambda state: state["connections"] == 0, "nobody is connected")
