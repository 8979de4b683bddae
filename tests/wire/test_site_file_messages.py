"""What is said of _headers and _redirects by the server that follows them: whole sentences."""

import os
import re

import pytest

from server.files.looks import SITE_FILE_BYTES
from server.files.sitefiles import MOST_FAULTS
from tests.rig.client import ask
from tests.rig.files import write
from tests.rig.server import serving
from tests.rig.until import until

NOBODY = 65534


def sentences(server) -> list[str]:
    """What was said of the two files, once the server answers."""
    return re.findall(r"^headrace: (_(?:headers|redirects)\b.*)$", server.said, re.MULTILINE)


def await_sentence(server, said: str) -> None:
    server.await_line(re.compile(rf"^headrace: {re.escape(said)}$", re.MULTILINE), 20)


def test_rules_of_too_many_bytes_are_not_read_and_that_is_said(tmp_path):
    write(tmp_path / "index.html", b"home\n")
    write(tmp_path / "_headers", b"#" * (SITE_FILE_BYTES + 1))
    write(tmp_path / "_redirects", b"/a /b 302\n" + b"#" * (SITE_FILE_BYTES - 10))
    with serving(tmp_path) as server:
        await_sentence(server, f"_headers: not read: {SITE_FILE_BYTES + 1} bytes are too many")
        assert ask(server.port, "/").status == 200
        assert ask(server.port, "/a")["location"] == "/b"  # as many as there may be
        assert len(sentences(server)) == 1


@pytest.mark.parametrize(("more", "last"), [(0, []), (1, ["1 more line is"]), (30, ["30 more lines are"])])
def test_of_a_file_full_of_faults_some_are_told_and_how_many_there_are_besides(tmp_path, more, last):
    write(tmp_path / "_redirects", b"/a\n" * (MOST_FAULTS + more) + b"/b /c 302\n")
    write(tmp_path / "_headers", b"a\n/b\n")
    with serving(tmp_path) as server:
        assert ask(server.port, "/b")["location"] == "/c"
        server.state()  # everything that was said before has come
        assert sentences(server) == [
            "_headers:1: 'a' does not begin with a slash",
            *(f"_redirects:{line}: expected FROM TO [STATUS]" for line in range(1, MOST_FAULTS + 1)),
            *(f"_redirects: {said} left out" for said in last),
        ]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_rules_that_cannot_be_read_are_named_once_and_the_old_ones_hold(tmp_path):
    """They may forbid something."""
    root = tmp_path / "root"
    write(root / "index.html", b"home\n")
    write(root / "_redirects", b"/a /b 302\n")
    for parent in (root, tmp_path, *tmp_path.parents[:2]):
        parent.chmod(parent.stat().st_mode | 0o055)
    with serving(root, rig={"user": NOBODY}) as server:
        assert ask(server.port, "/a")["location"] == "/b"
        write(root / "new", b"/a /c 302\n")
        (root / "new").chmod(0)
        (root / "new").rename(root / "_redirects")
        await_sentence(server, "_redirects: cannot be read: Permission denied")
        assert ask(server.port, "/a")["location"] == "/b"
        (root / "_redirects").chmod(0o644)
        until(lambda: ask(server.port, "/a")["location"] == "/c", "the new ones are read")
        assert len(sentences(server)) == 1
