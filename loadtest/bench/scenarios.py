"""The workloads as scenarios: the cases of each, its servers, and what is shown of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from loadtest import peers
from loadtest.bench import idle, start, targets, workloads, wrk
from loadtest.bench.measure import COLUMNS, Ground, in_brief, measure
from loadtest.bench.targets import LOGGED, NOT_LOGGED
from loadtest.bench.without import MEASURES
from loadtest.bench.workloads import CLOSING, Case
from loadtest.command import DESCRIPTORS
from loadtest.measuring.bench import Bench
from loadtest.measuring.findings import BOTH, Cell, Column, Findings, Plot, middle

QUICK_VARIANTS = 3
WITH_SIDECARS = ("nginx-gzip", "caddy-precompressed")  # only where there is something in it for them
OF_FILES = (
    Column("cpu_per_gb", "CPU ms per GB"),
    BOTH,
    Column("mb_per_second", "MB/s"),
    *(column for column in COLUMNS if column.figure != "bytes_per_request"),
)
OF_BROWSERS = (
    *COLUMNS,
    Column("unchanged", "304, %"),
    Column("heads_judged", "heads judged by h11, %"),
    Column("heads_put_together", "put together from lines, %"),
    Column("replies_recalled", "replies recalled, %"),
)
PLOTS = (Plot("bars", "cpu_per_request", "CPU of the server", "µs per request"),)
PER_GB = (Plot("bars", "cpu_per_gb", "CPU of the server", "ms per GB"),)


@dataclass(frozen=True, slots=True)
class Workload:
    """One of the bench's measurements."""

    name: str
    title: str
    asks: str
    cases: Sequence[Case] = ()
    columns: Sequence[Column] = COLUMNS
    plots: Sequence[Plot] = PLOTS
    suits: Callable[[str], bool] = lambda server: server not in WITH_SIDECARS
    variants: Sequence[str] = ()  # of Headrace, in place of other servers
    special: Callable[[Ground, Bench, Sequence[str]], list[Cell]] | None = None  # in place of the cases

    @property
    def flames(self) -> bool:
        """Whether the server is busy all the time in it, so that a graph of it says something."""
        return not self.special and not self.variants

    def run(self, ground: Ground, bench: Bench) -> Findings:
        names = self.variants[: QUICK_VARIANTS if bench.quick else None] or [
            name for name in bench.names if self.suits(name)
        ]
        left_out = [name for name in bench.names if name not in names and not self.variants]
        if self.special:
            cells = self.special(ground, bench, names)
        else:
            cells = bench.measure(self.cases, partial(measure, ground), in_brief, names)
        return Findings(
            columns=self.columns,
            cells=cells,
            targets=[*targets.judged(self.name, cells)],
            plots=self.plots,
            notes=[*self._notes(ground, cells, left_out)],
        )

    def _notes(self, ground: Ground, cells: Sequence[Cell], left_out: Sequence[str]) -> list[str]:
        notes = [f"{ground.seconds:g} s for each, after {ground.warm_seconds:g} s."]
        if left_out:
            notes.append(f"Not asked: {', '.join(left_out)}.")
        full = {cell.server for cell in cells if (cell.figures.get("load_percent") or 0) > 95}
        if full:
            notes.append(f"wrk, not the server, was what was full: {', '.join(sorted(full))}.")
        for case in dict.fromkeys(cell.case for cell in cells):
            if (lines := middle(cells, "headrace", case, "lines_per_request")) is not None:
                notes.append(f"headrace, {case}: {lines:.3f} lines in the log for each request.")
        return notes


def _keeps_open(server: str) -> bool:
    return server not in (*WITH_SIDECARS, *CLOSING)


def _holds_a_crowd(server: str) -> bool:
    """Lighttpd takes half as many connections as it may have descriptors."""
    return _keeps_open(server) and (
        server != "lighttpd" or DESCRIPTORS > 2 * (idle.CONNECTIONS + wrk.CONNECTIONS)
    )


def _idle(ground: Ground, bench: Bench, names: Sequence[str]) -> list[Cell]:
    crowd = idle.Crowd(idle.QUICK_CONNECTIONS if bench.quick else idle.CONNECTIONS)
    return bench.measure([crowd], partial(idle.measure, ground), in_brief, names)


