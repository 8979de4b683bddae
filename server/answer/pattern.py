"""Patterns of paths: globs of the configuration, splats of `_headers` and `_redirects`.

A pattern is a list of segments, and is matched one by one: nothing is compiled, and no pattern
takes longer than its length times that of the path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

SPLAT = b"splat"
NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")
WILD = frozenset(b"/:*?\0")
MOST_ALTERNATIVES = 64


class BadPattern(Exception):
    """What is not a pattern of paths, and why."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Paths have a leading slash; a match tells what its placeholders and its splat stood for."""

    text: bytes
    alternatives: tuple[tuple[bytes, ...], ...]  # segments; b"**" for any number of them
    anywhere: bool = False  # the last name of a path, at any depth
    open_end: bool = False  # the `*` at its end stands for all the rest

    @property
    def exact(self) -> bytes | None:
        """The one path that it matches, if it is only one."""
        if self.anywhere or self.open_end or len(self.alternatives) != 1:
            return None
        segments = self.alternatives[0]
        if any(_is_wild(segment) for segment in segments):
            return None
        return b"/" + b"/".join(segments)

    @property
    def first(self) -> bytes | None:
        """The first name of every path that it matches, if they have it in common."""
        firsts = {segments[0] for segments in self.alternatives}
        common = firsts.pop()
        plain = not (firsts or self.anywhere or _is_wild(common))
        return common if plain else None

    @property
    def names(self) -> frozenset[bytes]:
        """What a match tells."""
        named = {word[1:] for words in self.alternatives for word in words if word.startswith(b":")}
        return frozenset(named | {SPLAT} if self.open_end or self._has_rest else named)

    @property
    def _has_rest(self) -> bool:
        return any(b"**" in segments for segments in self.alternatives)

    @classmethod
    def of_glob(cls, text: bytes | str) -> Pattern:
        """`*` and `?` within a name, `**` across names, `:name` for one, `{a,b}` for either; with
        a slash at its end everything beneath, without any slash a name at any depth."""
        raw = text.encode() if isinstance(text, str) else text
        if not raw:
            raise BadPattern("an empty pattern matches nothing; /** matches all")
        if b"\0" in raw or b"//" in raw:
            raise BadPattern(f"{_shown(raw)} can match no path")
        if b"/" not in raw:
            return cls(raw, tuple((word,) for word in _spread(raw)), anywhere=True)
        if not raw.startswith(b"/"):
            raise BadPattern(f"{_shown(raw)} does not begin with a slash")
        words = _spread(raw + b"**" if raw.endswith(b"/") and raw != b"/" else raw)
        alternatives = tuple(tuple(word[1:].split(b"/")) for word in words)
        for segments in alternatives:
            for segment in segments:
                if b"**" in segment and segment != b"**":
                    raise BadPattern(f"{_shown(raw)}: ** stands for whole names, between slashes")
            _check_names(raw, segments)
        return cls(raw, alternatives)

    @classmethod
    def of_splat(cls, text: bytes) -> Pattern:
        """As Netlify has it: `*` at the end stands for anything, `:name` for one name."""
        if not text.startswith(b"/"):
            raise BadPattern(f"{_shown(text)} does not begin with a slash")
        if b"?" in text or b"#" in text:
            raise BadPattern(f"{_shown(text)}: only the path is compared, without a query")
        if b"*" in text[:-1]:
            raise BadPattern(f"{_shown(text)}: * can only stand at the end")
        segments = tuple(text[1:].split(b"/"))
        _check_names(text, segments)
        plain = tuple(map(unquote_to_bytes, segments))
        if any(
            WILD.intersection(now) - WILD.intersection(before)
            for now, before in zip(plain, segments, strict=True)
        ):
            raise BadPattern(f"{_shown(text)}: a slash, colon, asterisk or question mark is encoded in it")
        return cls(text, (plain,), open_end=text.endswith(b"*"))

    def match(self, path: bytes) -> Mapping[bytes, bytes] | None:
        if self.anywhere:
            name = path.rpartition(b"/")[2]
            return {} if any(_fits(word, name) for (word,) in self.alternatives) else None
        names = path[1:].split(b"/")
        if self.open_end:
            return _match_splat(self.alternatives[0], names)
        for segments in self.alternatives:
            if (captured := _match(segments, names)) is not None:
                return captured
        return None


