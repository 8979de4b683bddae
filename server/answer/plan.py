"""The answer to a request, from what the search for its path has come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from server.answer.conditions import FAILED, NOT_MODIFIED, Validators, judge, range_applies
from server.answer.dates import http_date
from server.answer.dress import NONE, OF_CONTENT, dress
from server.answer.found import Missing, Redirect, Representation, Result, Selection
from server.answer.headers import Form, Headers
from server.answer.phrases import phrase
from server.answer.ranges import MOST_PARTS, FileRange, Unsatisfiable, coalesce, parse_ranges
from server.answer.rules import Treatment
from server.answer.statuses import NOT_ACCEPTABLE, OK, PARTIAL_CONTENT
from server.answer.statuses import NOT_MODIFIED as STATUS_NOT_MODIFIED

KNOWN_METHODS: Final = frozenset(b"GET HEAD OPTIONS POST PUT DELETE PATCH TRACE CONNECT".split())
ALLOW: Final = b"GET, HEAD, OPTIONS"
FALLBACK_CACHING: Final = b"no-cache"
REDIRECT_CACHING: Final = (b"Cache-Control", b"no-cache")  # or a mistake in one would be remembered for good
CACHING: Final = frozenset((b"cache-control", b"expires"))
TYPE: Final = frozenset((b"content-type",))
NOSNIFF: Final = (b"X-Content-Type-Options", b"nosniff")
MOST_FORMS: Final = 512  # a site has a few types, and a few ways of caching

_forms: Final[dict[tuple[HTTPStatus, bytes, bytes, bytes, tuple[bytes, ...], bool, bool], Form]] = {}


class Answer:
    """Status, headers (without Date and Connection) and body. The body of an answer to HEAD is
    empty, whatever its Content-Length says."""

    __slots__ = ("_headers", "body", "form", "own", "status")

    def __init__(
        self,
        status: HTTPStatus,
        headers: Headers | None,
        body: tuple[bytes | FileRange, ...],
        form: Form | None = None,
        own: Sequence[bytes] = (),
    ) -> None:
        """Headers, or a form and the answer's own values."""
        self.status = status
        self.body = body
        self.form = form
        self.own = own
        self._headers = headers

    @property
    def headers(self) -> Headers:
        if self._headers is None:
            assert self.form is not None
            self._headers = self.form.filled(self.own)
        return self._headers

    def saying(self, field: tuple[bytes, bytes]) -> Answer:
        """The same with a field more."""
        return Answer(self.status, (*self.headers, field), self.body)

    @property
    def body_bytes(self) -> int:
        return sum(part.length if isinstance(part, FileRange) else len(part) for part in self.body)


def answer(
    method: bytes,
    fields: Mapping[bytes, bytes],
    result: Result,
    treatment: Treatment,
    now: int,
    boundary: bytes = b"boundary",
) -> Answer:
    """What to send for GET or HEAD. The boundary between parts should be one that nobody can
    guess and put into a file."""
    match result:
        case Selection():
            plain = _of_selection(method, fields, result, treatment, now, boundary)
            if _is_dressed(plain, treatment):
                return plain
            name = result.path.rpartition(b"/")[2]
            # What stands in for something else is asked about each time.
            kept = (CACHING if result.fallback else NONE) | (TYPE if _is_in_parts(plain) else NONE)
            return dressed(plain, treatment, fields, name, kept)
        case Missing(status):
            # RFC 9110 section 12.5.5: what was refused for one coding may be had in another.
            vary = ((b"Vary", b"Accept-Encoding"),) if status is NOT_ACCEPTABLE else ()
            return dressed(page(status, method, vary), treatment, fields)
        case Redirect(location, status, by_rule):
            moved = page(status, method, ((b"Location", location), REDIRECT_CACHING))
            # How long it holds is up to whoever made it; its page is ours.
            return dressed(moved, treatment, fields, kept=OF_CONTENT - CACHING if by_rule else OF_CONTENT)


