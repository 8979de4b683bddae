"""The configuration in words, for people."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from server.answer.detour import OK, Detour
from server.answer.rules import Rule
from server.config.options import OPTIONS
from server.config.settings import Setting

SIZES = ((30, "G"), (20, "M"), (10, "K"))
SWITCHES = frozenset(option.name for option in OPTIONS if option.switch)


def value_of(setting: Setting) -> str:
    """A value as it would be given."""
    value = setting.value
    if setting.name in SWITCHES:
        return "yes" if value else "no"
    if setting.name == "mount":
        return " ".join(f"/{os.fsdecode(prefix)}={directory}" for prefix, directory in value)
    if setting.name == "memory":
        return size_of(value)
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def size_of(value: int) -> str:
    """Bytes in the largest unit that leaves no remainder."""
    for shift, unit in SIZES:
        if value and not value % (1 << shift):
            return f"{value >> shift}{unit}"
    return str(value)


def pattern_of(rule: Rule) -> str:
    """The paths that a rule is for, as its maker wrote them."""
    return _text(rule.pattern.text)


def effects(rule: Rule) -> Iterator[str]:
    """What a rule does, one sentence for each thing."""
    for name, value in rule.set_headers:
        yield f"set {_text(name)}: {_text(value)}"
    for name, value in (*rule.add_headers, *rule.join_headers):
        yield f"add {_text(name)}: {_text(value)}"
    if rule.remove_headers:
        yield f"remove {', '.join(map(_text, rule.remove_headers))}"
    if rule.cache_control is not None:
        yield f"set Cache-Control: {_text(rule.cache_control)}"
    for name, value in rule.security:
        yield f"set {_text(name)}: {_text(value)}, for security"
    if rule.detour is not None:
        yield _detour(rule.detour)
    for status, page in sorted(rule.error_pages.items()):
        yield f"for {status}, show {_text(page)}"
    if rule.cors is not None:
        origins = ", ".join(map(_text, rule.cors)) or "none"
        yield f"may be read from other origins: {'any' if rule.cors == (b'*',) else origins}"
    if rule.realm is not None:
        count = len(rule.realm.users)
        yield f'asks for a password: "{rule.realm.name}", {count} {"user" if count == 1 else "users"}'
    if rule.closed:
        yield "closed to everybody"
    if rule.allow:
        yield f"for these addresses only: {', '.join(map(str, rule.allow))}"
    if rule.deny:
        yield f"not for these addresses: {', '.join(map(str, rule.deny))}"
    if rule.bandwidth is not None:
        yield f"at most {size_of(rule.bandwidth)} bytes a second for each connection"
    if rule.download is not None:
        yield "to be saved, not shown" if rule.download else "to be shown, not saved"


def directory_of(prefix: bytes, directory: Path) -> str:
    return f"/{os.fsdecode(prefix)} is {directory}"


def _detour(detour: Detour) -> str:
    also = "always" if detour.force else "where there is no file"
    to = _text(detour.to)
    if detour.redirects:
        return f"redirect to {to} ({detour.status}), {also}"
    return f"serve {to}{'' if detour.status == OK else f' with status {detour.status}'}, {also}"


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
