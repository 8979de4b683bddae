"""The files `_headers` and `_redirects`, as Netlify and Cloudflare Pages read them.

Where the two differ, as Netlify does: a redirect without a status is a 301, and holds only
where no file lies unless its status ends in "!"; a slash at the end of its path makes no
difference. A path may be a URL: it holds if its host is the only one of the site, for rules know
paths and no hosts. What is left out is told: conditions on query, country, language and role,
proxies and functions, more than one `*` in a path, a `:name` that is only a part of a name, and
headers that say what one stood for.

Basic-Auth, with passwords for everybody to read, is not understood either. But what it stands
above was not meant for everybody, and so is closed to all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from server.answer.detour import PLACEHOLDER, BadDetour, make_detour
from server.answer.pattern import BadPattern, Pattern
from server.answer.rules import Rule, check_header, check_removal

HEADERS, REDIRECTS = "_headers", "_redirects"
MOST_RULES = 5000
MOST_ALIKE = 100  # with placeholders, that begin with the same names: each is tried, in 3 us
MOST_LINE_BYTES = 2000
STATUS = re.compile(rb"(\d{3})(!?)")
DEFAULT_STATUS = b"301"
FUNCTIONS = b"/.netlify/"
BASIC_AUTH = re.compile(rb"\s*basic-auth\s*:", re.IGNORECASE)
PASSWORDS = (
    "Basic-Auth is not understood, and nobody gets what it is for: "
    "passwords belong in a file of htpasswd -B, and that in the auth of a rule in headrace.toml"
)
EVERYTHING = Pattern.of_splat(b"/*")
URL = re.compile(rb"https?://([!-.0-~]+)(/.*)?")
BOM = b"\xef\xbb\xbf"


class Fault(NamedTuple):
    """A line that is left out, and why."""

    source: str
    why: str


Hosts = Sequence[str]
# Of each line; None if nothing ends with it. So whoever asks decides how many lines to read at once.
Parsed = Iterator[Rule | Fault | None]


def parse_headers(text: bytes, hosts: Hosts = ()) -> Parsed:
    """A line with a path, and below it indented ones with headers, or `! Name` to remove one.
    `hosts` are those of the site."""
    block = _Block(None, HEADERS)
    limits = _Limits()
    for number, line in _lines(text):
        at = f"{HEADERS}:{number}"
        why: str | None = None
        if _is_blank(line):
            pass
        elif BASIC_AUTH.match(line):
            block.closed, why = True, PASSWORDS
        elif line[:1].isspace():
            why = block.learn(line)
        else:
            yield from block.rule(limits)
            block = _Block(None, at)
            try:
                path, why = _without_host(_short(line), hosts)
                block.meant = Pattern.of_splat(path)
                block.pattern = None if why else block.meant
            except BadPattern as error:
                why = str(error)
        yield Fault(at, why) if why else None
    yield from block.rule(limits)


@dataclass(slots=True)
class _Block:
    """A path, and what stands below it."""

    pattern: Pattern | None
    source: str
    joined: list[tuple[bytes, bytes]] = field(default_factory=list)
    removed: list[bytes] = field(default_factory=list)
    closed: bool = False
    meant: Pattern = EVERYTHING  # is closed, also if the path is not understood

    def learn(self, line: bytes) -> str | None:
        """What is wrong with an indented line."""
        if self.pattern is None:
            return "a header without a path above it"
        if len(line) > MOST_LINE_BYTES:
            return TOO_LONG
        name, colon, value = line.partition(b":")
        name, value = name.strip(), value.strip()
        if name.startswith(b"!"):
            name = line.strip()[1:].strip()
            why = check_removal(name)
            if why is None:
                self.removed.append(name.lower())
            return why
        why = check_header(name, value) if colon else "neither a path nor NAME: VALUE"
        if why is None and not self.pattern.names.isdisjoint(PLACEHOLDER.findall(value)):
            why = "what * and :names stand for is not filled into headers"
        if why is None:
            self.joined.append((name, value))
        return why

    def rule(self, limits: _Limits) -> Parsed:
        """Whatever else is left out: what is to be closed is closed, if need be with all the rest."""
        if not (self.joined or self.removed or self.closed):
            return
        pattern = self.pattern or self.meant
        if (why := limits.exceeded(pattern)) is None:
            joined, removed = tuple(self.joined), tuple(self.removed)
            yield Rule(pattern, self.source, join_headers=joined, remove_headers=removed, closed=self.closed)
        else:
            if self.closed:
                yield Rule(pattern, self.source, closed=True)
            yield Fault(self.source, why) if why else None


class _Limits:
    """How many rules of a file are understood."""

    def __init__(self) -> None:
        self._rules = 0
        self._alike: Counter[bytes] = Counter()
        self._told: set[str] = set()

    def exceeded(self, pattern: Pattern) -> str | None:
        """Why no rule for this pattern can be added, "" if that has been told; None if one can."""
        prefix = pattern.prefix
        if self._rules >= MOST_RULES:
            why = f"more than {MOST_RULES} rules: the rest is left out"
        elif pattern.exact is None and self._alike[prefix] >= MOST_ALIKE:
            shown = prefix.decode("utf-8", "replace")
            why = f"more than {MOST_ALIKE} rules with * or :names for paths that begin with {shown}/"
            why += ": the rest of them is left out"
        else:
            self._rules += 1
            self._alike[prefix] += pattern.exact is None
            return None
        told = why in self._told
        self._told.add(why)
        return "" if told else why


def parse_redirects(text: bytes, hosts: Hosts = ()) -> Parsed:
    """FROM TO [STATUS[!]] on each line."""
    limits = _Limits()
    for number, line in _lines(text):
        at = f"{REDIRECTS}:{number}"
        if _is_blank(line):
            yield None
            continue
        try:
            rule = _redirect(_short(line), at, hosts)
            why = limits.exceeded(rule.pattern)
            yield rule if why is None else Fault(at, why) if why else None
        except (BadPattern, BadDetour) as error:
            yield Fault(at, str(error))


def _redirect(line: bytes, at: str, hosts: Hosts) -> Rule:
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
    path, why = _without_host(source, hosts)
    if why:
        raise BadPattern(why)
    pattern = Pattern.of_splat(path, any_slash=True)
    detour = make_detour(pattern, target, int(code[1]), force=code[2] == b"!")
    if target.startswith(FUNCTIONS):
        raise BadDetour("there are no functions here")
    return Rule(pattern, at, detour=detour)


def _without_host(source: bytes, hosts: Hosts) -> tuple[bytes, str | None]:
    """The path of a URL, and why it does not hold here: its host is not the only one of the site."""
    url = URL.fullmatch(source)
    if url is None:
        return source, None
    host = url[1].decode("ascii").lower()
    ours = tuple(hosts) == (host,)
    why = f"{host} is not the only host of this site: a [[site]] of its own could have it"
    return url[2] or b"/", None if ours else why


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
