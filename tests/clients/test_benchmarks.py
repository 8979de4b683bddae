"""ab and wrk. What they measure is left aside; that every answer was whole and right is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.programs import succeed, url
from tests.rig.files import MIB, noise, write
from tests.rig.server import Server, serving

SIZES = {"page.html": 20_000, "large.bin": 2 * MIB + 17}


@pytest.fixture(scope="module", params=["auto", "threads"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("root")
    for name, size in SIZES.items():
        write(root / name, noise(size))
    with serving(root, backend=request.param) as server:
        yield server
        server.await_quiet()


@pytest.mark.parametrize(("name", "requests"), [("page.html", 500), ("large.bin", 24)])
@pytest.mark.parametrize("options", [("-k",), ()], ids=["kept alive", "not kept alive"])
def test_ab_has_no_failures(
    server: Server, tmp_path: Path, options: tuple[str, ...], name: str, requests: int
) -> None:
    said = succeed("ab", *options, "-n", requests, "-c", 8, "-s", 30, "-q", url(server, name), home=tmp_path)
    assert "Non-2xx" not in said
    assert (counted("Complete requests", said), counted("Failed requests", said)) == (requests, 0)
    assert counted("HTML transferred", said) == requests * SIZES[name]
    if options:
        assert counted("Keep-Alive requests", said) == requests
    else:
        assert "Keep-Alive requests" not in said


@pytest.mark.parametrize("name", SIZES)
def test_wrk_has_no_errors(server: Server, tmp_path: Path, name: str) -> None:
    said = succeed("wrk", "-t1", "-c8", "-d1", "--timeout", "30s", url(server, name), home=tmp_path)
    assert "Socket errors" not in said, said
    assert "Non-2xx" not in said, said
    answers = re.search(r"(\d+) requests in", said)
    assert answers
    assert int(answers[1]) > 0


def counted(what: str, said: str) -> int:
    found = re.search(rf"^{what}:\s+(\d+)", said, re.M)
    assert found, said
    return int(found[1])
