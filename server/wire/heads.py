"""Heads of requests, as h11 judges them.

verdict() is a function of the bytes of one head and of nothing else. On top of what h11
refuses, it refuses what a server behind or before a proxy must not let through: anything
that the next one could take for the beginning or the end of another message (RFC 9112).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from ipaddress import AddressValueError, IPv6Address
from typing import Final, NamedTuple

import h11

from server.answer.plan import KNOWN_METHODS
from server.answer.wishes import Wishes
from server.wire.aspect import Aspect
from server.wire.fields import Field, joined

MOST_BYTES: Final = 16 * 1024  # of a head
MOST_LINE_BYTES: Final = 8 * 1024  # of a request line: RFC 9112 section 3 recommends at least 8000
MOST_FIELDS: Final = 100
EXPECTED: Final = frozenset((b"100-continue", b""))
HOSTS_KNOWN: Final = 128  # a site has few

END: Final = b"\r\n\r\n"
CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# A control character, or what ends a line elsewhere: the last byte of it is the one that shows it.
ODD: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r[^\n]")
VISIBLE: Final = bytes(range(ord("!"), ord("~") + 1))  # all that a request target is made of, for h11
LENGTH: Final = re.compile(rb"\r\ncontent-length:[^\r]*", re.IGNORECASE)
FOLDED: Final = re.compile(rb"\r\n[ \t]")
# RFC 3986 section 3.2.2: a name or an IPv4 address, or an IP literal; and a port.
AUTHORITY: Final = re.compile(
    rb"(?:\[([0-9A-Fa-f:.]+)\]|\[v[0-9A-Fa-f]+\.[\w.~!$&'()*+,;=:-]+\]|(?:[\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)(?::\d*)?"
)
ABSOLUTE: Final = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE | re.DOTALL)


class Request:
    """A head without a fault. Field names are in lower case; repeated fields are joined."""

    __slots__ = (
        "_fields", "_lines", "aspect", "counting", "host", "keep_alive", "method", "target", "version"
    )  # fmt: skip

    def __init__(
        self,
        method: bytes,
        target: bytes,
        host: bytes,
        version: bytes,
        keep_alive: bool,
        aspect: Aspect | None,
        counting: Mapping[bytes, bytes],
        lines: Sequence[bytes] | None = None,
    ) -> None:
        """`lines` are those of all fields, if there are more than those that count: hardly ever does
        anybody ask for them."""
        self.method = method
        self.target = target  # origin-form, or "*"
        self.host = host
        self.version = version
        self.keep_alive = keep_alive
        self.aspect = aspect  # None: the answer depends on more than that
        self.counting = counting  # fields: at least those that an answer to whoever may have it depends on
        self._lines = lines or ()
        self._fields = counting if lines is None else None

    @classmethod
    def of(
        cls,
        method: bytes,
        target: bytes,
        fields: Mapping[bytes, bytes],
        host: bytes | None = None,
        version: bytes = b"1.1",
    ) -> Request:
        """With what follows from these. `host`: another one than that of the Host field."""
        host = fields.get(b"host", b"") if host is None else host
        keep_alive = _keep_alive(version, fields)
        return cls(method, target, host, version, keep_alive, Aspect.of(host, fields), fields)

    def __eq__(self, other: object) -> bool:
        """Whether it asks for the same, in the same words."""
        return (
            isinstance(other, Request)
            and (self.method, self.target, self.host, self.version, self.keep_alive)
            == (other.method, other.target, other.host, other.version, other.keep_alive)
            and self.aspect is other.aspect
            and self.fields == other.fields
        )

    def __hash__(self) -> int:
        return hash((self.method, self.target))

    @property
    def fields(self) -> Mapping[bytes, bytes]:
        if self._fields is None:
            self._fields = joined(map(Field.of, self._lines))
        return self._fields

    @property
    def line(self) -> bytes:
        """The request line, for the log."""
        return b"%b %b HTTP/%b" % (self.method, self.target, self.version)

    @property
    def wishes(self) -> Wishes:
        return Wishes.of(self.counting) if self.aspect is None else self.aspect.wishes

    def refused(self, status: HTTPStatus, why: str) -> Refusal:
        """The head is in order, but not what it asks for."""
        return Refusal(status, why, self.method, self.line)


class Refusal(NamedTuple):
    """A head to be answered with an error, after which the connection is closed."""

    status: HTTPStatus
    why: str
    method: bytes = b"GET"
    line: bytes = b""
    version: bytes = b"1.1"

    @property
    def fields(self) -> Mapping[bytes, bytes]:
        """None that could be believed."""
        return {}

    def of(self, head: bytes) -> Refusal:
        """Of this head, or of what has come of it."""
        # RFC 9110 section 9.3.2: whatever is wrong with it, who asks with HEAD is sent no content.
        method = b"HEAD" if head.startswith(b"HEAD ") else self.method
        return self._replace(method=method, line=head.partition(b"\r\n")[0])


Asked = Request | Refusal


def fault_of(head: bytes) -> Refusal | None:
    """What is wrong with the bytes of a head, whole or not. What comes first in them decides, so
    that it is the same however they come."""
    lines = head.count(b"\r\n")
    odd = None
    if head.count(b"\n") != lines or head.count(b"\r") != lines or CONTROL.search(head):
        odd = ODD.search(head)
    at = odd.end() - 1 if odd else len(head)
    line = head.find(b"\r\n") if lines else len(head) - head.endswith(b"\r")
    if line > MOST_LINE_BYTES < at:
        return Refusal(HTTPStatus.REQUEST_URI_TOO_LONG, "the request line is too long")
    if len(head) > MOST_BYTES < at and len(head) - _ending(head) > MOST_BYTES:
        return Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is too long")
    if odd:
        return Refusal(HTTPStatus.BAD_REQUEST, "a control character, or a bare CR or LF")
    return None


def _ending(head: bytes) -> int:
    """How much at its end is, or may become, the end of the head."""
    return next(n for n in range(len(END), -1, -1) if head.endswith(END[:n]))


def verdict(head: bytes) -> Request | Refusal:
    """Judges one head, which ends with its empty line."""
    judged = _judge(head)
    return judged.of(head) if isinstance(judged, Refusal) else judged


def accepted(method: bytes, target: bytes, fields: Collection[tuple[bytes, bytes]]) -> bool:
    """Whether h11 accepts these as parts of a request of HTTP/1.1, which has a Host besides. It
    costs a quarter of a verdict, and knows nothing of what is around them. Where there are no
    fields, only its grammar of the target is left, and h11 need not be asked."""
    if not fields and method in KNOWN_METHODS:
        return target != b"" and not target.translate(None, VISIBLE)
    try:
        h11.Request(method=method, target=target, headers=[(b"Host", b"a"), *fields])
    except h11.LocalProtocolError:
        return False
    return True


def _judge(head: bytes) -> Request | Refusal:
    if refusal := fault_of(head):
        return refusal
    if FOLDED.search(head):
        return Refusal(HTTPStatus.BAD_REQUEST, "a folded field line")
    if head.count(b"\r\n") > MOST_FIELDS + 2:
        return Refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "too many fields")
    lengths = LENGTH.findall(head)  # h11 makes one of those that are alike
    if len(lengths) > 1 or (lengths and b"," in lengths[0]):
        return Refusal(HTTPStatus.BAD_REQUEST, "more than one Content-Length")
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST_BYTES)
    connection.receive_data(head)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        # A frame of h11's keeps the error that keeps its frames: a cycle for each bad head, and
        # nobody collects cycles here (see Worker).
        error.__traceback__ = None
        return Refusal(HTTPStatus(error.error_status_hint), str(error))
    if not isinstance(event, h11.Request):
        return Refusal(HTTPStatus.BAD_REQUEST, "not a request")
    return _understand(event)


def _understand(event: h11.Request) -> Request | Refusal:
    """What h11 leaves to whoever uses it."""
    method = bytes(event.method)
    version = event.http_version
    if not version.startswith(b"1."):
        return Refusal(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1", method)
    fields = joined(event.headers)
    if refusal := _body_refusal(method, version, event.headers, fields):
        return refusal
    # RFC 9110 section 2.5: a later minor version is treated as the last one that is known. h11
    # asks for a Host in 1.1 only.
    if version != b"1.0" and b"host" not in fields:
        return Refusal(HTTPStatus.BAD_REQUEST, "no Host", method)
    target, host = bytes(event.target), fields.get(b"host", b"")
    if host and not _is_authority(host):
        return Refusal(HTTPStatus.BAD_REQUEST, "not a host", method)
    if absolute := ABSOLUTE.fullmatch(target):
        # RFC 9112 section 3.2.2: the authority of an absolute-form replaces Host. RFC 9110 section
        # 4.2.1: one without a host is invalid; section 4.2.3: an empty path is the root.
        host, target = absolute[1], absolute[2]
        if not _is_authority(host):
            return Refusal(HTTPStatus.BAD_REQUEST, "not a host in the target", method)
        if not target.startswith(b"/"):
            target = b"/" + target
    if method in KNOWN_METHODS - {b"CONNECT"} and not (
        target.startswith(b"/") or (target == b"*" and method == b"OPTIONS")
    ):
        return Refusal(HTTPStatus.BAD_REQUEST, "not a request target", method)
    if b"#" in target:
        return Refusal(HTTPStatus.BAD_REQUEST, "a fragment in a request target", method)
    return Request.of(method, target, fields, host, version)


@lru_cache(HOSTS_KNOWN)
def _is_authority(host: bytes) -> bool:
    match = AUTHORITY.fullmatch(host)
    if match is None or match[1] is None:
        return match is not None
    try:
        IPv6Address(match[1].decode())
    except AddressValueError:
        return False
    return True


def _body_refusal(
    method: bytes, version: bytes, headers: h11._headers.Headers, fields: Mapping[bytes, bytes]
) -> Refusal | None:
    """No request for a file has a body, and none is ever read as the next request."""
    lengths = [value for name, value in headers.raw_items() if name.lower() == b"content-length"]
    coding = fields.get(b"transfer-encoding")
    if coding is not None and (lengths or version == b"1.0"):
        return Refusal(HTTPStatus.BAD_REQUEST, "Transfer-Encoding where it cannot be", method)
    if b"expect" in fields and not EXPECTED.issuperset(_tokens(fields[b"expect"])):
        return Refusal(HTTPStatus.EXPECTATION_FAILED, "an unknown expectation", method)
    if method not in (b"GET", b"HEAD", b"OPTIONS"):
        return None  # refused for its method, and closed: see Connection
    if coding is not None or (lengths and int(lengths[0]) > 0):
        return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "a body", method)
    return None


def _keep_alive(version: bytes, fields: Mapping[bytes, bytes]) -> bool:
    tokens = _tokens(fields.get(b"connection", b""))
    if version == b"1.0":
        return b"keep-alive" in tokens and b"close" not in tokens
    return b"close" not in tokens


def _tokens(value: bytes) -> list[bytes]:
    """Those of a list, in lower case. Empty elements are allowed (RFC 9110 section 5.6.1.2)."""
    return [token.strip().lower() for token in value.split(b",")]
