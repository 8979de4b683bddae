"""A request on its way to its answer: found, guarded, decided.

First the files are asked what there is; then, whatever there is, whether this client may have
it; then it is decided how it is sent. Rules that guard a path see both the path that was asked
for and that of the file that was found, so that no other name leads around them.
"""

from __future__ import annotations

from errno import ESTALE
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from aio import Shrunk
from server.answer.cors import is_preflight, preflight
from server.answer.found import Missing, Selection
from server.answer.guard import admits, challenge, credentials
from server.answer.plan import KNOWN_METHODS, Answer, answer, is_unmodified, not_allowed, options
from server.answer.rules import Treatment
from server.answer.statuses import SERVICE_UNAVAILABLE, UNAUTHORIZED
from server.answer.target import path_of
from server.files.entry import Client, Dated, Entry
from server.files.inquiry import Inquiry
from server.wire.head import Head
from server.wire.heads import Asked, Refusal, Request
from server.wire.passwords import Judgement, Ticket

if TYPE_CHECKING:
    from server.wire.server import Server

SOON: Final = (b"Retry-After", b"1")  # seconds


class Reply:
    """An answer that can leave."""

    __slots__ = ("answer", "bandwidth", "entry", "head")

    def __init__(self, answer: Answer, head: Dated, entry: Entry | None, bandwidth: int | None) -> None:
        self.answer = answer
        self.head = head
        self.entry = entry  # whose bytes its ranges are
        self.bandwidth = bandwidth  # bytes per second


