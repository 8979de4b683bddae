"""Who may leave more unsent than others, at real sockets."""

import socket
import struct
from contextlib import contextmanager

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server.loop import SWEEP_SECONDS, Loop
from server.wire.address import UNSENT_BYTES, Address, listen
from server.wire.credit import (
    GENEROUS_BYTES,
    MOST_HOLDERS,
    SHARE,
    SOON_SECONDS,
    STALE_SECONDS,
    Credit,
)

PLENTY = 1 << 30


class Holder:
    """A connection, whose client reads when it is told to."""

    def __init__(self, loop):
        self.moved_at = loop.now
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


def test_who_was_waited_for_and_not_for_long_may_leave_more():
    with credit_for(PLENTY) as (loop, credit, (holder,)):
        assert holder.unsent == UNSENT_BYTES
        loop.now += SOON_SECONDS / 2
        credit.ask(holder)
        assert (holder.unsent, len(credit)) == (GENEROUS_BYTES, 1)


def test_who_takes_its_time_may_not():
    with credit_for(PLENTY) as (loop, credit, (holder,)):
        loop.now += SOON_SECONDS * 2
        credit.ask(holder)
        assert (holder.unsent, len(credit)) == (UNSENT_BYTES, 0)


@pytest.mark.parametrize(
    ("memory", "most"),
    [
        (SHARE * GENEROUS_BYTES - 1, 0),
        (SHARE * GENEROUS_BYTES, 1),
        (3 * SHARE * GENEROUS_BYTES, 3),
        (PLENTY, MOST_HOLDERS),
    ],
)
def test_there_is_as_much_as_the_memory_suffices_for(memory, most):
    with credit_for(memory, MOST_HOLDERS + 2) as (_, credit, holders):
        for holder in holders:
            credit.ask(holder)
        assert len(credit) == most
        assert [holder.unsent for holder in holders] == [GENEROUS_BYTES] * most + [UNSENT_BYTES] * (
            len(holders) - most
        )


def test_who_takes_nothing_for_a_while_loses_it_and_it_is_free_when_what_lies_there_is_gone():
    with credit_for(SHARE * GENEROUS_BYTES, 2) as (loop, credit, (first, second)):
        credit.ask(first)
        left = first.fill()
        pass_by(loop, credit, STALE_SECONDS / 2)
        assert first.unsent == GENEROUS_BYTES
        pass_by(loop, credit, STALE_SECONDS)
        assert (first.unsent, len(credit)) == (UNSENT_BYTES, 1)
        second.moved_at = loop.now
        credit.ask(second)
        assert second.unsent == UNSENT_BYTES, "the first one's bytes still lie there"
        while left:
            left -= len(first.client.recv(left))
        pass_by(loop, credit, SWEEP_SECONDS)
        assert len(credit) == 0
        second.moved_at = loop.now
        credit.ask(second)
        assert second.unsent == GENEROUS_BYTES


def test_who_has_lost_it_and_reads_on_gets_its_own_again():
    with credit_for(SHARE * GENEROUS_BYTES) as (loop, credit, (holder,)):
        credit.ask(holder)
        holder.fill()
        pass_by(loop, credit, 2 * STALE_SECONDS)
        assert holder.unsent == UNSENT_BYTES
        holder.moved_at = loop.now
        credit.ask(holder)
        assert (holder.unsent, len(credit)) == (GENEROUS_BYTES, 1)


def test_a_unix_socket_has_no_such_bound():
    ours, theirs = socket.socketpair()
    with theirs, credit_for(PLENTY) as (_, credit, (holder,)):
        holder.sock.close()
        holder.sock = ours
        credit.ask(holder)
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

    @rule(n=st.integers(0, 4))
    def drained(self, n):
        self.credit.ask(self.holders[n])

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

    @rule(seconds=st.sampled_from([SOON_SECONDS / 2, SOON_SECONDS * 2, STALE_SECONDS * 2]))
    def time_passes(self, seconds):
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
