"""The service: one eventfd, the memory, and what is waited for."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from aio._kernel import ffi, lib
from aio.arena import BLOCK, Arena

if TYPE_CHECKING:
    from aio.disk import Fetch

REAP_AT_ONCE = 256  # completions per call into C
AHEAD = 256  # slots: so much memory is kept ready beyond what was ever used
COMPLETION = struct.Struct("=QqQ")  # tag, result, address of the job


class Device(Protocol):
    """Whoever has requests in the service and work to do at the end of a turn."""

    def pump(self) -> bool: ...


class Service:
    """Native AIO and a few C threads behind one eventfd.

    The owner watches `eventfd`, calls reap() when it is readable, and flush() when it has
    asked for everything it wants for now. Neither waits for a disk.
    """

    def __init__(self, slots: int, *, ring: bool = True, report: Callable[[str], None] = print) -> None:
        self._service = lib.service_new(0 if ring else lib.SERVICE_NO_RING)
        if self._service == ffi.NULL:
            raise OSError("no eventfd can be had")
        self._memory = lib.memory_new(slots * BLOCK)
        if self._memory == ffi.NULL:
            raise MemoryError(f"no {slots * BLOCK >> 20} MiB of memory for blocks")
        self.eventfd = lib.service_eventfd(self._service)
        self.arena = Arena(slots)
        self.memory = memoryview(ffi.buffer(lib.memory_base(self._memory), slots * BLOCK))
        self._ready = 0  # slots whose memory has been asked to be ready
        self.fetches: dict[int, Fetch] = {}  # by slot; disks that know the same file share its reads
        self.counters: Counter[str] = Counter()
        self._report = report
        self._devices: list[Device] = []
        self._waiting: dict[int, Callable[[int, int], None]] = {}
        self._jobs = 0
        self.will_use(0)
        self._out = ffi.new(f"struct completion[{REAP_AT_ONCE}]")
        self._view = memoryview(ffi.buffer(self._out, REAP_AT_ONCE * COMPLETION.size))

    # --- for devices ---

    def add(self, device: Device, depth: int, openers: int, readers: int) -> object:
        """A group of threads of the device's own."""
        group = lib.group_new(self._service, lib.memory_base(self._memory), BLOCK, depth, openers, readers)
        if group == ffi.NULL:
            raise OSError("no threads can be had for another device")
        self._devices.append(device)
        return group

    def expect(self, tag: int, done: Callable[[int, int], None]) -> None:
        """`done(result, job)` is called when the request with this tag is finished."""
        assert tag not in self._waiting, "a tag names one request"
        self._waiting[tag] = done

    def job_tag(self) -> int:
        """A tag that was never used before. Odd; those of reads are even."""
        self._jobs += 1
        return self._jobs << 1 | 1

    def read_tag(self, slot: int) -> int:
        """The tag of a read that begins in this slot: the slot and its generation."""
        return (self.arena.generation(slot) << 24 | slot) << 1

    def will_use(self, slot: int) -> None:
        """A read into this slot comes soon: keeps memory ready ahead of it."""
        if slot + AHEAD // 2 > self._ready:
            self._ready = slot + AHEAD
            lib.memory_want(self._memory, min(self._ready, self.arena.total) * BLOCK)

    def count(self, cause: str, message: str) -> None:
        """Counts something that the operator should know of, and says it the first time."""
        self.counters[cause] += 1
        if self.counters[cause] == 1:
            self._report(message)

    # --- for the loop ---

    def reap(self) -> None:
        """Delivers what is finished."""
        pop = self._waiting.pop
        while True:
            n = lib.service_reap(self._service, self._out, REAP_AT_ONCE)
            for tag, result, job in COMPLETION.iter_unpack(self._view[: n * COMPLETION.size]):
                try:
                    pop(tag)(result, job)
                except Exception as fault:  # the mistake of one receiver is not the others' loss
                    self.count(f"fault: {type(fault).__name__}", f"fault in a completion: {fault!r}")
            if n < REAP_AT_ONCE:
                return

    def flush(self) -> bool:
        """Passes on what was asked for in this turn; call before waiting for events. True if it
        should be called again soon, whatever happens."""
        more = False
        for device in self._devices:
            more |= device.pump()
        return more

    def close(self, seconds: float) -> int:
        """Ends all threads and frees the memory. How many are left asleep in the kernel, if
        any: then nothing has been freed, and the process should leave by os._exit()."""
        asleep = lib.service_close(self._service, int(seconds * 1000))
        if asleep == 0:
            self.memory.release()
            lib.memory_free(self._memory)
        return asleep
