"""What it takes to begin, and to be there: CPU time up to the first answer, and the memory at rest."""

from __future__ import annotations

import time
from pathlib import Path

from loadtest import servers
from loadtest.bench import probe, site
from loadtest.bench.measure import Ground
from loadtest.bench.workloads import plain
from loadtest.command import Site
from loadtest.lab.ground import MIB
from loadtest.measuring.bench import Turn
from loadtest.measuring.findings import Cell, Column
from loadtest.measuring.footprint import footprint
from loadtest.servers import Server

NO_ARENA = "1M"  # so little of Headrace's own memory that what is left is the worker's
REST_SECONDS = 0.5
COLUMNS = (
    Column("start_cpu", "CPU ms from exec to the first answer"),
    Column("pss_mb", "PSS at rest, MB"),
    Column("processes", "processes"),
)


def measure(ground: Ground, turn: Turn[str]) -> Cell:
    with servers.start(turn.server, Site(ground.site, memory=NO_ARENA)) as server:
        probe.compare_all(server.port, ground.site, [(site.PAGE, plain(site.PAGE))])
        cpu = _cpu_seconds(server)
        time.sleep(REST_SECONDS)
        figures = {
            "start_cpu": cpu * 1e3,
            "pss_mb": footprint(server).pss * MIB / 1e6,
            "processes": float(len(server.pids)),
        }
        state = server.state()
    return Cell(turn.server, turn.case, turn.round, figures, state=state)


def _cpu_seconds(server: Server) -> float:
    """To the nanosecond, of the threads that live: a tick of the usual figure is more than a fast start."""
    exact = 0
    for pid in server.pids:
        for schedstat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            exact += int(schedstat.read_text().split()[0])
    return exact / 1e9 or server.cpu_seconds()
