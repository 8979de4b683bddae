"""How long a page from memory takes while the disk is slow and others wait for it.

One disk, limited to so many reads and bytes a second. One server at a time, one worker, on core 0. A page of
1 kB that is in memory, and 0, 16, 200, 1,000 downloads, each of a file of its own that nobody has asked for.

Rule 1: the judge is a process of its own, above the downloaders in the scheduler's eyes: who measures must
        not wait for who makes the load. Both live on core 1.
Rule 2: the judge keeps a timetable. It notes when a request was due, when it left and when its answer was
        complete. Latency is from leaving to complete. What falls due before the answer is there does not
        leave, but its time from due to that answer is shown as well: no server gains by stopping the judge.
Rule 3: in the gaps of the same timetable the judge asks a second server, which nobody loads (nginx, on core 0
        too). What that one takes is what the machine and the load generator add, and not the server.
Rule 4: no server process is asked twice for the same cold file; every cell starts a new one on a cooled disk.
Rule 5: servers take turns, and a figure is the median of the rounds.
"""

from __future__ import annotations

import argparse
import json
import mmap
import multiprocessing
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from ctypes import Array, c_uint64
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from statistics import median

from loadtest import disks, servers
from loadtest.judge import PAGE, PAGES_PER_SECOND, Sample, ask_by_timetable, ask_page, keep_downloading

SERVER_CORE = 0
PAGE_BYTES = 1024
WARMING_PAGES, WARMING_ROUNDS = 5, 4
FOLDERS = 64
SETTLE_SECONDS = 3.0  # downloads have started, the crowd of connects is over
STALL_MS = 100.0
RESULTS = Path(__file__).resolve().parent / "results"
FAILURES = (servers.NotStarted, RuntimeError, OSError)  # of one server, which the others shall not pay for
FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True)
class Pages:
    """How the pages of one window fared, in milliseconds."""

    asked: int
    p50: float
    p99: float
    longest: float
    due_p99: float  # counted from the timetable
    stalls: int  # took longer than STALL_MS
    unanswered: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One server under one number of downloads, once."""

    server: str
    downloads: int
    round: int
    pages: Pages
    yardstick: Pages
    opening_longest_ms: float  # while the crowd of downloads connected
    cold_mb_per_second: float
    cpu_ms_per_cold_mb: float | None  # its pages included
    cpu_percent: float
    downloads_completed: int
    downloads_failed: int
    files_ran_out: bool
    disk_reads_per_second: float
    disk_kib_per_read: float
    longest_turn_cpu_ms: float | None
    longest_turn_wall_ms: float | None
    state: Mapping[str, object]


def main() -> None:
    options = _options()
    if reason := disks.missing():
        sys.exit(f"slowdisk: {reason}")
    if not (names := installed(options.servers)):
        sys.exit("slowdisk: none of these servers is installed")
    facts = machine_facts(names)
    per_cell = options.bytes * 1e6 * (options.seconds + SETTLE_SECONDS + 2)
    smallest, largest = (1, 3) if options.quick else (2, 6)
    files = max(options.downloads) + int(per_cell / ((smallest + largest) / 2 * 2**20)) + 50
    megabytes = files * (smallest + largest) // 2
    say(f"writing {files} files, {megabytes} MiB")
    cells: list[Cell] = []
    with disks.SlowDisk(megabytes + megabytes // 8 + 256) as disk, ExitStack() as stack:
        cold: list[str] = []
        disk.populate(lambda root: cold.extend(write_corpus(root, files, smallest, largest)))
        yardstick = _yardstick(stack)
        for round_number in range(1, options.rounds + 1):
            for downloads in options.downloads:
                for name in names:
                    try:
                        cells.append(_measure(disk, name, downloads, round_number, cold, yardstick, options))
                    except FAILURES as failure:
                        say(f"round {round_number}, {downloads:5} downloads, {name}: {failure}")
                    else:
                        say(_in_brief(cells[-1]))
    facts["load_average_at_end"] = os.getloadavg()
    table = _table(cells, options)
    written = write_result(
        "slowdisk", {"facts": facts, "options": vars(options), "cells": [asdict(c) for c in cells]}
    )
    print(_heading(facts, options), table, sep="\n\n")
    say(f"all figures: {written}")


def write_corpus(root: Path, files: int, smallest_mib: int, largest_mib: int) -> Iterator[str]:
    """A page, and files of different sizes spread over folders; yields the targets of the files."""
    (root / PAGE.lstrip("/")).write_bytes(os.urandom(PAGE_BYTES // 2).hex().encode())
    content = os.urandom(largest_mib * 2**20)
    for folder in range(FOLDERS):
        (root / f"d{folder:02}").mkdir()
    for number in range(files):
        size = (smallest_mib + number % (largest_mib - smallest_mib + 1)) * 2**20 - number
        target = f"/d{number % FOLDERS:02}/f{number:05}.bin"
        (root / target.lstrip("/")).write_bytes(memoryview(content)[:size])
        yield target


def write_result(measure: str, result: Mapping[str, object]) -> Path:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{measure}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.json"
    path.write_text(json.dumps(result, indent=1, default=str))
    return path


def machine_facts(names: Sequence[str]) -> dict[str, object]:
    """What a reader must know of the machine to make sense of the figures."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "kernel": platform.release(),
        "cpu": f"{len(models)} x {models[0] if models else platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: servers.version(name) for name in names},
        "load_average_at_start": os.getloadavg(),
    }


