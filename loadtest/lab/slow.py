"""How long a page from memory, and a cold one, take while the disk is slow and others wait for it.

One disk, limited to so many reads and bytes a second. A page of 1 kB that is in memory, other pages that
nobody has asked for, and 0, 16, 200, 1,000 downloads, each of a file of its own that is cold.

Rule 1: the judge is a process of its own, above the downloaders in the scheduler's eyes: who measures must
        not wait for who makes the load. Both live on core 1.
Rule 2: the judge keeps a timetable. It notes when a request was due, when it left and when its answer was
        complete. Latency is from leaving to complete; what is not answered counts with its wait to the end.
Rule 3: in the gaps of the same timetable the judge asks a second server, which nobody loads (nginx, on core 0
        too). What that one takes is what the machine and the load generator add, and not the server.
Rule 4: no server process is asked twice for the same cold file; every cell starts a new one on a cooled disk.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from loadtest import disks, servers
from loadtest.judge import PAGE, PAGES_PER_SECOND, Sample, Timetable, ask_by_timetable, ask_page
from loadtest.lab import ground
from loadtest.lab.clients import FORK, Clients, Order
from loadtest.lab.scenario import Pace, Scenario
from loadtest.lab.yardstick import QUIET, yardstick
from loadtest.measuring.bench import Bench, Meter, Turn, closing, first_round
from loadtest.measuring.findings import (
    Cell,
    Column,
    Findings,
    Plot,
    Target,
    at_least,
    at_most,
    best,
    distribution,
    middle,
    over_time,
    peers_in,
    percentile,
    ratio,
)
from loadtest.measuring.flames import recorded
from loadtest.measuring.footprint import arena_bytes, footprint

SETTLE_SECONDS = 3.0  # downloads have started, the crowd of connects is over
COLD_PAGES, COLD_PAGES_PER_SECOND = 120, 4
WARMING_PAGES, WARMING_ROUNDS = 5, 4
COLD_FILES = "d"
SMALLEST_MIB, LARGEST_MIB = 2, 6
FIO_SECONDS, QUICK_FIO_SECONDS, FIO_DEPTH = 5.0, 2.0, 32
SOON_SECONDS = 0.1  # before the end: what is counted is counted while they all are there
TIE = 0.995  # of the best: a limit is dealt out in slices of up to 0.1 s, half a percent of the window
NOISE_MS = 2.0  # a page that takes no longer is served at once, whatever an idle server takes


@dataclass(frozen=True, slots=True)
class Limits:
    """The disk's, for each second."""

    reads: int
    megabytes: int

    def __str__(self) -> str:
        return f"{self.reads:,} reads/s, {self.megabytes} MB/s"


@dataclass(frozen=True, slots=True)
class Load:
    limits: Limits
    downloads: int

    def __str__(self) -> str:
        return f"{self.limits}, {self.downloads:,} downloads"


HARD_DISK, VOLUME = Limits(200, 60), Limits(3000, 125)


def run(bench: Bench) -> Findings:
    limits = [HARD_DISK] if bench.quick else [HARD_DISK, VOLUME]
    crowds = (0, 200) if bench.quick else (0, 16, 200, 1000)
    seconds, settle = (3.0, 1.5) if bench.quick else (20.0, SETTLE_SECONDS)
    loads = [Load(limit, downloads) for limit in limits for downloads in crowds]
    per_cell = limits[-1].megabytes * 1e6 * (seconds + settle + 2)
    files = crowds[-1] + int(per_cell / ((SMALLEST_MIB + LARGEST_MIB) / 2 * ground.MIB)) + 50
    span = LARGEST_MIB - SMALLEST_MIB + 1
    sizes = [(SMALLEST_MIB + number % span) * ground.MIB - number for number in range(files)]
    pages = [ground.PAGE_BYTES] * COLD_PAGES
    with disks.SlowDisk(ground.megabytes_for(sizes, pages)) as disk, ExitStack() as stack:
        rig = _Rig(disk, [], [], settle, seconds)
        bench.doing(f"writing {files:,} files")
        disk.populate(lambda root: _write(root, rig, sizes, pages))
        quiet = yardstick(stack)
        limited = [] if ground.fio_missing() else [*_fio(disk, rig, limits, bench)]
        cells = [*limited, *bench.measure(loads, lambda turn: _measure(rig, turn, quiet), _in_brief)]
    return Findings(
        columns=[
            Column("p50", "page p50, ms"),
            Column("p99", "p99"),
            Column("longest", "longest", worst=True),
            QUIET,
            Column("cold_p50", "cold page p50, ms"),
            Column("cold_p99", "p99"),
            Column("mb_per_second", "cold MB/s"),
            Column("cpu_per_gb", "CPU ms per GB"),
            Column("kib_per_download", "KiB more for each download"),
            Column("turn_cpu_ms", "longest turn, CPU ms", worst=True),
            Column("load_percent", "load's CPU, %"),
        ],
        cells=cells,
        targets=[*_targets(cells, loads)],
        plots=[
            Plot("time", "page", "The page in memory, while others download", "ms"),
            Plot("cdf", "page_cdf", "The page in memory", "ms"),
            Plot("cdf", "cold_cdf", "A cold page", "ms"),
            Plot("bars", "mb_per_second", "Cold downloads", "MB/s"),
        ],
        notes=[
            f"{PAGES_PER_SECOND} pages a second from memory, {COLD_PAGES_PER_SECOND} cold ones; "
            f"{seconds:g} s after {settle:g} s. CPU includes the pages. Cold MB/s are what the clients "
            "got, but no more than the disk gave meanwhile: who has read before sends from memory.",
            "Memory for each download: the server's PSS and the machine's TCP memory (of both sides), above "
            "what they were before the downloads came; without Headrace's arena, whose size is fixed.",
        ],
    )


