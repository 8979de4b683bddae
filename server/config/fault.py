"""What is wrong with a value of the file, in one sentence: msgspec's words made the operator's."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from server.config.options import BadOption, nearest
from server.config.place import Place, shown
from server.config.schema import AuthTable, FileTable, RuleTable, SiteTable

TABLES: dict[str, type[Struct]] = {"": FileTable, "site": SiteTable, "rule": RuleTable, "auth": AuthTable}
BELONGS = {"": "at the top of the file", "site": "in a [[site]]", "rule": "in a [[rule]]"}
TYPES = {
    "bool": "true or false",
    "int": "a whole number",
    "str": "a string",
    "array": "a list of strings",
    "object": "a table",
}


def sentence(message: str, data: object, file: Place) -> BadOption:
    """The error for a message of msgspec about the data of a file."""
    what, _, path = message.partition(" - at `$")
    *_, (place, table, value) = _walk(path.removesuffix("`"), data, file)
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", what, re.DOTALL)
    if unknown:
        return place.key(unknown[1]).fault(_no_such_key(unknown[1], table))
    missing = re.fullmatch(r"Object missing required field `(.*)`", what)
    if missing:
        return place.fault(f"the key {missing[1]} is missing")
    expected = re.fullmatch(r"Expected `(.*)`, got `.*`", what)
    if expected and expected[1] == "array":
        plain = re.sub(r"\[\d+\]", "", place.keys)
        key = plain.rpartition(".")[2]
        of = f"tables, each beginning with [[{plain}]]" if key in ("site", "rule") else "strings"
        return place.fault(f"expected a list of {of}, found {shown(value)}")
    if expected:
        kinds = [TYPES.get(kind, kind) for kind in expected[1].split(" | ")]
        return place.fault(f"expected {_one_of(kinds)}, found {shown(value)}")
    return place.fault(what)


def _walk(path: str, data: object, place: Place) -> Iterator[tuple[Place, str, object]]:
    """Every step from the whole file to what msgspec's path names: the place, the kind of table
    (by the last key that has one), and the value."""
    table = ""
    yield place, table, data
    for key, number in re.findall(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]", path):
        if number.isdigit() and isinstance(data, list):
            place, data = place.item(int(number)), data[int(number)]
        elif isinstance(data, dict):
            # For any key of a table msgspec has "...": all such tables are of strings.
            name = key or next(name for name, value in data.items() if not isinstance(value, str))
            place, data = place.key(name), data[name]
            table = key if key in TABLES else table
        yield place, table, data


def _no_such_key(key: str, table: str) -> str:
    known = {name: keys.__struct_encode_fields__ for name, keys in TABLES.items()}
    homes = [name for name in BELONGS if name != table and key in known[name]]
    if homes:
        return f"this key belongs {' or '.join(BELONGS[name] for name in homes)}"
    hint = nearest(key, known[table])
    return f"there is no such key{hint}" if hint else f"there is no such key: {', '.join(known[table])}"


def _one_of(kinds: list[str]) -> str:
    *others, last = kinds
    return f"{', '.join(others)} or {last}" if others else last
