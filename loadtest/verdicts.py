"""What was seen of a server, and whether that is right: the words that the hard cases are judged in.

Rule 1: a check knows the request, the files and the RFC; it does not know which server has answered.
Rule 2: right is what the section requires, recommends or expressly permits; a choice departs from a
        recommendation, or leaves out what is optional; wrong is what breaks a requirement, or contradicts
        what the section says that the request means.
Rule 3: whatever the case, an answer must hold to what RFC 9110 asks of its status (see `_fault`).
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

REDIRECTS = (301, 302, 303, 307, 308)
# RFC 9110 section 15.4.5: what the 200 would have had of these, the 304 must have.
OF_A_304 = ("Cache-Control", "Content-Location", "ETag", "Expires", "Vary")


class Kind(StrEnum):
    RIGHT = "right"
    CHOICE = "choice"
    WRONG = "wrong"


class Verdict(NamedTuple):
    kind: Kind
    why: str = ""  # empty if it is right


@dataclass(frozen=True, slots=True)
class Answer:
    status: int  # 0: bytes without a head, as HTTP/0.9 had it
    fields: tuple[tuple[str, str], ...] = ()
    body: bytes = b""  # without its chunks, but with its content coding

    def __getitem__(self, name: str) -> str | None:
        values = [value for key, value in self.fields if key.lower() == name.lower()]
        return ", ".join(values) if values else None

    @property
    def content(self) -> bytes | None:
        """The body without its coding; None if it is not in the coding that is named."""
        coding = self["Content-Encoding"]
        if coding is None:
            return self.body
        try:
            return gzip.decompress(self.body) if coding in ("gzip", "x-gzip") else None
        except (OSError, EOFError, zlib.error):
            return None


@dataclass(frozen=True, slots=True)
class Seen:
    """All that one server did when it got the request of a case."""

    method: str
    plain: Answer  # to a GET without conditions of the file that the case is about
    answers: tuple[Answer, ...]
    interim: tuple[int, ...] = ()  # statuses below 200
    closed: bool = True  # without an answer to a plain request that we sent afterwards

    @property
    def first(self) -> Answer:
        return self.answers[0]


Check = Callable[[Seen], Verdict]
Objection = Callable[[Seen], str]  # empty: there is none

RIGHT = Verdict(Kind.RIGHT)


def wrong(why: str) -> Verdict:
    return Verdict(Kind.WRONG, why)


def judge(check: Check, seen: Seen) -> Verdict:
    """The check's verdict, unless something is wrong whatever the case is."""
    if not seen.answers:
        return wrong("no answer")
    verdict = check(seen)
    if verdict.kind is not Kind.WRONG and (fault := _fault(seen)):
        return wrong(fault)
    return verdict


def status(
    *right: int,
    choice: Mapping[int, str] | None = None,
    closes: bool = False,
    objection: Objection | None = None,
) -> Check:
    """By the status of the first answer. `closes`: the connection must not be used again after it."""
    choices = choice or {}

    def check(seen: Seen) -> Verdict:
        found = seen.first.status
        if found not in right and found not in choices:
            return wrong(f"{found} instead of {' or '.join(map(str, right))}")
        if closes and not seen.closed:
            return wrong("the connection is used again")
        if objection is not None and (why := objection(seen)):
            return wrong(why)
        return Verdict(Kind.CHOICE, choices[found]) if found in choices else RIGHT

    return check


def preferring(check: Check, objection: Objection) -> Check:
    """What is right by the check, but has this against it, is a choice."""

    def preferred(seen: Seen) -> Verdict:
        verdict = check(seen)
        if verdict.kind is Kind.RIGHT and (why := objection(seen)):
            return Verdict(Kind.CHOICE, why)
        return verdict

    return preferred


def has_not(secret: bytes) -> Objection:
    return lambda seen: "sends what is not for it" if secret in seen.first.body else ""


def is_whole(content: bytes) -> Objection:
    """If the status is 200: the whole file, in any coding; or for HEAD, its length."""

    def objection(seen: Seen) -> str:
        if seen.first.status != 200:
            return ""
        if seen.method == "HEAD":
            length = seen.first["Content-Length"]
            return "" if length in (None, str(len(content))) else f"Content-Length is {length}"
        return "" if seen.first.content == content else "not the content of the file"

    return objection


