"""Who may leave more unsent than others, at real sockets."""

import socket
import struct
from contextlib import contextmanager

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server.loop import SWEEP_SECONDS, Loop
from server.wire import patience
from server.wire.address import UNSENT_BYTES, Address, listen
from server.wire.credit import (
    GENEROUS_BYTES,
    LEASE_SECONDS,
    MOST_LEASES,
    OFTEN,
    SHARE,
    SOON_SECONDS,
    WAIT_SECONDS,
    Credit,
)

PLENTY = 1 << 30


class Holder:
    """A connection, whose client reads when it is told to."""

    def __init__(self, loop):
        self.moved_at = loop.now
        self.quick = 0
        self.deadline = loop.now
        listener = listen(Address("127.0.0.1"))
        self.client = socket.create_connection(listener.getsockname())
        listener.setblocking(True)
        self.sock = listener.accept()[0]
        listener.close()
        self.sock.setblocking(False)

    @property
    def unsent(self):
        """How much it may leave."""
        return self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT)

    def fill(self):
        sent = 0
        while True:
            try:
                sent += self.sock.send(bytes(UNSENT_BYTES))
            except BlockingIOError:
                return sent

    def close(self):
        self.sock.close()
        self.client.close()


@contextmanager
def credit_for(memory, holders=1):
    loop = Loop()
    all_of_them = [Holder(loop) for _ in range(holders)]
    try:
        yield loop, Credit(loop, memory), all_of_them
    finally:
        for holder in all_of_them:
            holder.close()


def pass_by(loop, credit, seconds):
    loop.now += seconds
    for sweep in loop._sweeps:
        sweep()


def ask(credit, holder, *, times=OFTEN):
    """The client has been waited for so many times, shortly."""
    for _ in range(times):
        credit.ask(holder)


def test_who_was_waited_for_often_and_not_for_long_may_leave_more():
    with credit_for(PLENTY) as (loop, credit, (holder,)):
        loop.now += SOON_SECONDS / 2
        ask(credit, holder, times=OFTEN - 1)
        assert (holder.unsent, len(credit)) == (UNSENT_BYTES, 0)
        ask(credit, holder, times=1)
        assert (holder.unsent, len(credit)) == (GENEROUS_BYTES, 1)


def test_who_takes_its_time_in_between_may_not():
    with credit_for(PLENTY) as (loop, credit, (holder,)):
        for _ in range(OFTEN):
            ask(credit, holder, times=OFTEN - 1)
            loop.now += SOON_SECONDS * 2
            ask(credit, holder, times=1)
            holder.moved_at = loop.now
        assert (holder.unsent, len(credit)) == (UNSENT_BYTES, 0)


@pytest.mark.parametrize(
    ("memory", "most"),
    [
        (SHARE * GENEROUS_BYTES - 1, 0),
        (SHARE * GENEROUS_BYTES, 1),
        (3 * SHARE * GENEROUS_BYTES, 3),
        (PLENTY, MOST_LEASES),
    ],
)
def test_there_is_as_much_as_the_memory_suffices_for(memory, most):
    with credit_for(memory, MOST_LEASES + 2) as (_, credit, holders):
        for holder in holders:
            ask(credit, holder)
        assert len(credit) == most
        rest = [UNSENT_BYTES] * (len(holders) - most)
        assert [holder.unsent for holder in holders] == [GENEROUS_BYTES] * most + rest


def test_a_lease_lasts_as_long_as_it_is_waited_for():
    with credit_for(PLENTY) as (loop, credit, (holder,)):
        ask(credit, holder)
        for _ in range(5):
            pass_by(loop, credit, LEASE_SECONDS * 0.9)
            assert (holder.unsent, len(credit)) == (GENEROUS_BYTES, 1)
            holder.moved_at = loop.now - WAIT_SECONDS / 2
            ask(credit, holder, times=1)
        pass_by(loop, credit, LEASE_SECONDS * 1.1)
        pass_by(loop, credit, SWEEP_SECONDS)
        assert (holder.unsent, len(credit)) == (UNSENT_BYTES, 0)


def test_who_has_become_slow_loses_it_though_it_goes_on():
    with credit_for(PLENTY) as (loop, credit, (holder,)):
        ask(credit, holder)
        for _ in range(6):
            holder.moved_at = loop.now
            pass_by(loop, credit, WAIT_SECONDS * 2)
            ask(credit, holder, times=1)
        assert holder.unsent == UNSENT_BYTES


def test_who_takes_nothing_loses_it_and_it_is_free_when_what_lies_there_is_gone():
    with credit_for(SHARE * GENEROUS_BYTES, 2) as (loop, credit, (first, second)):
        ask(credit, first)
        left = first.fill()
        pass_by(loop, credit, LEASE_SECONDS * 2)
        pass_by(loop, credit, SWEEP_SECONDS)
        assert (first.unsent, len(credit)) == (UNSENT_BYTES, 1)
        second.moved_at = loop.now
        ask(credit, second)
        assert second.unsent == UNSENT_BYTES, "the first one's bytes still lie there"
        while left:
            left -= len(first.client.recv(left))
        pass_by(loop, credit, SWEEP_SECONDS)
        assert len(credit) == 0
        second.moved_at = loop.now
        ask(credit, second)
        assert second.unsent == GENEROUS_BYTES


