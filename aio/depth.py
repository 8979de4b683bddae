"""How many reads a disk is given at once: as many as make it faster, and no more. A pure machine.

What is in front of a disk waits its turn there, out of our hands: a page that is asked for now
stands behind every read that was already handed over. A disk that is busy does not get faster by
a longer queue, so a queue that only makes reads take longer is shortened, and one that is used
up while reads are quick grows. This is how TCP Vegas finds its window (Brakmo and Peterson, 1995)
and Kyber the depth of a device, with one difference: short of CALM_SECONDS nobody minds.

Some disks take long for any read, however few there are, and do many at once: networks, say. So
what counts as long is measured by the quickest read of late, of those that hardly had to wait for
others: that began while fewer than LEAST were in flight. Else a queue that is always full would soon
be measured by itself.

Short of CALM_SECONDS, then, nobody minds; but an open that has to read an inode stands behind the
same queue, and with it all others that want the same block of inodes. While they wait, what is open
already must keep the disk and the processor busy: so much of it has to be here, and not there. More
than EASY is only for a disk that does that many at once in not much more than the time of one.
"""

from __future__ import annotations

from math import inf
from typing import Final

LEAST: Final = 4  # reads: fewer, and a disk is idle while we think
EASY: Final = 32  # reads: most disks are at their best by then
CALM_SECONDS: Final = 0.02  # a read that took no longer has not waited long
FACTOR: Final = 2  # so many times what a read takes by itself is long
APART: Final = 4  # if they take up to so many times that, they hardly wait for one another
WINDOW_SECONDS: Final = 0.1  # what is judged together
MEMORY_SECONDS: Final = 10.0  # so long the quickest read is remembered, and up to twice as long


class Depth:
    """Tell it of every read; `limit` is how many may be in flight."""

    __slots__ = ("_alone", "_count", "_easy", "_ends", "_full", "_most", "_sum", "limit")

    def __init__(self, most: int) -> None:
        self._easy = min(EASY, most)
        self.limit = self._easy
        self._most = most
        self._count = 0
        self._sum = 0.0
        self._full = False  # the limit has kept somebody waiting in this window
        self._ends = 0.0
        self._alone = Alone()

    def reached(self) -> None:
        """Somebody would have read, but for the limit."""
        self._full = True

    def finished(self, seconds: float, now: float, others: int) -> None:
        """A read has come back after so long; so many others had been in flight when it began."""
        if others < LEAST:
            self._alone.note(seconds, now)
        self._count += 1
        self._sum += seconds
        if now >= self._ends:
            self._judge()
            self._ends = now + WINDOW_SECONDS
            self._count, self._sum, self._full = 0, 0.0, False

    def _judge(self) -> None:
        mean, alone = self._sum / self._count, self._alone.seconds
        if mean > max(CALM_SECONDS, FACTOR * alone):
            self.limit = max(min(LEAST, self._most), self.limit * 3 // 4)
        elif self.limit > self._easy and mean > APART * alone:
            self.limit = max(self._easy, self.limit * 3 // 4)
        elif self._full and (self.limit < self._easy or mean <= APART * alone):
            self.limit = min(self._most, self.limit + max(1, self.limit // 8))


class Alone:
    """What the quickest read took of late that hardly waited for others."""

    __slots__ = ("_before", "_forget_at", "_lately", "seconds")

    def __init__(self) -> None:
        self.seconds = inf
        self._lately = self._before = inf
        self._forget_at = 0.0

    def note(self, seconds: float, now: float) -> None:
        """If there are none, what is known stays."""
        if now >= self._forget_at:
            self._before, self._lately = self._lately, inf
            self._forget_at = now + MEMORY_SECONDS
        self._lately = min(self._lately, seconds)
        self.seconds = min(self._lately, self._before)