def ranges(content: bytes, *wanted: tuple[int, int], egregious: bool = False) -> Check:
    """206 with these bytes, from first to last, in one part or in several. To ignore Range is allowed
    (RFC 9110 section 14.2), and right if the request asks for too much."""

    def check(seen: Seen) -> Verdict:
        if seen.first.status == 200 and is_whole(content)(seen) == "":
            return RIGHT if egregious else Verdict(Kind.CHOICE, "ignores Range")
        if seen.first.status == 416 and egregious:
            return RIGHT
        if seen.first.status != 206:
            return wrong(f"{seen.first.status} instead of 206")
        sent: set[int] = set()
        total = 0
        for first, last, size, data in _parts(seen.first):
            if size != len(content) or data != content[first : last + 1] or not data:
                return wrong(f"part {first}-{last}/{size} has not those bytes")
            sent.update(range(first, last + 1))
            total += len(data)
        if sent != {place for first, last in wanted for place in range(first, last + 1)}:
            return wrong("not the bytes that were asked for")
        if total > len(sent) and egregious:
            return Verdict(Kind.CHOICE, "sends bytes more than once")
        return RIGHT

    return check


def coded(content: bytes, *right: str, choice: Mapping[str, str] | None = None) -> Check:
    """200 in one of these codings ("identity": none)."""
    choices = choice or {}

    def check(seen: Seen) -> Verdict:
        answer = seen.first
        if answer.status == 406:
            return RIGHT if "406" in right else wrong("406, though something acceptable is there")
        if answer.status != 200 or answer.content != content:
            return wrong(f"{answer.status}, not the content of the file")
        coding = answer["Content-Encoding"] or "identity"
        if coding in right:
            return RIGHT
        return Verdict(Kind.CHOICE, choices[coding]) if coding in choices else wrong(f"sends {coding}")

    return check


def leads_to(host: str, target: str, end: str, *others: int) -> Check:
    """A redirect that ends at this path and query of the same host when it is resolved (RFC 3986
    section 5.2); `others` are statuses that are right too."""

    def check(seen: Seen) -> Verdict:
        if seen.first.status in others:
            return RIGHT
        location = seen.first["Location"]
        if seen.first.status not in REDIRECTS or location is None:
            return wrong(f"{seen.first.status}, Location: {location}")
        to = urlsplit(urljoin(f"http://{host}{target}", location))
        if to.hostname != host:
            return wrong(f"leads to {to.hostname}")
        path, _, query = end.partition("?")
        if re.sub("/+", "/", to.path) != path:
            return wrong(f"leads to {to.path}")
        if to.query != query:
            return Verdict(Kind.CHOICE, f"the query becomes {to.query!r}")
        if to.port is not None:
            return Verdict(Kind.CHOICE, "leads to its own port, which the Host had not")
        return RIGHT

    return check


def _parts(answer: Answer) -> Iterable[tuple[int, int, int, bytes]]:
    """First, last, size and bytes of each part; a part without a sound Content-Range is of no size."""
    kind = answer["Content-Type"] or ""
    boundary = re.search(r'multipart/byteranges;\s*boundary="?([^";]+)', kind)
    if boundary is None:
        return [_part(answer["Content-Range"], answer.body)]
    if answer["Content-Range"] is not None:  # must not be there: section 15.3.7.2
        return [_part(None, b"")]
    parts = []
    for piece in (b"\r\n" + answer.body).split(b"\r\n--" + boundary[1].encode())[1:]:
        if piece.startswith(b"--"):
            break
        head, _, data = piece.partition(b"\r\n\r\n")
        line = re.search(rb"(?im)^content-range:\s*(.*?)\r?$", head)
        parts.append(_part(line[1].decode() if line else None, data))
    return parts


def _part(content_range: str | None, data: bytes) -> tuple[int, int, int, bytes]:
    numbers = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", content_range or "")
    return (int(numbers[1]), int(numbers[2]), int(numbers[3]), data) if numbers else (0, 0, 0, data)


def _fault(seen: Seen) -> str:
    """What no answer may do, in words; empty if it does nothing of it."""
    answer, plain = seen.first, seen.plain
    if answer.status == 0:
        return ""
    if answer["Date"] is None and answer.status < 500:
        return "no Date (RFC 9110 6.6.1)"
    if answer.status == 405 and answer["Allow"] is None:
        return "405 without Allow (RFC 9110 15.5.6)"
    if (
        answer.status == 206
        and answer["Content-Range"] is None
        and "multipart" not in (answer["Content-Type"] or "")
    ):
        return "206 without Content-Range (RFC 9110 15.3.7)"
    if answer.status == 304:
        if answer["Content-Length"] not in (None, plain["Content-Length"]):
            return f"304 with Content-Length {answer['Content-Length']} (RFC 9110 8.6)"
        lost = [name for name in OF_A_304 if plain[name] is not None and answer[name] is None]
        if lost:
            return f"304 without {', '.join(lost)} (RFC 9110 15.4.5)"
    return ""
