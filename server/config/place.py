"""Where a value stands: a file and the path of keys in it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from server.config.options import BadOption

Value = TypeVar("Value")


class Place(NamedTuple):
    """A key, a table or an item of a list in a configuration file."""

    file: Path
    keys: str = ""  # as in site[1].rule[0].cache-control; empty: the whole file

    def __str__(self) -> str:
        return f"{self.file}: {self.keys}" if self.keys else str(self.file)

    def key(self, name: str) -> Place:
        quoted = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
        return Place(self.file, f"{self.keys}.{quoted}" if self.keys else quoted)

    def item(self, number: int) -> Place:
        return Place(self.file, f"{self.keys}[{number}]")

    def items(self, values: str | list[str]) -> list[tuple[Place, str]]:
        """One value, or several in a list, each with its place."""
        if isinstance(values, str):
            return [(self, values)]
        return [(self.item(number), value) for number, value in enumerate(values)]

    def fault(self, why: str) -> BadOption:
        return BadOption(f"{self}: {why}")

    def parse(self, parse: Callable[[str], Value], text: str) -> Value:
        """What an option's parser makes of it; its BadOption also tells the place."""
        try:
            return parse(text)
        except BadOption as error:
            raise self.fault(str(error)) from None

    def path(self, text: str) -> Path:
        """A path in the file is relative to the directory of the file."""
        if not text or "\0" in text:
            raise self.fault(f"{shown(text)} is not the path of anything")
        return self.file.parent / text


def shown(value: object) -> str:
    """A value as the file has it, as long as that is short."""
    match value:
        case bool():
            return "true" if value else "false"
        case dict():
            return "a table"
        case list():
            return "a list"
        case str():
            text = json.dumps(value, ensure_ascii=False)
            return text if len(text) <= MOST_SHOWN else f'{text[:MOST_SHOWN]}..."'
        case _:
            return str(value)


MOST_SHOWN = 60  # characters: an error is one line
