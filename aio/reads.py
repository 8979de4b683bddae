"""The reads of one device: how many at once, whose turn it is, and what comes back.

A disk that does not answer keeps what it was given, so what it is given is bounded: so many reads,
so many slots. Who wants more stands in line, and leaves it when nobody wants the bytes any more.
"""

from __future__ import annotations

import time
from errno import EINVAL
from typing import Any, Final

from aio._kernel import lib
from aio.arena import BLOCK, Slot
from aio.depth import Depth
from aio.file import File
from aio.line import Line
from aio.means import Means
from aio.parcel import SHORTEST_LOAN, Loan
from aio.service import Awaited, Service
from aio.stream import BlockStream, View

READERS: Final = 8  # threads for reads that AIO may not do
READ_QUOTA: Final = 64  # reads in flight: far below the 128-256 requests a device queues
THREAD_QUOTA: Final = 2 * READERS  # the same by threads: as many running as waiting
STREAMS_AT_ONCE: Final = 16  # of those in line, each time that it is passed on what was asked for
SLOT_SHARE: Final = 2  # reads in flight hold at most one in two slots
SPARE_SHARE: Final = 4  # with one in so many of these in use there is room for whoever may come
FROM_MEMORY_SECONDS: Final = 0.001  # what a thread reads sooner was in the page cache
RUN: Final = int(lib.SLOTS_PER_READ)

NATIVE: Final = int(lib.READ_NATIVE)
THREAD: Final = int(lib.READ_THREAD)
CACHED: Final = int(lib.READ_CACHED)
POSIX: Final = int(lib.READ_POSIX)


class Fetch(Awaited):
    """One read into one or more slots, and who waits for it."""

    __slots__ = ("_reads", "audience", "began", "file", "keep", "others", "size", "slots", "start", "way")

    def __init__(
        self,
        reads: Reads,
        file: File,
        start: int,
        size: int,
        slots: list[Slot],
        way: int,
        keep: bool,
        audience: BlockStream,
    ) -> None:
        self._reads = reads
        self.file = file
        self.start = start
        self.size = size
        self.slots = slots
        self.way = way
        self.keep = keep
        self.began = time.monotonic()  # seconds
        self.others = reads.in_flight  # when it began
        self.audience = [audience]

    def finished(self, result: int) -> None:
        self._reads.fetched(self, result)


