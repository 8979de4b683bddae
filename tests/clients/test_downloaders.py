"""wget, aria2c and zsync: programs that fetch files in parts, or many files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.programs import break_off, digest, digest_of, succeed, url
from tests.rig.files import KIB, MIB, noise, write
from tests.rig.server import CHECKOUT, Server, serving

SITE = CHECKOUT / "static"
LARGE = noise(20 * MIB + 4095)
WGET = ("--no-config", "--no-verbose", "--tries=2", "--timeout=30", "--server-response")
ARIA2C = ("--no-conf", "--max-tries=2", "--timeout=30", "--file-allocation=none", "--log=log")
GAP = bytes(3000)  # what an older version of the file has lost


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    write(root / "large.bin", LARGE)
    return root


@pytest.fixture(scope="module", params=["auto", "threads"])
def server(request: pytest.FixtureRequest, root: Path) -> Iterator[Server]:
    with serving(root, "--mount", f"/site={SITE}", backend=request.param) as server:
        yield server
        server.await_quiet()


def test_wget_resumes_a_download_that_broke_off(server: Server, tmp_path: Path) -> None:
    large = url(server, "large.bin")
    first = break_off("wget", *WGET, "--output-document=-", large, home=tmp_path, after=len(LARGE) // 2)
    (tmp_path / "large.bin").write_bytes(first)
    said = succeed("wget", *WGET, "-c", large, home=tmp_path)
    assert f"Content-Range: bytes {len(first)}-{len(LARGE) - 1}/{len(LARGE)}".lower() in said.lower()
    assert digest_of(tmp_path / "large.bin") == digest(LARGE)
    assert " 416 " in succeed("wget", *WGET, "-c", large, home=tmp_path)
    assert digest_of(tmp_path / "large.bin") == digest(LARGE)


def test_wget_asks_for_a_file_again_only_if_it_has_changed(server: Server, tmp_path: Path) -> None:
    large = url(server, "large.bin")
    assert " 200 " in succeed("wget", *WGET, "--timestamping", large, home=tmp_path)
    assert " 304 " in succeed("wget", *WGET, "--timestamping", large, home=tmp_path)
    assert digest_of(tmp_path / "large.bin") == digest(LARGE)


def test_wget_finds_the_whole_site_by_its_links(server: Server, tmp_path: Path) -> None:
    # wget does not look into <source srcset>, where the picture of the night is.
    unlinked = [url(server, f"site/{name}") for name in ("404.html", "robots.txt", "mill-night.webp")]
    wget = (*WGET, "--recursive", "--no-parent", "--no-host-directories", "--execute=robots=off")
    succeed("wget", *wget, url(server, "site/"), *unlinked, home=tmp_path)
    assert digests(tmp_path / "site") == digests(SITE)


def test_aria2c_fetches_parts_on_16_connections(server: Server, tmp_path: Path) -> None:
    parallel = ("-x16", "-s16", "-k1M", "--log-level=info")
    succeed("aria2c", *ARIA2C, *parallel, url(server, "large.bin"), home=tmp_path)
    assert digest_of(tmp_path / "large.bin") == digest(LARGE)
    log = (tmp_path / "log").read_text()
    assert len(set(re.findall(r"CUID#(\d+) - Response received", log))) == 16, log
    assert log.count("HTTP/1.1 206") >= 15, log  # the first asks for the whole file, to learn its size


@pytest.mark.parametrize(
    "gaps",
    [
        pytest.param([], id="no gap"),
        pytest.param([2 * MIB], id="one gap"),
        pytest.param(range(100_000, 4 * MIB, 500_000), id="many gaps"),
    ],
)
def test_zsync_fetches_what_an_older_version_lacks(
    server: Server, root: Path, tmp_path: Path, gaps: list[int]
) -> None:
    new = write(root / "new.bin", noise(4 * MIB, 2))
    old = bytearray(new)
    for gap in gaps:
        old[gap : gap + len(GAP)] = GAP
    (tmp_path / "old.bin").write_bytes(old)
    succeed("zsyncmake", "-b", 2048, "-u", "new.bin", "-o", root / "new.zsync", root / "new.bin", home=root)
    said = succeed("zsync", "-i", "old.bin", "-o", "got", url(server, "new.zsync"), home=tmp_path)
    assert digest_of(tmp_path / "got") == digest(new)
    fetched = int(said.rpartition("fetched ")[2].split()[0])
    assert fetched <= len(gaps) * 8 * KIB


def test_zsync_fetches_everything_where_nothing_is_old(server: Server, root: Path, tmp_path: Path) -> None:
    new = write(root / "new.bin", noise(4 * MIB, 2))
    succeed("zsyncmake", "-b", 2048, "-u", "new.bin", "-o", root / "new.zsync", root / "new.bin", home=root)
    succeed("zsync", "-o", "got", url(server, "new.zsync"), home=tmp_path)
    assert digest_of(tmp_path / "got") == digest(new)


def digests(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): digest_of(path) for path in directory.rglob("*") if path.is_file()
    }
