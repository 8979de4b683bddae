"""The files `_headers` and `_redirects`, as Netlify and Cloudflare Pages read them.

Where the two differ, as Netlify does: a redirect without a status is a 301, and holds only
where no file lies unless its status ends in "!".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from server.answer.detour import BadDetour, make_detour
from server.answer.pattern import BadPattern, Pattern
from server.answer.rules import Rule, check_header, check_removal

HEADERS, REDIRECTS = "_headers", "_redirects"
MOST_RULES = 5000
MOST_LINE_BYTES = 2000
STATUS = re.compile(rb"(\d{3})(!?)")
DEFAULT_STATUS = b"301"
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that is left out, and why."""

    source: str
    why: str


# Of each line; None if nothing ends with it. So whoever asks decides how many lines to read at once.
Parsed = Iterator[Rule | Fault | None]


def parse_headers(text: bytes) -> Parsed:
    """A line with a path, and below it indented ones with headers, or `! Name` to remove one."""
    pattern: Pattern | None = None
    source, rules = HEADERS, 0
    joined: list[tuple[bytes, bytes]] = []
    removed: list[bytes] = []
    for number, line in _lines(text):
        at = f"{HEADERS}:{number}"
        why: str | None = None
        if _is_blank(line):
            pass
        elif not line[:1].isspace():
            if joined or removed:
                yield _headers_of(pattern, source, joined, removed)
                rules += 1
            pattern, source, joined, removed = None, at, [], []
            if rules >= MOST_RULES:
                yield Fault(at, f"more than {MOST_RULES} rules: the rest is not read")
                return
            try:
                pattern = Pattern.of_splat(_short(line))
            except BadPattern as error:
                why = str(error)
        elif pattern is None:
            why = "a header without a path above it"
        elif len(line) > MOST_LINE_BYTES:
            why = TOO_LONG
        elif (name := line.strip()).startswith(b"!"):
            name = name[1:].strip()
            why = check_removal(name)
            if why is None:
                removed.append(name.lower())
        else:
            name, colon, value = line.partition(b":")
            name, value = name.strip(), value.strip()
            why = check_header(name, value) if colon else "neither a path nor NAME: VALUE"
            if why is None:
                joined.append((name, value))
        yield Fault(at, why) if why else None
    if joined or removed:
        yield _headers_of(pattern, source, joined, removed)


def _headers_of(
    pattern: Pattern | None, source: str, joined: list[tuple[bytes, bytes]], removed: list[bytes]
) -> Rule:
    assert pattern is not None
    return Rule(pattern, source, join_headers=tuple(joined), remove_headers=tuple(removed))


def parse_redirects(text: bytes) -> Parsed:
    """FROM TO [STATUS[!]] on each line."""
    rules = 0
    for number, line in _lines(text):
        at = f"{REDIRECTS}:{number}"
        if _is_blank(line):
            yield None
            continue
        if rules >= MOST_RULES:
            yield Fault(at, f"more than {MOST_RULES} rules: the rest is not read")
            return
        try:
            yield _redirect(_short(line), at)
            rules += 1
        except (BadPattern, BadDetour) as error:
            yield Fault(at, str(error))


def _redirect(line: bytes, at: str) -> Rule:
    words = line.split()
    comment = next((n for n, word in enumerate(words) if word.startswith(b"#")), len(words))
    source, target, status, *more = *words[:comment], *[b""] * (3 - comment)
    if not target:
        raise BadDetour("expected FROM TO [STATUS]")
    if b"=" in target and not target.startswith((b"/", b"http")):
        raise BadDetour("conditions on the query are not understood")
    if more:
        raise BadDetour("conditions on country, language or role are not understood")
    code = STATUS.fullmatch(status or DEFAULT_STATUS)
    if code is None:
        raise BadDetour(f"{status.decode('utf-8', 'replace')!r} is not a status, such as 301 or 200!")
    pattern = Pattern.of_splat(source)
    return Rule(pattern, at, detour=make_detour(pattern, target, int(code[1]), force=code[2] == b"!"))


TOO_LONG = f"more than {MOST_LINE_BYTES} bytes in one line"


def _short(line: bytes) -> bytes:
    if len(line) > MOST_LINE_BYTES:
        raise BadPattern(TOO_LONG)
    return line


def _is_blank(line: bytes) -> bool:
    """Whether there is nothing in it, or a comment."""
    return not line or line.lstrip().startswith(b"#")


def _lines(text: bytes) -> Iterator[tuple[int, bytes]]:
    """Each with its number, without blanks at its end."""
    number, begin = 0, len(BOM) if text.startswith(BOM) else 0
    while begin < len(text):
        end = text.find(b"\n", begin)
        end = len(text) if end < 0 else end
        number += 1
        yield number, text[begin:end].rstrip()
        begin = end + 1