def _match_splat(segments: Sequence[bytes], names: Sequence[bytes]) -> Mapping[bytes, bytes] | None:
    *fixed, last = segments
    if names[-1] and len(names) == len(fixed) and last == b"*":
        names = [*names, b""]  # /path/* is also /path
    if len(names) < len(segments):
        return None
    captured: dict[bytes, bytes] = {}
    for segment, name in zip(fixed, names, strict=False):
        if not _take(segment, name, captured):
            return None
    rest = b"/".join(names[len(fixed) :])
    if not rest.startswith(last[:-1]):
        return None
    captured[SPLAT] = rest[len(last) - 1 :]
    return captured


def _match(segments: Sequence[bytes], names: Sequence[bytes]) -> Mapping[bytes, bytes] | None:
    """As wildcards are matched without backtracking: on a mismatch only the last ** takes more."""
    at = n = 0
    resume = begin = end = -1  # of the last **: what comes behind it, and the names that it takes
    captured: dict[bytes, bytes] = {}
    while n < len(names):
        if at < len(segments) and segments[at] == b"**":
            at += 1
            resume, begin, end = at, n, n
        elif at < len(segments) and _take(segments[at], names[n], captured):
            at, n = at + 1, n + 1
        elif resume >= 0:
            end += 1
            at, n = resume, end
        else:
            return None
    while at < len(segments) and segments[at] == b"**":  # of nothing: /a/** is also /a
        at += 1
        begin = end = n
        resume = at
    if at < len(segments):
        return None
    if resume >= 0:
        captured[SPLAT] = b"/".join(names[begin:end] if resume < len(segments) else names[begin:])
    return captured


def _take(segment: bytes, name: bytes, captured: dict[bytes, bytes]) -> bool:
    """Whether the segment matches the name; a placeholder takes any name but the empty one."""
    if segment.startswith(b":") and len(segment) > 1:
        captured[segment[1:]] = name
        return bool(name)
    return _fits(segment, name)


def _fits(word: bytes, name: bytes) -> bool:
    """`*` and `?` within one name."""
    if word == name:
        return True
    if not _is_wild(word):
        return False
    at = n = 0
    resume = end = -1
    while n < len(name):
        if at < len(word) and word[at : at + 1] == b"*":
            at += 1
            resume, end = at, n
        elif at < len(word) and word[at : at + 1] in (b"?", name[n : n + 1]):
            at, n = at + 1, n + 1
        elif resume >= 0:
            end += 1
            at, n = resume, end
        else:
            return False
    return not word[at:].strip(b"*")


def _is_wild(segment: bytes) -> bool:
    return segment.startswith(b":") or b"*" in segment or b"?" in segment


def _spread(raw: bytes) -> list[bytes]:
    """`a{b,c}d` as `abd` and `acd`."""
    done, open_words = [], [raw]
    while open_words:
        word = open_words.pop()
        before, brace, rest = word.partition(b"{")
        if not brace:
            if b"}" in word:
                raise BadPattern(f"{_shown(raw)}: a closing brace without an opening one")
            done.append(word)
            continue
        inside, brace, after = rest.partition(b"}")
        if not brace or b"{" in inside:
            raise BadPattern(f"{_shown(raw)}: braces that are not closed, or stand within others")
        open_words += [before + choice + after for choice in inside.split(b",")]
        if len(done) + len(open_words) > MOST_ALTERNATIVES:
            raise BadPattern(f"{_shown(raw)}: more than {MOST_ALTERNATIVES} alternatives")
    return done[::-1]


def _check_names(raw: bytes, segments: Sequence[bytes]) -> None:
    names = [segment[1:] for segment in segments if segment.startswith(b":")]
    for name in names:
        if not NAME.fullmatch(name):
            raise BadPattern(f"{_shown(raw)}: a placeholder is a colon and a name, such as :year")
    if len(set(names)) < len(names) or SPLAT in names:
        raise BadPattern(f"{_shown(raw)}: a placeholder can stand there only once, and :splat is for *")


def _shown(raw: bytes) -> str:
    return repr(raw.decode("utf-8", "backslashreplace"))
