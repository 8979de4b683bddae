"""Who is ready: a level-triggered epoll loop with a budget for each turn.

A turn waits for events, hands each to its owner, passes what was asked for on to the disk service,
lets those who have blocks to send go one after the other until the turn's budget is used up, passes
on what they have asked for, and closes what was forgotten.

- A socket is forgotten at once but closed at the end of the turn, so that an event that was
  already fetched can never hit a new connection with the same number.
- Answers from memory go out while events are handled; blocks go in round robin after that.
- Turns are timed by this thread's CPU clock and by the wall. Their difference is what others
  took: the kernel, or whoever shares the core.
"""

from __future__ import annotations

import math
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

TURN_BYTES: Final = 4 * 1024 * 1024  # bytes of blocks in a turn
TURN_SECONDS: Final = 0.001  # and how long it may take to send them
EVENTS_AT_ONCE: Final = 32  # each may be a head to be judged, which takes a tenth of a millisecond
SWEEP_SECONDS: Final = 1.0
PATIENCE_SECONDS: Final = 0.1  # how long what is in memory waits for the disk's word


class Task(Protocol):
    """Somebody with something to do in each turn until it is done."""

    def proceed(self) -> int:
        """Does one step; how many bytes it moved."""


class Turns:
    """How long turns took, as histograms by powers of two of microseconds."""

    __slots__ = ("count", "cpu", "longest_cpu_ns", "longest_wall_ns", "wall")

    def __init__(self) -> None:
        self.count = 0
        self.cpu = [0] * 32
        self.wall = [0] * 32
        self.longest_cpu_ns = 0
        self.longest_wall_ns = 0

    def note(self, cpu_ns: int, wall_ns: int) -> None:
        self.count += 1
        self.cpu[(cpu_ns // 1000).bit_length()] += 1
        self.wall[(wall_ns // 1000).bit_length()] += 1
        if cpu_ns > self.longest_cpu_ns:
            self.longest_cpu_ns = cpu_ns
        if wall_ns > self.longest_wall_ns:
            self.longest_wall_ns = wall_ns


class Loop:
    """One thread's events, tasks and deadlines."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._owners: dict[int, Callable[[int], None]] = {}
        self._ready: deque[Task] = deque()
        self._doomed: list[socket.socket] = []
        self._late: deque[tuple[float, Callable[[], None]]] = deque()
        self._sweeps: list[Callable[[], None]] = []
        self._before_sending: list[Callable[[], None]] = []
        self._flushes: list[Callable[[], float]] = []
        self._flush_in = math.inf  # seconds, at the latest
        self._next_sweep = 0.0
        self._running = False
        self.turns = Turns()
        self.now = time.monotonic()  # seconds, as of the beginning of this turn

    # --- watching ---

    def watch(self, fd: int, events: int, owner: Callable[[int], None]) -> None:
        """From now on `owner(events)` is called when the descriptor is ready."""
        self._epoll.register(fd, events)
        self._owners[fd] = owner

    def rewatch(self, fd: int, events: int) -> None:
        self._epoll.modify(fd, events)

    def unwatch(self, fd: int) -> None:
        """No more events; the descriptor stays open and its owner's."""
        self._epoll.unregister(fd)
        del self._owners[fd]

    def close(self, sock: socket.socket) -> None:
        """Forgets the socket now and closes it at the end of the turn."""
        self._owners.pop(sock.fileno(), None)
        self._doomed.append(sock)

    # --- asking to be called ---

    def ready(self, task: Task) -> None:
        """The task proceeds in this turn or the next. Say it once until it has proceeded."""
        self._ready.append(task)

    def when_patience_ends(self, callback: Callable[[], None]) -> None:
        """Calls back after PATIENCE_SECONDS. The delay is always the same, so a queue will do."""
        self._late.append((self.now + PATIENCE_SECONDS, callback))

    def every_second(self, sweep: Callable[[], None]) -> None:
        self._sweeps.append(sweep)

    def before_sending(self, pass_on: Callable[[], None]) -> None:
        """Called in each turn in which there are blocks to send: meanwhile the disk has something to do."""
        self._before_sending.append(pass_on)

    def before_waiting(self, flush: Callable[[], float]) -> None:
        """Called at the end of each turn; returns in how many seconds the next is to come, at the
        latest."""
        self._flushes.append(flush)

    # --- running ---

    def run(self) -> None:
        self._running = True
        while self._running:
            self.turn()

    def stop(self) -> None:
        """Ends run() after this turn."""
        self._running = False

    def turn(self) -> None:
        """Waits for something to happen, and lets it."""
        events = self._epoll.poll(self._may_sleep(), EVENTS_AT_ONCE)
        wall, cpu = time.monotonic_ns(), time.thread_time_ns()
        self.now = wall / 1e9
        owners = self._owners
        for fd, mask in events:
            owner = owners.get(fd)
            if owner is not None:
                owner(mask)
        if self._late:
            self._call_late()
        if self._ready:
            for pass_on in self._before_sending:
                pass_on()
            self._send_blocks()
        if self.now >= self._next_sweep:
            self._next_sweep = self.now + SWEEP_SECONDS
            for sweep in self._sweeps:
                sweep()
        self._flush_in = math.inf
        for flush in self._flushes:
            self._flush_in = min(self._flush_in, flush())
        if self._doomed:
            for sock in self._doomed:
                sock.close()
            self._doomed.clear()
        self.turns.note(time.thread_time_ns() - cpu, time.monotonic_ns() - wall)

    def _may_sleep(self) -> float:
        if self._ready or not self._flush_in:
            return 0.0
        until = self._next_sweep
        if self._late:
            until = min(until, self._late[0][0])
        return max(0.0, min(self._flush_in, until - time.monotonic()))

    def _call_late(self) -> None:
        while self._late and self._late[0][0] <= self.now:
            self._late.popleft()[1]()

    def _send_blocks(self) -> None:
        """Everybody once, or until the budget is used up; the rest comes first next time."""
        left = TURN_BYTES
        deadline = self.now + TURN_SECONDS
        ready = self._ready
        for _ in range(len(ready)):
            left -= ready.popleft().proceed()
            if left <= 0 or time.monotonic() > deadline:
                return
