"""The law: the thread of the loop makes no call on a file. Seen by strace, call by call.

The calls that it may make are listed here with what they may be made on; everything else breaks the law,
also what nobody has thought of.
"""

from __future__ import annotations

import pytest

from tests.rig import mixed
from tests.rig.server import serving
from tests.rig.strace import DESCRIPTOR, Call, cannot_trace, traced

SOCKETS = ("socket:", "TCP", "UNIX")
WAKERS = ("anon_inode:[eventfd]", *SOCKETS)
EPOLL = ("anon_inode:[eventpoll]",)
PIPES = ("pipe:",)
SPLICED_TO = (*SOCKETS, "/dev/null")
NOTHING = ("",)

# Which calls the loop's thread may make, and on what.
ALLOWED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl"), EPOLL),
    **dict.fromkeys(("accept4", "recvfrom", "recvmsg", "sendto", "sendmsg", "shutdown"), SOCKETS),
    **dict.fromkeys(("getsockname", "getpeername", "getsockopt", "setsockopt", "close"), SOCKETS),
    **dict.fromkeys(("ioctl", "fcntl"), SOCKETS),  # FIONBIO, O_NONBLOCK
    **dict.fromkeys(("read", "write"), WAKERS),
    **dict.fromkeys(("vmsplice", "splice"), PIPES),  # memory that is lent to a socket
    **dict.fromkeys(("futex", "sched_yield", "restart_syscall", "rt_sigreturn"), NOTHING),
    **dict.fromkeys(("rt_sigaction", "rt_sigprocmask", "sigaltstack"), NOTHING),
    **dict.fromkeys(("getpid", "gettid", "getrandom"), NOTHING),
    **dict.fromkeys(("sched_getparam", "sched_getscheduler"), NOTHING),  # glibc's, before it makes a thread
    **dict.fromkeys(("clock_gettime", "clock_nanosleep", "gettimeofday", "time", "getrusage"), NOTHING),
    **dict.fromkeys(("mmap", "mremap", "munmap", "mprotect", "madvise", "brk"), NOTHING),
    **dict.fromkeys(("clone", "clone3", "set_robust_list", "rseq"), NOTHING),  # the disk service's threads
}
ON_FILES = {
    "openat",
    "openat2",
    "open",
    "statx",
    "newfstatat",
    "fstat",
    "pread64",
    "preadv",
    "sendfile",
    "io_submit",
}

needs_strace = pytest.mark.skipif(bool(cannot_trace()), reason=cannot_trace() or "it can be traced")


def breaches(calls: list[Call], thread: int) -> list[str]:
    """Calls of the thread that it may not make."""
    return [call.line for call in calls if call.thread == thread and not _may_be_made(call)]


def _may_be_made(call: Call) -> bool:
    if not any(_is(call.on, kind) for kind in ALLOWED.get(call.name, ())):
        return False
    return call.name != "splice" or any(_is(_target(call), kind) for kind in SPLICED_TO)


def _target(call: Call) -> str:
    """What the second descriptor among its arguments is."""
    return [*DESCRIPTOR.findall(call.line), "", ""][1]


def _is(descriptor: str, kind: str) -> bool:
    return descriptor.startswith(kind) if kind else descriptor == ""


def calls_of_a_mixed_run(tmp_path, backend) -> tuple[list[Call], int]:
    root = tmp_path / "root"
    mixed.lay_out(root)
    with serving(root, *mixed.options(), backend=backend) as server:
        with traced(server.pid, tmp_path / "calls") as calls:
            mixed.mixed_run(server, root)
        return calls, server.pid


@needs_strace
@pytest.mark.parametrize(
    ("backend", "elsewhere"),
    [
        ("auto", {"openat2", "statx", "pread64", "close"}),
        ("linux-aio", {"openat2", "statx", "close"}),
        ("threads", {"openat2", "statx", "pread64", "close"}),
        ("posix-aio", {"openat2", "statx", "pread64", "close"}),
    ],
)
def test_the_thread_of_the_loop_makes_no_call_on_a_file(tmp_path, backend, elsewhere):
    calls, loop = calls_of_a_mixed_run(tmp_path, backend)
    assert not breaches(calls, loop)
    by_loop = {call.name for call in calls if call.thread == loop}
    at_work = {"epoll_wait", "accept4", "recvfrom", "sendto", "sendmsg", "close"}
    if backend == "auto" and mixed.settled_file():
        at_work |= {"vmsplice", "splice"}
    assert at_work <= by_loop, "it was seen at work"
    by_others = {call.name for call in calls if call.thread != loop}
    assert elsewhere <= by_others, "the others' calls on files were seen"


@needs_strace
@pytest.mark.parametrize(
    ("backend", "breach"),
    [("sendfile", "sendfile"), ("buffered", "pread64"), ("sendfile", "openat2"), ("sendfile", "statx")],
)
def test_backends_that_break_the_law_are_seen_to_break_it(tmp_path, backend, breach):
    calls, loop = calls_of_a_mixed_run(tmp_path, backend)
    assert breaches(calls, loop)
    assert any(call.name == breach and call.thread == loop for call in calls)
