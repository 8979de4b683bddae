"""Ten thousand who read a kilobyte a second, and one who is fast: what do they cost him, and in memory?"""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from ctypes import Array, c_uint64
from dataclasses import dataclass
from multiprocessing.sharedctypes import RawArray
from pathlib import Path

from loadtest import disks, peers, servers
from loadtest.judge import request, settle_on_core
from loadtest.lab import ground
from loadtest.lab.bench import Bench, Meter, Pace, Scenario, Turn, closing
from loadtest.lab.clients import FORK, Order, fetch
from loadtest.lab.findings import Cell, Column, Findings, Plot, Target, at_least, at_most, middle, ratio
from loadtest.lab.flames import recorded
from loadtest.lab.footprint import footprint

BYTES_PER_SECOND = 1 * ground.KB
RECEIVE_BUFFER = 4096  # asked of the kernel, which takes at least 2304
SLOW_FILES, SLOW_BYTES = 100, 1_100 * ground.KB
FAST_FILES, FAST_BYTES = 4, 10 * ground.MB
ARRIVAL_SECONDS = 60.0
OWN_MIB = 128  # Headrace's --memory
# Besides: the interpreter, and in the kernel for each reader the 128 KiB that a socket may hold unsent, and
# what one call adds when that is nearly reached, his own side included.
BASE_MIB, PER_READER_KIB = 64, 192


@dataclass(frozen=True, slots=True)
class Readers:
    count: int
    seconds: float  # of each of the fast client's turns

    def __str__(self) -> str:
        return f"{self.count:,} slow readers"


def run(bench: Bench) -> Findings:
    readers = Readers(1000, 1.0) if bench.quick else Readers(10_000, 8.0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (peers.DESCRIPTORS, peers.DESCRIPTORS))
    slow, fast = [SLOW_BYTES] * SLOW_FILES, [FAST_BYTES] * FAST_FILES
    targets: dict[str, list[str]] = {}

    def write(root: Path) -> None:
        targets["slow"] = ground.write_files(root, "s", slow)
        targets["fast"] = ground.write_files(root, "f", fast)

    with disks.OwnDisk(ground.megabytes_for(slow, fast)) as disk:
        disk.populate(write)
        cells = bench.measure([readers], lambda turn: _measure(disk, turn, targets), _in_brief)
    return Findings(
        columns=[
            Column("alone", "fast client alone, MB/s"),
            Column("beside", "beside the slow, MB/s"),
            Column("readers", "slow readers"),
            Column("pss_mib", "the server's PSS, MiB"),
            Column("sockets_mib", "TCP memory, MiB"),
            Column("memory_mib", "together, MiB"),
            Column("kib_per_reader", "KiB more for each reader"),
            Column("server_percent", "the server's CPU beside them, %"),
            Column("load_percent", "fast client's CPU, %"),
        ],
        cells=cells,
        targets=[*_targets(cells, readers)],
        plots=[Plot("bars", "beside", "A fast client beside slow readers", "MB/s")],
        notes=[
            f"Each slow reader takes {BYTES_PER_SECOND} bytes a second of one of {SLOW_FILES} files of 2 "
            "MB; the fast "
            f"one fetches {FAST_FILES} files of 10 MB from memory. TCP memory is the whole machine's, the "
            "readers' "
            f"side included, above what it was before. The bound: {OWN_MIB} MiB of `--memory`, {BASE_MIB} "
            "MiB, and "
            f"{PER_READER_KIB} KiB for each reader."
        ],
    )


def _measure(disk: disks.OwnDisk, turn: Turn[Readers], targets: dict[str, list[str]]) -> Cell:
    readers = turn.case
    disk.cool()
    site = peers.Site(disk.path, memory=f"{OWN_MIB}M")
    with ExitStack() as stack:
        server = stack.enter_context(servers.start(turn.server, site))
        fetch(Order([server.port], targets["fast"] * 3, 1, most_seconds=10))
        order = Order([server.port], targets["fast"], 1, repeat=True, most_seconds=readers.seconds)
        alone = fetch(order)
        before = footprint(server)
        counted = RawArray(c_uint64, 2)
        crowd = FORK.Process(
            target=_read_slowly, args=(server.port, targets["slow"], readers.count, counted), daemon=True
        )
        crowd.start()
        closing(stack, crowd.kill, crowd.join)
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while counted[0] < readers.count and crowd.is_alive() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(min(3.0, readers.seconds))
        meter = Meter(server.cpu_seconds, disk.reads)
        with recorded(server, turn.flame):
            beside = fetch(order)
        span = meter.span()
        crowded = footprint(server)
        arrived = int(counted[0])
        state = server.state()
    sockets = max(0.0, crowded.sockets - before.sockets)
    more = crowded.pss - before.pss + sockets
    figures = {
        "alone": alone.mb_per_second,
        "beside": beside.mb_per_second,
        "readers": float(arrived),
        "pss_mib": crowded.pss,
        "sockets_mib": sockets,
        "memory_mib": crowded.pss + sockets,
        "kib_per_reader": 1024 * more / arrived if arrived else None,
        "server_percent": span.server_percent,
        "load_percent": beside.load_percent,
    }
    return Cell(turn.server, str(readers), turn.round, figures, state=state)


def _read_slowly(port: int, targets: Sequence[str], count: int, counted: Array[c_uint64]) -> None:
    """Connect them all, then let each take its bytes once a second. Counts the connected and the bytes."""
    settle_on_core(realtime=False)
    connections: list[socket.socket] = []
    next_turn = time.monotonic() + 1.0
    while True:
        for _ in range(50):
            if len(connections) == count:
                break
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            connection.settimeout(5)
            with suppress(OSError):
                connection.connect(("127.0.0.1", port))
                connection.send(request(targets[len(connections) % len(targets)]))
            connection.setblocking(False)
            connections.append(connection)
            counted[0] += 1
        if (pause := next_turn - time.monotonic()) > 0:
            if len(connections) == count:
                time.sleep(pause)
            continue
        next_turn += 1.0
        for connection in connections:
            with suppress(OSError):
                counted[1] += len(connection.recv(BYTES_PER_SECOND))


def _in_brief(cell: Cell) -> str:
    found = cell.figures
    return (
        f"{cell.server:18} {found['alone']:.0f} MB/s alone, {found['beside']:.0f} beside "
        f"{found['readers']:.0f} slow readers; {found['memory_mib']:.0f} MiB"
    )


def _targets(cells: Sequence[Cell], readers: Readers) -> Iterator[Target]:
    case = str(readers)
    beside, alone = (middle(cells, "headrace", case, name) for name in ("beside", "alone"))
    yield at_least("the fast client, at least 0.9x alone", ratio(beside, alone), 0.9)
    bound = OWN_MIB + BASE_MIB + readers.count * PER_READER_KIB / 1024
    used = middle(cells, "headrace", case, "memory_mib")
    yield at_most(f"memory in MiB, the kernel's for sockets included, at most {bound:,.0f}", used, bound)


SCENARIO = Scenario(
    "slow-readers",
    "Slow readers",
    "10,000 clients (1,000 in the quick form) who take 1 kB a second of a file of 1.1 MB each, with small "
    "receive "
    "buffers, and one fast client.",
    run,
    flames=True,
    full=Pace(set_up=3, turn=35),
    quick=Pace(set_up=2, turn=4),
)
