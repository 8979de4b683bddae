"""Hard cases of ranges, conditions and codings (RFC 9110): a tree of files, requests, and what is right.

Rule 1: the checks are written from the text of the sections that they name, whatever any server does.
Rule 2: in a request <etag> stands for the tag that this server gave the file before, <opaque> for the tag
        without its W/.
"""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

from loadtest.verdicts import (
    RIGHT,
    Check,
    Kind,
    Seen,
    Verdict,
    coded,
    is_whole,
    preferring,
    ranges,
    status,
    wrong,
)

MODIFIED = 1_709_294_400  # Friday, 2024-03-01 12:00:00 GMT
PAGE = b"".join(b"<p>line %03d of a page</p>\n" % n for n in range(150))
SIZE = len(PAGE)
STALE = PAGE.replace(b"page", b"news")
PLAIN = b"plain text\n"
SECRET = b"not for anybody\n"
EPOCH = b"<p>version 1</p>\n"
EPOCH_NEXT = b"<p>version 2</p>\n"
NEXT_BODY = b"what comes next\n"


def make_tree(root: Path) -> None:
    """All files, beneath a directory of which nothing else may be seen."""
    files = {
        "../secret.txt": (SECRET, MODIFIED),
        "page.html": (PAGE, MODIFIED),
        "page.html.gz": (gzip.compress(PAGE, mtime=0), MODIFIED),
        "stale.html": (STALE, MODIFIED),
        "stale.html.gz": (gzip.compress(PAGE, mtime=0), MODIFIED - 86_400),
        "plain.txt": (PLAIN, MODIFIED),
        "next.txt": (NEXT_BODY, MODIFIED),
        "empty.txt": (b"", MODIFIED),
        "epoch.html": (EPOCH, 0),
        "docs/index.html": (PLAIN, MODIFIED),
        "evil.example/index.html": (PLAIN, MODIFIED),
        ".git/config": (SECRET, MODIFIED),
    }
    for name, (content, modified) in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (modified, modified))


def deploy(root: Path) -> None:
    """Another version of one file, of the same size and, as images have it, of the same date."""
    new = root / ".new"
    new.write_bytes(EPOCH_NEXT)
    os.utime(new, (0, 0))
    new.rename(root / "epoch.html")


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    asks: str  # the section, and what it asks for
    request: bytes
    check: Check
    tell: Sequence[str] = ()  # the headers that matter
    about: str = "/page.html"  # the file that is asked for before, without conditions


def raw(line: str, *fields: str, host: str | None = "site.example", body: str = "") -> bytes:
    hosts = [f"Host: {host}"] if host is not None else []
    return ("\r\n".join((line, *hosts, *fields, "", "")) + body).encode("latin-1")


def get(target: str, *fields: str, body: str = "") -> bytes:
    return raw(f"GET {target} HTTP/1.1", *fields, body=body)


def page(*fields: str, body: str = "") -> bytes:
    return get("/page.html", *fields, body=body)


def date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


def tag_of_variant(seen: Seen) -> Verdict:
    if seen.first.status != 200 or seen.first.content != PAGE:
        return wrong(f"{seen.first.status}, not the content of the file")
    if seen.first["Content-Encoding"] is None:
        return Verdict(Kind.CHOICE, "has no variant")
    tag, plain = seen.first["ETag"], seen.plain["ETag"]
    if tag is None or plain is None:
        return Verdict(Kind.CHOICE, "has no tag")
    return wrong("the same strong tag") if tag == plain and not tag.startswith("W/") else RIGHT


def epoch(seen: Seen) -> Verdict:
    if seen.plain["ETag"] is None:
        return Verdict(Kind.CHOICE, "has no tag")
    return status(200, objection=is_whole(EPOCH_NEXT))(seen)


def of_nothing(seen: Seen) -> str:
    if seen.first.status == 416:
        return "" if seen.first["Content-Range"] == "bytes */0" else "no `bytes */0`"
    return is_whole(b"")(seen)


def not_of_content(seen: Seen) -> str:
    said = [name for name in ("Content-Type", "Content-Encoding") if seen.first[name] is not None]
    return f"says {', '.join(said)} of a content that it has not" if said else ""


WHOLE = is_whole(PAGE)
IGNORED = status(200, objection=WHOLE)
LATER_IS_MODIFIED = {200: "sends all of it again"}
NOT_MODIFIED = status(304, choice=LATER_IS_MODIFIED, objection=WHOLE)
CACHING = ("ETag", "Last-Modified")
CODING = ("Content-Encoding", "Vary")
VARIANT = ("Content-Encoding", "ETag")

