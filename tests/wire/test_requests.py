"""Methods, statuses, and whether the connection goes on (RFC 9110, RFC 9112)."""

import re
import socket

import pytest

from tests.rig.client import Client, ask, get

DATE = re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
ANSWERED = (
    "/",
    "/small.txt",
    "/empty.txt",
    "/none",
    "/docs",
    "/docs/",
    "/medium.bin",
    "/big.bin",
    "/..",
    "/%00",
)


def test_get_gives_the_bytes_and_says_what_they_are(server, root):
    found = ask(server.port, "/small.txt")
    assert (found.status, found.body) == (200, b"0123456789")
    assert found["content-type"] == "text/plain; charset=utf-8"
    assert found["content-length"] == "10"
    assert found["accept-ranges"] == "bytes"
    assert found["last-modified"] == "Sun, 09 Sep 2001 01:46:40 GMT"
    assert DATE.fullmatch(found["date"])


@pytest.mark.parametrize("target", ANSWERED)
def test_head_says_what_get_says_and_no_more(server, target):
    with Client(server.port) as client:
        client.send(get(target, "Connection: close", method="HEAD")).shut()
        alone = client.rest()
    with Client(server.port) as client:
        client.send(get(target, "Connection: close"))
        wanted = client.response()
    head, end, rest = alone.partition(b"\r\n\r\n")
    assert (end, rest) == (b"\r\n\r\n", b"")
    assert _undated(head) == _undated(wanted.head)


def _undated(head: bytes) -> list[bytes]:
    return [line for line in head.split(b"\r\n") if not line.startswith(b"Date: ")]


@pytest.mark.parametrize("target", ["*", "/", "/none"])
def test_options_says_what_can_be_done(server, target):
    found = ask(server.port, target, method="OPTIONS")
    assert (found.status, found["allow"]) == (204, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE"])
def test_a_method_that_would_change_something_is_405(server, method):
    found = ask(server.port, "/small.txt", method=method)
    assert (found.status, found["allow"], found["connection"]) == (405, "GET, HEAD, OPTIONS", "close")


@pytest.mark.parametrize("method", ["BREW", "get", "PROPFIND"])
def test_an_unknown_method_is_501(server, method):
    assert ask(server.port, "/small.txt", method=method).status == 501


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/", 200),
        ("/docs/", 200),
        ("/docs/../small.txt", 200),
        ("//small.txt", 200),
        ("/sm%61ll.txt", 200),
        ("/small.txt?v=1", 200),
        ("/docs", 301),
        ("/bare", 301),
        ("/none", 404),
        ("/bare/", 404),
        ("/small.txt/", 404),
        ("/small.txt/more", 404),
        ("/Small.txt", 404),
        ("/" + "x" * 300, 404),  # longer than a name may be
        ("/" + "x/" * 3000, 404),  # longer than a path may be
        ("/../small.txt", 400),
        ("/%2e%2e/etc/passwd", 400),
        ("/%00", 400),
        ("/%", 400),
    ],
)
def test_a_target_gets_its_status(server, target, status):
    assert ask(server.port, target).status == status


def test_a_directory_without_its_slash_redirects_and_keeps_the_query(server):
    assert ask(server.port, "/docs?a=b")["location"] == "./docs/?a=b"
    assert ask(server.port, "//docs")["location"] == "/docs/"


def test_absolute_form_is_the_same_file(server):
    assert ask(server.port, "http://elsewhere/small.txt").body == b"0123456789"


@pytest.mark.parametrize(
    ("version", "fields", "goes_on", "connection"),
    [
        ("1.1", (), True, []),
        ("1.1", ("Connection: keep-alive",), True, []),
        ("1.1", ("Connection: close",), False, ["close"]),
        ("1.0", (), False, ["close"]),
        ("1.0", ("Connection: keep-alive",), True, ["keep-alive"]),
    ],
)
@pytest.mark.parametrize("target", ["/small.txt", "/big.bin", "/none", "/docs"])
def test_a_connection_goes_on_when_the_client_wants_it_to(
    server, target, version, fields, goes_on, connection
):
    with Client(server.port) as client:
        for _ in range(3):
            found = client.ask(target, *fields, version=version)
            assert [value for name, value in found.fields if name == "connection"] == connection
            if not goes_on:
                break
        if goes_on:
            assert client.ask("/small.txt", "Connection: close").status == 200
        assert client.rest() == b""


