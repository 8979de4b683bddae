"""A range of a file as bytes in memory, one block after the other.

Two runs of slots are held: the one being sent and the one ahead. A run is one
slot at first and doubles each time that its reader has had to wait for the
disk, so that only who keeps up gets long reads; it is halved when the disk has
been ahead of the reader for two runs. A reader that still has to wait gets
more runs ahead, as long as nobody else wants anything of the disk. A reader that takes nothing at
all loses its slots to others who wait for one, and has the bytes read again.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import ESTALE
from typing import TYPE_CHECKING, Final, Protocol

from aio.arena import BLOCK, READING, Slot
from aio.file import File, Shrunk
from aio.parcel import LONGEST_LOAN, Loan, Parcel
from aio.window import window

if TYPE_CHECKING:
    from aio.reads import Reads

MOST_AHEAD: Final = 4  # runs, for a reader that has a disk to itself
EASY_RUNS: Final = 2  # so many runs that were there before the reader was

View = memoryview | Parcel


class Held:
    """A pinned slot; its first byte is the file's byte at `start`."""

    __slots__ = ("slot", "start", "warm")

    def __init__(self, slot: Slot, start: int, warm: bool) -> None:
        self.slot = slot
        self.start = start
        self.warm = warm  # it was full when it was asked for


class Stream(Protocol):
    """A range of a file, however it is read."""

    closed: bool

    @property
    def left(self) -> int:
        """How many bytes are still to come."""

    def view(self) -> View | None:
        """The next bytes, or None as long as they are on their way.

        Raises OSError if they cannot be read, Shrunk if they are no more.
        """

    def advance(self, count: int) -> None:
        """`count` bytes of the view are not needed any more."""

    def stall(self, *, at_once: bool = False) -> None:
        """The reader takes no more for now. `at_once`: and it is no matter if what it holds is
        given to others now, rather than when it has lain there for long."""

    def close(self) -> None:
        """Nothing more is wanted."""