RANGES = (
    Case(
        "two ranges: `bytes=0-0,-1`",
        "9110 14.2, 15.3.7.2: the first and the last byte, as two parts",
        page("Range: bytes=0-0,-1"),
        ranges(PAGE, (0, 0), (SIZE - 1, SIZE - 1)),
        ("Content-Type", "Content-Range"),
    ),
    Case(
        "three ranges that overlap: `bytes=0-99,50-149,100-199`",
        "9110 14.2, 17.15: ought to ignore, coalesce or reject",
        page("Range: bytes=0-99,50-149,100-199"),
        ranges(PAGE, (0, 199), egregious=True),
        ("Content-Type", "Content-Range"),
    ),
    Case(
        "a suffix longer than the file: `bytes=-99999`",
        "9110 14.1.2: the entire representation is used",
        page("Range: bytes=-99999"),
        ranges(PAGE, (0, SIZE - 1)),
        ("Content-Range",),
    ),
    Case(
        "`bytes=0-` of an empty file",
        "9110 14.1.2, 15.5.17: cannot be satisfied, SHOULD be 416 with `*/0`",
        get("/empty.txt", "Range: bytes=0-"),
        status(416, choice={200: "ignores Range"}, objection=of_nothing),
        ("Content-Range",),
        "/empty.txt",
    ),
    Case(
        "`bytes=-5` of an empty file",
        "9110 14.1.2: a suffix is satisfiable; no Content-Range can say so: 200",
        get("/empty.txt", "Range: bytes=-5"),
        status(200, objection=is_whole(b"")),
        ("Content-Range",),
        "/empty.txt",
    ),
    Case(
        "an unknown range unit: `lines=0-9`",
        "9110 14.2: MUST ignore a unit that it does not understand",
        page("Range: lines=0-9"),
        IGNORED,
        ("Content-Range",),
    ),
    Case(
        "HEAD with Range",
        "9110 14.2: only defined for GET, MUST be ignored",
        raw("HEAD /page.html HTTP/1.1", "Range: bytes=0-9"),
        IGNORED,
        ("Content-Range", "Content-Length"),
    ),
    Case(
        "If-Range with the file's own tag",
        "9110 13.1.5: the range applies",
        page("Range: bytes=0-9", "If-Range: <etag>"),
        ranges(PAGE, (0, 9)),
        ("Content-Range", "ETag"),
    ),
    Case(
        "If-Range with the tag made weak",
        "9110 13.1.5: strong comparison, so MUST ignore Range",
        page("Range: bytes=0-9", "If-Range: W/<opaque>"),
        IGNORED,
        ("Content-Range",),
    ),
    Case(
        "If-Range with a date later than Last-Modified",
        "9110 13.1.5: only the exact date matches, so MUST ignore Range",
        page("Range: bytes=0-9", f"If-Range: {date(MODIFIED + 3600)}"),
        IGNORED,
        ("Content-Range",),
    ),
    Case(
        "If-Range with another tag, and a range beyond the end",
        "9110 13.1.5, 15.5.17: Range is ignored before it can be unsatisfiable",
        page("Range: bytes=999999-", 'If-Range: "other"'),
        IGNORED,
        ("Content-Range",),
    ),
)

