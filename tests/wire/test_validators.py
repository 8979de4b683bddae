"""Tags and dates of files that are served: when they are told, and of which names (RFC 9110 section 8.8)."""

import os

from tests.rig.client import ask
from tests.rig.files import noise, write
from tests.rig.server import serving
from tests.rig.until import until


def test_a_tag_of_the_content_is_told_of_every_name_of_the_file(tmp_path):
    """Hard links, and the same directory mounted: one hashes for all of them."""
    root = tmp_path / "root"
    write(root / "a.bin", noise(500_000) * 40)
    os.link(root / "a.bin", root / "b.bin")
    os.utime(root / "a.bin", (0, 0))
    names = ("/a.bin", "/b.bin", "/m/b.bin")
    with serving(root, "--mount", f"/m={root}") as server:

        def tags() -> set[str]:
            found = [dict(ask(server.port, name, method="HEAD").fields) for name in names]
            return {fields.get("etag", "") for fields in found}

        until(lambda: "" not in tags(), "they have been hashed")
        assert len(tags()) == 1


def test_a_young_file_has_no_date_and_a_weak_tag_until_both_are_strong(tmp_path):
    """RFC 9110 section 8.8.2.2."""
    (tmp_path / "a.txt").write_bytes(b"young\n")
    with serving(tmp_path) as server:
        found = ask(server.port, "/a.txt")
        assert found["etag"].startswith("W/")
        assert "last-modified" not in found
        until(lambda: "last-modified" in ask(server.port, "/a.txt"), "it is older")
        assert not ask(server.port, "/a.txt")["etag"].startswith("W/")