def test_fifty_requests_in_one_segment_are_answered_in_their_order(server, root):
    targets = ["/small.txt", "/medium.bin", "/none", "/docs", "/empty.txt", "/"] * 8 + [
        "/big.bin",
        "/small.txt",
    ]
    expected = [ask(server.port, target) for target in targets]
    with Client(server.port) as client:
        client.send(b"".join(map(get, targets)))
        for target, alone in zip(targets, expected, strict=True):
            found = client.response()
            assert (found.status, found.body) == (alone.status, alone.body), target


def test_who_sends_thousands_of_requests_together_gets_no_turn_as_long_as_that(server):
    with Client(server.port) as client:
        before = server.state()["turns"]["count"]
        client.send(get("/small.txt") * 2000)
        for _ in range(2000):
            assert client.response().status == 200
        assert server.state()["turns"]["count"] - before > 100


def test_requests_behind_one_that_closes_are_not_answered(server):
    with Client(server.port) as client:
        client.send(get("/small.txt") + get("/small.txt", "Connection: close") + get("/none"))
        assert [client.response().status for _ in range(2)] == [200, 200]
        assert client.rest() == b""


def test_requests_behind_one_that_is_refused_are_not_answered(server):
    with Client(server.port) as client:
        client.send(get("/small.txt") + get("/", "Content-Length: 3") + get("/small.txt"))
        assert [client.response().status for _ in range(2)] == [200, 413]
        assert client.rest() == b""


def test_empty_lines_before_a_request_are_not_there(server):
    """RFC 9112 section 2.2."""
    with Client(server.port) as client:
        assert client.send(b"\r\n\r\n" + get("/small.txt")).response().status == 200
        assert client.send(b"\r\n" + get("/small.txt")).response().status == 200
        client.send_byte_by_byte(b"\r\n\r\n" + get("/small.txt", "Connection: close"))
        assert client.response().status == 200


def test_more_empty_lines_than_anybody_needs_hold_up_nobody(server):
    with Client(server.port) as client, Client(server.port) as other:
        client.send(b"\r\n" * 500_000 + get("/small.txt"))
        assert other.ask("/small.txt").status == 200
        assert client.response().status == 200


