"""The bench, in its shortest form: it compares, measures, and leaves figures of everybody who is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loadtest import peers
from loadtest.bench import __main__ as bench
from loadtest.bench.scenarios import NAMES
from loadtest.bench.without import MEASURES
from tests.rig.client import Client
from tests.rig.server import serving

PATIENCE_SECONDS = 120  # for what takes twenty on a machine that is idle
CHECKOUT = Path(__file__).resolve().parent.parent.parent
SERVERS = [name for name in ("headrace", "nginx") if peers.missing(name) is None]
WORKLOADS = ("same", "browsers")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of two workloads in one run."""
    if reason := bench.missing():
        pytest.skip(reason)
    directory = tmp_path_factory.mktemp("bench")
    done = run(*WORKLOADS, "--servers", *SERVERS, "--results", str(directory))
    assert done.returncode == 0, done.stderr
    return directory


def read(results: Path, workload: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((results / f"{workload}.json").read_text())
    return found


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_workload_leaves_everybody_s_figures(results: Path, workload: str) -> None:
    found = read(results, workload)
    assert [cell["server"] for cell in found["cells"]] == SERVERS
    assert found["facts"]["failures"] == []
    for cell in found["cells"]:
        assert cell["figures"]["cpu_per_request"] > 0
        assert cell["figures"]["requests"] > 0
        assert cell["figures"]["load_percent"] > 0


def test_the_hit_rates_of_the_tables_are_told(results: Path) -> None:
    ours = read(results, "same")["cells"][0]["figures"]
    assert ours["heads_judged"] < 5
    assert ours["replies_recalled"] > 50


def test_a_fifth_of_the_browsers_answers_are_304(results: Path) -> None:
    for cell in read(results, "browsers")["cells"]:
        assert cell["figures"]["unchanged"] == pytest.approx(20, abs=0.5)


def test_the_page_has_a_line_for_each_server_and_each_target(results: Path) -> None:
    page = (results / "README.md").read_text()
    head, _, sections = page.partition("## same")
    assert "## browsers" in sections
    for server in SERVERS:
        assert f"\n| {server} | " in head
    for workload in WORKLOADS:
        for target in read(results, workload)["targets"]:
            assert target["text"] in head
        for kind in ("png", "svg"):
            assert (results / f"{workload}-cpu-per-request.{kind}").stat().st_size > 1000


def test_nothing_in_the_results_says_where_they_were_made(results: Path) -> None:
    for path in (*results.glob("*.json"), *results.glob("*.md")):
        text = path.read_text()
        assert "headrace-bench-" not in text
        assert str(CHECKOUT) not in text
        assert os.uname().nodename not in text


def test_a_server_that_answers_wrong_is_not_measured(results: Path, tmp_path: Path) -> None:
    done = run("same", "--servers", "headrace", "--results", str(tmp_path), rig="wrong")
    assert done.returncode == 1
    assert "/page.html came with other bytes" in done.stderr
    assert json.loads((tmp_path / "same.json").read_text())["cells"] == []


def test_what_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers, "missing", lambda name: f"{name} is away" if name == "caddy" else None)
    assert bench.available(["headrace", "caddy"]) == ["headrace"]
    assert capsys.readouterr().err == "bench: left out: caddy: caddy is away\n"


def test_an_unknown_workload_is_refused() -> None:
    done = run("sane")
    assert done.returncode == 2
    assert f"no such workload: sane; there are {', '.join(NAMES)}" in done.stderr


def run(*options: str, rig: str = "") -> subprocess.CompletedProcess[str]:
    """With `rig`, what is compared with is not what is served."""
    command = [sys.executable, "-m", "loadtest.bench"]
    if rig:
        spoil = (
            "from loadtest.bench import __main__, probe, site\n"
            "compare = probe.compare\n"
            "def spoiled(root, target, answer):\n"
            "    compare(root, target, probe.Answer(answer.status, answer.fields, answer.body[:-1] + b'?'))\n"
            "probe.compare = spoiled\n"
            "site._compress = lambda root, level: None\n"
            "__main__.main()\n"
        )
        command = [sys.executable, "-c", spoil]
    return subprocess.run(
        [*command, *options, "--quick", "--seconds", "1"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("measure", MEASURES)
def test_without_one_measure_the_answers_are_the_same(tmp_path: Path, measure: str) -> None:
    page = b"content" * 100
    (tmp_path / "page.html").write_bytes(page)
    command = (sys.executable, "-m", "loadtest.bench.interpreted", measure)
    with serving(tmp_path, command=command) as server, Client(server.port) as client:
        for agent in ("short", "short", "short", "long" * 100, "long" * 100, "long" * 100):
            answer = client.ask("/page.html", f"User-Agent: {agent}")
            assert (answer.status, answer.body) == (200, page)
