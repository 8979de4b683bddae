"""Hard cases, side by side: Headrace is right in all, or has a reason to choose; and every check can fail."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loadtest import manners, peers
from loadtest.hard_cases import NEXT_BODY, PAGE
from loadtest.verdicts import Answer, Kind, Seen, judge
from tests.rig.server import CHECKOUT

PATIENCE_SECONDS = 60  # for a program that takes less than four
NAMES = [case.name for case in manners.CASES]
# Here a status of 200 says all, or what comes with it is not a file's content.
ANY_CONTENT = {
    "HEAD with Range",
    "`//evil.example`, a directory",
    "`//evil.example/..`",
    "OPTIONS *",
    "TRACE",
}
PLAIN = Answer(200, (("Date", "?"), ("ETag", '"tag"'), ("Content-Length", str(len(PAGE)))), PAGE)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the program leaves behind."""
    directory = tmp_path_factory.mktemp("manners")
    ran = subprocess.run(
        [sys.executable, "-m", "loadtest.manners", "--results", str(directory)],
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert ran.stderr == ""
    assert ran.stdout == (directory / "manners.md").read_text()
    assert ran.returncode == (0)
    return directory


@pytest.fixture(scope="module")
def columns(results: Path) -> dict[str, dict[str, Any]]:
    return {column["server"]: column for column in json.loads((results / "manners.json").read_text())}


@pytest.mark.parametrize("name", NAMES)
def test_headrace_is_right_or_says_why_it_chooses(columns: dict[str, dict[str, Any]], name: str) -> None:
    (found,) = (case for case in columns["Headrace"]["cases"] if case["case"] == name)
    assert found["verdict"] == ("choice" if name in manners.OUR_REASONS else "right"), found


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, (kind, _) in manners.PEERS.items()])
def test_each_server_that_is_installed_has_a_verdict_in_every_case(
    columns: dict[str, dict[str, Any]], name: str, kind: str
) -> None:
    column = columns[name]
    if why := peers.missing(kind):
        assert (column["missing"], column["cases"]) == (why, [])
        return
    assert [case["case"] for case in column["cases"]] == NAMES
    assert column["right"] + column["choice"] + column["wrong"] == len(NAMES)
    # Whoever serves files at all: most of it is no matter of opinion.
    assert column["right"] > len(NAMES) / 2
    assert all(case["statuses"] for case in column["cases"]), "an answer is missing"


def test_the_table_has_a_row_for_every_case(results: Path) -> None:
    lines = (results / "manners.md").read_text().splitlines()
    assert [len([line for line in lines if line.startswith(f"| {name} |")]) for name in NAMES] == [1] * len(
        NAMES
    )
    assert len(NAMES) == len(set(NAMES)) >= 34


def test_a_server_that_is_not_installed_has_a_column_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    why = "lighttpd is not installed (apt-get install lighttpd)"
    monkeypatch.setattr(peers, "missing", lambda kind: why if kind != "headrace" else None)
    columns = manners.compare()
    assert [bool(column.results) for column in columns] == [True, False, False]
    table = manners.table(columns)
    assert f"| lighttpd | {why} |" in table
    assert table.count("| not installed | not installed |") == len(NAMES)


@pytest.mark.parametrize(
    ("answers", "excepted"),
    [
        ((), ()),
        ((Answer(599, PLAIN.fields, PAGE),), ()),
        ((Answer(206, (("Date", "?"), ("Content-Range", "bytes 0-4/5")), b"other"),), ()),
        ((Answer(200, (("Date", "?"), ("ETag", '"tag"')), b"something else"),), ANY_CONTENT),
    ],
    ids=["nothing", "a status that nobody knows", "another part", "another content"],
)
def test_no_check_is_content_with_just_anything(answers: tuple[Answer, ...], excepted: set[str]) -> None:
    content = set()
    for case in manners.CASES:
        method = case.request.lstrip().partition(b" ")[0].decode()
        if judge(case.check, Seen(method, PLAIN, answers, closed=False)).kind is not Kind.WRONG:
            content.add(case.name)
    assert content == set(excepted)


@pytest.mark.parametrize(
    ("said", "want"),
    [
        ({}, Kind.RIGHT),
        ({"closed": True}, Kind.CHOICE),  # nothing behind it is read
        ({"statuses": (200, 400)}, Kind.WRONG),  # "helloGET"
        ({"statuses": (200,)}, Kind.WRONG),
    ],
)
def test_content_that_is_taken_for_a_request_is_wrong(said: dict[str, Any], want: Kind) -> None:
    (case,) = (case for case in manners.CASES if case.name == "GET with content, and a request behind it")
    statuses = (200,) if said.get("closed") else said.get("statuses", (200, 200))
    bodies = (PAGE, NEXT_BODY)
    answers = tuple(
        Answer(status, PLAIN.fields, body) for status, body in zip(statuses, bodies, strict=False)
    )
    seen = Seen("GET", PLAIN, answers, closed=said.get("closed", False))
    assert judge(case.check, seen).kind is want
