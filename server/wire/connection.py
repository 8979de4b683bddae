"""One client: bytes of heads come in, answers go out, one after the other.

What epoll watches follows from the state, in _rest(). A client that has shut its side is
neither gone nor a reason to spin: it gets its answer. After the last answer we shut our side
and read on for a while, or the reset that follows a close with unread bytes would take the
answer with it (RFC 9112 section 9.6).
"""

from __future__ import annotations

import math
import select
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from aio import Shrunk
from server.answer.plan import Answer, page
from server.answer.target import BadTarget
from server.files.entry import Dated, Entry
from server.observe.access import Said, told_by
from server.wire import patience
from server.wire.cork import Cork
from server.wire.exchange import Exchange, Reply, asks_for_another, unreadable, without_file
from server.wire.head import Head
from server.wire.heads import Asked, Refusal, Request
from server.wire.inbox import Inbox
from server.wire.outbox import Outbox, Part, packed, transmit
from server.wire.pace import Pace, paced
from server.wire.patience import CLOSED, LINGERING, OPEN

if TYPE_CHECKING:
    from server.wire.server import Server

RECEIVE_BYTES: Final = 64 * 1024
HEADS_AT_ONCE: Final = 8  # of those that came together, until it is the next one's turn
STEP_BYTES: Final = 256 * 1024  # of blocks: who has sent so many, or more, lets the next one
ERRORS: Final = select.EPOLLERR | select.EPOLLHUP