CONDITIONS = (
    Case(
        "If-Match `*` for what is missing",
        "9110 13.2.1: MUST ignore conditions where the answer is 404 without them",
        get("/missing", "If-Match: *"),
        status(404),
    ),
    Case(
        "If-Match fails, If-None-Match matches",
        "9110 13.2.2: If-Match is first, so 412",
        page('If-Match: "other"', "If-None-Match: <etag>"),
        status(412),
    ),
    Case(
        "If-None-Match: a list, our tag made weak in it",
        "9110 13.1.2: weak comparison, so 304",
        page('If-None-Match: "a,b", W/<opaque>, "c"'),
        status(304),
        CACHING,
    ),
    Case(
        "If-None-Match: *",
        "9110 13.1.2: there is a representation, so 304",
        page("If-None-Match: *"),
        status(304),
        CACHING,
    ),
    Case(
        "what a 304 says",
        "9110 15.4.5, 8.6: what a 200 says for caches; SHOULD NOT speak of content",
        page("If-None-Match: <etag>"),
        preferring(status(304), not_of_content),
        ("Content-Type", "Content-Length", "ETag", "Vary"),
    ),
    Case(
        "If-None-Match fails, If-Modified-Since matches",
        "9110 13.1.3: MUST ignore If-Modified-Since, so 200",
        page('If-None-Match: "other"', f"If-Modified-Since: {date(MODIFIED)}"),
        IGNORED,
    ),
    Case(
        "If-Modified-Since: `Fri, 01 Mar 2024 12:00:00 GMT`",
        "9110 13.1.3: SHOULD be 304",
        page("If-Modified-Since: Fri, 01 Mar 2024 12:00:00 GMT"),
        NOT_MODIFIED,
    ),
    Case(
        "If-Modified-Since: `Friday, 01-Mar-24 12:00:00 GMT`",
        "9110 5.6.7: MUST accept the form of RFC 850",
        page("If-Modified-Since: Friday, 01-Mar-24 12:00:00 GMT"),
        status(304),
    ),
    Case(
        "If-Modified-Since: `Fri Mar  1 12:00:00 2024`",
        "9110 5.6.7: MUST accept the form of asctime",
        page("If-Modified-Since: Fri Mar  1 12:00:00 2024"),
        status(304),
    ),
    Case(
        "If-Modified-Since: `Monday, 01-Mar-99 12:00:00 GMT`",
        "9110 5.6.7: a year more than 50 years ahead MUST be one of the past: 1999",
        page("If-Modified-Since: Monday, 01-Mar-99 12:00:00 GMT"),
        IGNORED,
    ),
    Case(
        "If-Modified-Since an hour after Last-Modified",
        "9110 13.1.3: earlier or equal, SHOULD be 304",
        page(f"If-Modified-Since: {date(MODIFIED + 3600)}"),
        NOT_MODIFIED,
    ),
    Case(
        "If-Modified-Since tomorrow",
        "9110 13.1.3: earlier or equal, SHOULD be 304",
        page(f"If-Modified-Since: {date(int(time.time()) + 86_400)}"),
        NOT_MODIFIED,
    ),
    Case(
        "If-Modified-Since: `yesterday`",
        "9110 13.1.3: MUST ignore what is not a date",
        page("If-Modified-Since: yesterday"),
        IGNORED,
    ),
    Case(
        "If-Unmodified-Since before Last-Modified",
        "9110 13.1.4: MUST NOT perform the method, so 412",
        page(f"If-Unmodified-Since: {date(MODIFIED - 3600)}"),
        status(412),
    ),
    Case(
        "mtime 1970: another file of the same size and date, asked for by the old tag",
        "9110 8.8.1, 8.8.3: a tag changes with the content, so 200",
        get("/epoch.html", "If-None-Match: <etag>"),
        epoch,
        CACHING,
        "/epoch.html",
    ),
)

CODINGS = (
    Case(
        "Accept-Encoding: gzip;q=0",
        "9110 12.5.3: 0 is not acceptable",
        page("Accept-Encoding: gzip;q=0"),
        coded(PAGE, "identity"),
        CODING,
    ),
    Case(
        "Accept-Encoding: identity;q=0, gzip",
        "9110 12.5.3: gzip is all that is acceptable",
        page("Accept-Encoding: identity;q=0, gzip"),
        coded(PAGE, "gzip", choice={"identity": "sends what is not acceptable"}),
        CODING,
    ),
    Case(
        "Accept-Encoding: identity;q=0",
        "9110 12.5.3, 15.5.7: nothing is acceptable, 406",
        page("Accept-Encoding: identity;q=0"),
        coded(PAGE, "406", choice={"identity": "sends what is not acceptable"}),
        CODING,
    ),
    Case(
        "Accept-Encoding: *;q=0",
        "9110 12.5.3, 15.5.7: nothing is acceptable, 406",
        page("Accept-Encoding: *;q=0"),
        coded(PAGE, "406", choice={"identity": "sends what is not acceptable"}),
        CODING,
    ),
    Case(
        "Accept-Encoding: gzip;q=0.5, br",
        "9110 12.5.3: no br is there; gzip and identity are acceptable",
        page("Accept-Encoding: gzip;q=0.5, br"),
        coded(PAGE, "gzip", "identity"),
        CODING,
    ),
    Case(
        "Accept-Encoding: X-GZIP",
        "9110 8.4.1, 8.4.1.3: in any case; SHOULD be the same as gzip",
        page("Accept-Encoding: X-GZIP"),
        coded(PAGE, "gzip", choice={"identity": "does not know it"}),
        CODING,
    ),
    Case(
        "the tag of the variant in gzip",
        "9110 8.8.1, 8.8.3.3: not the strong tag of the original",
        page("Accept-Encoding: gzip"),
        tag_of_variant,
        VARIANT,
    ),
    Case(
        "Vary of the original that has a variant",
        "9110 12.5.5: SHOULD say that it depends on Accept-Encoding",
        page(),
        preferring(
            IGNORED,
            lambda seen: "" if "accept-encoding" in (seen.first["Vary"] or "").lower() else "no Vary",
        ),
        CODING,
    ),
    Case(
        "a `.gz` that is older than its original",
        "9110 9.3.1: GET asks for the current representation",
        get("/stale.html", "Accept-Encoding: gzip"),
        status(200, objection=is_whole(STALE)),
        CODING,
        "/stale.html",
    ),
)

CASES = (*RANGES, *CONDITIONS, *CODINGS)
