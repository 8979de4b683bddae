"""One server's turn in one case: start, compare, warm up, measure."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest import servers
from loadtest.bench import wrk
from loadtest.bench.workloads import Case
from loadtest.command import Site
from loadtest.measuring.bench import Turn, per_gb
from loadtest.measuring.findings import BOTH, Cell, Column
from loadtest.measuring.flames import recorded
from loadtest.servers import Server

COLUMNS = (
    Column("cpu_per_request", "CPU µs per request"),
    Column("requests_per_second", "requests/s"),
    Column("p50", "p50, ms"),
    Column("p99", "p99"),
    Column("bytes_per_request", "bytes per request"),
    Column("load_percent", "wrk's CPU, %"),
)
# What Headrace counts of itself, and what it is called here: of a hundred requests, so many.
RATES: Mapping[str, str] = {
    "heads_judged": "heads_judged",  # went to h11, whole
    "heads_put_together": "heads_put_together",  # were known line by line, or all but a few lines were
    "replies_recalled": "replies_recalled",  # were answered without a search
}


@dataclass(frozen=True, slots=True)
class Ground:
    """What all turns of a run share."""

    site: Path
    scratch: Path  # on a disk, not in memory
    seconds: float
    warm_seconds: float


def measure(ground: Ground, turn: Turn[Case]) -> Cell:
    case = turn.case
    with tempfile.TemporaryDirectory(dir=ground.scratch) as made:
        log = Path(made, "access.log") if case.logged else None
        with servers.start(turn.server, Site(ground.site, log=log)) as server:
            prepared = case.prepare(server.port, ground.site)
            orders = wrk.Orders(Path(made, "heads"), case.connections)
            wrk.write(orders.heads, prepared.heads)
            warm = wrk.run(server.port, orders, ground.warm_seconds)
            lines = lines_in(log)
            # Some that were under way in the end were not counted.
            first = warm.requests + 100 * case.connections
            with recorded(server, turn.flame):
                figures, state = under_load(server, orders, ground.seconds, first)
            requests = figures["requests"]
        if log is not None and requests:
            # The server has ended: all lines that it ever writes are there.
            figures["lines_per_request"] = (lines_in(log) - lines) / requests
    if prepared.unchanged is not None:
        figures["unchanged"] = 100 * prepared.unchanged
    return Cell(turn.server, str(case), turn.round, figures, state=state)


def under_load(
    server: Server, orders: wrk.Orders, seconds: float, first: int = 0
) -> tuple[dict[str, float | None], Mapping[str, object]]:
    """The figures, and what Headrace says of itself in the end."""
    before = server.state()
    cpu = server.cpu_seconds()
    load = wrk.run(server.port, orders, seconds, first)
    cpu = server.cpu_seconds() - cpu
    after = server.state()
    figures: dict[str, float | None] = {
        "cpu_per_request": cpu / load.requests * 1e6,
        "requests_per_second": load.requests / load.seconds,
        "p50": load.p50 or None,  # wrk times a whole pipeline, and has none that ended while it counted
        "p99": load.p99 or None,
        "bytes_per_request": load.bytes / load.requests,
        "cpu_per_gb": per_gb(cpu, load.bytes),
        BOTH.figure: per_gb(cpu + load.cpu_seconds, load.bytes),
        "mb_per_second": load.bytes / load.seconds / 1e6,
        "cpu_percent": 100 * cpu / load.seconds,
        "load_percent": load.percent,
        "requests": float(load.requests),
    }
    return {**figures, **rates(before, after, load.requests)}, after


def rates(before: Mapping[str, object], after: Mapping[str, object], requests: int) -> dict[str, float]:
    """How often the tables of remembered verdicts and replies have helped; of other servers, nothing."""
    found = {}
    for counter, name in RATES.items():
        first, last = before.get(counter), after.get(counter)
        if isinstance(first, int) and isinstance(last, int):
            found[name] = 100 * (last - first) / requests
    return found


def lines_in(log: Path | None) -> int:
    if log is None or not log.exists():
        return 0
    with log.open("rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))


def in_brief(cell: Cell) -> str:
    found = {name: value for name, value in cell.figures.items() if value is not None}
    parts = [f"{found[name]:,.{digits}f} {unit}" for name, unit, digits in BRIEF if name in found]
    return f"{cell.server:20} {cell.case}: {', '.join(parts)}"


BRIEF: Sequence[tuple[str, str, int]] = (
    ("cpu_per_request", "CPU µs per request", 1),
    ("cpu_per_gb", "CPU ms per GB", 0),
    ("requests_per_second", "requests/s", 0),
    ("load_percent", "% of wrk's core", 0),
    ("kib_per_connection", "KiB per connection", 2),
    ("start_cpu", "CPU ms to the first answer", 0),
    ("pss_mb", "MB", 1),
    ("heads_judged", "% of heads judged by h11", 1),
    ("replies_recalled", "% of replies recalled", 1),
)
