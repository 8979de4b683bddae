"""Raw requests in files, each with the section that it is about, and what is answered.

A file begins with two comments: the section, and the statuses of the answers in their order;
`closed` says that the connection is closed after them, and that nothing more comes. The rest
is the request, line ends and all, as escapes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.rig.client import Client, get
from tests.rig.server import Server, serving

REQUESTS = Path(__file__).with_name("requests")
PAGE = b"<!doctype html><title>The page</title>"


def cases() -> Iterator[object]:
    for path in sorted(REQUESTS.glob("*.http")):
        about, answers, *lines = path.read_text().splitlines()
        assert about.startswith("# RFC "), "each request names its section"
        raw = "".join(lines).encode().decode("unicode_escape").encode("latin-1")
        yield pytest.param(raw, answers.removeprefix("# answers: ").split(), id=path.stem)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("site")
    (root / "index.html").write_bytes(PAGE)
    with serving(root) as server:
        yield server


@pytest.mark.parametrize(("raw", "expected"), list(cases()))
def test_a_request_is_answered_as_its_section_says(served: Server, raw: bytes, expected: list[str]) -> None:
    whole = answers(served, [raw], expected)
    for _ in range(2):  # and when its halves are known
        assert answers(served, [raw], expected) == whole
    assert answers(served, [raw[at : at + 1] for at in range(len(raw))], expected) == whole


def answers(served: Server, pieces: list[bytes], expected: list[str]) -> list[tuple[bytes, bytes]]:
    """Sends the pieces one by one; the answers, whose statuses are the expected ones."""
    statuses = [int(status) for status in expected if status != "closed"]
    method = "HEAD" if b"".join(pieces).startswith(b"HEAD ") else "GET"
    with Client(served.port) as client:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before all of it has come
            for piece in pieces:
                client.send(piece)
        responses = [client.response(method) for _ in statuses]
        assert [response.status for response in responses] == statuses
        if "closed" in expected:
            assert client.rest() == b""
        else:
            client.send(get("/again"))
            assert client.response().status == 404
    return [response.undated for response in responses]
