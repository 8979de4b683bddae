"""A disk service on Linux native AIO, for programs with an epoll loop.

It opens, checks, hashes, lists, reads and closes files for a thread that must never wait for a disk. A few
C threads make the calls; every completion comes back through one eventfd. It knows nothing
of HTTP or of sockets::

    service = Service(slots=256)                      # 64 MiB in blocks of 256 KiB
    disk = Disk(service, "data", Means())             # its own threads and quotas
    root = os.open("/srv/data", os.O_PATH | os.O_DIRECTORY)

    def opened(outcome):                              # Opened, Loaded or Failed
        global stream
        stream = disk.stream(outcome.file, 0, outcome.facts.size, wake=go_on)
        go_on()

    def go_on():                                      # stream.view() is None as long as the bytes
        while (view := stream.view()) is not None:    # are on their way, a memoryview, or a Parcel
            if isinstance(view, memoryview):          # that knows a shorter way to the socket
                stream.advance(sock.send(view))
            else:
                stream.advance(view.send_to(sock.fileno(), b""))

    disk.open(root, b"big.iso", opened)
    epoll.register(service.eventfd, select.EPOLLIN)
    while True:
        later = service.flush()                       # once a turn: pass on what was asked for
        for fd, _ in epoll.poll(min(later, 1)):       # the next turn comes by then, whatever happens
            if fd == service.eventfd:
                service.reap()                        # calls opened() and go_on()

Some facts about files and Linux AIO
------------------------------------
A file descriptor is always "ready": epoll cannot tell whether a read will sleep. io_submit(2)
is asynchronous only with O_DIRECT; on a file opened without it, the whole read is done inside
the call. With O_DIRECT it still sleeps when a block of the extent tree is not in memory, when
the device's request tags are used up (by anyone), when the atime is to be written, and when
the range has dirty pages. Some filesystems quietly read buffered for some files. RWF_NOWAIT
avoids some of these and not others, and overlayfs and tmpfs refuse it. openat2(2) with
RESOLVE_CACHED covers the walk but not the open.

So there is no list of precautions that would let a loop make these calls itself. The service
makes none of them on the caller's thread: one thread for each device does nothing but
io_submit, and a few do what has no AIO call. When a disk dies, the threads of that disk
sleep, and nobody else's.

What follows from how AIO works:

- A completion carries back the 64-bit tag of its request: here the slot and its generation.
- A read that was submitted cannot be cancelled (io_cancel(2) never works on files). The slot
  stays the kernel's until the completion comes, also when nobody waits for it any more.
- io_submit takes a prefix of what it is given. Errors come from its errno for the first that
  it did not take, and as a negative result in the completion for all others.
- The eventfd is a hint, not a count: reap until there is nothing.
- io_setup(2) can fail: fs.aio-max-nr is one budget for the whole host, and seccomp profiles
  may answer EPERM. Then threads read, and the operator is told.
- A direct read into memory that a fork(2) shares may be lost. The memory is private and not
  inherited; make the service after the fork.

What is in memory already is not copied to a socket but lent (lend.c): vmsplice(2) and splice(2)
pass on references to its pages. What follows:

- What was lent may be in the network's queues for as long as a reader pleases, and over loopback
  and between containers also after it was acknowledged. Nobody tells when it has left. So a slot
  that was lent gets other pages before anything else is read into it: the old ones stay with
  whoever has them.
- Other pages for a slot cost what four or five copies of it cost (110 to 140 us, and 22 to 26). So
  only what has been asked for before is lent: what is read for the first time may never be again.
- What is left over of a huge page that has lost some of its pages so counts as memory in use until
  the kernel takes it back: when it is short of memory, and nobody has one of them any more.

What a disk is given stands in front of whatever is asked for next. So it gets no more at once
than makes it faster (aio.depth), the rest waits where it can be overtaken (aio.line), and who
does not take what was read for him makes room for who does (aio.service).

Not here: io_uring, which the default seccomp profiles of Docker and containerd forbid. glibc's
POSIX AIO, whose threads serve one request at a time for each descriptor, is a backend for
comparison only.
"""

from aio.arena import BLOCK, Arena, Census
from aio.disk import CHECKS_TOGETHER, Disk
from aio.file import (
    Facts,
    Failed,
    File,
    Hashed,
    Links,
    Listed,
    Loaded,
    Look,
    Opened,
    Outcome,
    Shrunk,
    Way,
)
from aio.inloop import InLoopDisk
from aio.means import Means
from aio.parcel import Parcel
from aio.records import Record, Records
from aio.request import Request
from aio.service import Service
from aio.stream import Stream, View

__all__ = [
    "BLOCK", "CHECKS_TOGETHER", "Arena", "Census", "Disk", "Facts", "Failed", "File", "Hashed",
    "InLoopDisk", "Links", "Listed", "Loaded", "Look", "Means", "Opened", "Outcome", "Parcel", "Record",
    "Records", "Request", "Service", "Shrunk", "Stream", "View", "Way",
]  # fmt: skip
