"""One device: open, check, read, close, each within its quota.

A disk that does not answer keeps what it was given, so what it is given is
bounded: so many jobs, so many reads, so many slots. The rest waits here, in
the loop's memory, where it can be taken back when nobody wants it any more.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from errno import errorcode
from math import inf
from struct import pack
from typing import TYPE_CHECKING, Any, Final

from aio._kernel import ffi, lib
from aio.file import (
    BUFFERED_REFUSED,
    BUFFERED_YOUNG,
    Facts,
    Failed,
    File,
    Hashed,
    Listed,
    Loaded,
    Look,
    Opened,
    Outcome,
)
from aio.means import Means
from aio.reads import READ_QUOTA, READERS, Reads
from aio.records import Records
from aio.request import (
    CHECK,
    CHECKS,
    FOLLOW,
    HASH,
    HASHES,
    LANES,
    LIST,
    LISTS,
    LOOK,
    OPEN,
    OPENS,
    PAGES,
    Models,
    Report,
    Request,
    new_job,
)  # fmt: skip
from aio.service import Awaited, Service
from aio.stream import BlockStream, Stream

if TYPE_CHECKING:
    from aio._kernel import Job

OPENERS: Final = 16  # threads for what has no AIO call: they mostly sleep
CLOSES_TOGETHER: Final = 64  # by one thread
CHECKS_TOGETHER: Final = 16  # likewise: to wake a thread and to be told costs more than to look
# To wake a thread for a look at a path, and to be told of it, costs more than one that finds all in memory.
# So as long as they are quick, more jobs are handed over than there are threads, and a thread is woken for
# several. One that takes a few milliseconds ends that.
QUICK_NS: Final = 200_000  # that it takes, on average
LOOKS_AVERAGED: Final = 16
JOBS_AT_ONCE: Final = 32
JOBS_PER_THREAD: Final = 4
SOON: Final = 0.005  # seconds, until it is seen whether a thread was enough
MOST_FILES: Final = 4096  # open at once: what is above waits, or a dead disk takes all descriptors


class Work(Awaited):
    """Requests of one lane, which one thread works off, one after the other."""

    __slots__ = ("_disk", "jobs", "requests")

    def __init__(self, disk: Disk, requests: Sequence[Request], jobs: Sequence[Job]) -> None:
        self._disk = disk
        self.requests = requests
        self.jobs = jobs

    def finished(self, _: int) -> None:
        self._disk.jobs_in_flight -= 1
        self._disk.deliver(self)


class Closing(Awaited):
    """Descriptors that one thread closes."""

    __slots__ = ("_disk", "job")

    def __init__(self, disk: Disk, fds: Sequence[int]) -> None:
        self._disk = disk
        self.job = new_job(pack(f"={len(fds)}i", *fds))
        self.job.kind = lib.JOB_CLOSE

    def finished(self, _: int) -> None:
        self._disk.jobs_in_flight -= 1
        lib.job_free(self.job)


class Disk:
    """A device's own threads, quotas and queues."""

    def __init__(self, service: Service, name: str, means: Means, *, most_files: int = MOST_FILES) -> None:
        self.name = name
        self.service = service
        self.means = means
        self.file_quota = most_files
        self.files_open = 0
        self.make_room: Callable[[], None] = lambda: None  # asks the owner to release idle files
        self.job_quota = JOBS_AT_ONCE
        self._look_ns = QUICK_NS  # that a look at a path took of late, on average
        self.jobs_in_flight = 0
        self._group: Any = service.add(self, READ_QUOTA if means.native else 0, OPENERS, READERS)
        # In the order of going first. What nobody wants any more leaves its lane at once: a dead disk
        # would keep it for ever.
        self._queues: dict[int, OrderedDict[Request, None]] = {lane: OrderedDict() for lane in LANES}
        self._under_way = dict.fromkeys(LANES, 0)
        self._closes: list[int] = []
        self._native = means.native
        if error := lib.group_aio_error(self._group):
            self._native = False
            code = errorcode.get(error, str(error))
            service.count(
                f"aio refused: {code}",
                f"{name}: the kernel refuses native AIO ({code}): threads read instead",
            )
        self.reads = Reads(service, name, means, self._group, native=self._native)
        self._models = Models(direct=self._native, settle_ns=means.settle_ns)

    @property
    def waiting(self) -> int:
        """Requests and readers that wait for their turn."""
        return sum(map(len, self._queues.values())) + len(self._closes) + self.reads.waiting

    @property
    def _is_quick(self) -> bool:
        """Whether looks have hardly had to wait for the disk, of late."""
        return self._look_ns < QUICK_NS

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
        return self._ask(Request(OPEN, path, root, look, done, self._leave))

    def check(
        self, root: int, path: bytes, done: Callable[[Facts | Failed | None], None], look: Look = LOOK
    ) -> Request:
        """What the path names by now; None if that is what it was when this request was asked before.
        Goes before opens: somebody may be waiting."""
        return self._ask(Request(CHECK, path, root, look, done, self._leave))

    def check_again(self, request: Request) -> None:
        """The same, when it has been answered."""
        self._ask(request)

    def hash(
        self, root: int, path: bytes, done: Callable[[Hashed | Failed], None], look: Look = LOOK
    ) -> Request:
        """The digest of a whole file, when there is nothing else to do."""
        return self._ask(Request(HASH, path, root, look, done, self._leave))

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
        return self._ask(Request(LIST, path, root, look, done, self._leave, order))

    def follow(self, root: int, path: bytes, done: Callable[[bool], None]) -> Request:
        """Has the descriptor `root` be of the directory that the path (from the working directory)
        names by now; whether it was another one until then. What does not exist changes nothing."""
        return self._ask(Request(FOLLOW, path, root, LOOK, done, self._leave))

    def has_settled(self, facts: Facts, *, loaded: bool) -> bool:
        """Whether a file that was too young when it was opened no longer is: for direct I/O, or to
        be surely what was loaded."""
        if loaded:
            return facts.settled(time.time_ns())
        return time.time_ns() - facts.ctime_ns >= self.means.settle_ns

    def stream(self, file: File, offset: int, length: int, wake: Callable[[], None]) -> Stream:
        """The bytes from `offset`, one after the other; wake() is called when there are new ones."""
        return BlockStream(self.reads, file, offset, length, wake)

    def _ask(self, request: Request) -> Request:
        self._queues[request.lane][request] = None
        self.service.news = True
        return request

    def _start_jobs(self, *, pressing: bool) -> None:
        """`pressing`: files that nobody uses are closed where there is no room for others."""
        at_once = self.job_quota if self._is_quick else OPENERS
        while self.jobs_in_flight < at_once:
            if self._closes:
                fds, self._closes = self._closes[:CLOSES_TOGETHER], self._closes[CLOSES_TOGETHER:]
                self._start_closing(fds)
            elif (lane := self._next_lane(at_once, pressing)) is not None:
                self._under_way[lane] += 1
                waiting = self._queues[lane]
                shares = min(at_once - self.jobs_in_flight, OPENERS)  # in which checks are dealt out
                together = min(-(-len(waiting) // shares), CHECKS_TOGETHER) if lane == CHECKS else 1
                self._start([waiting.popitem(last=False)[0] for _ in range(together)])
            else:
                return

    def _next_lane(self, at_once: int, pressing: bool) -> int | None:
        """What goes first: what somebody waits for before what takes its time. Nothing gets all
        that is done at once: of what takes its time only one, and of pages all but one, if others
        wait."""
        for lane, waiting in self._queues.items():
            if not waiting or (lane in (PAGES, OPENS) and not self._may_open(pressing)):
                continue
            if lane == PAGES and self._queues[OPENS] and self._under_way[lane] >= at_once - 1:
                continue
            if lane in (LISTS, HASHES) and self._under_way[lane]:
                continue
            if lane == HASHES and self.jobs_in_flight:
                continue
            return lane
        return None

    def _may_open(self, pressing: bool) -> bool:
        soon_open = self._under_way[PAGES] + self._under_way[OPENS]
        if pressing and self.files_open + soon_open >= self.file_quota:
            self.make_room()
        return self.files_open + soon_open < self.file_quota

    def _leave(self, request: Request) -> None:
        self._queues[request.lane].pop(request, None)

    def _start(self, requests: Sequence[Request]) -> None:
        """All of one lane, by one thread."""
        work = Work(self, requests, self.prepare(requests))
        self._hand_over(work.jobs[0], work)

    def _hand_over(self, job: Job, awaited: Awaited) -> None:
        tag = self.service.job_tag()
        self.service.expect(tag, awaited)
        refused = lib.group_job(self._group, tag, job)
        assert refused == 0, "the quota is below what the group holds"
        self.jobs_in_flight += 1

    def prepare(self, requests: Sequence[Request]) -> Sequence[Job]:
        jobs = [request.job or self._job_for(request) for request in requests]
        if len(jobs) > 1 or requests[0].job is not None:  # which may have been linked to others
            after: Any = ffi.NULL
            for job in reversed(jobs):
                job.next = after
                after = job
        return jobs

    def _job_for(self, request: Request) -> Job:
        job = self._models.job_for(request)
        if request.kind == CHECK:
            request.job = job = ffi.gc(job, lib.job_free)
        return job

    def deliver(self, work: Work) -> None:
        """Turns what C found into what the askers understand."""
        self._under_way[work.requests[0].lane] -= 1
        for n, request in enumerate(work.requests):
            try:
                self._deliver(request, work.jobs[n])
            except Exception as fault:
                self.service.mistake(fault)

    def _deliver(self, request: Request, job: Job) -> None:
        report = Report(job)
        if request.kind in (OPEN, CHECK):
            self._look_ns += (report.took_ns - self._look_ns) // LOOKS_AVERAGED
        outcome = self._understand(request.kind, report, job)
        if request.kind != CHECK and not isinstance(outcome, Listed):  # whose records are in the job's memory
            lib.job_free(job)
        if not request.cancelled:
            request.tell(outcome)
        elif isinstance(outcome, Opened):
            outcome.file.release()
        elif isinstance(outcome, Listed):
            outcome.records.release()

    def _understand(
        self, kind: int, report: Report, job: Job
    ) -> Outcome | Facts | Hashed | Listed | bool | None:
        result = report.result
        if kind == CHECK and result == 1:
            return None
        if kind == FOLLOW:
            return result == 1
        if result < 0:
            return Failed(-result, job.crossing)
        facts = report.facts()
        if kind == OPEN:
            return self._loaded(facts, job) if report.has_content else self._opened(result, facts)
        if kind == HASH:
            return Hashed(facts, bytes(ffi.buffer(job.digest)))
        if kind == LIST:
            packed = memoryview(ffi.buffer(job.content, job.content_size))
            return Listed(facts, Records(packed, job.count, lambda: lib.job_free(job)))
        return facts

    def _loaded(self, facts: Facts, job: Job) -> Loaded:
        digest = bytes(ffi.buffer(job.digest)) if job.want_digest else b""
        return Loaded(facts, bytes(ffi.buffer(job.content, job.content_size)), digest)

    def _opened(self, fd: int, facts: Facts) -> Opened:
        if facts.way is BUFFERED_REFUSED:
            self.service.count(
                "direct refused", f"{self.name}: no direct I/O for some files here: threads read them"
            )
        elif facts.way is BUFFERED_YOUNG:
            self.service.counters["young"] += 1
        self.files_open += 1
        return Opened(facts, File(fd, facts, self.close_file))

    def close_file(self, fd: int) -> None:
        self.files_open -= 1
        self._closes.append(fd)

    def _start_closing(self, fds: list[int]) -> None:
        closing = Closing(self, fds)
        self._hand_over(closing.job, closing)

    # --- for the service ---

    @property
    def _jobs_per_thread(self) -> int:
        return JOBS_PER_THREAD if self._is_quick else 1

    def pass_on(self) -> None:
        self._start_jobs(pressing=False)
        self.reads.pump(pressing=False)
        lib.group_pass_on(self._group, self._jobs_per_thread)

    def pump(self) -> float:
        self._start_jobs(pressing=True)
        more = self.reads.pump(pressing=True)
        untaken = lib.group_flush(self._group, self._jobs_per_thread)
        return 0.0 if more else SOON if untaken else inf
