"""Rules: what the file says of paths, as the answers need it.

A redirect is a 302 unless the rule says otherwise: browsers remember a 301 for good, and so
every mistake in it. It holds also where a file lies at its path; a rewrite only where none does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path

from msgspec import UNSET

from server.answer.detour import ERRORS, OK, REDIRECTS, BadDetour, Detour, make_detour
from server.answer.guard import BadLine, Network, Realm, parse_htpasswd
from server.answer.headers import Headers
from server.answer.pattern import BadPattern, Pattern
from server.answer.rules import Rule, check_header, check_removal
from server.answer.search import FAILURES
from server.answer.security import PRESETS
from server.config.file import read_bytes
from server.config.options import BadOption, one_of, parse_size
from server.config.place import Place, shown
from server.config.schema import AuthTable, RuleTable

FOUND = 302
ANYONE = (b"*",)
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?|null")


def read_rules(tables: Sequence[RuleTable], parent: Place) -> tuple[Rule, ...]:
    """In the order of the file: one for each path."""
    places = (parent.key("rule").item(number) for number in range(len(tables)))
    return tuple(
        rule for table, place in zip(tables, places, strict=True) for rule in _read_rule(table, place)
    )


def _read_rule(table: RuleTable, place: Place) -> list[Rule]:
    if table == RuleTable(path=table.path):
        raise place.fault("this rule does nothing: it says only which paths it is for")
    patterns = [_pattern(at, text) for at, text in place.key("path").items(table.path)]
    if not patterns:
        raise place.key("path").fault("expected at least one path, found none")
    return [
        Rule(
            pattern=pattern,
            source=str(place),
            set_headers=_headers(table.headers, place.key("headers")),
            add_headers=_headers(table.add_headers, place.key("add-headers")),
            remove_headers=_names(table.remove_headers, place.key("remove-headers")),
            cache_control=None
            if table.cache_control is UNSET
            else _cache_control(table.cache_control, place.key("cache-control")),
            detour=_detour(table, pattern, place),
            error_pages=_error_pages(table.error_pages, place.key("error-pages")),
            cors=None if table.cors is UNSET else _cors(table.cors, place.key("cors")),
            security=() if table.security is UNSET else _security(table.security, place.key("security")),
            realm=None if table.auth is UNSET else _realm(table.auth, place.key("auth")),
            allow=() if table.allow is UNSET else _networks(table.allow, place.key("allow")),
            deny=() if table.deny is UNSET else _networks(table.deny, place.key("deny")),
            bandwidth=None
            if table.bandwidth is UNSET
            else _bandwidth(table.bandwidth, place.key("bandwidth")),
            download=None if table.download is UNSET else table.download,
        )
        for pattern in patterns
    ]


def _pattern(place: Place, text: str) -> Pattern:
    try:
        return Pattern.of_glob(text.encode())
    except BadPattern as error:
        raise place.fault(str(error)) from None


def _headers(table: Mapping[str, str], place: Place) -> Headers:
    return tuple(_header(name, value, place.key(name)) for name, value in table.items())


def _header(name: str, value: str, place: Place) -> tuple[bytes, bytes]:
    if why := check_header(name.encode(), value.encode()):
        raise place.fault(why)
    return name.encode(), value.encode()


def _names(names: Sequence[str], place: Place) -> tuple[bytes, ...]:
    for number, name in enumerate(names):
        if why := check_removal(name.encode()):
            raise place.item(number).fault(why)
    return tuple(name.encode().lower() for name in names)


def _cache_control(value: str, place: Place) -> bytes:
    if not value:
        raise place.fault("expected directives, such as no-store; remove-headers takes the field away")
    return _header("Cache-Control", value, place)[1]


def _detour(table: RuleTable, pattern: Pattern, place: Place) -> Detour | None:
    if table.redirect is not UNSET and table.rewrite is not UNSET:
        raise place.fault("a rule has either redirect or rewrite, not both")
    if table.redirect is not UNSET:
        status = _status(table, place, FOUND, REDIRECTS, ", ".join(map(str, REDIRECTS)))
        return _led(pattern, table.redirect, status, table.force is not False, place.key("redirect"))
    if table.rewrite is not UNSET:
        status = _status(table, place, OK, (OK, *ERRORS), "200 or the status of an error")
        return _led(pattern, table.rewrite, status, table.force is True, place.key("rewrite"))
    for name in ("status", "force"):
        if getattr(table, name) is not UNSET:
            raise place.key(name).fault("there is neither redirect nor rewrite in this rule")
    return None


def _led(pattern: Pattern, to: str, status: int, force: bool, place: Place) -> Detour:
    try:
        return make_detour(pattern, to.encode(), status, force=force)
    except BadDetour as error:
        raise place.fault(str(error)) from None


def _status(table: RuleTable, place: Place, default: int, allowed: Sequence[int], known: str) -> int:
    if table.status is UNSET:
        return default
    if table.status not in allowed:
        raise place.key("status").fault(f"expected {known}, found {table.status}")
    return table.status


def _error_pages(table: Mapping[str, str], place: Place) -> dict[int, bytes]:
    pages = {}
    for text, path in table.items():
        at = place.key(text)
        if text not in map(str, ERRORS):
            raise at.fault(f"{shown(text)} is not the status of an error, such as 404")
        if int(text) not in FAILURES:
            known = ", ".join(map(str, FAILURES))
            raise at.fault(f"no page is ever shown for {text}: those that can have one are {known}")
        if not path.startswith("/"):
            raise at.fault(f"{shown(path)} is not a path from the root of the site, such as /{text}.html")
        pages[int(text)] = path.encode()
    return pages


def _cors(value: bool | str | list[str], place: Place) -> tuple[bytes, ...]:
    if isinstance(value, bool):
        return ANYONE if value else ()
    if value in ("*", ["*"]):
        return ANYONE
    origins = []
    for at, text in place.items(value):
        if not ORIGIN.fullmatch(text):
            meant = text.lower().rstrip("/")
            hint = f" (did you mean {meant}?)" if ORIGIN.fullmatch(meant) else ""
            raise at.fault(f"{shown(text)} is not an origin, such as https://example.org{hint}")
        origins.append(text.encode())
    return tuple(origins)


def _security(name: str, place: Place) -> Headers:
    return PRESETS[place.parse(one_of(*PRESETS), name)]


def _realm(table: AuthTable, place: Place) -> Realm:
    if find_spec("bcrypt") is None:
        raise place.fault("passwords need bcrypt: pip install 'headrace[auth]'")
    at = place.key("realm")
    if not re.fullmatch(r"[\x20-\x7e]*[\x21-\x7e][\x20-\x7e]*", table.realm) or re.search(
        r'["\\]', table.realm
    ):
        raise at.fault(f"{shown(table.realm)} is not a name in printable ASCII without quotes")
    file = place.key("file").path(table.file)
    try:
        users = parse_htpasswd(place.key("file").parse(_text, str(file)))
    except BadLine as error:
        raise place.key("file").fault(f"{file}: {error}") from None
    if not users:
        raise place.key("file").fault(f"{file}: there is no user in it")
    return Realm(table.realm, users)


def _text(file: str) -> str:
    """Names of users may be in any encoding; only ASCII has a meaning in the file."""
    return read_bytes(Path(file)).decode("utf-8", "surrogateescape")


def _networks(values: str | list[str], place: Place) -> tuple[Network, ...]:
    if not values:
        raise place.fault("expected at least one address, found none: everybody could mean nobody")
    return tuple(at.parse(_network, text) for at, text in place.items(values))


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        hint = f" (did you mean {ip_network(text, strict=False)}?)"
    except ValueError:
        hint = ""
    raise BadOption(f"{text!r} is not an address or network, such as 192.0.2.1 or 2001:db8::/32{hint}")


def _bandwidth(value: int | str, place: Place) -> int:
    size = place.parse(parse_size, str(value))
    if not size:
        raise place.fault("expected more than 0 bytes per second")
    return size
