"""Ten thousand who read a kilobyte a second, and one who is fast: what do they cost him, and in memory?"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from loadtest import disks, servers
from loadtest.command import DESCRIPTORS, Site
from loadtest.judge import LOAD_CORE
from loadtest.lab import ground
from loadtest.lab.clients import Order, fetch
from loadtest.lab.readers import BYTES_PER_SECOND, TURN_SECONDS, SlowReaders
from loadtest.lab.scenario import Pace, Scenario
from loadtest.measuring import cores, tcp
from loadtest.measuring.bench import Bench, Meter, Turn, core_idle_seconds
from loadtest.measuring.findings import Cell, Column, Findings, Plot, Target, at_least, at_most, middle, ratio
from loadtest.measuring.flames import recorded
from loadtest.measuring.footprint import footprint

SLOW_FILES, SLOW_BYTES = 100, 1_100 * ground.KB
FAST_FILES, FAST_BYTES = 4, 10 * ground.MB
ARRIVAL_SECONDS = 60.0
OWN_MIB = 128  # Headrace's --memory
# Besides: the interpreter, and in the kernel for each reader the 64 KiB that a socket may hold unsent, and
# what one call adds when that is nearly reached, his own side included.
BASE_MIB, PER_READER_KIB = 64, 128
LIFT = 2  # times as much memory for TCP: a server that bounds nothing takes all of it
NOTES = (
    f"Each slow reader takes {BYTES_PER_SECOND} bytes a second, {TURN_SECONDS:g} times as many every "
    f"{TURN_SECONDS:g} s, of one of {SLOW_FILES} files of {SLOW_BYTES / 1e6:g} MB; the fast one fetches "
    f"{FAST_FILES} files of 10 MB from memory. TCP memory is the whole machine's, the readers' side "
    f"included, above what it was before. The bound: {OWN_MIB} MiB of `--memory`, {BASE_MIB} MiB, and "
    f"{PER_READER_KIB} KiB for each reader.",
    "The kernel's limit is the second figure of `net.ipv4.tcp_mem`: from there on it gives every socket "
    f"less, the fast client's too. With more TCP memory that is {LIFT} times as high as it was.",
    "With BBR (`--congestion bbr`) bytes go by a timer, on loopback too, as soon as it believes to know how "
    "fast the path is: the fast client's are kept back by it, and each time that the timer is set costs the "
    "server's core. Headrace has none that does so on loopback, unless it is told to.",
)
AWAKE = (
    "Cores that idle do not sleep (`/dev/cpu_dma_latency`). Else the server also pays for waking the fast "
    "client's core, and how often it must depends on who woke it before: the slow readers share it."
)
ASLEEP = "Cores that idle may sleep here: the server also pays for waking the fast client's core."


@dataclass(frozen=True, slots=True)
class Readers:
    count: int
    seconds: float  # of each of the fast client's turns
    bounded: bool = True  # by the kernel's limit to the memory of all TCP sockets

    def __str__(self) -> str:
        more = "" if self.bounded else ", more TCP memory"
        return f"{self.count:,} slow readers{more}"


def run(bench: Bench) -> Findings:
    crowds = [Readers(1000, 1.0)] if bench.quick else [Readers(10_000, 8.0), Readers(10_000, 8.0, False)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    slow, fast = [SLOW_BYTES] * SLOW_FILES, [FAST_BYTES] * FAST_FILES
    targets: dict[str, list[str]] = {}

    def write(root: Path) -> None:
        targets["slow"] = ground.write_files(root, "s", slow)
        targets["fast"] = ground.write_files(root, "f", fast)

    with disks.OwnDisk(ground.megabytes_for(slow, fast)) as disk, cores.awake():
        disk.populate(write)
        cells = bench.measure(crowds, lambda turn: _measure(disk, turn, targets), _in_brief)
    return Findings(
        columns=[
            Column("alone", "fast client alone, MB/s"),
            Column("beside", "beside the slow, MB/s"),
            Column("of_alone", "of what it is alone"),
            Column("readers", "slow readers"),
            Column("pss_mib", "the server's PSS, MiB"),
            Column("sockets_mib", "TCP memory, MiB"),
            Column("memory_mib", "together, MiB"),
            Column("kib_per_reader", "KiB more for each reader"),
            Column("pressure_percent", "TCP memory, % of the kernel's limit"),
            Column("server_percent", "the server's CPU beside them, %"),
            Column("load_percent", "fast client's CPU, %"),
            Column("readers_percent", "slow readers' CPU, %"),
            Column("load_core_idle", "core 1 idle, %"),
        ],
        cells=cells,
        targets=[*_targets(cells, crowds)],
        plots=[Plot("bars", "beside", "A fast client beside slow readers", "MB/s")],
        notes=(*NOTES, AWAKE if cores.can_be_kept_awake() else ASLEEP),
    )


def _measure(disk: disks.OwnDisk, turn: Turn[Readers], targets: dict[str, list[str]]) -> Cell:
    readers = turn.case
    disk.cool()
    site = Site(disk.path, memory=f"{OWN_MIB}M")
    with ExitStack() as stack:
        if not readers.bounded:
            stack.enter_context(tcp.more_memory(LIFT))
        pressure = tcp.pressure_mib()
        server = stack.enter_context(servers.start(turn.server, site))
        fetch(Order([server.port], targets["fast"] * 3, 1, most_seconds=10))
        order = Order([server.port], targets["fast"], 1, repeat=True, most_seconds=readers.seconds)
        alone = fetch(order)
        before = footprint(server)
        crowd = stack.enter_context(SlowReaders(server.port, targets["slow"], readers.count))
        crowd.wait(ARRIVAL_SECONDS)
        time.sleep(min(2 * TURN_SECONDS, readers.seconds))
        taken, idle = (crowd.bytes, crowd.cpu_seconds), core_idle_seconds(LOAD_CORE)
        meter = Meter(server.cpu_seconds, disk.reads)
        with recorded(server, turn.flame):
            beside = fetch(order)
        span = meter.span()
        taken = (crowd.bytes - taken[0], crowd.cpu_seconds - taken[1])
        idle = core_idle_seconds(LOAD_CORE) - idle
        crowded = footprint(server)
        arrived = crowd.arrived
        state = server.state()
    sockets = max(0.0, crowded.sockets - before.sockets)
    more = crowded.pss - before.pss + sockets
    figures = {
        "alone": alone.mb_per_second,
        "beside": beside.mb_per_second,
        "of_alone": ratio(beside.mb_per_second, alone.mb_per_second),
        "readers": float(arrived),
        "pss_mib": crowded.pss,
        "sockets_mib": sockets,
        "memory_mib": crowded.pss + sockets,
        "kib_per_reader": 1024 * more / arrived if arrived else None,
        "server_percent": span.server_percent,
        "load_percent": beside.load_percent,
        "readers_percent": 100 * taken[1] / span.seconds,
        "readers_mb_per_second": taken[0] / 1e6 / span.seconds,
        "load_core_idle": 100 * min(1.0, idle / span.seconds),
        "pressure_percent": 100 * crowded.sockets / pressure,
    }
    return Cell(turn.server, str(readers), turn.round, figures, state=state)


def _in_brief(cell: Cell) -> str:
    found = cell.figures
    return (
        f"{cell.server:18} {found['alone']:.0f} MB/s alone, {found['beside']:.0f} beside "
        f"{found['readers']:.0f} slow readers; {found['memory_mib']:.0f} MiB"
    )


def _targets(cells: Sequence[Cell], crowds: Sequence[Readers]) -> Iterator[Target]:
    for readers in crowds:
        case = str(readers)
        beside = middle(cells, "headrace", case, "of_alone")
        yield at_least(f"{case}: the fast client, at least 0.9x alone", beside, 0.9)
        bound = OWN_MIB + BASE_MIB + readers.count * PER_READER_KIB / 1024
        used = middle(cells, "headrace", case, "memory_mib")
        text = f"{case}: memory in MiB, the kernel's for sockets included, at most {bound:,.0f}"
        yield at_most(text, used, bound)


SCENARIO = Scenario(
    "slow-readers",
    "Slow readers",
    "10,000 clients (1,000 in the quick form) who take 1 kB a second of a file of 1.1 MB each, with small "
    "receive buffers, and one fast client; as the kernel is, and with more memory for TCP.",
    run,
    flames=True,
    full=Pace(set_up=3, turn=58),
    quick=Pace(set_up=2, turn=4),
)