@dataclass(frozen=True, slots=True)
class _Rig:
    disk: disks.SlowDisk
    cold: list[str]
    pages: list[str]
    settle: float
    seconds: float


def _write(root: Path, rig: _Rig, sizes: Sequence[int], pages: Sequence[int]) -> None:
    ground.write_page(root)
    rig.cold.extend(ground.write_files(root, COLD_FILES, sizes))
    rig.pages.extend(ground.write_files(root, "p", pages))


def _fio(disk: disks.SlowDisk, rig: _Rig, limits: Sequence[Limits], bench: Bench) -> Iterator[Cell]:
    seconds = QUICK_FIO_SECONDS if bench.quick else FIO_SECONDS
    for number in range(1, bench.rounds + 1):
        for limit in limits:
            disk.cool()
            disk.limit(limit.reads, limit.megabytes * 1_000_000)
            figures = {
                "mb_per_second": ground.fio(
                    disk.path / COLD_FILES,
                    block=ground.MIB,
                    depth=FIO_DEPTH,
                    seconds=seconds,
                    procs=disk.cgroup_procs,
                )
            }
            disk.unlimit()
            yield Cell(ground.FIO, str(limit), number, figures)


def _measure(rig: _Rig, turn: Turn[Load], beside_it: servers.Server) -> Cell:
    disk, limits, downloads = rig.disk, turn.case.limits, turn.case.downloads
    disk.unlimit()
    disk.cool()
    with servers.start(turn.server, disk.path, enter=disk.enter) as server, ExitStack() as stack:
        stack.enter_context(ground.page_held(disk.path))
        for port in (server.port, beside_it.port):
            for _ in range(WARMING_ROUNDS):
                ask_page(port, WARMING_PAGES)
                time.sleep(0.1)
        disk.limit(limits.reads, limits.megabytes * 1_000_000)
        stack.callback(disk.unlimit)
        arena = arena_bytes(server.state())
        before = footprint(server, arena)
        opening = time.monotonic_ns()
        window = opening + int(rig.settle * 1e9)
        end = window + int(rig.seconds * 1e9)
        judged, judge_end = FORK.Pipe(duplex=False)
        timetables = (
            Timetable(server.port),
            Timetable(beside_it.port),
            Timetable(server.port, rig.pages, COLD_PAGES_PER_SECOND),
        )
        judge = FORK.Process(target=ask_by_timetable, args=(timetables, end, judge_end), daemon=True)
        judge.start()
        closing(stack, judge.kill, judge.join, judged.close, judge_end.close)
        order = Order([server.port], rig.cold, downloads, most_seconds=rig.settle + rig.seconds)
        clients = stack.enter_context(Clients(order)) if downloads else None
        time.sleep(max(0.0, (window - time.monotonic_ns()) / 1e9))
        meter, received = Meter(server.cpu_seconds, disk.reads), clients.bytes if clients else 0
        with recorded(server, turn.flame if downloads else None):
            time.sleep(max(0.0, (end - time.monotonic_ns()) / 1e9 - SOON_SECONDS))
        span, received = meter.span(), (clients.bytes if clients else 0) - received
        beside = footprint(server, arena)
        hot, quiet, cold = _judgement(judged)
        report = clients.report() if clients else None
        state = server.state()
    turns = state.get("turns")
    turn_us = turns.get("longest_cpu_us") if isinstance(turns, dict) else None
    pages, cold_pages, yard = (_took(samples, window, end) for samples in (hot, cold, quiet))
    figures = {
        **{name: percentile(pages, share) for name, share in (("p50", 50), ("p99", 99), ("longest", 100))},
        "unanswered": float(sum(1 for one in hot if not one.done)),
        "quiet_p99": percentile(yard, 99),
        "cold_p50": percentile(cold_pages, 50),
        "cold_p99": percentile(cold_pages, 99),
        "mb_per_second": min(received, span.disk_bytes) / 1e6 / span.seconds if clients else None,
        "cpu_per_gb": span.server_cpu * 1e3 / (received / 1e9) if received else None,
        "cpu_percent": span.server_percent,
        "disk_reads_per_second": span.disk_reads / span.seconds,
        "completed": float(report.completed) if report else None,
        "failed": float(report.failed) if report else None,
        "ran_out": float(report.ran_out) if report else None,
        "load_percent": report.load_percent if report else None,
        "kib_per_download": 1024 * (beside.varying - before.varying) / downloads if downloads else None,
        "pss_mib": beside.pss,
        "arena_mib": beside.arena,
        "sockets_mib": beside.sockets - before.sockets,
        "turn_cpu_ms": turn_us / 1e3 if isinstance(turn_us, int | float) else None,
    }
    traces = {
        # From when it was due: a server that stops the judge does not look better for it.
        "page": over_time(((one.due - opening) / 1e9, ((one.done or end) - one.due) / 1e6) for one in hot),
        "page_cdf": distribution(pages),
        "cold_cdf": distribution(cold_pages),
    }
    return Cell(turn.server, str(turn.case), turn.round, figures, first_round(turn, traces), state)


