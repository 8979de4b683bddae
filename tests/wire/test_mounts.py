"""Another filesystem mounted inside a root: served as if it were not, by threads and quotas of its own."""

import os
import subprocess

import pytest

from tests.rig.client import ask
from tests.rig.files import noise, write
from tests.rig.server import serving

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")


@pytest.fixture
def root(tmp_path):
    write(tmp_path / "outer.txt", b"outer")
    inside = tmp_path / "a" / "inside"
    inside.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", inside], check=True)
    try:
        write(inside / "inner.txt", b"inner")
        write(inside / "large.bin", noise(500_000))
        (tmp_path / "leads-in").symlink_to("a/inside/inner.txt")
        (tmp_path / "leads-out").symlink_to("/etc/hostname")
        yield tmp_path
    finally:
        subprocess.run(["umount", inside], check=True)


@pytest.mark.parametrize("backend", ["auto", "threads"])
def test_a_mount_inside_the_root_is_served_by_a_disk_of_its_own(root, backend):
    with serving(root, backend=backend) as server:
        assert ask(server.port, "/outer.txt").body == b"outer"
        assert len(server.state()["disks"]) == 1
        assert ask(server.port, "/a/inside/inner.txt").body == b"inner"
        assert ask(server.port, "/a/inside/large.bin").body == noise(500_000)
        assert ask(server.port, "/a/inside/none").status == 404
        names = [disk["root"] for disk in server.state()["disks"]]
        assert names == [str(root), f"{root}/a/inside"]


def test_links_may_lead_into_a_mount_but_not_out_of_the_root(root):
    with serving(root) as server:
        assert ask(server.port, "/leads-in").body == b"inner"
        assert ask(server.port, "/leads-out").status == 404