class Reads:
    """What is being read from a device, and who is in line for it."""

    def __init__(self, service: Service, name: str, means: Means, group: Any, *, native: bool) -> None:
        self.arena = service.arena
        self.memory = service.memory
        self.cached = means.cached
        self.longest_run = 1 if means.posix else RUN
        self.quota = READ_QUOTA if native else THREAD_QUOTA
        self.slot_quota = max(RUN, service.arena.total // SLOT_SHARE)
        self.depth = Depth(self.quota)
        self.in_flight = 0
        self.slots_in_flight = 0
        self.native_reads = 0
        self.thread_reads = 0
        self.cached_reads = 0  # of the latter, those of blocks that were here before
        self._service = service
        self._name = name
        self._means = means
        self._native = native
        self._group = group
        self._line: Line[BlockStream] = Line()
        self._fetches = service.fetches
        self._pressing = True  # slots are taken from readers who take nothing

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return len(self._line)

    @property
    def spare(self) -> bool:
        """Whether the disk and the memory for its reads have little to do."""
        return not self._line and SPARE_SHARE * self.slots_in_flight < self.slot_quota

    def at_hand(self, file: File, length: int) -> View | None:
        """The first `length` bytes, if they are in memory in one block. They are not held: at the
        next call to anything here they may be others."""
        slot = self.arena.find((file.identity, 0)) if self.cached and not file.changed else None
        if slot is None or slot.length < length:
            return None
        self.arena.use(slot)
        return self.loan([slot], 0, length) or self.bytes_of(slot, 0, length)

    def bytes_of(self, slot: Slot, lead: int, size: int) -> memoryview:
        at = slot.number * BLOCK + lead
        return self.memory[at : at + size]

    # --- for streams ---

    def want(self, stream: BlockStream) -> None:
        """The stream takes what it needs, now or in its turn among those that wait."""
        if stream in self._line:
            return
        # What is in memory waits for nobody; only a read waits behind those of others.
        if not stream.reach(may_read=not self._line):
            self._line.join(stream, brief=stream.brief)

    def unwant(self, stream: BlockStream) -> None:
        """It is closed, and leaves the line."""
        self._line.leave(stream)

    def room(self, stream: BlockStream) -> int:
        """How many slots a read for this stream may fill right now."""
        if self.in_flight >= min(self.quota, self.depth.limit):
            self.depth.reached()
            return 0
        if not self.arena.can_take() and not (self._pressing and self._service.take_back(stream)):
            return 0
        return min(RUN, self.slot_quota - self.slots_in_flight)

    def fetch(
        self, file: File, start: int, size: int, slots: list[Slot], audience: BlockStream, *, again: bool
    ) -> None:
        """Reads `size` bytes from `start` into the slots, which the caller has taken. `again`: they
        were here before, and may be soon: the page cache is to keep them for all processes."""
        way = self._way(file, again=again)
        if way == NATIVE:
            self.native_reads += 1
        else:
            self.thread_reads += 1
            self.cached_reads += way == CACHED
        keep = self.cached and file.settled(time.time_ns())
        fetch = Fetch(self, file, start, size, slots, way, keep, audience)
        file.retain()
        self.in_flight += 1
        self.slots_in_flight += len(slots)
        for slot in slots:
            self._fetches[slot] = fetch
            self._service.will_use(slot.number)
        self._submit(fetch)

    def join(self, slot: Slot, stream: BlockStream) -> None:
        """The stream, too, waits for what is being read into this slot."""
        self._fetches[slot].audience.append(stream)

    def stalled(self, stream: BlockStream, *, at_once: bool) -> None:
        self._service.stalled(stream, at_once=at_once)

    def moving(self, stream: BlockStream) -> None:
        self._service.moving(stream)

    @property
    def lends(self) -> bool:
        return self._service.lends

    def loan(self, slots: list[Slot], lead: int, size: int) -> Loan | None:
        """Bytes of full slots, if they are better lent than copied."""
        if size < SHORTEST_LOAN or not self.lends:
            return None
        return Loan(self._service.lender, slots, lead, size)

    # --- for the disk ---

    def pump(self, *, pressing: bool) -> bool:
        """Serves those in line, one run each. True if there is more to do, but not now. `pressing`: who
        takes nothing has to give way."""
        self._pressing = pressing
        served = 0
        while served < STREAMS_AT_ONCE and (first := self._line.first()) is not None:
            if pressing and not self.arena.can_take() and self._service.overdue(first):
                first.give_back()  # and leaves the line: others go first
                continue
            if not first.take_turn():
                break
            self._line.served(first)
            served += 1
        self._pressing = True
        return served == STREAMS_AT_ONCE

    # --- way out and way back ---

    def _way(self, file: File, *, again: bool) -> int:
        if self._means.posix:
            return POSIX
        if not (file.direct and self._native):
            return THREAD
        return CACHED if again and self._means.page_cache else NATIVE

    def _submit(self, fetch: Fetch) -> None:
        slots = fetch.slots
        tag = self._service.read_tag(slots[0])
        self._service.expect(tag, fetch)
        n = len(slots)
        refused = lib.group_read(
            self._group, fetch.way, tag, fetch.file.fd, fetch.file.inode, fetch.start, fetch.size,
            slots[0].number, slots[1].number if n > 1 else 0, slots[2].number if n > 2 else 0,
            slots[3].number if n > 3 else 0,
        )  # fmt: skip
        assert refused == 0, "the quota is below what the group holds"

    def fetched(self, fetch: Fetch, result: int) -> None:
        """It has come back, with so many bytes or a negative errno."""
        if result == -EINVAL and fetch.way == NATIVE:
            # Whatever statx(2) promised: this file is read buffered from now on.
            fetch.file.direct = False
            fetch.way = THREAD
            self._service.count("direct failed", f"{self._name}: direct reads fail: threads read instead")
            self._submit(fetch)
            return
        self._time(fetch, result)
        self.in_flight -= 1
        self.slots_in_flight -= len(fetch.slots)
        end = min(fetch.start + fetch.size, fetch.file.size)  # what a longer read found has grown since
        at = fetch.start
        for slot in fetch.slots:
            del self._fetches[slot]
            if result < 0:
                self.arena.failed(slot, -result)
                continue
            expected = min(BLOCK, end - at)
            got = max(0, min(expected, fetch.start + result - at))
            self.arena.filled(slot, got, keep=fetch.keep and got == expected)
            at += BLOCK
        fetch.file.release()
        for stream in fetch.audience:
            if not stream.closed:
                stream.wake()

    def _time(self, fetch: Fetch, result: int) -> None:
        """What comes from memory, or not at all, tells nothing of the disk."""
        now = time.monotonic()
        took = now - fetch.began
        by_disk = fetch.way == NATIVE or (fetch.way != CACHED and took >= FROM_MEMORY_SECONDS)
        if by_disk and result >= 0:
            self.depth.finished(took, now, fetch.others)
