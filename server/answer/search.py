"""Where to look for what a path names, one place after the other.

search() is a generator: it yields a place, is sent what was found there, and yields at last what is
to be made of it. (To return that would be to raise StopIteration, which costs more than the search.)
Whoever drives it asks the files; here is only the order of the questions.
Paths are decoded and have no leading slash; a directory's ends in one, or is empty.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from http import HTTPStatus
from typing import Final, NamedTuple, Protocol
from urllib.parse import unquote_to_bytes

from server.answer.found import (
    Found,
    Inventory,
    Missing,
    Place,
    Redirect,
    Representation,
    Result,
    Selection,
)
from server.answer.listing import order_of
from server.answer.negotiation import CODINGS, IDENTITY
from server.answer.statuses import NOT_ACCEPTABLE, NOT_FOUND, OK
from server.answer.target import path_of
from server.answer.wishes import NAVIGATION_FIELDS, Wishes

INDEX: Final = b"index.html"
NOT_FOUND_PAGE: Final = b"404.html"
ENDING: Final = b".html"
NEVER: Final = frozenset((b".git", b".hg", b".svn"))
WELL_KNOWN: Final = b".well-known"
SITE_FILES: Final = (b"_headers", b"_redirects")
RESERVED: Final = (*SITE_FILES, b"headrace.toml")  # in a root: they are for us
_ENDINGS = {coding.name: coding.ending for coding in CODINGS}
FAILURES: Final = (401, 403, 404, 406, 500, 503)  # with which failure() is ever called
MOST_LEVELS: Final = 8  # where a 404.html is looked for


class Habits(NamedTuple):
    """What a site does without being told by a rule."""

    clean_urls: bool = True  # /about is about.html
    spa: bool = False  # a navigation to nowhere gets /index.html
    listing: bool = False  # a directory without an index is listed
    dotfiles: bool = False  # names that begin with a dot are served


Steps = Generator[Place | Result, Found, None]
Search = Generator[Place, Found, Result]


class Rules(Protocol):
    """What the owner has laid down, as far as a search needs it."""

    @property
    def leads(self) -> bool:
        """Whether there is a detour for any path."""

    def detour(self, path: bytes, *, force: bool) -> tuple[bytes, int] | None: ...

    def error_page(self, path: bytes, status: int) -> bytes | None: ...


def with_compressed(names: Iterable[bytes]) -> frozenset[bytes]:
    """The names, and those of the compressed files beside them."""
    return frozenset(name + ending for name in names for ending in (b"", *_ENDINGS.values()))


_RESERVED = with_compressed(RESERVED)


def hidden(path: bytes, dotfiles: bool) -> bool:
    """Whether the path names something that is not for the public."""
    if path in _RESERVED:
        return True
    if path.find(b"/.") < 0 and not path.startswith(b"."):
        return False
    names = [name for name in path.split(b"/") if name.startswith(b".")]
    if not NEVER.isdisjoint(names):
        return True
    return not dotfiles and any(name != WELL_KNOWN for name in names)


def search(path: bytes, target: bytes, wishes: Wishes, habits: Habits, rules: Rules) -> Steps:
    """What to answer to a GET or HEAD of this target, whose path is `path`."""
    if hidden(path, habits.dotfiles):
        yield (yield from _failure(NOT_FOUND, path, wishes, rules))
    elif rules.leads and (detour := rules.detour(b"/" + path, force=True)):
        yield (yield from _detour(detour, path, target, wishes, habits, rules))
    elif not path or path.endswith(b"/"):
        listed = yield from _directory(path, target, wishes, habits)
        yield (yield from _or_else(listed, path, target, wishes, habits, rules))
    else:
        found = yield path
        if plain := _as_it_is(path, found, wishes):
            yield plain  # what nearly everybody asks for: no other generator, each of which takes its time
        else:
            named = yield from _named(path, target, found, wishes, habits)
            yield (yield from _or_else(named, path, target, wishes, habits, rules))


def failure(status: HTTPStatus, path: bytes, wishes: Wishes, rules: Rules) -> Steps:
    """The site's own page for this status, or none."""
    yield (yield from _failure(status, path, wishes, rules))


def _or_else(
    result: Result, path: bytes, target: bytes, wishes: Wishes, habits: Habits, rules: Rules
) -> Search:
    """The result, or what stands in for what is missing."""
    if not isinstance(result, Missing):
        return result
    if result.status is NOT_FOUND:
        if rules.leads and (detour := rules.detour(b"/" + path, force=False)):
            found = yield from _detour(detour, path, target, wishes, habits, rules)
            if isinstance(found, Selection):
                found.fallback = True
            return found
        if habits.spa and wishes.navigation:
            shell = yield from _selected(INDEX, (yield INDEX), wishes)
            if isinstance(shell, Selection):
                shell.fallback = True
                shell.vary += NAVIGATION_FIELDS
                return shell
    failed = yield from _failure(result.status, path, wishes, rules)
    if habits.spa and isinstance(failed, Selection):
        failed.vary += NAVIGATION_FIELDS
    return failed


def _failure(status: HTTPStatus, path: bytes, wishes: Wishes, rules: Rules) -> Search:
    named = rules.error_page(b"/" + path, status.value)
    places = []
    if named is not None:
        places = [named.lstrip(b"/")]
    if status is NOT_FOUND:
        places += _pages_upward(path)
    for place in places:
        found = yield place
        if isinstance(found, Representation):
            page = yield from _selected(place, found, wishes)
            if isinstance(page, Selection):
                page.status = status
                return page
    return Missing(status)


