"""What the owner wants for some paths: rules, and what those that match one path say together.

Rules add up. A later one wins where only one can hold: what it says of a header beats whatever
an earlier one has said, as which addresses are let in; which are kept out adds up. Headers are
merged by name and never lost. A rule sees both the path that was asked for and that of the file
that is sent; one that guards also the other names of that file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from typing import Final

from server.answer.detour import Detour
from server.answer.guard import Network, Realm
from server.answer.headers import Headers
from server.answer.names import other_names
from server.answer.pattern import Pattern

MOST_TREATMENTS: Final = 4096  # different ones
TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VALUE: Final = re.compile(rb"[\x21-\x7e\x80-\xff](?:[\t \x21-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?|")
# What frames a message, or says what it is, is not for rules.
OURS: Final = frozenset(
    b"connection content-encoding content-length content-range date etag keep-alive te trailer "
    b"transfer-encoding upgrade www-authenticate".split()
)
DISPOSITION: Final = b"content-disposition"
OF_CORS: Final = (b"access-control-allow-origin", b"access-control-expose-headers")
NOT_REMOVED: Final = OURS - {b"etag"} | {b"vary"}


@dataclass(frozen=True, slots=True)
class Rule:
    """What is wanted for the paths that the pattern matches; None or empty: nothing is said."""

    pattern: Pattern
    source: str  # where it stands, for messages
    set_headers: Headers = ()
    add_headers: Headers = ()
    join_headers: Headers = ()  # as _headers has it: those of one name make one field
    remove_headers: tuple[bytes, ...] = ()  # lower case
    cache_control: bytes | None = None
    detour: Detour | None = None
    error_pages: Mapping[int, bytes] = field(default_factory=dict)
    cors: tuple[bytes, ...] | None = None
    security: Headers = ()
    realm: Realm | None = None
    allow: tuple[Network, ...] = ()
    deny: tuple[Network, ...] = ()
    closed: bool = False  # to everybody
    bandwidth: int | None = None  # bytes per second for each connection
    download: bool | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Treatment:
    """What all the rules for one path say together. Equal ones are the same object."""

    remove_headers: frozenset[bytes] = frozenset()  # then come those that are set, then those added
    set_headers: Headers = ()
    add_headers: Headers = ()
    error_pages: Mapping[int, bytes] = field(default_factory=dict)
    cors: tuple[bytes, ...] | None = None
    realm: Realm | None = None
    allow: tuple[Network, ...] = ()
    deny: tuple[Network, ...] = ()
    closed: bool = False
    bandwidth: int | None = None
    download: bool = False

    @property
    def guarded(self) -> bool:
        """Whether it depends on who asks."""
        return self.closed or bool(self.allow or self.deny) or self.realm is not None

    @property
    def dresses(self) -> bool:
        """Whether it says anything of the headers of an answer."""
        rewrites = self.remove_headers or self.set_headers or self.add_headers or self.download
        return bool(rewrites) or self.cors is not None or self.realm is not None


class Rulebook:
    """All rules of a site, in order."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._all = _Index(rules, _says_more)
        self._guards = _Index(rules, _guards)
        self._detours = {force: _Index(rules, partial(_leads, force)) for force in (True, False)}
        self._treatments: dict[tuple[tuple[int, bool], ...], Treatment] = {}
        # For every path, if it is the same for all; and whether any rule leads elsewhere.
        self.treatment = self.treat(b"/", b"/") if self._all.empty else None
        self.leads = not self._detours[True].empty or not self._detours[False].empty

    def treat(self, path: bytes, file_path: bytes) -> Treatment:
        """For what was asked for as `path` and is the file at `file_path`."""
        key = () if self._all.empty else self._matching(path, file_path)
        treatment = self._treatments.get(key)
        if treatment is None:
            if len(self._treatments) >= MOST_TREATMENTS:
                self._treatments.clear()
            rules = self._rules
            treatment = _merge(rules[n] if whole else _guard_of(rules[n]) for n, whole in key)
            self._treatments[key] = treatment
        return treatment

    def _matching(self, path: bytes, file_path: bytes) -> tuple[tuple[int, bool], ...]:
        """The rules, by number, and whether all that they say is meant."""
        paths = {path, file_path}
        others = {name for known in paths for name in other_names(known)} - paths
        matching = {number: False for name in others for number, _, _ in self._guards.matching(name)}
        matching |= {number: True for known in paths for number, _, _ in self._all.matching(known)}
        return tuple(sorted(matching.items()))

    def detour(self, path: bytes, *, force: bool) -> tuple[bytes, int] | None:
        """Where the first rule that matches leads, and with which status."""
        for _, rule, captured in self._detours[force].matching(path):
            assert rule.detour is not None
            if (to := rule.detour.target(path, captured)) is not None:
                return to, rule.detour.status
        return None