def dressed(
    plain: Answer,
    treatment: Treatment,
    fields: Mapping[bytes, bytes],
    name: bytes = b"",
    kept: frozenset[bytes] = NONE,
) -> Answer:
    """The answer with the headers that the site's rules want, but for those that are kept."""
    if _is_dressed(plain, treatment):
        return plain
    headers = dress(plain.headers, treatment, int(plain.status), fields.get(b"origin"), name, kept)
    return Answer(plain.status, headers, plain.body)


def _is_dressed(plain: Answer, treatment: Treatment) -> bool:
    """Whether rules change nothing in it. A 304 leaves things out even where there are none."""
    return not treatment.dresses and plain.status is not STATUS_NOT_MODIFIED


def _is_in_parts(plain: Answer) -> bool:
    return plain.status is PARTIAL_CONTENT and len(plain.body) > 1


def _of_selection(
    method: bytes,
    fields: Mapping[bytes, bytes],
    selected: Selection,
    treatment: Treatment,
    now: int,
    boundary: bytes,
) -> Answer:
    sent = selected.sent[1]
    validators = _of_variant(sent.validators, selected.coding)
    if selected.status is not OK:  # a page that says so: no version of what was asked for
        return _whole(method, sent, selected, Validators(None, None))
    verdict = judge(fields, validators, now)
    if verdict is FAILED:
        return page(HTTPStatus.PRECONDITION_FAILED, method)
    if verdict is NOT_MODIFIED:
        return Answer(STATUS_NOT_MODIFIED, (*_validators(validators), *_about(selected)), ())
    wanted = fields.get(b"range")
    # RFC 9110 section 14.2: Range is defined for GET only.
    if wanted is not None and method == b"GET" and range_applies(fields, validators, now):
        try:
            ranges = parse_ranges(wanted, sent.size)
        except Unsatisfiable:
            return page(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                method,
                ((b"Content-Range", b"bytes */%d" % sent.size),),
            )
        if ranges is not None:
            common = (*_content(selected)[1:], *_validators(validators), *_about(selected), *_offers())
            kind = _type_of(selected, treatment)
            some = _some_of(sent.size, kind, ranges, common, boundary)
            if some is not None:
                return some
    return _whole(method, sent, selected, validators)


def is_unmodified(fields: Mapping[bytes, bytes], selected: Selection, now: int) -> bool:
    """Whether who asks with these conditions has it already."""
    validators = _of_variant(selected.sent[1].validators, selected.coding)
    return selected.status is OK and judge(fields, validators, now) is NOT_MODIFIED


def _about(selected: Selection) -> Headers:
    """What is said of it that also a 304 must say (RFC 9110 section 15.4.5)."""
    vary = ((b"Vary", b", ".join(selected.vary)),) if selected.vary else ()
    return ((b"Cache-Control", _caching(selected)), *vary)


def _caching(selected: Selection) -> bytes:
    return FALLBACK_CACHING if selected.fallback else selected.found.cache_control


def _content(selected: Selection) -> Headers:
    coding = ((b"Content-Encoding", selected.coding),) if selected.coding else ()
    return ((b"Content-Type", selected.found.content_type), *coding)


def _type_of(selected: Selection, treatment: Treatment) -> Headers:
    """Each of several parts has the type that the whole would have (RFC 9110 section 14.6)."""
    for name, value in treatment.set_headers:
        if name.lower() in TYPE:
            return ((b"Content-Type", value),)
    return () if TYPE & treatment.remove_headers else _content(selected)[:1]


def _offers() -> Headers:
    return ((b"Accept-Ranges", b"bytes"), NOSNIFF)


def _whole(method: bytes, sent: Representation, selected: Selection, validators: Validators) -> Answer:
    """All of it."""
    etag, modified = validators.etag, validators.modified
    own = [b"%d" % sent.size]
    if etag is not None:
        own.append(etag)
    if modified is not None:
        own.append(http_date(modified))
    alike = (
        selected.status, selected.found.content_type, selected.coding, _caching(selected), selected.vary,
        etag is None, modified is None,
    )  # fmt: skip
    form = _forms.get(alike)
    if form is None:
        if len(_forms) >= MOST_FORMS:
            _forms.clear()
        form = _forms[alike] = _form(sent, selected, validators)
    body = (FileRange(0, sent.size),) if method == b"GET" and sent.size else ()
    return Answer(selected.status, None, body, form, own)


