"""Types of what cffi builds from kernel.h; the meaning of each is told there."""

from collections.abc import Callable
from typing import Any, Protocol

from typing_extensions import Buffer

class Pointer(Protocol):
    """A C pointer, opaque to Python."""

class Job(Protocol):
    next: Any  # another job, or NULL
    kind: int
    kept: int
    root: int
    stay: int
    links: int
    want_direct: int
    want_digest: int
    load_limit: int
    settle_ns: int
    keep_after_ns: int
    order: int
    descending: int
    endings: bytes
    result: int
    took_ns: int
    digest: Pointer
    content: Pointer
    content_size: int
    count: int
    crossing: int

class _FFI:
    NULL: Pointer
    errno: int
    def gc(self, job: Job, free: Callable[[Job], None]) -> Job: ...
    def new(self, kind: str) -> Pointer: ...
    def buffer(self, pointer: Pointer | Job, size: int = ...) -> Buffer: ...
    def offsetof(self, kind: str, field: str) -> int: ...

class _Lib:
    SLOTS_PER_READ: int
    SHORTEST_LOAN: int
    SLOTS_PER_LOAN: int
    MAX_OUTSTANDING: int
    SERVICE_NO_RING: int
    DIRECT: int
    BUFFERED_ASKED: int
    BUFFERED_YOUNG: int
    BUFFERED_REFUSED: int
    JOB_OPEN: int
    JOB_CHECK: int
    JOB_HASH: int
    JOB_LIST: int
    JOB_FOLLOW: int
    JOB_CLOSE: int
    READ_NATIVE: int
    READ_THREAD: int
    READ_CACHED: int
    READ_POSIX: int
    ORDER_NAME: int
    ORDER_SIZE: int
    ORDER_TIME: int
    def service_new(self, flags: int) -> Pointer: ...
    def service_eventfd(self, service: Pointer) -> int: ...
    def service_reap(self, service: Pointer, out: Pointer, room: int) -> int: ...
    def service_close(self, service: Pointer, milliseconds: int) -> int: ...
    def group_new(
        self, service: Pointer, memory: Pointer, depth: int, openers: int, readers: int
    ) -> Pointer: ...
    def group_aio_error(self, group: Pointer) -> int: ...
    def group_uses_ring(self, group: Pointer) -> int: ...
    def job_new(self, path: bytes, length: int) -> Job: ...
    def job_like(self, model: Job, path: bytes, length: int) -> Job: ...
    def job_free(self, job: Job) -> None: ...
    def job_here(self, job: Job) -> int: ...
    def siblings_spared(self) -> int: ...
    def group_job(self, group: Pointer, tag: int, job: Job) -> int: ...
    def group_read(
        self,
        group: Pointer,
        way: int,
        tag: int,
        fd: int,
        inode: int,
        offset: int,
        size: int,
        s0: int,
        s1: int,
        s2: int,
        s3: int,
        /,
    ) -> int: ...
    def group_pass_on(self, group: Pointer, jobs_per_thread: int) -> None: ...
    def group_flush(self, group: Pointer, jobs_per_thread: int) -> int: ...
    def memory_new(self, slots: int, slot_size: int) -> Pointer: ...
    def memory_base(self, memory: Pointer) -> Pointer: ...
    def memory_want(self, memory: Pointer, slots: int) -> None: ...
    def memory_free(self, memory: Pointer) -> None: ...
    def lender_new(self, memory: Pointer) -> Pointer: ...
    def lender_free(self, lender: Pointer) -> None: ...
    def lender_send(
        self,
        lender: Pointer,
        sock: int,
        head: bytes,
        head_size: int,
        slots: list[int],
        count: int,
        lead: int,
        size: int,
    ) -> int: ...

ffi: _FFI
lib: _Lib