def _judgement(judged: Connection) -> list[list[Sample]]:
    if not judged.poll(10):
        raise RuntimeError("the judge has not reported")
    try:
        samples: list[list[Sample]] = judged.recv()
    except EOFError:
        raise RuntimeError("the judge has given up: the page was not served") from None
    return samples


def _took(samples: Sequence[Sample], since: int, end: int) -> list[float]:
    """Milliseconds, in order, of what was asked and was still waited for at some time of the window."""
    within = (one for one in samples if one.sent and (one.done or end) >= since)
    return sorted(((one.done or end) - one.sent) / 1e6 for one in within)


def _targets(cells: Sequence[Cell], loads: Sequence[Load]) -> Iterator[Target]:
    for load in loads:
        if not load.downloads:
            continue
        case, idle = str(load), str(Load(load.limits, 0))
        p99, alone = (middle(cells, "headrace", one, "p99") for one in (case, idle))
        most = max(2 * alone, NOISE_MS) if alone is not None else None
        yield at_most(f"{case}: page p99 in ms, at most max(2x idle, 2 ms) = {most or 0:.2f}", p99, most)
        rate = middle(cells, "headrace", case, "mb_per_second")
        peer = best(cells, peers_in(cells), case, "mb_per_second")
        text = f"{case}: cold MB/s, at least 1.0x the best peer (a tie at the disk's limit: {TIE} and more)"
        yield at_least(text, ratio(rate, peer), TIE)
        disk = middle(cells, ground.FIO, str(load.limits), "mb_per_second")
        yield at_least(f"{case}: cold MB/s, at least 0.95x fio", ratio(rate, disk), 0.95)
        cold, theirs = (middle(cells, name, case, "cold_p50") for name in ("headrace", "nginx-threads"))
        yield at_most(f"{case}: cold page p50, at most 0.5x nginx aio threads", ratio(cold, theirs), 0.5)


def _in_brief(cell: Cell) -> str:
    found = {name: value for name, value in cell.figures.items() if value is not None}
    return (
        f"{cell.server:18} {cell.case}: page p50 {found.get('p50', 0):.2f} p99 {found.get('p99', 0):.2f} ms, "
        f"cold page p50 {found.get('cold_p50', 0):.1f} ms, {found.get('mb_per_second', 0):.1f} MB/s"
        f"{', FILES RAN OUT' if found.get('ran_out') else ''}"
    )


SCENARIO = Scenario(
    "slow",
    "A slow disk",
    f"A page of {ground.PAGE_BYTES} bytes in memory ({PAGE}), asked for by timetable, and other pages of "
    "that "
    "size that are cold, beside downloads of cold files of 2-6 MiB, on a loop device that a control group "
    "holds "
    "to so many reads and bytes a second. fio reads with O_DIRECT (1 MiB, 32 at once) in the same group.",
    run,
    flames=True,
    full=Pace(set_up=60, turn=210),
    quick=Pace(set_up=10, turn=13),
)
