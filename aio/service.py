"""The service: one eventfd, the memory, and what is waited for."""

from __future__ import annotations

import struct
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from errno import errorcode
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Final, Protocol

from aio._kernel import ffi, lib
from aio.arena import BLOCK, Arena, Slot

if TYPE_CHECKING:
    from aio._kernel import Pointer
    from aio.reads import Fetch
    from aio.stream import BlockStream

REAP_AT_ONCE: Final = 256  # completions per call into C
AHEAD: Final = 256  # slots: so much memory, or as much again as was ever used, is kept ready beyond that
STALLED_SECONDS = 1.0  # who has taken nothing for so long loses what it holds, if others need it
LONG_AGO: Final = 0.0  # of the monotonic clock, which begins when the machine does
TAKEN_AT_ONCE: Final = 64  # readers, from whom slots are taken back in one go
COMPLETION: Final = struct.Struct("=QqQ")  # tag, result, address of the job


class Awaited:
    """Whatever is under way. A class, and no function, for that is called by its place in a table."""

    __slots__ = ()

    def finished(self, result: int) -> None:
        """It has come back."""
        raise NotImplementedError


class Device(Protocol):
    """Whoever has requests in the service and work to do in the loop's turns."""

    def pass_on(self) -> None:
        """Passes on what was asked for, as far as nobody has to give way for it."""

    def pump(self) -> float:
        """Passes on what was asked for. In how many seconds there is more to do, at the latest."""


