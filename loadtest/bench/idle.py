"""Connections that are kept alive and say nothing: what memory each takes, and what they cost the others."""

from __future__ import annotations

import resource
import select
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from loadtest import servers
from loadtest.bench import probe, site, wrk
from loadtest.bench.measure import Ground, under_load
from loadtest.bench.start import NO_ARENA
from loadtest.bench.workloads import plain
from loadtest.command import DESCRIPTORS, Site
from loadtest.judge import Answer
from loadtest.measuring.bench import Turn
from loadtest.measuring.findings import Cell, Column
from loadtest.measuring.footprint import footprint

CONNECTIONS, QUICK_CONNECTIONS = 10_000, 2_000
COLUMNS = (
    Column("kib_per_connection", "KiB of the process per idle connection"),
    Column("pss_before", "PSS before, MiB"),
    Column("pss_with", "PSS with them, MiB"),
    Column("alone", "same alone, CPU µs per request"),
    Column("beside", "same beside them"),
    Column("effect", "ratio"),
    Column("still_open", "still open afterwards"),
)


@dataclass(frozen=True, slots=True)
class Crowd:
    """So many idle connections."""

    connections: int

    def __str__(self) -> str:
        return f"{self.connections:,} idle connections"


def measure(ground: Ground, turn: Turn[Crowd]) -> Cell:
    head = plain(site.PAGE)
    with (
        tempfile.TemporaryDirectory(dir=ground.scratch) as made,
        servers.start(turn.server, Site(ground.site, memory=NO_ARENA)) as server,
    ):
        probe.compare_all(server.port, ground.site, [(site.PAGE, head)])
        orders = wrk.Orders(Path(made, "heads"))
        wrk.write(orders.heads, [head])
        # What a loaded server has once taken is not the idle ones' doing.
        wrk.run(server.port, orders, ground.warm_seconds)
        # Before them, twice beside them, and after them: what the machine becomes meanwhile is in both alike.
        alone = [_cost(server, orders, ground)]
        before = footprint(server).pss
        with held(server.port, head, turn.case.connections) as idle:
            with_them = footprint(server).pss
            beside = [_cost(server, orders, ground) for _ in range(2)]
            state = server.state()
            still_open = len(idle) - sum(map(_has_ended, idle))
        wrk.run(server.port, orders, ground.warm_seconds)  # meanwhile they are closed on the server's side
        alone.append(_cost(server, orders, ground))
    figures = {
        "kib_per_connection": (with_them - before) / turn.case.connections * 1024,
        "pss_before": before,
        "pss_with": with_them,
        "alone": fmean(alone),
        "beside": fmean(beside),
        "effect": fmean(beside) / fmean(alone),
        "still_open": float(still_open),
    }
    return Cell(turn.server, str(turn.case), turn.round, figures, state=state)


def _cost(server: servers.Server, orders: wrk.Orders, ground: Ground) -> float:
    """Microseconds of CPU for a request."""
    figures, _ = under_load(server, orders, ground.seconds)
    cost = figures["cpu_per_request"]
    assert cost is not None
    return cost


@contextmanager
def held(port: int, head: bytes, count: int) -> Iterator[Sequence[socket.socket]]:
    """Connections that have each had one answer, one after the other."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    idle: list[socket.socket] = []
    try:
        for _ in range(count):
            idle.append(socket.create_connection(("127.0.0.1", port), timeout=probe.PATIENCE_SECONDS))
            idle[-1].sendall(head)
            answer = Answer()
            while not answer.feed(memoryview(data := idle[-1].recv(65536))):
                if not data:
                    raise probe.Wrong(f"connection {len(idle)} was closed before its answer was whole")
            if not answer.ok:
                raise probe.Wrong(f"connection {len(idle)} got no page")
        yield idle
    finally:
        for sock in idle:
            sock.close()


def _has_ended(sock: socket.socket) -> bool:
    """Whether the server has closed it."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    with suppress(OSError):
        return bool(poll.poll(0)) and sock.recv(1) == b""
    return True
