"""The answer to a request, from what is known of the file that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from server.answer.conditions import Validators, Verdict, judge, range_applies
from server.answer.dates import http_date
from server.answer.ranges import MOST_PARTS, FileRange, Unsatisfiable, coalesce, parse_ranges

Headers = tuple[tuple[bytes, bytes], ...]
KNOWN_METHODS = frozenset(b"GET HEAD OPTIONS POST PUT DELETE PATCH TRACE CONNECT".split())
ALLOW = b"GET, HEAD, OPTIONS"
YOUNG_SECONDS = 2  # a file may change again within the grain of its mtime


@dataclass(frozen=True, slots=True)
class Representation:
    """What a GET would send, and what is said of it."""

    size: int
    validators: Validators
    content_type: bytes


@dataclass(frozen=True, slots=True)
class Missing:
    """There is nothing to send at this path: why, as a status."""

    status: HTTPStatus


@dataclass(frozen=True, slots=True)
class Directory:
    """The path names a directory, and the target lacks the slash."""


Found = Representation | Missing | Directory


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (without Date and Connection) and body. The body of an answer to HEAD is
    empty, whatever its Content-Length says."""

    status: HTTPStatus
    headers: Headers
    body: tuple[bytes | FileRange, ...]


def represent(size: int, mtime_ns: int, content_type: bytes, now: float) -> Representation:
    """The representation of a file. Its tag is weak as long as the file could change again
    without a new mtime (RFC 9110 section 8.8.1)."""
    weak = b"W/" if now - mtime_ns / 1e9 < YOUNG_SECONDS else b""
    etag = b'%s"%x-%x"' % (weak, mtime_ns, size)
    return Representation(size, Validators(etag, mtime_ns // 1_000_000_000), content_type)


def answer(
    method: bytes,
    target: bytes,
    fields: Mapping[bytes, bytes],
    found: Found,
    now: int,
    boundary: bytes = b"boundary",
) -> Answer:
    """What to send for GET or HEAD of `target`. The boundary between parts should be one that
    nobody can guess and put into a file."""
    match found:
        case Missing(status):
            return page(status, method)
        case Directory():
            return _add_slash(target, method)
    match judge(fields, found.validators):
        case Verdict.FAILED:
            return page(HTTPStatus.PRECONDITION_FAILED, method)
        case Verdict.NOT_MODIFIED:
            return Answer(HTTPStatus.NOT_MODIFIED, _validators(found), ())
    wanted = fields.get(b"range")
    # RFC 9110 section 14.2: Range is defined for GET only.
    if wanted is not None and method == b"GET" and range_applies(fields, found.validators, now):
        try:
            ranges = parse_ranges(wanted, found.size)
        except Unsatisfiable:
            return page(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                method,
                ((b"Content-Range", b"bytes */%d" % found.size),),
            )
        if ranges is not None and (some := _some_of(found, ranges, boundary)) is not None:
            return some
    return whole(found, method)


def whole(found: Representation, method: bytes) -> Answer:
    """200 with all of it."""
    headers = (
        (b"Content-Type", found.content_type),
        (b"Content-Length", b"%d" % found.size),
        *_validators(found),
        (b"Accept-Ranges", b"bytes"),
        (b"X-Content-Type-Options", b"nosniff"),
    )
    body = (FileRange(0, found.size),) if method == b"GET" and found.size else ()
    return Answer(HTTPStatus.OK, headers, body)


def _some_of(found: Representation, ranges: Sequence[FileRange], boundary: bytes) -> Answer | None:
    """206, or None for what is better answered with the whole: many ranges, or ranges that sum up
    to more than the file, are an attack or a mistake (RFC 9110 section 14.2)."""
    if len(ranges) > 1 and sum(part.length for part in ranges) > found.size:
        return None
    parts = coalesce(ranges)
    if len(parts) == 1:
        return _part(found, parts[0])
    return _parts(found, parts, boundary) if len(parts) <= MOST_PARTS else None


def _parts(found: Representation, parts: Sequence[FileRange], boundary: bytes) -> Answer:
    """Several parts (section 14.6). The body begins with CRLF, as those of nginx and Apache do:
    there are clients that wait for it for ever."""
    body: list[bytes | FileRange] = []
    for part in parts:
        head = b"\r\n--%b\r\nContent-Type: %b\r\nContent-Range: %b\r\n\r\n"
        body += [head % (boundary, found.content_type, _content_range(found, part)), part]
    body.append(b"\r\n--%b--\r\n" % boundary)
    length = sum(len(piece) if isinstance(piece, bytes) else piece.length for piece in body)
    headers = (
        (b"Content-Type", b"multipart/byteranges; boundary=" + boundary),
        (b"Content-Length", b"%d" % length),
        *_validators(found),
        (b"Accept-Ranges", b"bytes"),
        (b"X-Content-Type-Options", b"nosniff"),
    )
    return Answer(HTTPStatus.PARTIAL_CONTENT, headers, tuple(body))


def _content_range(found: Representation, part: FileRange) -> bytes:
    return b"bytes %d-%d/%d" % (part.offset, part.offset + part.length - 1, found.size)


def _part(found: Representation, part: FileRange) -> Answer:
    headers = (
        (b"Content-Type", found.content_type),
        (b"Content-Length", b"%d" % part.length),
        (b"Content-Range", _content_range(found, part)),
        *_validators(found),
        (b"Accept-Ranges", b"bytes"),
        (b"X-Content-Type-Options", b"nosniff"),
    )
    return Answer(HTTPStatus.PARTIAL_CONTENT, headers, (part,))


def _validators(found: Representation) -> Headers:
    return (
        (b"ETag", found.validators.etag),
        (b"Last-Modified", http_date(found.validators.modified)),
    )


def page(status: HTTPStatus, method: bytes, headers: Headers = ()) -> Answer:
    """A short page that says what is the matter."""
    body = (
        b"<!doctype html><html lang=en><meta charset=utf-8>"
        b"<meta name=color-scheme content='light dark'>"
        b"<title>%d %s</title><h1>%d %s</h1>\n"
    ) % ((status.value, status.phrase.encode()) * 2)
    return Answer(
        status,
        (
            (b"Content-Type", b"text/html; charset=utf-8"),
            (b"Content-Length", b"%d" % len(body)),
            *headers,
        ),
        () if method == b"HEAD" else (body,),
    )


def options() -> Answer:
    """What can be done here (RFC 9110 section 9.3.7)."""
    return Answer(HTTPStatus.NO_CONTENT, ((b"Allow", ALLOW),), ())


def not_allowed(method: bytes) -> Answer:
    return page(HTTPStatus.METHOD_NOT_ALLOWED, method, ((b"Allow", ALLOW),))


def _add_slash(target: bytes, method: bytes) -> Answer:
    """To the same path with a slash. Relative to the root, so that it is right behind a proxy;
    one slash at its front, and no backslash, which is one to a browser, or it would take the
    first name for a host."""
    path, mark, query = target.partition(b"?")
    if path.endswith(b"/"):  # the index is itself a directory
        return page(HTTPStatus.NOT_FOUND, method)
    location = b"/" + path.lstrip(b"/").replace(b"\\", b"%5C") + b"/" + mark + query
    return page(HTTPStatus.MOVED_PERMANENTLY, method, ((b"Location", location),))
