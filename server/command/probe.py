"""`headrace probe ROOT`: what this kernel, container and filesystem allow, and what follows."""

from __future__ import annotations

import argparse
import ctypes
import errno
import os
import platform
import resource
import select
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from aio import Disk, Failed, Loaded, Look, Means, Opened, Outcome, Service, Way
from server.files.content import SMALL
from server.process.memory import default_budget, limit

SYS_IO_URING_SETUP = 425
MOST_NAMES = 20_000  # looked at for a file that is large enough to tell
OPEN_SECONDS = 10
MIB = 1 << 20

Row = tuple[str, str, str]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="headrace probe", description=__doc__)
    parser.add_argument("root", metavar="ROOT", nargs="?", default=os.environ.get("HEADRACE_ROOT", "."))
    root = Path(parser.parse_args(arguments).root)
    if not root.is_dir():
        print(f"headrace: {root}: there is no such directory", file=sys.stderr)
        return 2
    notes: list[str] = []
    service = Service(16, report=notes.append)
    disk = Disk(service, str(root), Means(settle_ns=0))
    rows = [*_kernel(disk), *_files(service, disk, root), *_limits()]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for what, here, so in rows:
        print(f"{what:<{widths[0]}}  {here:<{widths[1]}}  {so}".rstrip())
    service.close(1.0)
    return 0


def _kernel(disk: Disk) -> Iterator[Row]:
    yield "kernel", f"Linux {platform.release()}, {platform.machine()}", ""
    status = Path("/proc/self/status").read_text()
    filtered = "\nSeccomp:\t2" in status
    yield "seccomp", "filters system calls" if filtered else "none", ""
    used = Path("/proc/sys/fs/aio-nr").read_text().strip()
    most = Path("/proc/sys/fs/aio-max-nr").read_text().strip()
    if disk.native:
        ring = "read without system calls" if disk.uses_ring else "read by io_getevents"
        yield (
            "native AIO",
            f"yes ({used} of {most} in use)",
            f"large files are read by it; completions are {ring}",
        )
    else:
        yield "native AIO", "refused", "threads read instead"
    allowed = _io_uring_allowed()
    yield "io_uring", "allowed" if allowed else "refused", "not used, here or anywhere"


def _files(service: Service, disk: Disk, root: Path) -> Iterator[Row]:
    yield "filesystem", _filesystem(root), ""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    name = _large_file(root)
    if name is None:
        path, about = b".", f"no file of more than {SMALL // 1024} KiB to try it with"
    else:
        path, about = os.fsencode(name), name
    outcome = _open(service, disk, descriptor, path)
    os.close(descriptor)
    if isinstance(outcome, Failed) and outcome.errno in (errno.ENOSYS, errno.EPERM):
        yield (
            "openat2",
            f"refused ({errno.errorcode[outcome.errno]})",
            "nothing can be served: Linux 5.6 is needed",
        )
        return
    yield "openat2", "yes", "no path and no link leads out of the root"
    match outcome:
        case Opened(facts, file):
            if facts.way is Way.DIRECT:
                yield "direct I/O", f"yes, in units of {facts.offset_align}", f"tried with {about}"
            else:
                yield "direct I/O", "refused for this file", f"threads read it instead (tried with {about})"
            file.release()
        case Failed(error) if error != errno.EISDIR:
            yield "direct I/O", "not known", f"{about}: {os.strerror(error)}"
        case Failed() | Loaded():
            yield "direct I/O", "not known", about


def _limits() -> Iterator[Row]:
    huge = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    setting = huge.read_text().partition("[")[2].partition("]")[0] if huge.exists() else "none"
    yield (
        "huge pages",
        setting,
        "" if setting in ("always", "madvise") else "reads cost more CPU without them",
    )
    yield "memory", f"{limit() // MIB} MiB", f"{default_budget() // MIB} MiB of it for blocks and small files"
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield "descriptors", str(hard), f"about {hard} clients and open files together"
    cores = len(os.sched_getaffinity(0))
    yield "processors", str(cores), ""


def _open(service: Service, disk: Disk, root: int, path: bytes) -> Outcome:
    outcomes: list[Outcome] = []
    disk.open(root, path, outcomes.append, Look(load_limit=SMALL))
    with select.epoll() as epoll:
        epoll.register(service.eventfd, select.EPOLLIN)
        while not outcomes:
            service.flush()
            if not epoll.poll(OPEN_SECONDS):
                return Failed(errno.ETIMEDOUT)
            service.reap()
    return outcomes[0]


def _large_file(root: Path) -> str | None:
    """Any file beneath the root that is read block by block; None if there is none near."""
    seen = 0
    for directory, _, names in os.walk(root):
        for name in names:
            seen += 1
            path = Path(directory, name)
            try:
                if path.is_file() and path.stat().st_size > SMALL:
                    return str(path.relative_to(root))
            except OSError:
                continue
            if seen >= MOST_NAMES:
                return None
    return None


def _filesystem(root: Path) -> str:
    """The type of the innermost mount that holds the root (proc_pid_mountinfo(5))."""
    best, kind = "", "unknown"
    here = str(root.resolve())
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split()
        place = fields[4].encode().decode("unicode_escape")
        inside = here == place or here.startswith(place.rstrip("/") + "/")
        if inside and len(place) >= len(best):
            best, kind = place, fields[fields.index("-") + 1]
    return f"{kind}, mounted at {best}"


def _io_uring_allowed() -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    # With a bad address: EFAULT says that it would have been done.
    libc.syscall(SYS_IO_URING_SETUP, 1, None)
    return ctypes.get_errno() not in (errno.EPERM, errno.ENOSYS)