class Service:
    """Native AIO and a few C threads behind one eventfd.

    The owner watches `eventfd`, calls reap() when it is readable, and flush() when it has
    asked for everything it wants for now. Neither waits for a disk.
    """

    def __init__(
        self,
        slots: int,
        *,
        remembered: int = 0,
        ring: bool = True,
        report: Callable[[str], None] = print,
    ) -> None:
        """`remembered` is how many blocks the page cache may hold of those that were here before."""
        self._service = lib.service_new(0 if ring else lib.SERVICE_NO_RING)
        if self._service == ffi.NULL:
            raise OSError("no eventfd can be had")
        self._memory = lib.memory_new(slots, BLOCK)
        if self._memory == ffi.NULL:
            raise MemoryError(f"no {slots * BLOCK >> 20} MiB of memory for blocks")
        self.news = False  # something was asked for, or has come back, and may have to be passed on
        self.eventfd = lib.service_eventfd(self._service)
        self.arena = Arena(slots, remembered)
        self.memory = memoryview(ffi.buffer(lib.memory_base(self._memory), slots * BLOCK))
        self._ready = 0  # slots whose memory has been asked to be ready
        self.fetches: dict[Slot, Fetch] = {}  # by slot; disks that know the same file share its reads
        self.counters: Counter[str] = Counter()
        self._report = report
        self.lender = self._new_lender()
        self.lends = self.lender != ffi.NULL
        self._devices: list[Device] = []
        self._stalled: OrderedDict[BlockStream, float] = OrderedDict()  # since when, in that order
        self.taken_back = 0
        self._waiting: dict[int, Awaited] = {}
        self._jobs = 0
        self.will_use(0)
        self._out = ffi.new(f"struct completion[{REAP_AT_ONCE}]")
        self._view = memoryview(ffi.buffer(self._out, REAP_AT_ONCE * COMPLETION.size))

    def _new_lender(self) -> Pointer:
        lender = lib.lender_new(self._memory)
        if lender == ffi.NULL:
            cause = errorcode.get(ffi.errno, str(ffi.errno))
            self.count(f"lending refused: {cause}", f"memory is copied to sockets, not lent: {cause}")
        return lender

    # --- for devices ---

    def add(self, device: Device, depth: int, openers: int, readers: int) -> object:
        """A group of threads of the device's own."""
        group = lib.group_new(self._service, self._memory, depth, openers, readers)
        if group == ffi.NULL:
            raise OSError("no threads can be had for another device")
        self._devices.append(device)
        return group

    def expect(self, tag: int, awaited: Awaited) -> None:
        """It is told when the request with this tag is finished."""
        assert tag not in self._waiting, "a tag names one request"
        self._waiting[tag] = awaited

    def job_tag(self) -> int:
        """A tag that was never used before. Odd; those of reads are even."""
        self._jobs += 1
        return self._jobs << 1 | 1

    def read_tag(self, slot: Slot) -> int:
        """The tag of a read that begins in this slot: the slot and its generation."""
        return (slot.generation << 24 | slot.number) << 1

    def will_use(self, number: int) -> None:
        """A read into the slot of this number comes soon: keeps memory ready ahead of it.

        What is touched while there is time for it need not be when there is none: on a core that is
        full the thread for that never comes to run, and the reads pay.
        """
        ahead = max(AHEAD, number)
        if number + ahead // 2 > self._ready:
            self._ready = number + ahead
            lib.memory_want(self._memory, min(self._ready, self.arena.total))

    # --- for streams, of whatever device: all take from the same slots ---

    def stalled(self, stream: BlockStream, *, at_once: bool) -> None:
        """Its reader can take no more for now. `at_once`: and gives way as if that were for long."""
        if at_once:
            self._stalled[stream] = LONG_AGO
            self._stalled.move_to_end(stream, last=False)
        else:
            self._stalled.setdefault(stream, time.monotonic())

    def moving(self, stream: BlockStream) -> None:
        """Its reader has taken something, or has gone."""
        if self._stalled:
            self._stalled.pop(stream, None)

    def overdue(self, stream: BlockStream) -> bool:
        """Whether its reader has taken nothing for so long that others go first."""
        since = self._stalled.get(stream)
        return since is not None and since < time.monotonic() - STALLED_SECONDS

    def take_back(self, needy: BlockStream) -> bool:
        """Takes slots from readers that have been stalled for long, the longest first, until there
        is one for somebody else; whether there is."""
        latest = time.monotonic() - STALLED_SECONDS
        for stream, since in list(islice(self._stalled.items(), TAKEN_AT_ONCE)):
            if since >= latest:
                break
            if stream is not needy:
                stream.give_back()
                self.taken_back += 1
                if self.arena.can_take():
                    return True
        return False

    # --- what the operator should know ---

    @property
    def siblings_spared(self) -> int:
        """How many siblings nobody had to look for, because nothing in their directory is called so."""
        return int(lib.siblings_spared())

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
            self.news = self.news or n > 0
            for tag, result, _ in COMPLETION.iter_unpack(self._view[: n * COMPLETION.size]):
                try:
                    pop(tag).finished(result)
                except Exception as fault:
                    self.mistake(fault)
            if n < REAP_AT_ONCE:
                return

    def mistake(self, fault: Exception) -> None:
        """The mistake of one receiver is not the others' loss: it is counted."""
        self.count(f"fault: {type(fault).__name__}", f"fault in a completion: {fault!r}")

    def pass_on(self) -> None:
        """Passes on what was asked for; call before blocks are sent, which takes its time. Nobody has to
        give way yet: who was told of a file, or that there is room, has not had his turn."""
        if self.news:
            self.news = False
            for device in self._devices:
                device.pass_on()

    def flush(self) -> float:
        """Passes on what was asked for in this turn; call before waiting for events. In how many
        seconds it wants to be called again at the latest, whatever happens."""
        self.news = False
        later = inf
        for device in self._devices:
            later = min(later, device.pump())
        return later

    def close(self, seconds: float) -> int:
        """Ends all threads and frees the memory. How many are left asleep in the kernel, if
        any: then nothing has been freed, and the process should leave by os._exit()."""
        asleep = lib.service_close(self._service, int(seconds * 1000))
        if asleep == 0:
            self.memory.release()
            if self.lender != ffi.NULL:
                lib.lender_free(self.lender)
            lib.memory_free(self._memory)
        return asleep
