"""The laboratory, in its smallest form: that it measures, says what is missing, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest import disks, memory
from loadtest.lab import __main__ as lab
from loadtest.lab.findings import Cell, Column, Findings, Target, at_least, at_most, distribution, over_time

PATIENCE_SECONDS = 120  # for what takes twenty on a machine that is idle
CHECKOUT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def ground() -> None:
    if reason := lab.missing():
        pytest.skip(reason)


@pytest.fixture(scope="module")
def results(ground: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of two scenarios, each run on its own."""
    directory = tmp_path_factory.mktemp("lab")
    for scenario in ("frozen", "hot"):
        done = subprocess.run(
            command(scenario, directory),
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        assert done.returncode == 0, done.stderr
    return directory


@pytest.mark.parametrize("scenario", ["frozen", "hot"])
def test_a_scenario_leaves_its_figures(results: Path, scenario: str) -> None:
    found = json.loads((results / f"{scenario}.json").read_text())
    assert found["scenario"] == scenario
    assert {cell["server"] for cell in found["cells"]} == {"headrace"}
    assert found["facts"]["failures"] == []
    assert found["facts"]["versions"] == ["headrace 0.1.0"]
    assert found["targets"]


def test_the_page_is_served_while_the_disk_stands_still(results: Path) -> None:
    (cell,) = json.loads((results / "frozen.json").read_text())["cells"]
    assert cell["figures"]["unanswered_from"] is None
    assert cell["figures"]["completed"] == cell["figures"]["tried"] > 0


@pytest.mark.parametrize("plot", ["frozen-page-over-time", "hot-mb-per-second", "hot-cpu-per-gb"])
def test_a_plot_is_drawn_twice(results: Path, plot: str) -> None:
    assert (results / f"{plot}.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (results / f"{plot}.svg").read_text()


def test_the_report_has_a_section_for_each_scenario_that_was_ever_run(results: Path) -> None:
    page = (results / "README.md").read_text()
    assert [line.split(":")[0] for line in page.splitlines() if line.startswith("## ")] == [
        "## frozen",
        "## hot",
    ]
    for picture in page.split("](")[1:]:
        assert (results / picture.partition(")")[0]).exists()


def test_after_a_ctrl_c_nothing_is_left(ground: None, tmp_path: Path) -> None:
    with subprocess.Popen(
        command("frozen", tmp_path), cwd=CHECKOUT, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            until_frozen(process.pid)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=PATIENCE_SECONDS)[1]
        finally:
            process.kill()
    assert process.returncode == lab.INTERRUPTED, said
    assert "lab: interrupted" in said
    assert [*left_by(process.pid)] == []


def test_who_is_not_root_is_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 65534)
    monkeypatch.setattr(sys, "argv", ["lab", "hot"])
    with pytest.raises(SystemExit, match=r"^lab: only root can make file systems and mount them$"):
        lab.main()


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (disks, "no block throttle of control groups can be written to here"),
        (memory, "no memory controller of control groups can be written to here"),
    ],
)
def test_what_is_missing_is_said_in_a_sentence(
    ground: None, monkeypatch: pytest.MonkeyPatch, module: object, reason: str
) -> None:
    monkeypatch.setattr(module, "missing", lambda: reason)
    monkeypatch.setattr(sys, "argv", ["lab"])
    with pytest.raises(SystemExit, match=f"^lab: {reason}$"):
        lab.main()


def test_findings_come_back_from_json_as_they_were() -> None:
    found = Findings(
        columns=[Column("p99", "p99, ms")],
        cells=[Cell("headrace", "cold", 1, {"p99": 1.5}, {"page": [[0.1, 2.0]]})],
        targets=[Target("at most 2", 1.5, True)],
    )
    again = Findings.from_json(json.loads(json.dumps(found.as_json())))
    assert (again.cells, again.targets, again.columns) == (found.cells, found.targets, found.columns)


def test_a_target_without_a_figure_is_neither_met_nor_missed() -> None:
    assert [at_least("", None, 1.0).met, at_most("", 1.0, None).met] == [None, None]
    assert [at_least("", 1.0, 1.0).met, at_most("", 1.1, 1.0).met] == [True, False]


def test_a_stall_is_seen_in_its_bucket() -> None:
    assert over_time([(0.01, 1.0), (0.02, 900.0), (0.31, 2.0)]) == [(0.0, 900.0), (0.3, 2.0)]


def test_a_distribution_ends_with_the_largest() -> None:
    shares = distribution(float(value) for value in range(1, 1001))
    assert shares[0] == (10.0, 1)
    assert shares[-3:] == [(995.0, 99.5), (999.0, 99.9), (1000.0, 100)]


def command(scenario: str, directory: Path) -> list[str]:
    options = ("--quick", "--servers", "headrace", "--results", str(directory))
    return [sys.executable, "-m", "loadtest.lab", scenario, *options]


def until_frozen(pid: int) -> None:
    """Its server runs, and one of its groups is held back."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        readers = [name for child in children(pid) if (name := name_of(child)) == "stat"]
        if readers:  # those that prove that the disk stands still
            return
        time.sleep(0.05)
    raise TimeoutError("the laboratory has not got so far as to freeze its disk")


def children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(child) for child in task.read_text().split()]
    return found


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def left_by(pid: int) -> Iterator[str]:
    """Directories, mounts, loop devices, groups and processes that carry its number."""
    mark = f"{pid}-"
    temporary = Path(os.environ.get("TMPDIR", "/tmp"))
    yield from (str(path) for path in temporary.glob(f"headrace-disk-{mark}*"))
    yield from (
        line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f"disk-{mark}" in line
    )
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            if f"disk-{mark}" in (text := backing.read_text()):
                yield text
        except OSError:
            continue  # somebody else's, which has just gone
    for pattern in (f"*/headrace-disk-{mark}*", f"*/headrace-memory-{pid}", f"headrace-*-{mark}*"):
        yield from (str(path) for path in Path("/sys/fs/cgroup").glob(pattern))
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"headrace-disk-{mark}" in (words := path.read_text()):
                yield words
        except OSError:
            continue