@pytest.mark.parametrize(
    ("size", "extra", "status"),
    [(8192, 0, 404), (8193, 0, 414), (20_000, 0, 414), (100, 16_000, 404), (100, 17_000, 431)],
)
def test_how_long_a_head_may_be_does_not_depend_on_how_it_comes(server, size, extra, status):
    target = "/" + "x/" * ((size - len("GET / HTTP/1.1")) // 2) + "x" * (size % 2)
    request = get(target, f"X: {'y' * extra}")
    assert len(request.partition(b"\r\n")[0]) == size
    for send in (Client.send, Client.send_byte_by_byte):
        with Client(server.port) as client:
            send(client, request)
            assert client.response().status == status


REQUESTS = {
    "hit": get("/small.txt"),
    "miss": get("/none"),
    "big": get("/big.bin"),
    "head": get("/big.bin", method="HEAD"),
    "range": get("/big.bin", "Range: bytes=100000-300000"),
    "unsatisfiable": get("/small.txt", "Range: bytes=10-"),
    "not modified": get("/small.txt", "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT"),
    "failed": get("/small.txt", 'If-Match: "no"'),
    "redirect": get("/docs?x"),
    "options": get("*", method="OPTIONS"),
    "1.0": get("/small.txt", version="1.0"),
    "post": get("/small.txt", "Content-Length: 5", method="POST") + b"hello",
    "unknown method": get("/small.txt", method="BREW"),
    "empty lines": b"\r\n\r\n" + get("/small.txt"),
    "two": get("/small.txt") + get("/none"),
    "and a refusal": get("/small.txt") + get("/", host=None),
    "body": get("/small.txt", "Content-Length: 5") + b"hello",
    "chunks": get("/small.txt", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "bare LF": b"GET / HTTP/1.1\nHost: a\n\n",
    "bare LF at the end": b"GET / HTTP/1.1\r\nHost: a\r\n\n",
    "fold": b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
    "NUL": b"GET / HTTP/1.1\r\nHost: a\0\r\n\r\n",
    "no Host": get("/", host=None),
    "2.0": get("/", version="2.0"),
    "no version": b"GET /\r\n\r\n",
    "dots": get("/../../etc/passwd"),
    "percent": get("/%"),
    "expectation": get("/", "Expect: tea"),
    "long line": get("/" + "x" * 10_000),
    "long head": get("/", f"X: {'x' * 20_000}"),
    "many fields": get("/", *(f"X: {n}" for n in range(150))),
    "control far behind": get("/" + "x" * 9000 + "\x01"),
    "bare LF far behind": get("/" + "x" * 9000) + b"X: y\nZ: a\r\n\r\n",
    "control early": get("/", "X: \x01", f"Y: {'x' * 17_000}"),
    "HEAD with a long line": get("/" + "x" * 10_000, method="HEAD"),
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
}


def everything(server, request: bytes, send) -> list[bytes]:
    with Client(server.port) as client:
        try:
            send(client, request)
            client.shut()
        except ConnectionError:
            pytest.fail("the server cut the client short")
        return _undated(client.rest())


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_byte_by_byte_gets_the_answer_of_the_whole(server, name):
    whole = everything(server, REQUESTS[name], Client.send)
    assert whole[0].startswith(b"HTTP/1.1 ")
    assert everything(server, REQUESTS[name], Client.send_byte_by_byte) == whole


@pytest.mark.parametrize(
    "targets",
    [["/small.txt"], ["/big.bin"], ["/big.bin", "/small.txt", "/big.bin"], ["/none", "/docs", "/"]],
    ids=" ".join,
)
def test_a_client_that_has_shut_its_side_gets_all_of_its_answers(server, targets):
    expected = b"".join(ask(server.port, target).body for target in targets)
    with Client(server.port) as client:
        client.send(b"".join(map(get, targets))).shut()
        assert b"".join(client.response().body for _ in targets) == expected
        assert client.rest() == b""


@pytest.mark.parametrize("targets", [[], ["/small.txt"], ["/big.bin"]], ids=["at once", "small", "big"])
def test_a_client_that_shuts_its_side_in_the_middle_of_a_head_is_let_go(server, targets):
    with Client(server.port) as client:
        client.send(b"".join(map(get, targets)) + get("/small.txt")[:-1]).shut()
        assert [client.response().status for _ in targets] == [200] * len(targets)
        assert client.rest() == b""


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (get("/", "Content-Length: 2000000"), 413),
        (get("/", "Content-Length: 2000000", method="POST"), 405),
        (get("/", "Content-Length: 2000000", method="BREW"), 501),
        (get("/", host=None), 400),
        (get("/%"), 400),
    ],
)
def test_a_refusal_arrives_although_the_client_was_still_sending(server, request_, status):
    """RFC 9112 section 9.6: a reset would take the answer with it."""
    with Client(server.port) as client:
        client.send(request_ + b"x" * 2_000_000)
        assert client.response().status == status
        client.shut()
        assert client.rest() == b""


def test_a_client_that_waits_for_100_continue_is_told_at_once(server):
    with Client(server.port) as client:
        client.send(get("/", "Expect: 100-continue", "Content-Length: 5"))
        assert client.response().status == 413


def test_urgent_data_is_nothing_special(server):
    with Client(server.port) as client:
        client.sock.send(b"\r", socket.MSG_OOB)
        assert client.ask("/small.txt").status == 200


@pytest.mark.parametrize("fields", [("Connection: close",), ()], ids=["1.1", "1.0"])
@pytest.mark.parametrize("target", ["/small.txt", "/big.bin"])
def test_the_last_answer_arrives_whole_although_the_client_was_still_sending(server, root, target, fields):
    """RFC 9112 section 9.6: also one that was asked for with "close"."""
    with Client(server.port) as client:
        client.send(get(target, *fields, version="1.1" if fields else "1.0") + get("/none") * 20_000)
        assert client.response().body == (root / target[1:]).read_bytes()
        client.shut()
        assert client.rest() == b""
