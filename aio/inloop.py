"""The two backends that break the law on purpose: every call is made in the loop's thread.

They are here to be measured against: this is how servers without a disk service work, and
on a disk that does not answer each of these calls puts the whole server to sleep.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from aio._kernel import lib
from aio.arena import BLOCK
from aio.disk import MOST_FILES, Disk, Work
from aio.file import File, Shrunk
from aio.means import Means
from aio.parcel import Extent
from aio.request import Request
from aio.service import Service
from aio.stream import Stream, View


class InLoopStream:
    """A range of a file, read when it is asked for. Always has a view: it waits for it."""

    def __init__(self, file: File, offset: int, length: int, *, sendfile: bool) -> None:
        file.retain()
        self._file = file
        self._position = offset
        self._end = offset + length
        self._read = memoryview(b"")
        self._sendfile = sendfile
        self.closed = False

    @property
    def left(self) -> int:
        return self._end - self._position

    def view(self) -> View:
        if self._sendfile:
            return Extent(self._file.fd, self._position, self.left)
        if not self._read:
            self._read = memoryview(os.pread(self._file.fd, min(BLOCK, self.left), self._position))
            if not self._read:
                raise Shrunk
        return self._read

    def advance(self, count: int) -> None:
        self._position += count
        self._read = self._read[count:]

    def stall(self, *, at_once: bool = False) -> None:
        """It holds nothing that others could use."""

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._file.release()


class InLoopDisk(Disk):
    """A disk without a service."""

    def __init__(self, service: Service, name: str, *, sendfile: bool, most_files: int = MOST_FILES) -> None:
        super().__init__(service, name, Means(native=False, cached=False), most_files=most_files)
        self._sendfile = sendfile
        self._done: list[Work] = []

    def _start(self, requests: Sequence[Request]) -> None:
        work = Work(self, requests, self.prepare(requests))
        lib.job_here(work.jobs[0])
        self._done.append(work)

    def _start_closing(self, fds: list[int]) -> None:
        for fd in fds:
            os.close(fd)

    def stream(self, file: File, offset: int, length: int, wake: Callable[[], None]) -> Stream:
        return InLoopStream(file, offset, length, sendfile=self._sendfile)

    def pass_on(self) -> None:
        """What there is to do is done at the end of the turn, by itself."""

    def pump(self) -> float:
        """Nobody is called back while asking; and who is told of a file has his turn before room is made
        for others."""
        later = super().pump()
        done, self._done = self._done, []
        for work in done:
            self.deliver(work)
        return 0.0 if done else later
