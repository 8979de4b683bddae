"""What the arena keeps, beside LRU and beside the best that could be: hit rates over made-up traces.

    python -m loadtest.simulate [--seed N]

A trace is a list of keys of blocks, in the order in which they are asked for. Three caches of the same size
go through it: the real `aio.arena.Arena`, asked as a stream asks it; LRU; and Belady's (L. A. Belady, "A
study of replacement algorithms for a virtual-storage computer", IBM Systems Journal 5, 1966), which knows the
future and evicts what is needed last. Nobody can do better than that, so it is the measure of the other two.

Rule 1: nothing here is random but by the seed: the same seed prints the same table, on every machine.
Rule 2: every cache has to take in what was asked for; a server cannot send a block without reading it.
"""

from __future__ import annotations

import argparse
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import accumulate
from math import inf
from random import Random

from aio.arena import Arena, Slot

Trace = Sequence[Hashable]

SIZES = (64, 256, 1024)  # slots: 16, 64 and 256 MiB
HELD = 4  # blocks that are being sent while the next one is asked for
BLOCKS = 10_000  # that Zipf's law is about: 2.5 GiB
REQUESTS = 100_000
ALPHAS = (0.7, 0.9, 1.1)  # from a mirror's to a news page's popularity
LOOP_PERCENT = 110  # of the cache: the least that makes LRU miss every time
LOOPS = 20
HOT_BLOCKS = 2_000
SCAN_EVERY = 3  # one in so many requests of the mix is the scan's
PARTS = 4  # in which each block of a scan by ranges is asked for, one after the other


# --- caches ---


def arena_hits(trace: Trace, slots: int, held: int = HELD) -> int:
    """How many are found by one who sends from `held` blocks at a time."""
    arena = Arena(slots)
    sending: deque[Slot] = deque()
    hits = 0
    for key in trace:
        if len(sending) >= min(held, slots):
            arena.unpin(sending.popleft())
        slot = arena.find(key)
        if slot is not None:
            arena.pin(slot)
            hits += 1
        else:
            slot = arena.take(key)
            assert slot is not None, "fewer are held than there are slots"
            arena.filled(slot, 1, keep=True)
        sending.append(slot)
    return hits


def lru_hits(trace: Trace, slots: int) -> int:
    """How many are found if what was used least recently goes."""
    kept: OrderedDict[Hashable, None] = OrderedDict()
    hits = 0
    for key in trace:
        if key in kept:
            kept.move_to_end(key)
            hits += 1
            continue
        if len(kept) == slots:
            kept.popitem(last=False)
        kept[key] = None
    return hits


def belady_hits(trace: Trace, slots: int) -> int:
    """How many are found if what is needed again last goes: the most that are possible.

    The heap may hold several entries of a key; only the one of its last use counts.
    """
    next_use: dict[Hashable, float] = {}  # of what is kept
    farthest: list[tuple[float, int]] = []  # when it is needed, as a negative; and where it was used
    hits = 0
    for at, (key, then) in enumerate(zip(trace, next_uses(trace), strict=True)):
        if key in next_use:
            hits += 1
        elif len(next_use) == slots:
            while True:
                when, used_at = heappop(farthest)
                if next_use.get(trace[used_at]) == -when:
                    break
            del next_use[trace[used_at]]
        next_use[key] = then
        heappush(farthest, (-then, at))
    return hits


def next_uses(trace: Trace) -> list[float]:
    """For each request, when the same key is asked for again; never is infinity."""
    seen: dict[Hashable, int] = {}
    uses = [inf] * len(trace)
    for at in range(len(trace) - 1, -1, -1):
        uses[at] = seen.get(trace[at], inf)
        seen[trace[at]] = at
    return uses


# --- traces ---


def zipf(random: Random, alpha: float, blocks: int = BLOCKS, requests: int = REQUESTS) -> list[int]:
    """The n-th most popular block is asked for in proportion to 1 / n^alpha."""
    weights = list(accumulate(1 / rank**alpha for rank in range(1, blocks + 1)))
    return random.choices(range(blocks), cum_weights=weights, k=requests)


def scan(blocks: int = REQUESTS) -> list[tuple[str, int]]:
    """Each once."""
    return [("scan", index) for index in range(blocks)]


def loop(slots: int, times: int = LOOPS) -> list[int]:
    """Again and again what is a little too much for so many slots."""
    return list(range(-(-slots * LOOP_PERCENT // 100))) * times


def mixed(random: Random, parts: int = 1, requests: int = REQUESTS) -> list[Hashable]:
    """A hot set by Zipf's law, interleaved with a scan that asks for each block in so many parts. Half-way
    through it is other blocks that are popular."""
    hot = zipf(random, 0.9, HOT_BLOCKS, requests)
    places = list(range(HOT_BLOCKS))
    random.shuffle(places)
    scanned = 0
    trace: list[Hashable] = []
    for at in range(requests):
        if at % SCAN_EVERY == 0:
            trace += [("scan", scanned)] * parts
            scanned += 1
        else:
            trace.append(hot[at] if at < requests // 2 else places[hot[at]])
    return trace


def traces(seed: int, slots: int, requests: int = REQUESTS) -> Iterator[tuple[str, Trace]]:
    """Every trace with its name; only the loop depends on the size of the cache."""
    for alpha in ALPHAS:
        yield f"Zipf {alpha}", zipf(Random(seed), alpha, requests=requests)
    yield "one scan", scan(requests)
    yield f"loop of {LOOP_PERCENT} %", loop(slots)
    yield "mix", mixed(Random(seed), requests=requests)
    yield f"mix, scan in {PARTS} parts", mixed(Random(seed), PARTS, requests)


# --- the table ---


@dataclass(frozen=True, slots=True)
class Row:
    """Hit rates of the three in one trace."""

    trace: str
    slots: int
    arena: float
    lru: float
    belady: float

    def __str__(self) -> str:
        rates = (f"{100 * rate:.1f} %" for rate in (self.arena, self.lru, self.belady))
        ratios = (ratio(self.arena, self.lru), ratio(self.arena, self.belady))
        return "| " + " | ".join((self.trace, str(self.slots), *rates, *ratios)) + " |"


HEAD = (
    "| trace | slots | S3-FIFO | LRU | Belady | S3-FIFO/LRU | S3-FIFO/Belady |",
    "|---|---:|---:|---:|---:|---:|---:|",
)


def ratio(one: float, other: float) -> str:
    return f"{one / other:.2f}" if other else "-"


def compared(name: str, trace: Trace, slots: int) -> Row:
    caches: tuple[Callable[[Trace, int], int], ...] = (arena_hits, lru_hits, belady_hits)
    arena, lru, belady = (hits(trace, slots) / len(trace) for hits in caches)
    return Row(name, slots, arena, lru, belady)


def table(seed: int, sizes: Sequence[int] = SIZES, requests: int = REQUESTS) -> Iterator[str]:
    """Line by line, as they are found out."""
    yield from HEAD
    for slots in sizes:
        for name, trace in traces(seed, slots, requests):
            yield str(compared(name, trace, slots))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtest.simulate", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (default: 1)")
    for line in table(parser.parse_args().seed):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
