"""Patterns of paths: globs of the configuration, splats of `_headers` and `_redirects`.

A pattern is a list of segments, and is matched one by one: nothing is compiled, and no pattern
takes longer than its length times that of the path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import chain, takewhile
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

SPLAT = b"splat"
NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*")
WILD = frozenset(b"/:*?\0")
MOST_ALTERNATIVES = 64


class BadPattern(Exception):
    """What is not a pattern of paths, and why."""


class Pattern(NamedTuple):
    """Paths have a leading slash; a match tells what its placeholders and its splat stood for."""

    text: bytes
    alternatives: tuple[tuple[bytes, ...], ...]  # segments; b"**" for any number of them
    anywhere: bool = False  # the last name of a path, at any depth
    splat: bool = False  # its one `*` stands for anything, slashes and all
    any_slash: bool = False  # with a slash at the end of the path as well as without

    @property
    def exact(self) -> bytes | None:
        """The one path that it matches, if it is only one."""
        if self.anywhere or self.splat or len(self.alternatives) != 1:
            return None
        segments = self.alternatives[0]
        if any(_is_wild(segment) for segment in segments):
            return None
        return b"/" + b"/".join(segments)

    @property
    def prefix(self) -> bytes:
        """The names that every path that it matches begins with, each behind its slash."""
        if self.anywhere:
            return b""
        heads = [tuple(takewhile(lambda word: not _is_wild(word), words)) for words in self.alternatives]
        common = takewhile(lambda words: len(set(words)) == 1, zip(*heads, strict=False))
        return b"".join(b"/" + words[0] for words in common)

    @property
    def names(self) -> frozenset[bytes]:
        """What a match tells."""
        named = {word[1:] for words in self.alternatives for word in words if word.startswith(b":")}
        return frozenset(named | {SPLAT} if self.splat or self._has_rest else named)

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
        if why := _never_comes(raw):
            raise BadPattern(f"{_shown(raw)} can match no path: {why}")
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
    def of_splat(cls, text: bytes, *, any_slash: bool = False) -> Pattern:
        """As Netlify and Cloudflare have it: one `*` stands for anything, `:name` for one name."""
        if not text.startswith(b"/"):
            raise BadPattern(f"{_shown(text)} does not begin with a slash")
        if b"?" in text or b"#" in text:
            raise BadPattern(f"{_shown(text)}: only the path is compared, without a query")
        if text.count(b"*") > 1:
            raise BadPattern(f"{_shown(text)}: * can only stand there once")
        bare = text.rstrip(b"/") or b"/" if any_slash else text
        segments = tuple(bare[1:].split(b"/"))
        _check_names(text, segments)
        plain = tuple(map(unquote_to_bytes, segments))
        if any(
            WILD.intersection(now) - WILD.intersection(before)
            for now, before in zip(plain, segments, strict=True)
        ):
            raise BadPattern(f"{_shown(text)}: a slash, colon, asterisk or question mark is encoded in it")
        return cls(text, (plain,), splat=b"*" in text, any_slash=any_slash)

    def match(self, path: bytes) -> Mapping[bytes, bytes] | None:
        return self.match_names(path[1:].split(b"/"))

    def match_names(self, names: Sequence[bytes]) -> Mapping[bytes, bytes] | None:
        """As match(), of a path in its parts."""
        if self.anywhere:
            return {} if any(_fits(word, names[-1]) for (word,) in self.alternatives) else None
        if self.splat:
            return _match_splat(self.alternatives[0], names)
        if self.any_slash and len(names) > 1 and not names[-1]:
            names = names[:-1]
        for segments in self.alternatives:
            if (captured := _match(segments, names)) is not None:
                return captured
        return None


def _match_splat(segments: Sequence[bytes], names: Sequence[bytes]) -> Mapping[bytes, bytes] | None:
    at = next(n for n, segment in enumerate(segments) if b"*" in segment)
    before, star, behind = segments[:at], segments[at], segments[at + 1 :]
    if not behind and star == b"*" and names[-1] and len(names) == len(before):
        names = [*names, b""]  # /path/* is also /path
    if len(names) < len(segments):
        return None
    captured: dict[bytes, bytes] = {}
    end = len(names) - len(behind)
    for n, segment in chain(enumerate(behind, end), enumerate(before)):
        if not _take(segment, names[n], captured):
            return None
    head, _, tail = star.partition(b"*")
    rest = b"/".join(names[at:end])
    if len(rest) < len(head) + len(tail) or not rest.startswith(head) or not rest.endswith(tail):
        return None
    captured[SPLAT] = rest[len(head) : len(rest) - len(tail)]
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


def _never_comes(raw: bytes) -> str | None:
    """Why no path can be like this one. Paths are compared decoded, without dot segments."""
    if re.search(rb"%[0-9A-Fa-f]{2}", raw):
        return f"paths are compared decoded (did you mean {_shown(unquote_to_bytes(raw))}?)"
    if b"#" in raw or re.search(rb"\?[^/]*=", raw):
        return "only the path is compared, without a query and a fragment; ? stands for any one letter"
    if not {b".", b".."}.isdisjoint(raw.split(b"/")):
        return "paths are compared without dot segments"
    return None


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
