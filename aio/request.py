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
# What C has found: its result, how long it took, the facts, and where the content is. As kernel.h has them.
REPORT: Final = Struct("=qqQQqQqIIII16xQ")
REPORT_AT: Final = int(ffi.offsetof("struct job", "result"))


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


class Model:
    """A job for everything that is asked in the same manner."""

    __slots__ = ("_kind", "_look", "_order", "_root", "job")

    def __init__(self, request: Request, job: Job) -> None:
        self._kind = request.kind
        self._look = request.look
        self._order = request.order
        self._root = request.root
        self.job = job

    def surely_fits(self, request: Request) -> bool:
        """Told by what is the same object: what is only equal is looked up."""
        return (
            self._look is request.look
            and self._order is request.order
            and self._kind == request.kind
            and self._root == request.root
        )


class Models:
    """Jobs are like one another in all but the path: to copy one costs less than to fill each in."""

    def __init__(self, *, direct: bool, settle_ns: int) -> None:
        self._direct = direct
        self._settle_ns = settle_ns
        self._made: dict[tuple[int, int, Look, tuple[str, bool]], Model] = {}
        self._last: Model | None = None

    def job_for(self, request: Request) -> Job:
        """What C is to do. As new_job()."""
        model = self._last
        if model is None or not model.surely_fits(request):
            self._last = model = self._model_for(request)
        return _made(lib.job_like(model.job, request.path, len(request.path)))

    def _model_for(self, request: Request) -> Model:
        manner = (request.kind, request.root, request.look, request.order)
        model = self._made.get(manner)
        if model is None:
            job = ffi.gc(self._first_job(request), lib.job_free)
            model = self._made[manner] = Model(request, job)
        return model

    def _first_job(self, request: Request) -> Job:
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


class Report:
    """What C has found."""

    __slots__ = ("_told", "has_content", "result", "took_ns")

    def __init__(self, job: Job) -> None:
        """All in one go: to ask for a field of C's costs as much as to have them all."""
        told = REPORT.unpack_from(ffi.buffer(job, REPORT_AT + REPORT.size), REPORT_AT)
        self._told = told
        self.result: int = told[0]
        self.took_ns: int = told[1]
        self.has_content = told[-1] != 0  # there is a file whole, or a list

    def facts(self) -> Facts:
        """What is known of a file that was found."""
        _, _, device, inode, ctime_ns, size, mtime_ns, mode, align, why, siblings, _ = self._told
        return Facts(device, inode, ctime_ns, size, mtime_ns, mode, WAYS[why], align, siblings)