def _form(sent: Representation, selected: Selection, validators: Validators) -> Form:
    headers = (
        *_content(selected),
        (b"Content-Length", b"%d" % sent.size),
        *_validators(validators),
        *_about(selected),
        *(_offers() if selected.status is OK else (NOSNIFF,)),
    )
    return Form(selected.status, headers)


def _some_of(
    size: int, kind: Headers, ranges: Sequence[FileRange], common: Headers, boundary: bytes
) -> Answer | None:
    """206, or None for what is better answered with the whole: many ranges, or ranges that sum up
    to more than the file, are an attack or a mistake (RFC 9110 section 14.2)."""
    if len(ranges) > 1 and sum(part.length for part in ranges) > size:
        return None
    parts = coalesce(ranges)
    if len(parts) == 1:
        headers = (
            *kind,
            (b"Content-Length", b"%d" % parts[0].length),
            (b"Content-Range", _content_range(parts[0], size)),
            *common,
        )
        return Answer(PARTIAL_CONTENT, headers, (parts[0],))
    return _parts(size, kind, parts, common, boundary) if len(parts) <= MOST_PARTS else None


def _parts(size: int, kind: Headers, parts: Sequence[FileRange], common: Headers, boundary: bytes) -> Answer:
    """Several parts (section 14.6). The body begins with CRLF, as those of nginx and Apache do:
    there are clients that wait for it for ever."""
    body: list[bytes | FileRange] = []
    about = b"".join(b"%b: %b\r\n" % field for field in kind)
    for part in parts:
        head = b"\r\n--%b\r\n%bContent-Range: %b\r\n\r\n"
        body += [head % (boundary, about, _content_range(part, size)), part]
    body.append(b"\r\n--%b--\r\n" % boundary)
    length = sum(len(piece) if isinstance(piece, bytes) else piece.length for piece in body)
    headers = (
        (b"Content-Type", b"multipart/byteranges; boundary=" + boundary),
        (b"Content-Length", b"%d" % length),
        *common,
    )
    return Answer(PARTIAL_CONTENT, headers, tuple(body))


def _content_range(part: FileRange, size: int) -> bytes:
    return b"bytes %d-%d/%d" % (part.offset, part.offset + part.length - 1, size)


def _of_variant(validators: Validators, coding: bytes) -> Validators:
    """Each variant has a tag of its own (RFC 9110 section 8.8.3.3)."""
    if validators.etag is None or not coding:
        return validators
    return Validators(b'%b-%b"' % (validators.etag[:-1], coding), validators.modified)


def _validators(validators: Validators) -> Headers:
    etag = () if validators.etag is None else ((b"ETag", validators.etag),)
    modified = () if validators.modified is None else ((b"Last-Modified", http_date(validators.modified)),)
    return (*etag, *modified)


def page(status: HTTPStatus, method: bytes, headers: Headers = ()) -> Answer:
    """A short page that says what is the matter."""
    body = (
        b"<!doctype html><html lang=en><meta charset=utf-8>"
        b"<meta name=color-scheme content='light dark'>"
        b"<title>%d %s</title><h1>%d %s</h1>\n"
    ) % ((status.value, phrase(status)) * 2)
    return Answer(
        status,
        (
            (b"Content-Type", b"text/html; charset=utf-8"),
            (b"Content-Length", b"%d" % len(body)),
            NOSNIFF,
            *headers,
        ),
        () if method == b"HEAD" else (body,),
    )


def options(allowed: Headers = ()) -> Answer:
    """What can be done here (RFC 9110 section 9.3.7), and from which other origins."""
    return Answer(HTTPStatus.NO_CONTENT, ((b"Allow", ALLOW), *allowed), ())


def not_allowed(method: bytes) -> Answer:
    return page(HTTPStatus.METHOD_NOT_ALLOWED, method, ((b"Allow", ALLOW),))
