"""Which files can be seen: mounts, links, what may not be read, what is no file."""

import os
import socket

import pytest

from tests.rig.client import ask
from tests.rig.files import noise, write
from tests.rig.server import serving

NOBODY = 65534


def test_another_directory_is_seen_under_its_prefix(tmp_path):
    main, docs, deep = tmp_path / "main", tmp_path / "docs", tmp_path / "deep"
    write(main / "index.html", b"main\n")
    write(main / "docs.txt", b"main docs\n")
    write(main / "docs/hidden.txt", b"behind the mount\n")
    write(docs / "index.html", b"docs\n")
    write(docs / "big.bin", noise(300_000))
    write(deep / "page.html", b"deep\n")
    with serving(main, "--mount", f"/docs={docs}", "--mount", f"/docs/deep/er={deep}") as server:
        assert ask(server.port, "/").body == b"main\n"
        assert ask(server.port, "/docs.txt").body == b"main docs\n"
        assert ask(server.port, "/docs/").body == b"docs\n"
        assert ask(server.port, "/docs/index.html").body == b"docs\n"
        assert ask(server.port, "/docs/big.bin").body == noise(300_000)
        assert ask(server.port, "/docs/deep/er/page.html").body == b"deep\n"
        assert ask(server.port, "/docs/hidden.txt").status == 404
        assert ask(server.port, "/docs/deep/page.html").status == 404
        assert ask(server.port, "/docs/../docs.txt").body == b"main docs\n"
        assert ask(server.port, "/docs/../../main/index.html").status == 400
        assert len(server.state()["disks"]) == 3


def test_a_prefix_without_its_slash_redirects_like_a_directory(tmp_path):
    write(tmp_path / "main/index.html", b"main\n")
    write(tmp_path / "docs/index.html", b"docs\n")
    with serving(tmp_path / "main", "--mount", f"/docs={tmp_path / 'docs'}") as server:
        found = ask(server.port, "/docs?a")
        assert (found.status, found["location"]) == (301, "./docs/?a")


def test_names_may_have_any_bytes(tmp_path):
    names = {
        b"a b.txt": "/a%20b.txt",
        b"\xff\xfe": "/%FF%FE",
        "ü".encode(): "/%C3%BC",
        b"a\\b": "/a%5Cb",
        b"q?#": "/q%3F%23",
    }
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(name)
    with serving(tmp_path) as server:
        for name, target in names.items():
            assert ask(server.port, target).body == name


def test_links_lead_where_they_lead_as_long_as_that_is_beneath_the_root(tmp_path):
    write(tmp_path / "secret.txt", b"secret\n")
    root = tmp_path / "root"
    write(root / "docs/page.txt", b"page\n")
    (root / "inside").symlink_to("docs/page.txt")
    (root / "directory").symlink_to("docs")
    (root / "up").symlink_to("../secret.txt")
    (root / "absolute").symlink_to(tmp_path / "secret.txt")
    (root / "loop").symlink_to("loop")
    (root / "dangling").symlink_to("nowhere")
    with serving(root) as server:
        assert ask(server.port, "/inside").body == b"page\n"
        assert ask(server.port, "/directory/page.txt").body == b"page\n"
        for name in ("up", "loop", "dangling"):
            assert ask(server.port, f"/{name}").status == 404
        assert b"secret" not in ask(server.port, "/absolute").body


def test_what_is_no_file_is_403_and_holds_up_nobody(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    write(tmp_path / "small.txt", b"small\n")
    os.mknod(tmp_path / "pipe", 0o644 | 0o010000)
    with socket.socket(socket.AF_UNIX) as listener, serving(tmp_path) as server:
        listener.bind(str(tmp_path / "socket"))
        for name in ("fifo", "pipe", "socket"):
            assert ask(server.port, f"/{name}").status == 403
            assert ask(server.port, f"/{name}").status == 403
        assert ask(server.port, "/small.txt").status == 200


def test_an_index_that_is_no_file_is_no_redirect_for_ever(tmp_path):
    (tmp_path / "odd/index.html").mkdir(parents=True)
    with serving(tmp_path) as server:
        assert ask(server.port, "/odd/").status == 404
        assert ask(server.port, "/odd")["location"] == "./odd/"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("backend", ["auto", "linux-aio", "threads", "sendfile", "buffered"])
def test_what_the_server_may_not_read_is_403(tmp_path, backend):
    root = tmp_path / "root"
    write(root / "open.txt", b"open\n")
    write(root / "open.bin", noise(300_000))
    write(root / "closed.txt", b"closed\n")
    write(root / "closed.bin", noise(300_000))
    write(root / "shut/page.txt", b"page\n")
    for name in ("closed.txt", "closed.bin"):
        (root / name).chmod(0o000)
    (root / "shut").chmod(0o000)
    for parent in (root, tmp_path, *tmp_path.parents[:2]):
        parent.chmod(parent.stat().st_mode | 0o055)
    with serving(root, backend=backend, rig={"user": NOBODY}) as server:
        assert ask(server.port, "/open.txt").body == b"open\n"
        assert ask(server.port, "/open.bin").body == noise(300_000)
        for target in ("/closed.txt", "/closed.bin", "/shut/page.txt", "/shut/"):
            assert ask(server.port, target).status == 403
