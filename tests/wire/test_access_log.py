"""The access log: a line for each answer, and never a reason to wait."""

import json
import os
import re
import signal
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from tests.rig.client import Client, ask, get
from tests.rig.files import noise, write
from tests.rig.server import serving
from tests.rig.until import until

COMBINED = re.compile(
    r'(?P<host>\S+) - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] '
    r'"(?P<line>[^"]*)" (?P<status>\d{3}) (?P<bytes>\d+) "(?P<referer>[^"]*)" "(?P<agent>[^"]*)"'
)  # fmt: skip
LARGE = 3_000_000
ENOUGH_ANSWERS = 1000  # for a second to pass, when each line is waited for


@pytest.fixture
def root(tmp_path):
    write(tmp_path / "index.html", b"hello")
    write(tmp_path / "large.bin", noise(LARGE))
    return tmp_path


class Log:
    """The reading end of the server's stdout."""

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._text = ""

    def lines(self, count: int) -> list[str]:
        until(lambda: self._read().count("\n") >= count, f"{count} lines of the log")
        return self._text.splitlines()

    def _read(self) -> str:
        with suppress(BlockingIOError):
            self._text += os.read(self._reader, 1 << 20).decode()
        return self._text

    def close(self) -> None:
        os.close(self._reader)
        os.close(self.writer)


@pytest.fixture
def log():
    log = Log()
    yield log
    log.close()


def test_each_answer_has_a_line_in_the_combined_format(root, log):
    with serving(root, "--log", "combined", stdout=log.writer) as server:
        ask(server.port, "/", "Referer: http://a.example/", "User-Agent: rig/1")
        ask(server.port, "/none?a=1")
        ask(server.port, "/", method="HEAD")
        ask(server.port, "/large.bin")
        ask(server.port, "/large.bin", "Range: bytes=5-14")
        with Client(server.port) as client:
            client.send(b"GET / HTTP/9.9\r\nHost: a\r\n\r\n").rest()
        lines = [COMBINED.fullmatch(line) for line in log.lines(6)]
    assert all(lines)
    found = [(line["line"], line["status"], line["bytes"]) for line in lines if line]
    assert found[0] == ("GET / HTTP/1.1", "200", "5")
    assert found[1][:2] == ("GET /none?a=1 HTTP/1.1", "404")
    assert found[2] == ("HEAD / HTTP/1.1", "200", "0")
    assert found[3] == ("GET /large.bin HTTP/1.1", "200", str(LARGE))
    assert found[4] == ("GET /large.bin HTTP/1.1", "206", "10")
    assert found[5][:2] == ("GET / HTTP/9.9", "505")
    assert (lines[0]["host"], lines[0]["referer"], lines[0]["agent"]) == (
        "127.0.0.1",
        "http://a.example/",
        "rig/1",
    )


@pytest.mark.parametrize(
    ("fields", "referer", "agent"),
    [
        (["Referer: http://a.example/", "user-agent:  rig/1 "], "http://a.example/", "rig/1"),
        (["User-Agent: rig/1"], "-", "rig/1"),
        (["Referer: a", "Cookie: a=b", "Referer: b", "User-Agent: rig/1"], "a, b", "rig/1"),
        (["Referer:", 'User-Agent: "'], "", "\\x22"),
        ([], "-", "-"),
    ],
)
def test_what_is_answered_from_memory_is_logged_as_it_was_the_first_time(root, log, fields, referer, agent):
    times = 8
    with serving(root, "--log", "combined", stdout=log.writer) as server:
        for _ in range(times):
            assert ask(server.port, "/", *fields).status == 200
        lines = [COMBINED.fullmatch(line) for line in log.lines(times)]
    found = {
        (line["line"], line["status"], line["bytes"], line["referer"], line["agent"])
        for line in lines
        if line
    }
    assert found == {("GET / HTTP/1.1", "200", "5", referer, agent)}


def test_a_line_has_the_time_of_its_answer(root, log):
    """Also when all else in it is as it was."""
    with serving(root, "--log", "combined", stdout=log.writer) as server:
        said: list[datetime] = []
        for count in range(1, ENOUGH_ANSWERS):
            before = datetime.now(UTC)
            ask(server.port, "/")
            line = log.lines(count)[-1]
            after = datetime.now(UTC)
            said.append(datetime.strptime(line.split("[")[1].split("]")[0], "%d/%b/%Y:%H:%M:%S %z"))
            assert before.replace(microsecond=0) <= said[-1] <= after
            if said[-1] != said[0]:
                break
        assert said[-1] != said[0]


def test_nothing_that_a_client_sends_can_forge_a_line(root, log):
    with serving(root, "--log", "combined", stdout=log.writer) as server:
        ask(server.port, '/"x', 'User-Agent: a" "b\\x\x9f')
        (line,) = log.lines(1)
    match = COMBINED.fullmatch(line)
    assert match
    assert match["line"] == "GET /\\x22x HTTP/1.1"
    assert match["agent"] == "a\\x22 \\x22b\\x5cx\\x9f"


def test_a_broken_off_answer_is_logged_with_what_left(root, log):
    with serving(root, "--log", "combined", stdout=log.writer) as server:
        with Client(server.port, receive_buffer=16 * 1024) as client:
            client.send(get("/large.bin")).head()
            client.reset()
        (line,) = log.lines(1)
    match = COMBINED.fullmatch(line)
    assert match
    assert 0 < int(match["bytes"]) < LARGE


@pytest.mark.parametrize("answers", [1, 100, 300])
def test_the_last_lines_are_there_when_the_server_has_ended(root, log, answers):
    with serving(root, "--log", "combined", stdout=log.writer) as server, Client(server.port) as client:
        client.send(get("/") * answers)
        for _ in range(answers):
            assert client.response().status == 200
        server.signal(signal.SIGTERM)
        assert server.ended() == 0
        assert len(log.lines(answers)) == answers


def test_json_lines_say_the_same(root, log):
    with serving(root, "--log", "json", stdout=log.writer) as server:
        ask(server.port, "/", "User-Agent: rig")
        (line,) = log.lines(1)
    record = json.loads(line)
    assert (record["request"], record["status"], record["bytes"]) == ("GET / HTTP/1.1", 200, 5)
    assert (record["remote"], record["user_agent"]) == ("127.0.0.1", "rig")


def test_a_log_that_nobody_reads_costs_lines_and_not_answers(root, log):
    """The pipe takes 64 KiB and the queue ten thousand lines; the answers go on all the same."""
    requests = 12_000
    with serving(root, "--log", "common", stdout=log.writer) as server, Client(server.port) as client:
        for _ in range(requests // 100):
            client.send(get("/") * 100)
            for _ in range(100):
                assert client.response().status == 200
        state = server.await_state(lambda state: state["log_lines_dropped"] > 0, "that lines were dropped")
        kept = log.lines(requests - state["log_lines_dropped"])
        assert len(kept) == requests - state["log_lines_dropped"]