def _measure(
    disk: disks.SlowDisk,
    name: str,
    downloads: int,
    round_number: int,
    cold: Sequence[str],
    yardstick: servers.Server,
    options: argparse.Namespace,
) -> Cell:
    disk.unlimit()
    disk.cool()
    with servers.start(name, disk.path, core=SERVER_CORE, enter=disk.enter) as server, ExitStack() as stack:
        stack.enter_context(held_in_memory(disk.path / PAGE.lstrip("/")))
        for port in (server.port, yardstick.port):
            for _ in range(WARMING_ROUNDS):
                ask_page(port, WARMING_PAGES)
                time.sleep(0.1)
        disk.limit(options.reads, int(options.bytes * 1e6))
        total_seconds = SETTLE_SECONDS + options.seconds
        opening = time.monotonic_ns()
        end = opening + int(total_seconds * 1e9)
        judged, judge_end = FORK.Pipe(duplex=False)
        stack.enter_context(judged)
        judge = FORK.Process(
            target=ask_by_timetable, args=((server.port, yardstick.port), end, judge_end), daemon=True
        )
        counters = RawArray(c_uint64, 4)
        load = FORK.Process(
            target=keep_downloading, args=(server.port, cold, downloads, end, counters), daemon=True
        )
        for process in (judge, load):
            process.start()
            stack.callback(_end, process)
        time.sleep(SETTLE_SECONDS)
        window = time.monotonic_ns()
        before = _Reading.take(server, disk, counters)
        time.sleep(max(0.0, (end - time.monotonic_ns()) / 1e9 - 0.05))
        span = before.until(_Reading.take(server, disk, counters))
        samples, quiet = _judgement(judged)
        state = server.state()
        disk.unlimit()
    turns = state.get("turns")
    longest = turns if isinstance(turns, dict) else {}
    during = _pages([sample for sample in samples if (sample.done or end) >= window], end)
    start = _pages([sample for sample in samples if sample.due < window], end)
    return Cell(
        server=name,
        downloads=downloads,
        round=round_number,
        pages=during,
        yardstick=_pages([sample for sample in quiet if sample.due >= window], end),
        opening_longest_ms=start.longest,
        cold_mb_per_second=span.bytes / 1e6 / span.seconds,
        cpu_ms_per_cold_mb=span.cpu * 1e3 / (span.bytes / 1e6) if span.bytes else None,
        cpu_percent=100 * span.cpu / span.seconds,
        downloads_completed=counters[1],
        downloads_failed=counters[2],
        files_ran_out=bool(counters[3]),
        disk_reads_per_second=span.disk_reads / span.seconds,
        disk_kib_per_read=span.disk_bytes / 1024 / span.disk_reads if span.disk_reads else 0.0,
        longest_turn_cpu_ms=_milliseconds(longest.get("longest_cpu_us")),
        longest_turn_wall_ms=_milliseconds(longest.get("longest_wall_us")),
        state=state,
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    """Counters that run from the start, or what was added to them over a span of time."""

    seconds: float
    cpu: float
    bytes: int
    disk_reads: int
    disk_bytes: int

    @classmethod
    def take(cls, server: servers.Server, disk: disks.SlowDisk, counters: Array[c_uint64]) -> _Reading:
        return cls(time.monotonic(), server.cpu_seconds(), counters[0], *disk.reads())

    def until(self, later: _Reading) -> _Reading:
        return _Reading(
            later.seconds - self.seconds,
            later.cpu - self.cpu,
            later.bytes - self.bytes,
            later.disk_reads - self.disk_reads,
            later.disk_bytes - self.disk_bytes,
        )


@contextmanager
def held_in_memory(path: Path) -> Iterator[None]:
    """What is mapped is not dropped from the page cache, whoever drops caches on this machine meanwhile."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert mapped[:1]
        yield


def _yardstick(stack: ExitStack) -> servers.Server:
    """A server with the page alone, in memory, that nobody else asks for anything."""
    shared_memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headrace-page-", dir=shared_memory)))
    (root / PAGE.lstrip("/")).write_bytes(b"m" * PAGE_BYTES)
    name = "headrace" if servers.missing("nginx-sendfile") else "nginx-sendfile"
    return stack.enter_context(servers.start(name, root, core=SERVER_CORE))


def _judgement(judged: Connection) -> tuple[list[Sample], list[Sample]]:
    if not judged.poll(10):
        raise RuntimeError("the judge has not reported")
    samples, quiet = judged.recv()
    return samples, quiet


def _end(process: multiprocessing.process.BaseProcess) -> None:
    process.join(2)
    process.kill()
    process.join()


def _pages(samples: Sequence[Sample], end: int) -> Pages:
    """What has not been answered counts with the time that it has waited until the end."""
    took = sorted(((one.done or end) - one.sent) / 1e6 for one in samples if one.sent)
    overdue = sorted(((one.done or end) - one.due) / 1e6 for one in samples)
    return Pages(
        asked=len(took),
        p50=_percentile(took, 50),
        p99=_percentile(took, 99),
        longest=_percentile(took, 100),
        due_p99=_percentile(overdue, 99),
        stalls=sum(1 for milliseconds in took if milliseconds > STALL_MS),
        unanswered=sum(1 for one in samples if not one.done),
    )


def _percentile(ordered: Sequence[float], percent: int) -> float:
    """The nearest rank: a figure that was measured, not one in between."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else 0.0


def _milliseconds(microseconds: object) -> float | None:
    return microseconds / 1e3 if isinstance(microseconds, int | float) else None


def _table(cells: Sequence[Cell], options: argparse.Namespace) -> str:
    lines = [
        "| server | downloads | page p50 | p99 | longest | p99 from due time | stalls | quiet server's p99 "
        "| p99 above it | cold MB/s | CPU ms per MB | longest turn, CPU / wall |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for downloads in options.downloads:
        for name in dict.fromkeys(cell.server for cell in cells):
            rounds = [cell for cell in cells if (cell.server, cell.downloads) == (name, downloads)]
            if not rounds:
                continue
            turns = [
                _middle([getattr(cell, f"longest_turn_{clock}_ms") for cell in rounds])
                for clock in ("cpu", "wall")
            ]
            figures = [
                _middle([cell.pages.p50 for cell in rounds]),
                _middle([cell.pages.p99 for cell in rounds]),
                _longest([cell.pages for cell in rounds]),
                _middle([cell.pages.due_p99 for cell in rounds]),
                str(sum(cell.pages.stalls for cell in rounds)),
                _middle([cell.yardstick.p99 for cell in rounds]),
                _middle([cell.pages.p99 - cell.yardstick.p99 for cell in rounds]),
                _middle([cell.cold_mb_per_second for cell in rounds]),
                _middle([cell.cpu_ms_per_cold_mb for cell in rounds]),
                " / ".join(turns),
            ]
            lines.append(f"| {name} | {downloads:,} | {' | '.join(figures)} |")
    return "\n".join(lines)


def _longest(rounds: Sequence[Pages]) -> str:
    """Of a page that was not answered it is only known that it takes longer than we have waited."""
    longest = max(rounds, key=lambda pages: pages.longest)
    return f"{'over ' if longest.unanswered > 1 else ''}{_figure(longest.longest)}"


def _middle(figures: Sequence[float | None]) -> str:
    known = [figure for figure in figures if figure is not None]
    return _figure(median(known)) if known else "-"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _heading(facts: Mapping[str, object], options: argparse.Namespace) -> str:
    versions = facts["versions"]
    assert isinstance(versions, dict)
    return (
        f"A disk of {options.reads} reads/s and {options.bytes:g} MB/s; {PAGES_PER_SECOND} pages/s of "
        f"{PAGE_BYTES} bytes from memory; {options.seconds:g} s, {options.rounds} round(s): medians, of "
        f"`longest` the maximum, of `stalls` (over {STALL_MS:g} ms) the sum. In ms; CPU includes the pages.\n"
        f"Linux {facts['kernel']}, {facts['cpu']}; {', '.join(dict.fromkeys(versions.values()))}; "
        f"load average at the start {os.getloadavg()[0]:.1f}."
    )


def _in_brief(cell: Cell) -> str:
    return (
        f"round {cell.round}, {cell.downloads:5} downloads, {cell.server:18} "
        f"page p50 {_figure(cell.pages.p50):>6} p99 {_figure(cell.pages.p99):>6} ms, "
        f"quiet {_figure(cell.yardstick.p99):>6}; {cell.cold_mb_per_second:5.1f} MB/s"
        f"{f', {cell.downloads_failed} failed' if cell.downloads_failed else ''}"
        f"{', FILES RAN OUT' if cell.files_ran_out else ''}"
    )


def installed(names: Sequence[str]) -> list[str]:
    """Those of the servers that can be started here; for the others a note is left on stderr."""
    reasons = {name: servers.missing(name) for name in names}
    for name, reason in reasons.items():
        if reason:
            say(f"left out: {name}: {reason}")
    return [name for name, reason in reasons.items() if reason is None]


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.slowdisk", description="The slow-disk measure.")
    parser.add_argument("--servers", nargs="+", default=list(servers.NAMES), choices=servers.NAMES)
    parser.add_argument("--downloads", nargs="+", type=int, default=[0, 16, 200, 1000])
    parser.add_argument("--seconds", type=float, default=12.0, help="of each cell's window")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reads", type=int, default=200, help="the disk's reads per second")
    parser.add_argument("--bytes", type=float, default=60.0, help="the disk's megabytes per second")
    parser.add_argument("--quick", action="store_true", help="one round of 5 s, smaller files")
    options = parser.parse_args()
    if options.quick:
        options.seconds, options.rounds = 5.0, 1
    return options


if __name__ == "__main__":
    main()
