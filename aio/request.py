"""What can be asked about a path, and the job that it is for C."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from aio._kernel import ffi, lib
from aio.file import KEEP_AFTER_NS, Facts, Look, Way

if TYPE_CHECKING:
    from aio._kernel import Job


# What is done with a path.
OPEN: Final = int(lib.JOB_OPEN)
CHECK: Final = int(lib.JOB_CHECK)
HASH: Final = int(lib.JOB_HASH)
LIST: Final = int(lib.JOB_LIST)
FOLLOW: Final = int(lib.JOB_FOLLOW)

# In which line it waits, in the order in which they are served.
CHECKS: Final = 0
FOLLOWS: Final = 1
PAGES: Final = 2  # opens that somebody looks at an empty window for
OPENS: Final = 3
LISTS: Final = 4
HASHES: Final = 5
LANES: Final = (CHECKS, FOLLOWS, PAGES, OPENS, LISTS, HASHES)
LANE_OF: Final = {CHECK: CHECKS, FOLLOW: FOLLOWS, OPEN: OPENS, LIST: LISTS, HASH: HASHES}

WAYS: Final = tuple(Way)  # by number: to call the Enum for one costs a call of a function
ORDERS: Final = {"name": lib.ORDER_NAME, "size": lib.ORDER_SIZE, "time": lib.ORDER_TIME}
LOOK: Final = Look()
FACTS: Final = Struct("=QQqQqIIII")  # as kernel.h has them
FACTS_AT: Final = int(ffi.offsetof("struct job", "facts"))


class Request:
    """A job that waits for its turn, or is under way."""

    __slots__ = ("cancelled", "job", "kind", "lane", "leave", "look", "order", "path", "root", "tell")

    def __init__(
        self,
        kind: int,
        path: bytes,
        root: int,
        look: Look,
        tell: Callable[[Any], None],
        leave: Callable[[Request], None],
        order: tuple[str, bool] = ("name", False),
    ) -> None:
        self.kind = kind
        self.path = path
        self.root = root
        self.look = look
        self.tell = tell  # what it has come to, as the method says that was asked
        self.leave = leave
        self.order = order
        self.cancelled = False
        self.job: Job | None = None  # if it is kept, to be asked again
        self.lane = PAGES if kind == OPEN and look.page else LANE_OF[kind]

    def cancel(self) -> None:
        """Nobody waits for it any more. What it opens, if it is under way, is closed again."""
        self.cancelled = True
        self.leave(self)


def new_job(path: bytes) -> Job:
    """It is the caller's, and must be freed."""
    return _made(lib.job_new(path, len(path)))


def _made(job: Job) -> Job:
    if job == ffi.NULL:
        raise MemoryError
    return job


class Models:
    """Jobs are like one another in all but the path: to copy one costs less than to fill each in."""

    def __init__(self, *, direct: bool, settle_ns: int) -> None:
        self._direct = direct
        self._settle_ns = settle_ns
        self._made: dict[tuple[int, int, Look, tuple[str, bool]], Job] = {}

    def job_for(self, request: Request) -> Job:
        """What C is to do. As new_job()."""
        path, kind = request.path, (request.kind, request.root, request.look, request.order)
        model = self._made.get(kind)
        if model is None:
            model = self._made[kind] = ffi.gc(self._model(request), lib.job_free)
        return _made(lib.job_like(model, path, len(path)))

    def _model(self, request: Request) -> Job:
        job = new_job(b"")
        look = request.look
        job.kind = request.kind
        job.root = request.root
        job.stay = look.stay
        job.links = look.links
        job.load_limit = look.load_limit
        job.want_direct = self._direct
        job.want_digest = look.digest
        job.settle_ns = self._settle_ns
        job.keep_after_ns = KEEP_AFTER_NS
        job.endings = b"".join(ending + b"\0" for ending in look.endings)
        key, job.descending = request.order
        job.order = ORDERS[key]
        job.kept = request.kind == CHECK
        return job


def facts_of(job: Job) -> Facts:
    """All in one go: to ask for a field of C's costs as much as to have them all."""
    packed = ffi.buffer(job, FACTS_AT + FACTS.size)
    device, inode, ctime_ns, size, mtime_ns, mode, align, why, siblings = FACTS.unpack_from(packed, FACTS_AT)
    return Facts(device, inode, ctime_ns, size, mtime_ns, mode, WAYS[why], align, siblings)