def _ordinary(path: bytes, target: bytes, wishes: Wishes, habits: Habits) -> Search:
    """The file, or the index of the directory, at this path."""
    if not path or path.endswith(b"/"):
        return (yield from _directory(path, target, wishes, habits))
    return (yield from _named(path, target, (yield path), wishes, habits))


def _named(path: bytes, target: bytes, found: Found, wishes: Wishes, habits: Habits) -> Search:
    """What a path leads to that is not a directory's, and at which this was found."""
    if isinstance(found, Representation):
        return (yield from _selected(path, found, wishes))
    if isinstance(found, Missing) and found.status is not NOT_FOUND:
        return found
    if habits.clean_urls:
        page = yield path + ENDING
        if isinstance(page, Representation):
            return (yield from _selected(path + ENDING, page, wishes))
    return found if isinstance(found, Missing) else _with_slash(path, target)


def _directory(path: bytes, target: bytes, wishes: Wishes, habits: Habits) -> Search:
    found = yield path + INDEX
    if isinstance(found, Representation):
        return (yield from _selected(path + INDEX, found, wishes))
    if isinstance(found, Missing) and found.status is not NOT_FOUND:
        return found
    if habits.listing:
        place = Inventory(path, order_of(target.partition(b"?")[2]), wishes.json)
        listed = yield place
        if isinstance(listed, Representation):
            return Selection(place, listed, vary=(b"Accept",))
    if habits.clean_urls and path:
        page = yield path[:-1] + ENDING
        if isinstance(page, Representation):
            return _without_slash(path, target)
    return Missing(NOT_FOUND)


def _selected(path: bytes, found: Found, wishes: Wishes) -> Search:
    """Which of its representations is sent (RFC 9110 section 12.5.3)."""
    if not isinstance(found, Representation):
        return found if isinstance(found, Missing) else Missing(NOT_FOUND)
    if plain := _as_it_is(path, found, wishes):
        return plain
    if not found.codings:
        return Missing(NOT_ACCEPTABLE)
    vary = (b"Accept-Encoding",)
    for name in wishes.codings:
        ending = _ENDINGS.get(name)
        if ending is None:
            return Selection(path, found, vary=vary)
        if name not in found.codings:
            continue
        variant = yield path + ending
        if isinstance(variant, Representation):
            return Selection(path, found, OK, name, variant, path + ending, vary)
    return Missing(NOT_ACCEPTABLE)


def _as_it_is(path: bytes, found: Found, wishes: Wishes) -> Selection | None:
    """The one representation that there is, if it is acceptable."""
    if isinstance(found, Representation) and not found.codings and IDENTITY in wishes.codings:
        return Selection(path, found)
    return None


def _detour(
    detour: tuple[bytes, int],
    path: bytes,
    target: bytes,
    wishes: Wishes,
    habits: Habits,
    rules: Rules,
) -> Search:
    to, code = detour
    status = HTTPStatus(code)
    if code // 100 == 3:
        return Redirect(_with_query(to, target.partition(b"?")[2]), status, by_rule=True)
    place = to.lstrip(b"/")
    if hidden(place, habits.dotfiles):
        return (yield from _failure(NOT_FOUND, path, wishes, rules))
    result = yield from _ordinary(place, target, wishes, habits)
    if status is OK or not isinstance(result, Selection):
        if isinstance(result, Missing):
            return (yield from _failure(result.status, path, wishes, rules))
        return result
    result.status = status
    return result


def _pages_upward(path: bytes) -> list[bytes]:
    """Where a 404.html could be: beside what is missing, and above, the nearest first."""
    levels = path.split(b"/")[:-1]
    levels = levels[:MOST_LEVELS]
    return [b"/".join([*levels[:n], NOT_FOUND_PAGE]) for n in range(len(levels), -1, -1)]


def _with_slash(path: bytes, target: bytes) -> Redirect:
    """To the same path with a slash at its end; relative to it, so that it is right behind a proxy
    that puts a prefix before it."""
    raw, _, query = target.partition(b"?")
    name = path.rpartition(b"/")[2]
    plain = path_of(raw) == path and _ends_plainly(raw, name)
    location = b"./" + _quoted(name) + b"/" if plain else b"/" + _quoted(path) + b"/"
    return Redirect(_with_query(location, query), HTTPStatus.MOVED_PERMANENTLY)


def _without_slash(path: bytes, target: bytes) -> Redirect:
    raw, _, query = target.partition(b"?")
    bare = path.rstrip(b"/")
    name = bare.rpartition(b"/")[2]
    plain = raw.endswith(b"/") and path_of(raw) == path and _ends_plainly(raw[:-1], name)
    location = b"../" + _quoted(name) if plain else b"/" + _quoted(bare)
    return Redirect(_with_query(location, query), HTTPStatus.MOVED_PERMANENTLY)


def _ends_plainly(raw: bytes, name: bytes) -> bool:
    """Whether what is relative to this path leads everybody to the same place (RFC 3986 section 5.2):
    its last segment is the name, and none is one that some keep and others drop."""
    segments = unquote_to_bytes(raw)[1:].split(b"/")
    return unquote_to_bytes(raw.rpartition(b"/")[2]) == name and not any(
        segment in (b"", b".", b"..") for segment in segments
    )


def _with_query(location: bytes, query: bytes) -> bytes:
    if not query or b"?" in location:
        return location
    before, mark, fragment = location.partition(b"#")
    return before + b"?" + query + mark + fragment


def _quoted(path: bytes) -> bytes:
    return b"".join(_QUOTED[byte] for byte in path)


_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@/")
_QUOTED = [bytes((n,)) if n in _PLAIN else b"%%%02X" % n for n in range(256)]
