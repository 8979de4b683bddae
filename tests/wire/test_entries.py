"""How much is remembered of names that were asked for: a bounded number, and what is in use stays."""

import os
import subprocess

import pytest

from tests.rig.client import Client, get
from tests.rig.files import write
from tests.rig.server import serving

MOST = 120
AT_ONCE = MOST // 8  # each name is looked for twice, as it is and with .html behind it
FLOOD = 1000
MOST_DISKS = 64  # MAX_GROUPS in aio/kernel.h


def test_a_flood_of_names_is_forgotten_and_the_page_in_use_is_not(tmp_path):
    """While the flood passes, the page is asked for now and then; it is never opened again."""
    write(tmp_path / "index.html", b"home")
    rig = {"constants": {"server.files.docroot:MOST_ENTRIES": MOST}}
    with serving(tmp_path, rig=rig) as server, Client(server.port) as client:
        for start in range(0, FLOOD, AT_ONCE):
            assert client.ask("/").body == b"home"
            client.send(b"".join(get(f"/none{n}") for n in range(start, start + AT_ONCE)))
            for _ in range(AT_ONCE):
                assert client.response().status == 404
            assert server.state()["entries"] <= MOST
        assert server.state()["small_files_admitted"] == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_where_the_service_holds_no_more_disks_a_mount_is_unavailable_and_nobody_waits(tmp_path):
    root = tmp_path / "root"
    write(root / "outer.txt", b"outer")
    inside = root / "inside"
    inside.mkdir()
    mounts = []
    for number in range(MOST_DISKS - 1):
        (tmp_path / f"{number}").mkdir()
        mounts += ["--mount", f"/m{number}={tmp_path}/{number}"]
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", inside], check=True)
    try:
        write(inside / "inner.txt", b"inner")
        with serving(root, *mounts[2:]) as server, Client(server.port) as client:
            assert client.ask("/inside/inner.txt").body == b"inner"  # the last that there may be
        with serving(root, *mounts) as server, Client(server.port) as client:
            assert client.ask("/inside/inner.txt").status == 503
            assert client.ask("/outer.txt").body == b"outer"
    finally:
        subprocess.run(["umount", inside], check=True)


def test_long_names_of_nothing_are_not_remembered(tmp_path):
    """Or whoever asks for many of them would fill the memory."""
    write(tmp_path / "index.html", b"home\n")
    with serving(tmp_path) as server, Client(server.port) as client:
        client.ask("/")
        before = server.state()["entries"]
        for number in range(300):
            assert client.ask(f"/{'a/' * 40}{'b' * 200}{number}").status == 404
            assert client.ask(f"/{number}{'a' * 7000}").status == 404
        assert server.state()["entries"] - before < 60  # where a 404.html could be, of the short ones
