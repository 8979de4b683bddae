"""A server that the tests of a module share, where they leave it as it was."""

import pytest

from tests.rig.files import KIB, MIB, noise, write
from tests.rig.server import serving

BIG = 5 * MIB + 123


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A directory with files that no test changes."""
    root = tmp_path_factory.mktemp("root")
    write(root / "index.html", b"<!doctype html>home\n")
    write(root / "small.txt", b"0123456789")
    write(root / "empty.txt", b"")
    write(root / "docs/index.html", b"<!doctype html>docs\n")
    write(root / "bare/readme.txt", b"there is no index here\n")
    write(root / "medium.bin", noise(200 * KIB))
    write(root / "big.bin", noise(BIG, 2))
    return root


@pytest.fixture(scope="module")
def server(root):
    with serving(root) as server:
        yield server
        server.await_quiet()