class _Index:
    """Rules of some kind by what their paths begin with: a site may have thousands, and most are
    for one path each, or for what lies beneath one."""

    def __init__(self, rules: Sequence[Rule], fits: Callable[[Rule], bool]) -> None:
        self._exact: dict[bytes, list[tuple[int, Rule]]] = {}
        self._beneath: dict[bytes, list[tuple[int, Rule]]] = {}
        for number, rule in enumerate(rules):
            if fits(rule):
                exact = rule.pattern.exact
                index, key = (self._beneath, rule.pattern.prefix) if exact is None else (self._exact, exact)
                index.setdefault(key, []).append((number, rule))
        self._levels = max((key.count(b"/") for key in self._beneath), default=-1)

    @property
    def empty(self) -> bool:
        return not self._exact and not self._beneath

    def matching(self, path: bytes) -> Iterator[tuple[int, Rule, Mapping[bytes, bytes]]]:
        """In order, with what the pattern captured."""
        some = list(self._exact.get(path, ()))
        if path.endswith(b"/") and path != b"/":
            some += self._exact.get(path[:-1], ())
        end = 0
        for _ in range(self._levels + 1):
            some += self._beneath.get(path[:end], ())
            if end == len(path):
                break
            end = path.find(b"/", end + 1)
            end = len(path) if end < 0 else end
        if not some:
            return
        names = path[1:].split(b"/")
        for number, rule in sorted(some, key=itemgetter(0)):
            if (captured := rule.pattern.match_names(names)) is not None:
                yield number, rule, captured


def check_header(name: bytes, value: bytes) -> str | None:
    """Why no rule can have this header; None if one can."""
    shown = repr(name.decode("latin-1"))
    if not TOKEN.fullmatch(name):
        return f"{shown} is not the name of a header"
    if name.lower() in OURS:
        return f"{shown} is not for rules: the server itself writes it"
    if not VALUE.fullmatch(value):
        return f"the value of {shown} has a control character, or a blank at its end"
    return None


def check_removal(name: bytes) -> str | None:
    """Why no rule can remove this header; None if one can."""
    shown = repr(name.decode("latin-1"))
    if not TOKEN.fullmatch(name):
        return f"{shown} is not the name of a header"
    return f"{shown} is not for rules: an answer needs it" if name.lower() in NOT_REMOVED else None


def _leads(force: bool, rule: Rule) -> bool:
    return rule.detour is not None and rule.detour.force is force


def _guards(rule: Rule) -> bool:
    return bool(rule.realm or rule.allow or rule.deny or rule.closed)


def _guard_of(rule: Rule) -> Rule:
    """What it says of who may have a file, and nothing else."""
    return Rule(
        rule.pattern, rule.source, realm=rule.realm, allow=rule.allow, deny=rule.deny, closed=rule.closed
    )


def _says_more(rule: Rule) -> bool:
    """Whether there is anything in it beside a detour."""
    return bool(
        rule.set_headers or rule.add_headers or rule.join_headers or rule.remove_headers
        or rule.error_pages or rule.security or _guards(rule)
    ) or any(
        value is not None for value in (rule.cache_control, rule.cors, rule.bandwidth, rule.download)
    )  # fmt: skip


def _merge(rules: Iterable[Rule]) -> Treatment:
    fields = _Fields()
    pages: dict[int, bytes] = {}
    deny: dict[Network, None] = {}
    last: dict[str, object] = {}
    closed = False
    for rule in rules:
        fields.follow(rule)
        closed = closed or rule.closed
        pages |= rule.error_pages
        deny |= dict.fromkeys(rule.deny)
        for said in ("cors", "realm", "bandwidth"):
            if (value := getattr(rule, said)) is not None:
                last[said] = value
        if rule.allow:
            last["allow"] = rule.allow
    return Treatment(
        remove_headers=frozenset(fields.removed),
        set_headers=tuple(fields.set.values()),
        add_headers=tuple(fields.added),
        error_pages=pages,
        deny=tuple(deny),
        closed=closed,
        download=fields.download,
        **last,  # type: ignore[arg-type]  # each is of the type that its rule has
    )


class _Fields:
    """What is said of header fields, one rule after the other. Within one rule, what it says in
    words beats what its other keys amount to."""

    def __init__(self) -> None:
        self.removed: set[bytes] = set()
        self.set: dict[bytes, tuple[bytes, bytes]] = {}
        self.added: list[tuple[bytes, bytes]] = []
        self.download = False
        self._joined: set[bytes] = set()
        self._presets: set[bytes] = set()

    def follow(self, rule: Rule) -> None:
        for name, value in rule.security:
            self._put(name, value)
            self._presets.add(name.lower())
        if rule.cors is not None:
            for name in OF_CORS:
                self._forget(name)
        if rule.download is not None:
            self._forget(DISPOSITION)
            self.download = rule.download
        if rule.cache_control is not None:
            self._put(b"Cache-Control", rule.cache_control)
        for key in rule.remove_headers:
            self._forget(key)
            self.removed.add(key)
        for name, value in rule.set_headers:
            self._put(name, value)
        for name, value in rule.join_headers:
            self._join(name, value)
        for name, value in rule.add_headers:
            if name.lower() in self._presets:
                self._forget(name.lower())
            self.added.append((name, value))

    def _put(self, name: bytes, value: bytes) -> None:
        self._forget(name.lower())
        self.set[name.lower()] = (name, value)

    def _join(self, name: bytes, value: bytes) -> None:
        key = name.lower()
        if key in self._joined:
            self.set[key] = (name, self.set[key][1] + b", " + value)
        else:
            self._put(name, value)
            self._joined.add(key)

    def _forget(self, key: bytes) -> None:
        self.removed.discard(key)
        self.set.pop(key, None)
        self._joined.discard(key)
        self._presets.discard(key)
        self.added = [field for field in self.added if field[0].lower() != key]
        if key == DISPOSITION:
            self.download = False
