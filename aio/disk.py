"""One device: open, check, read, close, each within its quota.

A disk that does not answer keeps what it was given, so what it is given is
bounded: so many jobs, so many reads, so many slots. The rest waits here, in
the loop's memory, where it can be taken back when nobody wants it any more.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from errno import EINVAL, errorcode
from typing import TYPE_CHECKING, Any

from aio._kernel import ffi, lib
from aio.arena import BLOCK
from aio.file import Facts, Failed, File, Hashed, Listed, Loaded, Look, Opened, Outcome, Way
from aio.records import Records
from aio.request import LOOK, ONE_BY_ONE, ORDER, Kind, Request, facts_of, job_for
from aio.service import Service
from aio.stream import BlockStream, Stream

if TYPE_CHECKING:
    from aio._kernel import Job

OPENERS = 4  # threads for what has no AIO call: they mostly sleep
READERS = 8  # threads for reads that AIO may not do
MOST_FILES = 4096  # open at once: what is above waits, or a dead disk takes all descriptors
READ_QUOTA = 64  # reads in flight: far below the 128-256 requests a device queues
PREAD_QUOTA = 2 * READERS  # the same by threads: as many running as waiting
TURN_STREAMS = 16  # of those in line, in one turn of the caller's
SLOT_SHARE = 2  # reads in flight hold at most one in two slots
RUN = int(lib.SLOTS_PER_READ)
SETTLE_NS = 30_000_000_000  # dirty pages are written back after 30 s (vm.dirty_expire_centisecs)


@dataclass(frozen=True, slots=True)
class Means:
    """How a backend reads."""

    native: bool = True  # by AIO and O_DIRECT where a file allows it
    cached: bool = True  # the arena keeps blocks and shares them
    settle_ns: int = SETTLE_NS


@dataclass(slots=True, eq=False)
class Fetch:
    """One read into one or more slots, and who waits for it."""

    file: File
    start: int
    size: int
    slots: list[int]
    native: bool
    keep: bool
    audience: list[BlockStream]


class Disk:
    """A device's own threads, quotas and queues."""

    def __init__(self, service: Service, name: str, means: Means, *, most_files: int = MOST_FILES) -> None:
        self.name = name
        self.service = service
        self.arena = service.arena
        self.memory = service.memory
        self.means = means
        self.file_quota = most_files
        self.files_open = 0
        self.make_room: Callable[[], None] = lambda: None  # asks the owner to release idle files
        self.job_quota = OPENERS
        self.jobs_in_flight = 0
        self.reads_in_flight = 0
        self.slots_reading = 0
        self.native_reads = 0
        self.thread_reads = 0
        self.slot_quota = max(RUN, service.arena.total // SLOT_SHARE)
        self._group: Any = service.add(self, READ_QUOTA if means.native else 0, OPENERS, READERS)
        # By kind; what nobody wants any more leaves at once: a dead disk would keep it for ever.
        self._queues: dict[Kind, OrderedDict[Request, None]] = {kind: OrderedDict() for kind in ORDER}
        self._under_way: set[Kind] = set()  # of those kinds that go one by one
        self._closes: deque[int] = deque()
        self._waiting: OrderedDict[BlockStream, None] = OrderedDict()
        self._fetches = service.fetches
        self._native = means.native
        if error := lib.group_aio_error(self._group):
            self._native = False
            code = errorcode.get(error, str(error))
            service.count(
                f"aio refused: {code}",
                f"{name}: the kernel refuses native AIO ({code}): threads read instead",
            )
        self.read_quota = READ_QUOTA if self._native else PREAD_QUOTA

    @property
    def waiting(self) -> int:
        """Requests and readers that wait for their turn."""
        return sum(map(len, self._queues.values())) + len(self._closes) + len(self._waiting)

    @property
    def native(self) -> bool:
        """Whether files that allow it are read by AIO here."""
        return self._native

    @property
    def uses_ring(self) -> bool:
        """Whether completions are read from memory, without a system call."""
        return bool(lib.group_uses_ring(self._group))

    # --- files ---

    def open(self, root: int, path: bytes, done: Callable[[Outcome], None], look: Look = LOOK) -> Request:
        """Opens a regular file beneath the directory `root` (a descriptor), or reads it whole
        if it is small."""
        return self._ask(Request(Kind.OPEN, path, root, look, done, self._leave))

    def check(
        self, root: int, path: bytes, done: Callable[[Facts | Failed], None], look: Look = LOOK
    ) -> Request:
        """What the path names by now. Goes before opens: somebody may be waiting."""
        return self._ask(Request(Kind.CHECK, path, root, look, done, self._leave))

    def hash(
        self, root: int, path: bytes, done: Callable[[Hashed | Failed], None], look: Look = LOOK
    ) -> Request:
        """The digest of a whole file, when there is nothing else to do."""
        return self._ask(Request(Kind.HASH, path, root, look, done, self._leave))

    def list_directory(
        self,
        root: int,
        path: bytes,
        done: Callable[[Listed | Failed], None],
        look: Look = LOOK,
        order: tuple[str, bool] = ("name", False),
    ) -> Request:
        """What is in a directory: directories first, then by "name", "size" or "time"; True turns
        that order round."""
        return self._ask(Request(Kind.LIST, path, root, look, done, self._leave, order))

    def follow(self, root: int, path: bytes, done: Callable[[bool], None]) -> Request:
        """Has the descriptor `root` be of the directory that the path (from the working directory)
        names by now; whether it was another one until then. What does not exist changes nothing."""
        return self._ask(Request(Kind.FOLLOW, path, root, LOOK, done, self._leave))

    def has_settled(self, facts: Facts, *, loaded: bool) -> bool:
        """Whether a file that was too young when it was opened no longer is: for direct I/O, or to
        be surely what was loaded."""
        if loaded:
            return facts.identity.settled(time.time_ns())
        return time.time_ns() - facts.identity.ctime_ns >= self.means.settle_ns

    def stream(self, file: File, offset: int, length: int, wake: Callable[[], None]) -> Stream:
        """The bytes from `offset`, one after the other; wake() is called when there are new ones."""
        return BlockStream(self, file, offset, length, wake)

    def _ask(self, request: Request) -> Request:
        self._queues[request.kind][request] = None
        return request

    def _start_jobs(self) -> None:
        while self.jobs_in_flight < self.job_quota:
            if self._closes:
                self._start_close(self._closes.popleft())
            elif (kind := self._next_kind()) is not None:
                self._start_job(self._queues[kind].popitem(last=False)[0])
            else:
                return

    def _next_kind(self) -> Kind | None:
        """What goes first: what somebody waits for before what takes its time, and of that only
        one at once, so that it never has all the threads."""
        for kind in ORDER:
            if not self._queues[kind] or (kind is Kind.OPEN and not self._may_open()):
                continue
            if kind in ONE_BY_ONE:
                if kind in self._under_way or (kind is Kind.HASH and self.jobs_in_flight):
                    continue
                self._under_way.add(kind)
            return kind
        return None

    def _may_open(self) -> bool:
        if self.files_open + self.jobs_in_flight >= self.file_quota:
            self.make_room()
        return self.files_open + self.jobs_in_flight < self.file_quota

    def _leave(self, request: Request) -> None:
        self._queues[request.kind].pop(request, None)

    def _start_job(self, request: Request) -> None:
        job = self.prepare(request)
        tag = self.service.job_tag()
        self.service.expect(tag, lambda result, address: self._job_done(request, result, address))
        refused = lib.group_job(self._group, tag, job)
        assert refused == 0, "the quota is below what the group holds"
        self.jobs_in_flight += 1

    def prepare(self, request: Request) -> Job:
        return job_for(request, direct=self._native, settle_ns=self.means.settle_ns)

    def _job_done(self, request: Request, result: int, address: int) -> None:
        self.jobs_in_flight -= 1
        self.deliver(request, result, ffi.cast("struct job *", address))

    def deliver(self, request: Request, result: int, job: Job) -> None:
        """Turns what C found into what the asker understands."""
        self._under_way.discard(request.kind)
        outcome = self._understand(request.kind, result, job)
        if not isinstance(outcome, Listed):  # whose records are in the job's memory
            lib.job_free(job)
        if not request.cancelled:
            request.tell(outcome)
        elif isinstance(outcome, Opened):
            outcome.file.release()
        elif isinstance(outcome, Listed):
            outcome.records.release()

    def _understand(self, kind: Kind, result: int, job: Job) -> Outcome | Facts | Hashed | Listed | bool:
        if kind is Kind.FOLLOW:
            return result == 1
        if result < 0:
            return Failed(-result, job.crossing)
        facts = facts_of(job)
        match kind:
            case Kind.OPEN:
                return self._opened(result, facts, job)
            case Kind.HASH:
                return Hashed(facts, bytes(ffi.buffer(job.digest)))
            case Kind.LIST:
                packed = memoryview(ffi.buffer(job.content, job.content_size))
                return Listed(facts, Records(packed, job.count, lambda: lib.job_free(job)))
        return facts

    def _opened(self, result: int, facts: Facts, job: Job) -> Outcome:
        if job.content != ffi.NULL:
            digest = bytes(ffi.buffer(job.digest)) if job.want_digest else b""
            return Loaded(facts, bytes(ffi.buffer(job.content, job.content_size)), digest)
        if facts.way is Way.BUFFERED_REFUSED:
            self.service.count(
                "direct refused", f"{self.name}: no direct I/O for some files here: threads read them"
            )
        elif facts.way is Way.BUFFERED_YOUNG:
            self.service.counters["young"] += 1
        self.files_open += 1
        return Opened(facts, File(result, facts, self.close_file))

    def close_file(self, fd: int) -> None:
        self.files_open -= 1
        self._closes.append(fd)

    def _start_close(self, fd: int) -> None:
        tag = self.service.job_tag()
        self.service.expect(tag, self._closed)
        refused = lib.group_close_file(self._group, tag, fd)
        assert refused == 0, "the quota is below what the group holds"
        self.jobs_in_flight += 1

    def _closed(self, result: int, address: int) -> None:
        self.jobs_in_flight -= 1

    # --- reads ---

    def want(self, stream: BlockStream) -> None:
        """The stream takes what it needs, now or in its turn among those that wait."""
        if stream in self._waiting:
            return
        # What is in memory waits for nobody; only a read waits behind those of others.
        if not stream.reach(may_read=not self._waiting):
            self._waiting[stream] = None

    def unwant(self, stream: BlockStream) -> None:
        """It is closed, and leaves the line."""
        self._waiting.pop(stream, None)

    def pump(self) -> bool:
        """Serves those that wait, one run each, and passes on to C what was asked for. True if
        there is more to do, but not in this turn."""
        self._start_jobs()
        served = 0
        while self._waiting and served < TURN_STREAMS:
            first = next(iter(self._waiting))
            if not first.take_turn():
                break
            self.unwant(first)
            served += 1
        lib.group_flush(self._group)
        return served == TURN_STREAMS

    def room(self) -> int:
        """How many slots a read may fill right now."""
        if self.reads_in_flight >= self.read_quota or not self.arena.can_take():
            return 0
        return min(RUN, self.slot_quota - self.slots_reading)

    def fetch(self, file: File, start: int, size: int, slots: list[int], audience: BlockStream) -> None:
        """Reads `size` bytes from `start` into the slots, which the caller has taken."""
        native = file.direct and self._native
        if native:
            self.native_reads += 1
        else:
            self.thread_reads += 1
        keep = self.means.cached and file.settled(time.time_ns())
        fetch = Fetch(file, start, size, slots, native, keep, [audience])
        file.retain()
        self.reads_in_flight += 1
        self.slots_reading += len(slots)
        for slot in slots:
            self._fetches[slot] = fetch
            self.service.will_use(slot)
        self._submit(fetch)

    def join(self, slot: int, stream: BlockStream) -> None:
        """The stream, too, waits for what is being read into this slot."""
        self._fetches[slot].audience.append(stream)

    def _submit(self, fetch: Fetch) -> None:
        slots = fetch.slots
        tag = self.service.read_tag(slots[0])
        self.service.expect(tag, lambda result, _: self._fetched(fetch, result))
        four = (*slots, 0, 0, 0)[:RUN]
        read = lib.group_read if fetch.native else lib.group_pread
        refused = read(self._group, tag, fetch.file.fd, fetch.start, fetch.size, *four)
        assert refused == 0, "the quota is below what the group holds"

    def _fetched(self, fetch: Fetch, result: int) -> None:
        if result == -EINVAL and fetch.native:
            # Whatever statx(2) promised: this file is read buffered from now on.
            fetch.native = fetch.file.direct = False
            self.service.count("direct failed", f"{self.name}: direct reads fail: threads read instead")
            self._submit(fetch)
            return
        self.reads_in_flight -= 1
        self.slots_reading -= len(fetch.slots)
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
