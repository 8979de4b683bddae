"""The laboratory, in its smallest form: that it measures, says what is missing, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from xml.etree import ElementTree

import pytest

from loadtest import disks, memory
from loadtest.lab import __main__ as lab
from loadtest.lab import readers
from loadtest.lab.plan import NAMES, duration, plan
from loadtest.measuring import cores, flames, footprint, stacks, tcp
from loadtest.measuring.bench import Bench, Turn, progress
from loadtest.measuring.findings import (
    Cell,
    Column,
    Findings,
    Target,
    at_least,
    at_most,
    distribution,
    over_time,
)
from loadtest.measuring.options import INTERRUPTED

PATIENCE_SECONDS = 120  # for what takes twenty on a machine that is idle
LARGEST_FLAME_BYTES = 300_000
QUICK_SECONDS = 300
CHECKOUT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def ground() -> None:
    if reason := lab.missing(flame=True):
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


def test_a_flame_graph_is_drawn_for_every_case(results: Path) -> None:
    drawn = sorted(results.glob("*-flame-*.svg"))
    assert [path.name for path in drawn] == ["hot-flame-files-of-10-mb.svg", "hot-flame-files-of-100-kb.svg"]
    page = (results / "README.md").read_text()
    for path in drawn:
        assert path.stat().st_size < LARGEST_FLAME_BYTES
        assert "Loop.turn" in (text := path.read_text())
        assert str(CHECKOUT) not in text
        assert f"({path.name})" in page


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
    assert process.returncode == INTERRUPTED, said
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


def test_stacks_are_gathered_without_places_and_threads_that_wait() -> None:
    seen = (
        "run (/home/somebody/server/loop.py:10);send (libc.so.6) 3",
        "run (/home/somebody/server/loop.py:10);turn (server/loop.py:20);0x7f391524524a (libc.so.6) 1",
        "run (journal.py:1);Condition.wait (threading.py:295) 90",
    )
    root = stacks.gathered(seen)
    assert (root.looks, root.depth) == (4, 4)
    (run,) = root.calls.values()
    assert (run.name, run.looks) == ("run (loop.py:10)", 4)
    assert {name: call.looks for name, call in run.calls.items()} == {
        "send (libc.so.6)": 3,
        "turn (server/loop.py:20)": 1,
    }
    assert list(run.calls["turn (server/loop.py:20)"].calls) == ["? (libc.so.6)"]


def test_what_was_translated_to_c_is_named_as_it_is_in_python() -> None:
    seen = (
        "CPyPy_loop___Loop___run (headrace__mypyc.so);CPyDef_loop___Loop___run (headrace__mypyc.so);"
        "CPyDef_plan____of_selection (build/__native_headrace.c:12);"
        "CPyDef_head___Head_____init__ (headrace__mypyc.so) 2",
    )
    root = stacks.gathered(seen)
    (run,) = root.calls.values()
    (selection,) = run.calls.values()
    assert [run.name, selection.name, *selection.calls] == [
        "Loop.run (loop.py)", "_of_selection (plan.py)", "Head.__init__ (head.py)",
    ]  # fmt: skip


def test_a_flame_graph_says_what_it_is_of_and_the_share_of_each_call() -> None:
    graph = stacks.drawn(stacks.gathered(["run;<module> 3", "run;send 1"]), "headrace & load")
    assert "headrace &amp; load" in graph
    assert "<title>&lt;module&gt;: 75.0 %</title>" in graph
    ElementTree.fromstring(graph)


def test_a_flame_graph_of_nothing_is_empty() -> None:
    ElementTree.fromstring(stacks.drawn(stacks.gathered([]), "idle"))


def test_a_flame_graph_is_named_after_its_case(tmp_path: Path) -> None:
    flame = flames.flame(tmp_path, "slow", "headrace 0.1.0", "200 reads/s, 60 MB/s, 1,000 downloads")
    assert flame.path == tmp_path / "slow-flame-200-reads-s-60-mb-s-1000-downloads.svg"
    assert flame.title.startswith("headrace 0.1.0, slow: 200 reads/s, 60 MB/s, 1,000 downloads, 20")


def test_the_arena_is_told_by_what_headrace_says_of_itself() -> None:
    assert footprint.arena_bytes({"slots": {"total": 448, "free": 3}}) == 112 << 20
    assert footprint.arena_bytes({}) == 0


def test_what_varies_leaves_the_arena_out() -> None:
    assert footprint.Footprint(pss=80.0, arena=64.0, sockets=2.0).varying == 18.0


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (99, "99 s"), (120, "2 min"), (5940, "99 min"), (7500, "2 h 05 min")]
)
def test_an_estimate_is_no_more_exact_than_it_can_be(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_the_quick_form_has_few_servers_and_our_backends_where_they_are_compared(ground: None) -> None:
    slow, cold = plan(["slow", "cold"], None, quick=True)
    assert slow.names == ["headrace", "nginx-sendfile", "nginx-threads"]
    assert {"headrace-linux-aio", "headrace-threads"} < set(cold.names)


def test_a_server_that_a_scenario_is_not_for_has_no_part_in_it(ground: None) -> None:
    (part,) = plan(["two-disks"], ["caddy", "lighttpd", "headrace"], quick=False)
    assert part.names == ["headrace", "lighttpd"]


def test_the_quick_form_takes_under_five_minutes(ground: None) -> None:
    parts = plan(NAMES, None, quick=True)
    assert sum(part.seconds(1, quick=True, flame=False) for part in parts) < QUICK_SECONDS


def test_a_round_more_for_the_flame_graphs_is_in_the_estimate(ground: None) -> None:
    (part,) = plan(["hot"], ["headrace"], quick=True)
    plain, with_graphs = (part.seconds(2, quick=True, flame=flame) for flame in (False, True))
    assert with_graphs - plain == part.scenario.quick.turn


def test_who_takes_part_once_has_a_turn_in_the_first_round_only(ground: None) -> None:
    (part,) = plan(["hot"], ["headrace", "caddy"], quick=False)
    pace = part.scenario.full
    assert part.seconds(3, ["caddy"], quick=False, flame=False) == pace.set_up + 4 * pace.turn
    with progress() as bar:
        bench = Bench(part.names, 3, quick=False, progress=bar, once=["caddy"])
        turns: list[tuple[int, str]] = []

        def one(turn: Turn[str]) -> Cell:
            turns.append((turn.round, turn.server))
            return Cell(turn.server, turn.case, turn.round, {})

        bench.measure(["a case"], one, lambda cell: cell.server)
    assert turns == [(1, "headrace"), (1, "caddy"), (2, "headrace"), (3, "headrace")]


def test_slow_readers_take_their_bytes_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "TURN_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as door, ExitStack() as stack:
        crowd = stack.enter_context(readers.SlowReaders(door.getsockname()[1], ["/a", "/b"], 5))
        for _ in range(5):
            served, _ = door.accept()
            stack.enter_context(served).sendall(b"x" * 2000)
        crowd.wait(PATIENCE_SECONDS)
        assert crowd.arrived == 5
        until = time.monotonic() + PATIENCE_SECONDS
        while crowd.bytes < 5 * 2000 and time.monotonic() < until:
            time.sleep(0.05)
        assert crowd.bytes == 5 * 2000
        assert 0 < crowd.cpu_seconds < PATIENCE_SECONDS


def test_the_limit_of_tcp_memory_is_put_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit = tmp_path / "tcp_mem"
    limit.write_text("100\t200\t300\n")
    monkeypatch.setattr(tcp, "MEMORY", limit)
    with tcp.more_memory(2):
        assert limit.read_text() == "200 400 600"
    assert limit.read_text() == "100\t200\t300\n"


def test_congestion_control_is_put_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    control = tmp_path / "tcp_congestion_control"
    control.write_text("bbr\n")
    monkeypatch.setattr(tcp, "CONGESTION", control)
    with suppress(KeyboardInterrupt), tcp.congestion("cubic"):
        assert tcp.congestion_control() == "cubic"
        raise KeyboardInterrupt
    assert tcp.congestion_control() == "bbr"
    with tcp.congestion(None):
        assert tcp.congestion_control() == "bbr"


def command(scenario: str, directory: Path) -> list[str]:
    options = ("--quick", "--flame", "--servers", "headrace", "--results", str(directory))
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


def latency() -> int:
    """In how many microseconds a core that idles must be there, whoever has asked for that."""
    with cores.LATENCY.open("rb", buffering=0) as said:
        return int(struct.unpack("=i", said.read(4))[0])


@pytest.mark.skipif(not cores.can_be_kept_awake(), reason="cores sleep here whatever is asked")
def test_cores_are_kept_awake_as_long_as_that_is_asked_for() -> None:
    before = latency()
    if before == 0:
        pytest.skip("somebody else keeps the cores awake")
    with cores.awake():
        assert latency() == 0
    assert latency() == before