def test_who_reads_on_though_slower_has_let_it_go():
    """It could only send more because less than the lower bound was left unsent."""
    with credit_for(SHARE * GENEROUS_BYTES) as (loop, credit, (holder,)):
        ask(credit, holder)
        left = holder.fill()
        pass_by(loop, credit, LEASE_SECONDS * 2)
        while left:
            left -= len(holder.client.recv(left))
        holder.fill()
        loop.now += SWEEP_SECONDS * 0.9
        holder.moved_at = loop.now
        pass_by(loop, credit, SWEEP_SECONDS * 0.1)
        assert len(credit) == 0


def test_who_takes_what_was_left_is_not_late_though_nothing_is_sent():
    with credit_for(PLENTY) as (loop, credit, (holder,)):
        ask(credit, holder)
        holder.fill()
        holder.deadline = loop.now + patience.SEND_SECONDS
        pass_by(loop, credit, LEASE_SECONDS * 2)
        before = holder.deadline
        pass_by(loop, credit, SWEEP_SECONDS)
        assert holder.deadline == before, "it has taken nothing"
        holder.client.recv(1 << 20, socket.MSG_WAITALL)
        pass_by(loop, credit, SWEEP_SECONDS)
        assert holder.deadline == loop.now + patience.SEND_SECONDS


def test_who_has_lost_it_and_is_fast_again_gets_its_own_again():
    with credit_for(SHARE * GENEROUS_BYTES) as (loop, credit, (holder,)):
        ask(credit, holder)
        holder.fill()
        pass_by(loop, credit, 2 * LEASE_SECONDS)
        assert holder.unsent == UNSENT_BYTES
        holder.moved_at = loop.now
        ask(credit, holder)
        assert (holder.unsent, len(credit)) == (GENEROUS_BYTES, 1)


def test_what_a_closed_socket_leaves_counts_and_does_not_stay_for_long():
    """TCP_USER_TIMEOUT, tcp(7): milliseconds; 0 is TCP's own patience."""
    with credit_for(PLENTY, 2) as (loop, credit, (full, empty)):
        for holder in (full, empty):
            ask(credit, holder)
        full.fill()
        for holder in (full, empty):
            credit.forget(holder)
        limits = [one.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) for one in (full, empty)]
        assert limits == [patience.SEND_SECONDS * 1000, 0]
        assert len(credit) == 1
        pass_by(loop, credit, patience.SEND_SECONDS - 1)
        assert len(credit) == 1
        pass_by(loop, credit, 1)
        assert len(credit) == 0


def test_a_unix_socket_has_no_such_bound():
    ours, theirs = socket.socketpair()
    with theirs, credit_for(PLENTY) as (_, credit, (holder,)):
        holder.sock.close()
        holder.sock = ours
        ask(credit, holder)
        assert len(credit) == 0


class Clients(RuleBasedStateMachine):
    """Whatever clients do, no more than the bound may leave more, or still have it lying there."""

    most = 2

    def __init__(self):
        super().__init__()
        self.loop = Loop()
        self.credit = Credit(self.loop, self.most * SHARE * GENEROUS_BYTES)
        self.holders = [Holder(self.loop) for _ in range(5)]
        self.left = [0] * 5

    def teardown(self):
        for holder in self.holders:
            holder.close()

    @rule(n=st.integers(0, 4), times=st.integers(1, OFTEN))
    def drained(self, n, times):
        ask(self.credit, self.holders[n], times=times)

    @rule(n=st.integers(0, 4))
    def filled(self, n):
        if sent := self.holders[n].fill():
            self.left[n] += sent
            self.holders[n].moved_at = self.loop.now

    @precondition(lambda self: any(self.left))
    @rule(n=st.integers(0, 4))
    def read(self, n):
        while self.left[n]:
            self.left[n] -= len(self.holders[n].client.recv(self.left[n]))

    @rule(seconds=st.sampled_from([SOON_SECONDS / 2, SOON_SECONDS * 2, SWEEP_SECONDS, LEASE_SECONDS * 2]))
    def time_passes(self, seconds):
        if seconds < SWEEP_SECONDS:
            self.loop.now += seconds
        else:
            pass_by(self.loop, self.credit, seconds)

    @rule(n=st.integers(0, 4))
    def closed(self, n):
        self.credit.forget(self.holders[n])
        self.holders[n].close()
        self.holders[n] = Holder(self.loop)
        self.left[n] = 0

    @invariant()
    def bound_is_kept(self):
        assert len(self.credit) <= self.most
        assert sum(holder.unsent > UNSENT_BYTES for holder in self.holders) <= self.most
        assert sum(unsent_in(holder.sock) > 16 * UNSENT_BYTES for holder in self.holders) <= self.most


def unsent_in(sock):
    """What the kernel has and has not sent: tcpi_notsent_bytes of TCP_INFO, <linux/tcp.h>."""
    return struct.unpack_from("I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192), 144)[0]


TestClients = Clients.TestCase