class Exchange:
    """Ask proceed() until it has a reply; if it has none, the waiter is told when to go on."""

    __slots__ = (
        "_edition", "_guarded", "_inquiry", "_path", "_peer", "_server", "_site", "_ticket", "_treatment",
        "_version", "_waiter", "request",
    )  # fmt: skip

    def __init__(self, request: Request, peer: str, server: Server, waiter: Client) -> None:
        """Raises BadTarget."""
        self.request = request
        self._peer = peer
        self._server = server
        self._waiter = waiter
        self._site = server.sites.for_host(request.host)
        self._path = path_of(request.target)
        self._ticket: Ticket | None = None  # while a password is being checked
        self._begin()

    def _begin(self) -> None:
        self._version = self._site.version  # of the root by whose rules it is answered
        self._edition = self._site.edition
        self._inquiry = self._inquire()
        self._treatment: Treatment | None = None  # as soon as it is known what was found
        self._guarded = False

    def _inquire(self, refused: HTTPStatus | None = None) -> Inquiry:
        request = self.request
        return Inquiry(self._site, self._path, request.target, request.wishes, self._waiter, refused)

    def found(self, entry: Entry) -> None:
        self._inquiry.found(entry)

    def abandon(self) -> None:
        """The client has gone, or what has been found holds no more."""
        self._site.leave(self._waiter)
        self._inquiry.abandon()
        if self._ticket is not None:
            self._ticket.cancel()
            self._ticket = None

    def proceed(self, persistence: bytes) -> Reply | None:
        """`persistence` is what the Connection field is to say."""
        if not self._site.ready:  # its rules are not known, and may forbid what was asked for
            return None if self._site.await_rules(self._waiter) else self._unavailable(persistence)
        if self._version != self._site.version:  # the root is another directory by now
            self.abandon()
            self._begin()
        result = self._inquiry.proceed()
        if result is None:
            return None
        if not self._guarded:
            self._treatment = self._site.treatment_of_all
            if self._treatment is None:
                file_path = b"/" + (result.path if isinstance(result, Selection) else self._path)
                self._treatment = self._site.treatment(b"/" + self._path, file_path)
            if self.request.method == b"OPTIONS":
                return self._permission(self._treatment, persistence)
            refusal = self._guard(self._treatment)
            if self._ticket is not None:
                return None
            self._guarded = True
            if refusal is not None:
                self._inquiry = self._inquire(refusal)
                return self.proceed(persistence)
        return self._reply(persistence)

    def _permission(self, treatment: Treatment, persistence: bytes) -> Reply:
        """The answer to a preflight, which never has a password (Fetch standard, CORS protocol)."""
        cors = treatment.cors
        decided = options(preflight(cors, self.request.fields) if cors is not None else ())
        return Reply(decided, Head(decided, persistence), None, None)

    def _guard(self, treatment: Treatment) -> HTTPStatus | None:
        """Why this client may not have it; None if it may, or as long as that is being found out."""
        if treatment.closed or not admits(self._peer, treatment.allow, treatment.deny):
            return HTTPStatus.FORBIDDEN
        if treatment.realm is None:
            return None
        known = credentials(self.request.fields)
        if known is None:
            return UNAUTHORIZED
        ticket, self._ticket = self._ticket, None
        if ticket is None:
            ticket = self._server.passwords.check(treatment.realm, *known, self._waiter.wake)
        match ticket.judgement:
            case Judgement.PENDING:
                self._ticket = ticket
                return None
            case Judgement.RIGHT:
                return None
            case Judgement.WRONG:
                return UNAUTHORIZED
            case Judgement.BUSY:
                return SERVICE_UNAVAILABLE

    def _reply(self, persistence: bytes) -> Reply:
        result, entry, treatment = self._inquiry.result, self._inquiry.entry, self._treatment
        assert result is not None
        assert treatment is not None
        request = self.request
        manner = None
        if entry is not None and not entry.answered:
            entry.answered = True  # what is sent only once is not worth keeping
        elif isinstance(result, Selection) and self._is_plain(treatment):
            assert entry is not None
            manner = (
                treatment, request.method, persistence, result.status, result.coding, result.vary,
                result.fallback, result.path, is_unmodified(request.counting, result, self._server.second),
            )  # fmt: skip
            if known := entry.ready(manner):
                return self._kept(Reply(*known, entry, treatment.bandwidth), persistence)
            if result.sent[1] is not entry.found:
                manner = None  # more has become known of it since: this is said once, and not kept
        decided = answer(
            request.method, request.counting, result, treatment, self._server.second, self._server.boundary
        )
        if decided.status is UNAUTHORIZED and treatment.realm is not None:
            field = (b"WWW-Authenticate", challenge(treatment.realm))
            decided = decided.saying(field)
        elif decided.status is SERVICE_UNAVAILABLE:
            decided = decided.saying(SOON)
        head = Head(decided, persistence)
        reply = Reply(decided, head, entry, treatment.bandwidth)
        if manner is None or entry is None or decided.status is UNAUTHORIZED:
            return reply
        entry.keep_ready(manner, decided, head)
        return self._kept(reply, persistence)

    def _kept(self, reply: Reply, persistence: bytes) -> Reply:
        """The reply, which whoever asks so again may get without a search, unless it is not for everybody."""
        assert self._treatment is not None
        if not self._treatment.guarded:
            consulted = self._inquiry.consulted
            self._server.recall.keep(self.request, persistence, self._site, self._edition, consulted, reply)
        return reply

    def _is_plain(self, treatment: Treatment) -> bool:
        """Whether everybody who asks so gets the same answer."""
        aspect = self.request.aspect
        return aspect is not None and (treatment.cors is None or not aspect.of_other_origin)

    def _unavailable(self, persistence: bytes) -> Reply:
        nothing = Missing(SERVICE_UNAVAILABLE)
        treatment = self._site.treatment(b"/" + self._path, b"/" + self._path)
        decided = answer(self.request.method, self.request.counting, nothing, treatment, self._server.second)
        decided = decided.saying(SOON)
        return Reply(decided, Head(decided, persistence), None, None)


def without_file(request: Request) -> Answer | Refusal:
    """The answer to whoever wants no file."""
    if request.method == b"OPTIONS":
        return options()
    if request.method in KNOWN_METHODS:
        return not_allowed(request.method)
    return request.refused(HTTPStatus.NOT_IMPLEMENTED, "an unknown method")


def unreadable(asked: Asked, error: OSError | Shrunk) -> Refusal:
    """What to say when the first bytes of a file cannot be had: it changes just now, or the disk is
    broken."""
    changed = isinstance(error, Shrunk) or error.errno == ESTALE
    status = SERVICE_UNAVAILABLE if changed else HTTPStatus.INTERNAL_SERVER_ERROR
    return Refusal(status, str(error), line=asked.line)


def asks_for_another(request: Request) -> bool:
    """Whether a browser wants to know if a script of another origin may read what is here."""
    return is_preflight(request.method, request.fields) and request.target != b"*"
