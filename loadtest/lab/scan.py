"""A scan goes once through much more than fits into memory: does what is asked for all the time stay there?

Rule 1: what the disk gave beyond the pages of the scan was given for the hot set; by that the hit rate is
        told of every server alike. What Headrace counts itself stands beside it. Disks give whole pages: the
        last one of each file, too.
Rule 2: the hot set is asked for by a timetable, so that a slow server is not asked less.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from loadtest import disks, memory, servers
from loadtest.command import Site
from loadtest.judge import Sample, Timetable, ask_by_timetable
from loadtest.lab import ground
from loadtest.lab.clients import FORK, Clients, Order, fetch
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
    distribution,
    middle,
    over_time,
    percentile,
    ratio,
)
from loadtest.measuring.flames import recorded

PAGES_PER_SECOND, LARGE_PER_SECOND = 100, 4
SCANNERS = 2
LARGE, SMALLEST_PAGE, LARGEST_PAGE = 10 * ground.MB, 1 * ground.KB, 60 * ground.KB
PAGE_BYTES = 4096
PADDING = -LARGE % PAGE_BYTES  # of the last page of a large file


@dataclass(frozen=True, slots=True)
class Size:
    """How large all of it is."""

    pages: int
    large: int
    limit_mib: int  # the group's memory
    own: str  # Headrace's memory in it
    times: int  # as much as the limit is scanned
    alone_seconds: float
    scan_seconds: float

    def __str__(self) -> str:
        return f"a scan of {self.times}x {self.limit_mib} MiB"

    @property
    def page_sizes(self) -> list[int]:
        step = (LARGEST_PAGE - SMALLEST_PAGE) / max(1, self.pages - 1)
        return [int(SMALLEST_PAGE + number * step) for number in range(self.pages)]

    @property
    def scanned(self) -> list[int]:
        return [LARGE] * (self.times * self.limit_mib * ground.MIB // LARGE)


FULL = Size(1000, 20, 512, "320M", 10, 10.0, 40.0)
QUICK = Size(300, 5, 192, "96M", 4, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class _Targets:
    pages: list[str]
    large: list[str]
    scan: list[str]


def run(bench: Bench) -> Findings:
    size = QUICK if bench.quick else FULL
    sizes = (size.page_sizes, [LARGE] * size.large, size.scanned)
    targets = _Targets([], [], [])

    def write(root: Path) -> None:
        targets.pages.extend(ground.write_files(root, "p", sizes[0]))
        targets.large.extend(ground.write_files(root, "l", sizes[1]))
        targets.scan.extend(ground.write_files(root, "s", sizes[2]))

    with (
        disks.OwnDisk(ground.megabytes_for(*sizes)) as disk,
        memory.group(size.limit_mib * ground.MIB) as group,
        ExitStack() as stack,
    ):
        bench.doing(f"writing {len(size.scanned)} files of 10 MB")
        disk.populate(write)
        quiet = yardstick(stack)
        cells = bench.measure([size], lambda turn: _measure(disk, group, turn, targets, quiet), _in_brief)
    return Findings(
        columns=[
            Column("hit_percent", "hit rate of the hot set, %"),
            Column("alone_p99", "hot page p99 alone, ms"),
            Column("scan_p99", "p99 beside the scan"),
            Column("of_alone", "of what it is alone"),
            Column("scan_p50", "p50 beside the scan"),
            QUIET,
            Column("large_p50", "10 MB hot, p50, ms"),
            Column("scan_mb_per_second", "scan MB/s"),
            Column("scanned_percent", "of the scan done, %"),
            Column("hits", "Headrace's hits of blocks"),
            Column("evictions", "evictions"),
        ],
        cells=cells,
        targets=[*_targets(cells, str(size))],
        plots=[
            Plot("time", "page", "Hot pages, before a scan and beside it", "ms"),
            Plot("cdf", "page_cdf", "Hot pages beside a scan", "ms"),
        ],
        notes=[
            f"{size.pages} pages of 1-60 kB, {PAGES_PER_SECOND} a second, and {size.large} files of 10 MB, "
            f"{LARGE_PER_SECOND} a second, in a group of {size.limit_mib} MiB, of which Headrace takes "
            f"{size.own}; {SCANNERS} clients scan. The quiet server is one that nobody else asks, on the "
            "same core, beside the scan."
        ],
    )


def _measure(
    disk: disks.OwnDisk, group: memory.Group, turn: Turn[Size], targets: _Targets, quiet: servers.Server
) -> Cell:
    size = turn.case
    disk.cool()
    pages, large = list(targets.pages), list(targets.large)
    random.Random(turn.round).shuffle(pages)
    site = Site(disk.path, memory=size.own)
    with ExitStack() as stack:
        server = stack.enter_context(servers.start(turn.server, site, enter=group.enter))
        fetch(Order([server.port], [*pages, *large] * 3, 8, most_seconds=30))
        before = server.state()
        start = time.monotonic_ns()
        scan_from = start + int(size.alone_seconds * 1e9)
        end = scan_from + int(size.scan_seconds * 1e9)
        judged, judge_end = FORK.Pipe(duplex=False)
        timetables = (
            Timetable(server.port, pages, PAGES_PER_SECOND),
            Timetable(server.port, large, LARGE_PER_SECOND),
            Timetable(quiet.port),
        )
        judge = FORK.Process(target=ask_by_timetable, args=(timetables, end, judge_end), daemon=True)
        judge.start()
        closing(stack, judge.kill, judge.join, judged.close, judge_end.close)
        time.sleep(size.alone_seconds)
        meter = Meter(server.cpu_seconds, disk.reads)
        order = Order([server.port], targets.scan, SCANNERS, most_seconds=size.scan_seconds)
        with Clients(order) as clients, recorded(server, turn.flame):
            scan = clients.report()
        span = meter.span()
        scan_end = time.monotonic_ns()
        if not judged.poll(size.scan_seconds + 10):
            raise RuntimeError("the judge has not reported")
        asked, asked_large, asked_quiet = judged.recv()
        state = server.state()
    sizes = dict(zip(targets.pages, size.page_sizes, strict=True)) | dict.fromkeys(targets.large, LARGE)
    hot_bytes = sum(
        _served(samples, cycled, sizes, scan_from, scan_end)
        for samples, cycled in ((asked, pages), (asked_large, large))
    )
    missed = max(0, span.disk_bytes - scan.bytes - scan.completed * PADDING)
    alone, beside = _took(asked, start, scan_from, end), _took(asked, scan_from, scan_end, end)
    alone_p99, scan_p99 = percentile(alone, 99), percentile(beside, 99)
    figures = {
        "hit_percent": 100 * max(0.0, 1 - missed / hot_bytes) if hot_bytes else None,
        "alone_p99": alone_p99,
        "scan_p99": scan_p99,
        "of_alone": ratio(scan_p99, alone_p99),
        "scan_p50": percentile(beside, 50),
        QUIET.figure: percentile(_took(asked_quiet, scan_from, scan_end, end), 99),
        "large_p50": percentile(_took(asked_large, scan_from, scan_end, end), 50),
        "scan_mb_per_second": scan.mb_per_second,
        "scanned_percent": 100 * scan.completed / len(targets.scan),
        "disk_mb": span.disk_bytes / 1e6,
        "scan_mb": scan.bytes / 1e6,
        "hot_mb": hot_bytes / 1e6,
        "load_percent": scan.load_percent,
        **{name: _added(before, state, name) for name in ("hits", "evictions")},
    }
    traces = {
        "page": over_time(((one.due - start) / 1e9, ((one.done or end) - one.due) / 1e6) for one in asked),
        "page_cdf": distribution(beside),
    }
    return Cell(turn.server, str(size), turn.round, figures, first_round(turn, traces), state)


def _served(
    samples: Sequence[Sample], targets: Sequence[str], sizes: dict[str, int], since: int, until: int
) -> int:
    """Bytes of what was answered in that time. The next target is asked for when one has been answered."""
    done = [one for one in samples if one.sent and one.done]
    return sum(
        sizes[target]
        for one, target in zip(done, islice(cycle(targets), len(done)), strict=True)
        if since <= one.done < until
    )


def _took(samples: Sequence[Sample], since: int, until: int, end: int) -> list[float]:
    asked = (one for one in samples if one.sent and since <= one.sent < until)
    return sorted(((one.done or end) - one.sent) / 1e6 for one in asked)


def _added(before: dict[str, object], after: dict[str, object], name: str) -> float | None:
    first, last = before.get(name), after.get(name)
    return last - first if isinstance(first, int) and isinstance(last, int) else None


def _targets(cells: Sequence[Cell], case: str) -> Iterator[Target]:
    hits = middle(cells, "headrace", case, "hit_percent")
    yield at_least("hit rate of the hot set in %, above 99", hits, 99.0)
    beside = middle(cells, "headrace", case, "of_alone")
    yield at_most("p99 of hot pages, at most 1.5x alone", beside, 1.5)


def _in_brief(cell: Cell) -> str:
    found = {name: value or 0.0 for name, value in cell.figures.items()}
    return (
        f"{cell.server:18} hits {found['hit_percent']:.1f} %, hot page p99 {found['alone_p99']:.2f} ms "
        "alone, "
        f"{found['scan_p99']:.2f} beside; scan {found['scan_mb_per_second']:.0f} MB/s, "
        f"{found['scanned_percent']:.0f} % of it"
    )


SCENARIO = Scenario(
    "scan",
    "A scan beside a hot set",
    "Pages and large files that are asked for all the time, while others go once through files of ten times "
    "the "
    "memory that a control group allows (four times in the quick form).",
    run,
    flames=True,
    full=Pace(set_up=25, turn=56),
    quick=Pace(set_up=5, turn=7.5),
)
