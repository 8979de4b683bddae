"""Whether a password is right: asked in the loop, worked out beside it, remembered for a while.

bcrypt takes a quarter of a second on purpose. One thread does it, which otherwise waits for a
queue. Its extension lets go of the GIL while it hashes: with bcrypt 5.0.0 another thread counted
to 640,000 in Python during one check of cost 12 (0.22 s), and never stood still for 10 ms.

Nothing that is kept has a password in it: a verdict is known by a keyed digest. The password
itself is there while its check is waiting or under way.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import queue
import select
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from enum import Enum, auto
from itertools import islice

from server.answer.guard import Realm
from server.loop import Loop

REMEMBER_SECONDS = 300.0  # that a password is right
REMEMBER_WRONG_SECONDS = 10.0  # less, as each guess would push out what is known to be right
MOST_REMEMBERED = 1024
MOST_WAITING = 64  # a quarter of a second each: who came later would wait for 16 s
MOST_BYTES = 72  # bcrypt looks at no more, and as of 5.0 refuses to
USUAL = b"$2b$12$"  # how a hash begins if bcrypt.gensalt() is left to choose
LEAVE_SECONDS = 1.0

CheckPassword = Callable[[bytes, bytes], bool]


class Judgement(Enum):
    PENDING = auto()  # not known yet: the asker is told
    RIGHT = auto()
    WRONG = auto()
    BUSY = auto()  # too many are waiting: nothing was checked


class Ticket:
    """What became of one question. `told` is called once, from the loop, if it was PENDING."""

    __slots__ = ("_told", "judgement")

    def __init__(self, judgement: Judgement, told: Callable[[], None] | None = None) -> None:
        self.judgement = judgement
        self._told = told

    def cancel(self) -> None:
        """The asker has gone and is not told; the verdict is remembered all the same."""
        self._told = None

    def settle(self, judgement: Judgement) -> None:
        self.judgement = judgement
        told, self._told = self._told, None
        if told is not None:
            told()


class Passwords:
    """The loop's side: verdicts that are remembered, and questions that wait."""

    def __init__(self, loop: Loop, realms: Iterable[Realm] = ()) -> None:
        """`realms` are all that will be asked about. Without any, there is no thread, and bcrypt
        is not imported. Raises ImportError if it is needed and not installed."""
        self._loop = loop
        self._key = os.urandom(32)
        self._verdicts: OrderedDict[bytes, tuple[bool, float]] = OrderedDict()  # and until when
        self._waiting: dict[bytes, list[Ticket]] = {}
        self._checker: _Checker | None = None
        if any(realms):
            self._checker = _Checker(importlib.import_module("bcrypt").checkpw)
            loop.watch(self._checker.eventfd, select.EPOLLIN, self._collect)

    def check(self, realm: Realm, user: bytes, password: bytes, told: Callable[[], None]) -> Ticket:
        """Whether this is the user's password in this realm. If that has to be worked out, the
        ticket is PENDING, and `told` is called from the loop as soon as it is not."""
        if len(password) > MOST_BYTES:
            return Ticket(Judgement.WRONG)
        hashed = realm.users.get(user)
        key = self._digest(realm.name.encode(), user, password, hashed or b"")
        known = self._verdicts.get(key)
        if known is not None and self._loop.now < known[1]:
            return Ticket(Judgement.RIGHT if known[0] else Judgement.WRONG)
        tickets = self._waiting.get(key)
        if tickets is None:
            if self._checker is None or len(self._waiting) >= MOST_WAITING:
                return Ticket(Judgement.BUSY)
            tickets = self._waiting[key] = []
            # Who is not known is checked as well, so that time does not tell who is.
            against = hashed or self._nobody(realm, user)
            self._checker.ask(_Question(key, password, against, possible=hashed is not None))
        ticket = Ticket(Judgement.PENDING, told)
        tickets.append(ticket)
        return ticket

    def close(self) -> None:
        """Ends the thread. Whoever waits is not told."""
        self._waiting.clear()
        if self._checker is not None:
            self._loop.unwatch(self._checker.eventfd)
            self._checker.close()
            self._checker = None

    def _collect(self, _events: int) -> None:
        assert self._checker is not None
        for key, right in self._checker.verdicts():
            self._remember(key, right)
            for ticket in self._waiting.pop(key):
                ticket.settle(Judgement.RIGHT if right else Judgement.WRONG)

    def _remember(self, key: bytes, right: bool) -> None:
        seconds = REMEMBER_SECONDS if right else REMEMBER_WRONG_SECONDS
        self._verdicts[key] = (right, self._loop.now + seconds)
        self._verdicts.move_to_end(key)
        if len(self._verdicts) > MOST_REMEMBERED:
            self._verdicts.popitem(last=False)

    def _digest(self, *parts: bytes) -> bytes:
        digest = hashlib.blake2b(key=self._key, digest_size=32)
        for part in parts:
            digest.update(b"%d:" % len(part))
            digest.update(part)
        return digest.digest()

    def _nobody(self, realm: Realm, user: bytes) -> bytes:
        """A hash that no password is known for. Its cost is that of one of the realm's users,
        always the same one for the same name."""
        index = int.from_bytes(self._digest(user), "big") % max(1, len(realm.users))
        model = next(islice(realm.users.values(), index, None), USUAL)
        return model[:7] + b"." * 53


class _Question:
    __slots__ = ("hashed", "key", "password", "possible")

    def __init__(self, key: bytes, password: bytes, hashed: bytes, *, possible: bool) -> None:
        self.key = key
        self.password = password
        self.hashed = hashed
        self.possible = possible  # whether the answer may be yes


class _Checker:
    """The thread's side. What it has found out is fetched when its eventfd is readable."""

    def __init__(self, check_password: CheckPassword) -> None:
        self._check_password = check_password
        self._questions: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        self._verdicts: deque[tuple[bytes, bool]] = deque()
        self._closing = False
        self.eventfd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._worker = threading.Thread(target=self._work, name="passwords", daemon=True)
        self._worker.start()

    def ask(self, question: _Question) -> None:
        self._questions.put(question)

    def verdicts(self) -> list[tuple[bytes, bool]]:
        """Those that have come since the last call."""
        os.eventfd_read(self.eventfd)
        return [self._verdicts.popleft() for _ in range(len(self._verdicts))]

    def close(self) -> None:
        self._closing = True  # what is waiting is not begun
        self._questions.put(None)
        self._worker.join(LEAVE_SECONDS)
        if not self._worker.is_alive():  # else a number that is used anew would be written to
            os.close(self.eventfd)

    def _work(self) -> None:
        while (question := self._questions.get()) is not None and not self._closing:
            try:
                right = self._check_password(question.password, question.hashed)
            except ValueError:  # what bcrypt does not take is nobody's password
                right = False
            self._verdicts.append((question.key, right and question.possible))
            os.eventfd_write(self.eventfd, 1)