class BlockStream:
    """Ask view(); say advance(n) when n bytes of it are gone; close() when done, early or not."""

    __slots__ = (
        "_ahead", "_asked", "_easy", "_end", "_file", "_held", "_lent", "_lent_at", "_lost", "_offered",
        "_position", "_reads", "_reserved", "_run", "_starved", "brief", "closed", "wake",
    )  # fmt: skip

    def __init__(self, reads: Reads, file: File, offset: int, length: int, wake: Callable[[], None]) -> None:
        file.retain()
        self._reads = reads
        self._file = file
        self._position = offset
        self._end = offset + length
        self._asked = offset  # up to here bytes are held, or on their way
        self._held: list[Held] = []  # a handful, in order
        self._run = 1
        self._ahead = 1  # runs
        self._starved = False
        self._easy = 0  # blocks since the reader had to wait that were followed by all that was asked for
        self._lost = False  # what was held has been given to others
        self._offered = 0  # bytes, in the last view
        self._lent: list[Slot] = []  # the slots of the last loan
        self._lent_at = offset  # where these begin in the file
        self._reserved = False  # the reader took little of one, and no whole block since
        self.brief = length <= BLOCK  # it is not for long that it stands in anybody's way
        self.wake = wake
        self.closed = False
        reads.want(self)

    @property
    def left(self) -> int:
        return self._end - self._position

    def view(self) -> View | None:
        if self._file.changed:
            raise OSError(ESTALE, "the file changed while it was read")
        self._reads.moving(self)
        if self._lost:
            self._lost = False
            self._reads.want(self)
        if not self._held:
            self._starved = True
            return None
        held = self._held[0]
        slot = held.slot
        if slot.length == READING:
            self._starved = True
            return None
        if slot.error:
            raise OSError(slot.error, "the disk could not read it")
        lead = self._position - held.start
        size = min(slot.length - lead, self._end - self._position)
        if size <= 0:
            raise Shrunk
        # What has just been read may never be asked for again: to lend it would be to have the
        # slot get other pages for nothing.
        loan = self._loan(held, lead, size) if held.warm and self._reads.lends else None
        if loan is not None:
            return loan
        self._offered = size
        return self._reads.bytes_of(slot, lead, size)

    def _loan(self, first: Held, lead: int, size: int) -> Loan | None:
        """With the blocks that follow, as far as they are there as well: if the reader takes them, eight cost
        little more than one. They need not be held for that, since they are lent at once or not at all."""
        arena = self._reads.arena
        slots = [first.slot]
        at = self._position + size
        longest = 1 if self._reserved else LONGEST_LOAN
        while (n := len(slots)) < longest and at < self._end and at % BLOCK == 0:
            if n < len(self._held) and not self._held[n].warm:
                break
            following = arena.find((self._file.identity, at // BLOCK))
            if following is None or following.length <= 0:
                break
            slots.append(following)
            at += min(following.length, self._end - at)
        self._lent, self._lent_at = slots, first.start
        self._offered = at - self._position
        return self._reads.loan(slots, lead, self._offered)

    def advance(self, count: int) -> None:
        self._position += count
        self._reserved = count < BLOCK and (self._reserved or count < self._offered)
        if self._position > self._asked:
            self._skip()
        gone = False
        while self._held and self._position >= min(self._held[0].start + BLOCK, self._end):
            self._reads.arena.unpin(self._held.pop(0).slot)
            self._keep_pace()
            gone = True
        if gone and self._asked < self._end and len(self._held) <= self._run * self._ahead:
            self._reads.want(self)

    def _skip(self) -> None:
        """More was sent than was held: that was asked for again all the same."""
        after = self._end if self._position == self._end else self._position // BLOCK * BLOCK
        first = (self._asked - self._lent_at) // BLOCK
        for slot in self._lent[first : -(-(after - self._lent_at) // BLOCK)]:
            self._reads.arena.use(slot)
        self._asked = after

    def stall(self, *, at_once: bool = False) -> None:
        if self._held:
            self._reads.stalled(self, at_once=at_once)

    def give_back(self) -> None:
        """Somebody needs the slots, and the reader takes nothing: it asks anew when it does."""
        self._let_go()
        self._asked = self._position
        self._run = self._ahead = 1
        self._lost = True

    def close(self) -> None:
        """What is still being read for it frees its slots when it is there."""
        if self.closed:
            return
        self.closed = True
        self._let_go()
        self._file.release()

    def _let_go(self) -> None:
        self._reads.moving(self)
        self._reads.unwant(self)
        while self._held:
            self._reads.arena.unpin(self._held.pop(0).slot)

    def _keep_pace(self) -> None:
        """Longer reads for who waits for the disk, shorter ones for whom the disk waits."""
        if self._starved:
            self._starved = False
            self._easy = 0
            if self._run < self._reads.longest_run:
                self._run = min(self._run * 2, self._reads.longest_run)
            else:
                self._ahead = min(self._ahead + 1, MOST_AHEAD) if self._reads.spare else 1
        elif self._held and self._held[-1].slot.length != READING:
            self._easy += 1
            if self._easy > EASY_RUNS * self._run:
                self._easy = 0
                if self._ahead > 1:
                    self._ahead -= 1
                else:
                    self._run = max(1, self._run // 2)

    def take_turn(self) -> bool:
        """What comes next, for one that stood in line. False if it must stand there still."""
        while True:
            had_nothing = not self._held
            served = self.reach()
            if not had_nothing or not self._held or self._held[0].slot.length == READING:
                return served
            self.wake()  # it was read for somebody else meanwhile
            if self.closed:
                return True

    def reach(self, *, may_read: bool = True) -> bool:
        """Hold what comes next: from memory, or by a read. False if that must wait its turn."""
        while self._asked < self._end and len(self._held) <= self._run * self._ahead:
            if self._reads.cached:
                progress = self._reach_cached(may_read)
            else:
                progress = may_read and self._read(self._asked, self._file.unit)
            if not progress:
                return False
        return True

    def _reach_cached(self, may_read: bool) -> bool:
        arena = self._reads.arena
        index = self._asked // BLOCK
        slot = arena.find((self._file.identity, index))
        if slot is None:
            return may_read and self._read(self._asked, BLOCK)
        arena.pin(slot)
        warm = slot.length != READING
        if not warm:
            self._reads.join(slot, self)
        self._hold(slot, index * BLOCK, warm=warm)
        return True

    def _read(self, offset: int, unit: int) -> bool:
        """One read for a run of blocks that nobody has."""
        room = min(self._reads.room(self), self._run)
        if room <= 0:
            return False
        start, size, _ = window(offset, self._end - offset, unit, room * BLOCK)
        slots: list[Slot] = []
        arena = self._reads.arena
        cached = self._reads.cached
        again = cached and arena.remembers((self._file.identity, start // BLOCK))
        at = start
        while at < start + size:
            key = (self._file.identity, at // BLOCK) if cached else None
            if slots and key is not None and arena.find(key) is not None:
                break
            slot = arena.take(key)
            if slot is None:
                break
            slots.append(slot)
            at += BLOCK
        size = min(size, len(slots) * BLOCK, self._rounded_end(start))
        self._reads.fetch(self._file, start, size, slots, self, again=again)
        for n, slot in enumerate(slots):
            self._hold(slot, start + n * BLOCK, warm=False)
        return True

    def _rounded_end(self, start: int) -> int:
        """From `start` to the end of the file, in whole units: more would be in vain."""
        unit = self._file.unit
        return -(-(self._file.size - start) // unit) * unit

    def _hold(self, slot: Slot, start: int, *, warm: bool) -> None:
        self._held.append(Held(slot, start, warm))
        self._asked = start + BLOCK
