"""Passwords are checked beside the loop, with the real bcrypt, and remembered for a while."""

import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import bcrypt
import pytest

from server.answer.guard import Realm
from server.loop import Loop
from server.wire import passwords as module
from server.wire.passwords import (
    MOST_BYTES,
    MOST_REMEMBERED,
    MOST_WAITING,
    REMEMBER_SECONDS,
    REMEMBER_WRONG_SECONDS,
    Judgement,
    Passwords,
    Ticket,
)

ENOUGH_SECONDS = 60.0


def hashed(password: bytes, cost: int = 4) -> bytes:
    return bcrypt.hashpw(password, bcrypt.gensalt(cost))


REALM = Realm("here", {b"ada": hashed(b"lovelace"), b"long": hashed(b"x" * MOST_BYTES)})


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def passwords(loop) -> Iterator[Passwords]:
    made = Passwords(loop, [REALM])
    yield made
    made.close()


def turn_until(loop: Loop, look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + ENOUGH_SECONDS
    while not look():
        assert time.monotonic() < deadline
        loop.turn()


def nothing() -> None:
    pass


def judged(loop: Loop, ticket: Ticket) -> Judgement:
    turn_until(loop, lambda: ticket.judgement is not Judgement.PENDING)
    return ticket.judgement


@pytest.mark.parametrize(
    ("user", "password", "expected"),
    [
        (b"ada", b"lovelace", Judgement.RIGHT),
        (b"ada", b"Lovelace", Judgement.WRONG),
        (b"ada", b"", Judgement.WRONG),
        (b"bob", b"lovelace", Judgement.WRONG),
        (b"", b"", Judgement.WRONG),
        (b"long", b"x" * MOST_BYTES, Judgement.RIGHT),
    ],
)
def test_a_password_is_judged_and_whoever_asked_is_told_from_the_loop(
    loop, passwords, user, password, expected
):
    told = []
    ticket = passwords.check(REALM, user, password, lambda: told.append(threading.current_thread()))
    assert ticket.judgement is Judgement.PENDING
    assert told == []
    assert judged(loop, ticket) is expected
    assert told == [threading.current_thread()]


def test_what_bcrypt_would_not_look_at_is_wrong(passwords):
    ticket = passwords.check(REALM, b"long", b"x" * (MOST_BYTES + 1), nothing)
    assert ticket.judgement is Judgement.WRONG


def test_what_bcrypt_refuses_is_wrong_and_the_next_is_checked(loop):
    broken = Realm("broken", {b"ada": b"$2b$04$!", b"bob": hashed(b"builder")})
    passwords = Passwords(loop, [broken])
    assert judged(loop, passwords.check(broken, b"ada", b"a", nothing)) is Judgement.WRONG
    assert judged(loop, passwords.check(broken, b"bob", b"builder", nothing)) is Judgement.RIGHT
    passwords.close()


@pytest.mark.parametrize(
    ("password", "seconds", "judgement"),
    [
        (b"lovelace", REMEMBER_SECONDS, Judgement.RIGHT),
        (b"byron", REMEMBER_WRONG_SECONDS, Judgement.WRONG),
    ],
)
def test_a_verdict_is_remembered_for_its_time(loop, passwords, password, seconds, judgement):
    judged(loop, passwords.check(REALM, b"ada", password, nothing))
    begun = loop.now
    loop.now = begun + seconds - 5  # until the next turn
    assert passwords.check(REALM, b"ada", password, nothing).judgement is judgement
    loop.now = begun + seconds + 5
    again = passwords.check(REALM, b"ada", password, nothing)
    assert again.judgement is Judgement.PENDING
    assert judged(loop, again) is judgement


@pytest.mark.parametrize(
    ("realm", "user", "password"),
    [
        (REALM, b"ada", b"lovelac"),
        (REALM, b"adal", b"ovelace"),
        (Realm("there", REALM.users), b"ada", b"lovelace"),
        (Realm("here", {b"ada": hashed(b"lovelace")}), b"ada", b"lovelace"),  # the hash is another
    ],
)
def test_a_verdict_is_for_one_realm_user_password_and_hash(loop, passwords, realm, user, password):
    assert judged(loop, passwords.check(REALM, b"ada", b"lovelace", nothing)) is Judgement.RIGHT
    assert passwords.check(realm, user, password, nothing).judgement is Judgement.PENDING


def test_the_same_question_is_worked_out_once_for_all_who_ask_it(loop, passwords):
    told = []
    tickets = [
        passwords.check(REALM, b"ada", b"lovelace", lambda n=n: told.append(n))
        for n in range(MOST_WAITING + 5)
    ]
    assert {judged(loop, ticket) for ticket in tickets} == {Judgement.RIGHT}
    assert told == list(range(MOST_WAITING + 5))


def test_who_has_gone_is_not_told_and_the_others_are(loop, passwords):
    told = []
    gone = passwords.check(REALM, b"ada", b"lovelace", lambda: told.append("gone"))
    here = passwords.check(REALM, b"ada", b"lovelace", lambda: told.append("here"))
    gone.cancel()
    assert judged(loop, here) is Judgement.RIGHT
    assert told == ["here"]


def test_beyond_a_bound_nobody_waits_but_what_is_known_is_answered(loop):
    slow = Realm("slow", {b"ada": REALM.users[b"ada"], b"bob": hashed(b"b", 12)})
    passwords = Passwords(loop, [slow])
    judged(loop, passwords.check(slow, b"ada", b"lovelace", nothing))
    waiting = [passwords.check(slow, b"bob", b"%d" % n, nothing) for n in range(MOST_WAITING)]
    assert {ticket.judgement for ticket in waiting} == {Judgement.PENDING}
    assert passwords.check(slow, b"bob", b"more", nothing).judgement is Judgement.BUSY
    assert passwords.check(slow, b"bob", b"0", nothing).judgement is Judgement.PENDING  # it is joined
    assert passwords.check(slow, b"ada", b"lovelace", nothing).judgement is Judgement.RIGHT
    judged(loop, waiting[0])
    assert passwords.check(slow, b"bob", b"more", nothing).judgement is Judgement.PENDING
    passwords.close()


def test_what_is_remembered_is_bounded_and_the_oldest_goes_first(loop, passwords, monkeypatch):
    monkeypatch.setattr(module, "MOST_REMEMBERED", 3)
    assert MOST_REMEMBERED == 1024
    for n in range(4):
        judged(loop, passwords.check(REALM, b"ada", b"%d" % n, nothing))
    found = [passwords.check(REALM, b"ada", b"%d" % n, nothing).judgement for n in (1, 2, 3, 0)]
    assert found == [Judgement.WRONG] * 3 + [Judgement.PENDING]


def test_no_password_is_kept(loop, passwords):
    for word in (b"lovelace", b"a wrong one"):
        judged(loop, passwords.check(REALM, b"ada", word, nothing))
        assert word not in repr(vars(passwords)).encode()


def test_who_is_not_known_is_checked_at_the_cost_of_those_who_are(loop, monkeypatch):
    asked = []
    check = bcrypt.checkpw
    monkeypatch.setattr(bcrypt, "checkpw", lambda word, stored: asked.append(stored) or check(word, stored))
    realm = Realm("costly", {b"ada": hashed(b"a", 5), b"bob": hashed(b"b", 6)})
    passwords = Passwords(loop, [realm])
    names = [b"nobody%d" % n for n in range(40)]
    for name in names:
        assert judged(loop, passwords.check(realm, name, b"a", nothing)) is Judgement.WRONG
    assert {stored[:7] for stored in asked} == {b"$2b$05$", b"$2b$06$"}
    once = dict(zip(names, (stored[:7] for stored in asked), strict=True))
    for name in names:
        judged(loop, passwords.check(realm, name, b"another", nothing))
    assert dict(zip(names, (stored[:7] for stored in asked[40:]), strict=True)) == once
    passwords.close()


def test_the_hash_of_nobody_is_one_that_bcrypt_takes(loop, passwords):
    stored = passwords._nobody(REALM, b"nobody")
    assert bcrypt.checkpw(b"a", stored) is False  # raises ValueError for what it does not take
    assert bcrypt.checkpw(b"a", passwords._nobody(Realm("empty", {}), b"nobody")) is False


def test_the_loop_turns_while_a_password_is_checked(loop):
    costly = Realm("costly", {b"ada": hashed(b"lovelace", 12)})
    passwords = Passwords(loop, [costly])
    order = []
    reader, writer = os.pipe()
    loop.watch(reader, select.EPOLLIN, lambda _: order.append(os.read(reader, 1)))
    ticket = passwords.check(costly, b"ada", b"lovelace", lambda: order.append(b"told"))
    for byte in (b"1", b"2", b"3"):
        os.write(writer, byte)
        loop.turn()
    assert order == [b"1", b"2", b"3"]
    assert judged(loop, ticket) is Judgement.RIGHT
    assert order == [b"1", b"2", b"3", b"told"]
    passwords.close()
    loop.unwatch(reader)
    os.close(reader)
    os.close(writer)


def test_closing_ends_the_thread_and_gives_back_its_descriptor(loop):
    before = len(os.listdir("/proc/self/fd"))
    threads = threading.active_count()
    told = []
    passwords = Passwords(loop, [REALM])
    for n in range(MOST_WAITING):
        passwords.check(REALM, b"ada", b"%d" % n, lambda: told.append(1))
    passwords.close()
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == before
    assert told == []


@pytest.mark.parametrize("realms", ["[]", "[Realm('here', {})]"])
def test_bcrypt_is_there_when_a_realm_is_and_only_then(realms):
    program = f"""
import sys, threading
from server.answer.guard import Realm
from server.loop import Loop
from server.wire.passwords import Passwords
passwords = Passwords(Loop(), {realms})
print("bcrypt" in sys.modules, threading.active_count())
passwords.close()
"""
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=ENOUGH_SECONDS, check=True
    )
    assert said.stdout.split() == (["False", "1"] if realms == "[]" else ["True", "2"])
