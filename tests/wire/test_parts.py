"""Several ranges in one answer (RFC 9110 section 14.6), as a client takes them apart."""

import email.parser
import re

import pytest

from tests.rig.client import Client, ask, get
from tests.rig.files import noise, write
from tests.rig.server import serving

SIZES = {"small.bin": 50_000, "large.bin": 3_000_000}
BACKENDS = ["auto", "linux-aio", "threads", "sendfile", "buffered"]


@pytest.fixture(scope="module", params=BACKENDS)
def served(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("site")
    content = {name: write(root / name, noise(size)) for name, size in SIZES.items()}
    with serving(root, backend=request.param) as server:
        yield server, content


def parts_of(response):
    """The parts, as the library that reads mail understands them."""
    head = b"Content-Type: " + response["content-type"].encode() + b"\r\n\r\n"
    message = email.parser.BytesParser().parsebytes(head + response.body)
    assert message.is_multipart()
    assert not message.defects
    for part in message.get_payload():
        first, last, size = map(int, re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", part["content-range"]).groups())
        yield first, last, size


@pytest.mark.parametrize("name", SIZES)
def test_each_part_holds_the_bytes_it_names(served, name):
    server, content = served
    size = SIZES[name]
    ranges = [(size - 1000, size - 1), (7, 7), (20_000, 40_000)]
    wanted = ",".join(f"{first}-{last}" for first, last in ranges)
    response = ask(server.port, f"/{name}", f"Range: bytes={wanted}")
    assert response.status == 206
    assert [(first, last) for first, last, _ in parts_of(response)] == ranges
    boundary = response["content-type"].partition("boundary=")[2].encode()
    bodies = [piece.partition(b"\r\n\r\n")[2] for piece in response.body.split(b"\r\n--" + boundary)[1:-1]]
    assert bodies == [content[name][first : last + 1] for first, last in ranges]
    assert response.body.startswith(b"\r\n--" + boundary)
    assert response.body.endswith(b"\r\n--" + boundary + b"--\r\n")


def test_an_answer_of_many_parts_holds_no_more_slots_than_one_of_one(served):
    server, _ = served
    ranges = [(n * 45_000, n * 45_000 + 9) for n in range(60)]
    wanted = ",".join(f"{first}-{last}" for first, last in ranges)
    with Client(server.port) as client:
        for _ in range(3):
            response = client.send(get("/large.bin", f"Range: bytes={wanted}")).response()
            assert len(list(parts_of(response))) == 60
    state = server.await_quiet()
    assert state["slots"]["pinned"] == state["slots"]["reading"] == 0