class Connection:
    """A socket and what is between it and the files."""

    __slots__ = (
        "_blocked", "_cork", "_exchange", "_half_closed", "_has_room", "_inbox", "_last", "_outbox", "_pace",
        "_peer", "_phase", "_queued", "_server", "_watched", "deadline", "moved_at", "quick", "sock",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, peer: str, server: Server) -> None:
        self.sock = sock
        self._peer = peer
        self._server = server
        self._phase = OPEN
        self._inbox = Inbox()
        self._outbox: Outbox | None = None  # the answer that is leaving
        self._exchange: Exchange | None = None  # the request that waits for its answer
        self._pace: Pace | None = None
        self._last = False  # whether the connection ends with this answer
        self._half_closed = False
        self._cork = Cork(sock)
        self._blocked = False  # until epoll says that the socket has room
        self._has_room = False  # epoll has said so, and nothing has been sent since
        self._queued = False
        self._watched = select.EPOLLIN
        self.quick = 0
        self.moved_at = server.loop.now
        self.deadline = server.loop.now + patience.HEAD_SECONDS
        server.loop.watch(sock.fileno(), self._watched, self.on_event)

    # --- called by the loop ---

    def on_event(self, mask: int) -> None:
        try:
            if mask & ERRORS:
                self.drop()
                return
            if mask & select.EPOLLIN:
                self._receive()
            if mask & select.EPOLLOUT:
                if self._blocked and self._pace is None and self._phase is OPEN:
                    self._server.credit.ask(self)
                self._blocked = False
                self._has_room = True
                self.wake()
        except Exception as fault:
            self._server.fault(self, fault)

    def proceed(self) -> int:
        """Answers with what was found, or sends the next block."""
        self._queued = False
        try:
            if self._phase is not OPEN:
                return 0
            if self._exchange is not None:
                self._go_on(self._exchange)
            moved = 0 if self._outbox is None else self._send(self._outbox)
            if self.idle:
                self._serve()
            return moved
        except Exception as fault:
            self._server.fault(self, fault)
            return 0

    def expire(self) -> None:
        """The deadline has passed."""
        if self._phase is OPEN and self.idle and not self._inbox.empty:
            self._refuse(self._inbox.too_slow())
        else:
            self.drop()

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return self._outbox is None and self._exchange is None

    def drop(self) -> None:
        """Closes it now, whatever is under way."""
        if self._phase is CLOSED:
            return
        self._phase = CLOSED
        if self._exchange is not None:
            self._exchange.abandon()
            self._exchange = None
        if self._outbox is not None:
            self._log(self._outbox)
            self._outbox.close()
            self._outbox = None
        self._server.forget(self)
        self._server.loop.close(self.sock)

    # --- called by the files ---

    def found(self, entry: Entry) -> None:
        if self._exchange is not None:
            self._exchange.found(entry)
            self.wake()

    def wake(self) -> None:
        """There is something to do, in a turn soon."""
        if not self._queued:
            self._queued = True
            self._server.loop.ready(self)

    # --- in ---

    def _receive(self) -> None:
        try:
            data = self.sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self.drop()
            return
        if self._phase is LINGERING:
            if not data:
                self.drop()
            return
        if not data:
            self._half_closed = True
            if self.idle and not self._queued:  # else heads are left that it may answer
                self.drop()
            else:
                self.deadline = min(self.deadline, self._server.loop.now + patience.GONE_SECONDS)
                self._rest()
            return
        inbox = self._inbox
        inbox.bytes += data
        if self._outbox is None and self._exchange is None:  # it is idle
            self._answer_known()
        if left := inbox.bytes:
            # Of what came now, so another head begins; but empty lines do not begin one.
            if self.idle and len(left) <= len(data) and left.strip(b"\r\n"):
                self.deadline = self._server.loop.now + patience.HEAD_SECONDS
            self._serve()

    def _answer_known(self) -> None:
        """As far as Express can. The next head then goes the long way."""
        server, inbox, peer = self._server, self._inbox, self._peer
        if self._pace is not None or server.draining:
            return
        try:
            done, left, sought = server.express.answer(self.sock, inbox.bytes, peer, server.date(), self)
        except OSError:
            self.drop()
            return
        if not done:
            return
        inbox.bytes = inbox.bytes[done:]
        self._last = False
        if left is None:
            self.deadline = server.loop.now + patience.KEEP_ALIVE_SECONDS
        elif isinstance(left, Outbox):
            self._outbox = left
            self._blocked = True
            left.stall()
            self.deadline = server.loop.now + patience.SEND_SECONDS
            self._rest()
        else:
            self._take(left, sought=sought)

    def _serve(self) -> None:
        """Takes heads from the inbox until one has to wait for its answer, or others for theirs."""
        for _ in range(HEADS_AT_ONCE):
            if self._phase is not OPEN or not self.idle:
                break
            head = self._inbox.next_head()
            if head is None:
                if self._half_closed:
                    self.drop()
                break
            self._take(self._server.verdicts.judge(head) if isinstance(head, bytes) else head)
        else:
            self.wake()
        self._rest()

    def _take(self, asked: Asked, *, sought: bool = False) -> None:
        if isinstance(asked, Refusal):
            self._refuse(asked)
        else:
            self._begin(asked, sought)

    # --- deciding ---

    def _begin(self, request: Request, sought: bool) -> None:
        """`sought`: an answer that is known, in vain."""
        self._last = not request.keep_alive
        if request.method not in (b"GET", b"HEAD") and not asks_for_another(request):
            self._answer_without_file(request)
            return
        if not sought and (known := self._server.recall.reply(request, self._persistence(request))):
            self._reply(request, known)
        else:
            try:
                self._exchange = Exchange(request, self._peer, self._server, self)
            except BadTarget as error:
                self._refuse(request.refused(HTTPStatus.BAD_REQUEST, str(error)))
                return
            self._go_on(self._exchange)
        if self._outbox is not None and self._outbox.from_file:
            self.wake()  # it leaves when it is its turn

    def _go_on(self, exchange: Exchange) -> None:
        """Answers, if what the answer depends on is known."""
        if (reply := exchange.proceed(self._persistence(exchange.request))) is None:
            self._wait_for_disk()
            return
        self._exchange = None
        self._reply(exchange.request, reply)

    def _reply(self, request: Request, reply: Reply) -> None:
        self._pace = paced(self._pace, reply.bandwidth, self._server.loop)
        self._put(request, reply.answer, reply.head, reply.entry)

    def _answer_without_file(self, request: Request) -> None:
        decided = without_file(request)
        if isinstance(decided, Refusal):
            self._refuse(decided)
        else:
            self._last |= request.method != b"OPTIONS"  # it may have a body, which nobody reads
            self._put_page(request, decided)

    def _persistence(self, asked: Asked) -> bytes:
        """What the Connection field must say, if anything (RFC 9112 section 9.3)."""
        if self._last or self._server.draining:
            return b"close"
        return b"keep-alive" if asked.version == b"1.0" else b""

    def _refuse(self, refusal: Refusal) -> None:
        self._last = True
        self._inbox.clear()
        self._put_page(refusal, page(refusal.status, refusal.method))

    def _put_page(self, asked: Asked, decided: Answer) -> None:
        self._put(asked, decided, Head(decided, self._persistence(asked)))

    def _put(self, asked: Asked, decided: Answer, head: Dated, entry: Entry | None = None) -> None:
        """Lets the answer go at once if it is all in memory. Else the caller sees to it, who alone gives an
        entry: _begin() by a turn of its own, proceed() right away."""
        self._outbox = outbox = packed(asked, decided, head.dated(self._server.date()), entry, self.wake)
        self.deadline = self._server.loop.now + patience.SEND_SECONDS
        if not outbox.from_file:
            self._send(outbox)

    # --- out ---

    def _send(self, outbox: Outbox) -> int:
        """Sends until the socket or this connection's share of the turn is full, or the next
        bytes are still on their way; how many left."""
        moved = 0
        while not outbox.empty and not self._blocked and moved < STEP_BYTES:
            if self._pace is not None and self._pace.allowance() <= 0:
                outbox.stall(at_once=True)
                self._pace.rest(self.wake)
                break
            try:
                parts = outbox.sendable()
            except (OSError, Shrunk) as error:
                self._break_off(outbox, error)
                return moved
            if parts is None:
                self._cork.release()  # to have something is better than to have a full segment
                self._wait_for_disk()
                break
            if outbox.goes_on and self._pace is None:
                self._cork.hold()
            try:
                count = self._transmit(outbox, parts)
            except BlockingIOError:
                self._has_no_room()
                break
            except Shrunk as error:
                self._break_off(outbox, error)
                return moved
            except OSError:
                self.drop()
                return moved
            moved += count
            self._has_room = False
            if self._pace is not None:
                self._pace.spend(count)
        if outbox.empty:
            self._cork.release()
            self._outbox = None
            self._log(outbox)
            self._finish()
        else:
            if self._blocked:
                outbox.stall()
            elif moved >= STEP_BYTES:
                self.wake()
            if moved:
                self.deadline = self._server.loop.now + patience.SEND_SECONDS
        self._rest()
        return moved

    def _transmit(self, outbox: Outbox, parts: list[Part]) -> int:
        if self._pace is not None:
            first, most = parts[0], self._pace.allowance()
            parts = [first[:most] if isinstance(first, (bytes, memoryview)) else first.at_most(most)]
        size = outbox.offered if self._pace is None else len(parts[0])
        count = transmit(self.sock, parts, size)
        self._blocked = count < size
        self.moved_at = self._server.loop.now
        outbox.sent(count)
        return count

    def _has_no_room(self) -> None:
        """If epoll has just said otherwise, it is TCP that is short of memory for all of its
        sockets (tcp_mem in tcp(7)): to be told so again at once, and again, would be to spin."""
        self._blocked = not self._has_room
        if self._has_room:
            self._has_room = False
            self._server.loop.when_patience_ends(self.wake)

    def _wait_for_disk(self) -> None:
        """The disk's time is not the client's fault. But one that has shut its side may be gone."""
        self.deadline = self._server.loop.now + patience.GONE_SECONDS if self._half_closed else math.inf

    def _break_off(self, outbox: Outbox, error: OSError | Shrunk) -> None:
        """What was promised cannot be sent. Once it has begun, all that is left is to close:
        never pad, never go on with other bytes."""
        if outbox.sent_bytes:
            self._server.broken_off += 1
            self.drop()
        else:
            outbox.close()
            self._outbox = None
            self._refuse(unreadable(outbox.asked, error))

    def _log(self, outbox: Outbox) -> None:
        if (log := self._server.access_log) is not None:
            asked, said = outbox.asked, Said.of(outbox.status, outbox.body_bytes)
            log.answered(self._peer, asked.line, told_by(asked.fields), said)

    def _finish(self) -> None:
        """The answer has left."""
        now = self._server.loop.now
        ends = self._last or self._server.draining
        if self._half_closed and (ends or self._inbox.empty):
            self.drop()
        elif not ends:
            seconds = patience.KEEP_ALIVE_SECONDS if self._inbox.empty else patience.HEAD_SECONDS
            self.deadline = now + seconds
        else:
            self._phase = LINGERING
            self._inbox.clear()
            self.deadline = now + patience.LINGER_SECONDS
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                self.drop()

    def _rest(self) -> None:
        """Waits for the next event; tells epoll only what is new."""
        mask = 0 if self._half_closed or self._inbox.full else select.EPOLLIN
        if self._blocked:
            mask |= select.EPOLLOUT
        if mask != self._watched and self._phase is not CLOSED:
            self._watched = mask
            self._server.loop.rewatch(self.sock.fileno(), mask)