def _start(ground: Ground, bench: Bench, names: Sequence[str]) -> list[Cell]:
    return bench.measure(["start"], partial(start.measure, ground), in_brief, names)


BROWSERS = Case("browsers", workloads.browsers)
WORKLOADS = (
    Workload(
        "same",
        "One plain request, again and again",
        "A file of 1 KiB, kept alive, 64 connections, always the same two lines, as wrk itself sends them.",
        [Case("same", workloads.same())],
    ),
    Workload(
        "browsers",
        "A thousand users",
        "1,000 users with cookies of their own (Chrome, Firefox, Safari, curl, bots) ask for pages by a Zipf "
        "law, and for their assets: 500 URLs of 0.2-60 KiB, with sidecars in br, gzip and zstd. Referer, "
        "Accept and Sec-Fetch-* are the page's and the kind's, and a fifth of the requests have the "
        "validators of what the user has seen before. 60,000 requests, then again, on 64 connections. A "
        "server that knows no sidecars sends more bytes; one that gives no validators gets no conditions.",
        [BROWSERS],
        columns=OF_BROWSERS,
        suits=lambda server: True,
    ),
    Workload(
        "strangers",
        "Nobody has been here before",
        "Chrome's head for the file of 1 KiB, with a query string and a cookie that no other request has.",
        [Case("strangers", workloads.strangers)],
        columns=[*COLUMNS, *OF_BROWSERS[-3:]],
    ),
    Workload(
        "reconnect",
        "A connection for each request",
        "The file of 1 KiB, with Connection: close, 64 at a time.",
        [Case("reconnect", workloads.reconnect)],
    ),
    Workload(
        "pipelined",
        "Sixteen at once",
        "The file of 1 KiB; 16 heads leave in one piece, on 64 connections.",
        [Case("pipelined", workloads.pipelined)],
        suits=_keeps_open,
    ),
    Workload(
        "idle",
        "Ten thousand who say nothing",
        "Connections that have each had one answer and stay open: the process's memory (PSS) for each, and "
        "`same` beside them.",
        columns=idle.COLUMNS,
        plots=[Plot("bars", "kib_per_connection", "Memory of the process", "KiB per idle connection")],
        suits=_holds_a_crowd,
        special=_idle,
    ),
    Workload(
        "files",
        "Files from memory",
        "100 KiB on 32 connections, 10 MiB on 8: what a byte costs.",
        [
            Case("100 KiB", workloads.same("/100k.bin"), connections=32),
            Case("10 MiB", workloads.same("/10m.bin"), connections=8),
        ],
        columns=OF_FILES,
        plots=PER_GB,
    ),
    Workload(
        "logged",
        "The access log",
        "`browsers` with the combined access log (Caddy's is JSON) into a file on a disk, and without.",
        [replace(BROWSERS, name=NOT_LOGGED), replace(BROWSERS, name=LOGGED, logged=True)],
        columns=[*COLUMNS, Column("lines_per_request", "lines per request")],
        suits=lambda server: peers.kind_of(server) in peers.LOGGING and server not in WITH_SIDECARS,
    ),
    Workload(
        "measures",
        "What each measure gains",
        "`same`, `strangers` and `browsers`, each time without one of the measures that make Headrace cheap: "
        + "; ".join(f"{name} ({what})" for name, (_, what) in MEASURES.items())
        + ".",
        [Case("same", workloads.same()), Case("strangers", workloads.strangers), BROWSERS],
        variants=("headrace", *(f"headrace-{peers.WITHOUT}{name}" for name in MEASURES)),
    ),
    Workload(
        "start",
        "To begin, and to be there",
        "CPU time of all processes from exec until the file of 1 KiB has been served once; then the memory "
        f"(PSS) of all processes at rest. Headrace has --memory {start.NO_ARENA}.",
        columns=start.COLUMNS,
        plots=[
            Plot("bars", "start_cpu", "CPU to the first answer", "ms"),
            Plot("bars", "pss_mb", "Memory at rest (PSS)", "MB"),
        ],
        special=_start,
    ),
)
NAMES = tuple(workload.name for workload in WORKLOADS)
