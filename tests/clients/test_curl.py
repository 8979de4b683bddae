"""curl: resuming, ranges, HTTP/1.0, connections that are used again, conditions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.programs import break_off, digest, digest_of, run, succeed, url
from tests.rig.files import MIB, noise, write
from tests.rig.server import Server, serving

LARGE = noise(5 * MIB + 4095)
PAGE = b"<!doctype html>page\n" * 1000
QUIETLY = ("-q", "--silent", "--show-error", "--fail", "--max-time", 50)
SEEN = "%{response_code} %{http_version} %{num_connects} %{size_download}\\n"


@pytest.fixture(scope="module", params=["auto", "threads"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("root")
    write(root / "large.bin", LARGE)
    write(root / "page.html", PAGE)
    with serving(root, backend=request.param) as server:
        yield server
        server.await_quiet()


def curl(home: Path, *arguments: object) -> list[list[str]]:
    """Of each answer in turn: status, version, connections made for it, bytes of the body."""
    said = succeed("curl", *QUIETLY, "--write-out", SEEN, *arguments, home=home)
    return [line.split() for line in said.splitlines()]


def test_a_download_that_broke_off_is_resumed(server: Server, tmp_path: Path) -> None:
    large = url(server, "large.bin")
    first = break_off("curl", *QUIETLY, large, home=tmp_path, after=len(LARGE) // 2)
    (tmp_path / "got").write_bytes(first)
    seen = curl(tmp_path, "-C", "-", "--output", "got", large)
    assert seen == [["206", "1.1", "1", str(len(LARGE) - len(first))]]
    assert digest_of(tmp_path / "got") == digest(LARGE)


def test_a_download_that_is_complete_has_nothing_to_resume(server: Server, tmp_path: Path) -> None:
    (tmp_path / "got").write_bytes(LARGE)
    ran = run("curl", *QUIETLY, "-C", "-", "-w", SEEN, "-o", "got", url(server, "large.bin"), home=tmp_path)
    assert ran.stdout.split()[:1] == [b"416"], ran
    assert digest_of(tmp_path / "got") == digest(LARGE)


@pytest.mark.parametrize(
    ("fields", "connections"),
    [
        ((), ["1", "1", "1"]),
        (("--header", "Connection: keep-alive"), ["1", "0", "0"]),
    ],
    ids=["without keep-alive", "with keep-alive"],
)
def test_http_1_0_keeps_a_connection_only_when_asked(
    server: Server, tmp_path: Path, fields: tuple[str, ...], connections: list[str]
) -> None:
    names = ("page.html", "large.bin", "page.html")
    outputs = [part for n, name in enumerate(names) for part in ("--output", n, url(server, name))]
    seen = curl(tmp_path, "--http1.0", *fields, *outputs)
    assert [(status, made) for status, _, made, _ in seen] == [("200", made) for made in connections]
    assert [digest_of(tmp_path / str(n)) for n in range(3)] == list(map(digest, (PAGE, LARGE, PAGE)))


def test_many_urls_share_one_connection(server: Server, tmp_path: Path) -> None:
    names = ("page.html", "large.bin") * 5
    outputs = [part for n, name in enumerate(names) for part in ("--output", n, url(server, name))]
    seen = curl(tmp_path, *outputs)
    assert [made for _, _, made, _ in seen] == ["1"] + ["0"] * 9
    assert [digest_of(tmp_path / str(n)) for n in range(10)] == [digest(PAGE), digest(LARGE)] * 5


def test_a_head_is_not_followed_by_a_body(server: Server, tmp_path: Path) -> None:
    large = url(server, "large.bin")
    seen = curl(tmp_path, "--head", "--output", "1", large, "--output", "2", large)
    assert [(status, made, size) for status, _, made, size in seen] == [("200", "1", "0"), ("200", "0", "0")]
    assert f"Content-Length: {len(LARGE)}".lower() in (tmp_path / "2").read_text().lower()


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("0-0", LARGE[:1]),
        ("-5", LARGE[-5:]),
        ("1000003-", LARGE[1_000_003:]),
        ("262143-3000000", LARGE[262_143:3_000_001]),
        ("5000000-99999999", LARGE[5_000_000:]),
    ],
)
def test_a_range_is_that_part(server: Server, tmp_path: Path, wanted: str, part: bytes) -> None:
    seen = curl(tmp_path, "--range", wanted, "--output", "got", url(server, "large.bin"))
    assert seen == [["206", "1.1", "1", str(len(part))]]
    assert digest_of(tmp_path / "got") == digest(part)


def test_what_has_not_changed_since_is_not_sent_again(server: Server, tmp_path: Path) -> None:
    large = url(server, "large.bin")
    got = tmp_path / "got"
    assert curl(tmp_path, "--remote-time", "--output", "got", large)[0][0] == "200"
    assert curl(tmp_path, "-z", "got", "--output", "again", large) == [["304", "1.1", "1", "0"]]
    assert curl(tmp_path, "-z", "Sun, 06 Nov 1994 08:49:37 GMT", "-o", "again", large)[0][0] == "200"
    assert digest_of(got) == digest_of(tmp_path / "again") == digest(LARGE)


def test_what_has_the_same_etag_is_not_sent_again(server: Server, tmp_path: Path) -> None:
    page = url(server, "page.html")
    assert curl(tmp_path, "--etag-save", "etag", "--output", "got", page)[0][0] == "200"
    assert (tmp_path / "etag").read_text().strip()
    assert curl(tmp_path, "--etag-compare", "etag", "-o", "again", page) == [["304", "1.1", "1", "0"]]
    (tmp_path / "etag").write_text('"another"\n')
    assert curl(tmp_path, "--etag-compare", "etag", "-o", "again", page)[0][0] == "200"
    assert digest_of(tmp_path / "got") == digest_of(tmp_path / "again") == digest(PAGE)


def test_who_offers_to_decompress_gets_the_file_as_it_is(server: Server, tmp_path: Path) -> None:
    curl(tmp_path, "--compressed", "--dump-header", "head", "--output", "got", url(server, "page.html"))
    assert "content-encoding" not in (tmp_path / "head").read_text().lower()
    assert digest_of(tmp_path / "got") == digest(PAGE)
