"""The file: TOML, read once at start, and its values as settings."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from server.config.fault import sentence
from server.config.options import BadOption, Option, parse_prefix
from server.config.place import Place
from server.config.schema import FileTable, SiteKeys
from server.config.settings import Setting
from server.wire.address import Address


class Table:
    """The top level of the file or a [[site]], and its place."""

    def __init__(self, keys: SiteKeys, place: Place) -> None:
        self.keys = keys
        self.place = place

    def setting(self, option: Option) -> Setting | None:
        """What it says of an option; None for nothing."""
        value = getattr(self.keys, option.name.replace("-", "_"), msgspec.UNSET)
        if value is msgspec.UNSET:
            return None
        place = self.place.key(option.name)
        return Setting(option.name, READ.get(option.name, _parsed)(option, place, value), str(place))


def read_file(path: Path) -> Table:
    """The file's top level; raises BadOption for the first thing that is wrong with it."""
    place = Place(path)
    try:
        text = read_bytes(path).decode()
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise place.fault(f"line {line}: this is not UTF-8") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise place.fault(_syntax(str(error), text)) from None
    try:
        return Table(msgspec.convert(data, FileTable), place)
    except msgspec.ValidationError as error:
        raise sentence(str(error), data, place) from None


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise BadOption(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise BadOption(f"{path}: this is a directory") from None
    except PermissionError:
        raise BadOption(f"{path}: this file cannot be read") from None
    except OSError as error:
        raise BadOption(f"{path}: {error.strerror}") from None


def _syntax(message: str, text: str) -> str:
    """tomllib's words behind the line and the column."""
    what, _, where = message.rpartition(" (at ")
    at = re.fullmatch(r"line (\d+), column (\d+)\)", where)
    lines = text.split("\n")
    line, column = (at[1], at[2]) if at else (len(lines), len(lines[-1]) + 1)
    return f"line {line}, column {column}: {what[:1].lower()}{what[1:]}"


def _parsed(option: Option, place: Place, value: Any) -> object:
    """A value in the file is what would be said in words elsewhere."""
    match value:
        case bool():
            return value
        case list() | str() if option.repeated:
            return tuple(at.parse(option.parse, text) for at, text in place.items(value))
        case _:
            return place.parse(option.parse, str(value))


def _root(option: Option, place: Place, value: str) -> Path:
    return place.path(value)


def _mounts(option: Option, place: Place, value: dict[str, str]) -> tuple[tuple[bytes, Path], ...]:
    mounts: dict[bytes, Path] = {}
    for text, directory in value.items():
        at = place.key(text)
        prefix = at.parse(parse_prefix, text)
        if prefix in mounts:
            raise at.fault(f"there is another directory for /{os.fsdecode(prefix)}")
        mounts[prefix] = at.path(directory)
    return tuple(mounts.items())


def _listen(option: Option, place: Place, value: str | list[str]) -> tuple[Address, ...]:
    addresses = _parsed(option, place, value)
    assert isinstance(addresses, tuple)
    if not addresses:
        raise place.fault("expected at least one address, found none")
    return tuple(
        Address(path=str(place.path(address.path))) if address.path else address for address in addresses
    )


READ: dict[str, Callable[[Option, Place, Any], object]] = {
    "root": _root,
    "mount": _mounts,
    "listen": _listen,
}
