"""Options: one table for the command line and the environment.

The command line beats the environment, the environment beats the default. In the environment
an option is called HEADRACE_ and its name; where it may be given several times, its values
are separated by blanks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from server.wire.address import Address

LOGS = ("none", "common", "combined", "json")
BACKENDS = ("auto", "linux-aio", "threads", "sendfile", "buffered")
DEFAULT_LISTEN = "127.0.0.1:8080"


class BadOption(Exception):
    """A value that an option cannot have; says what it could be."""


@dataclass(frozen=True, slots=True)
class Config:
    """What the operator wants."""

    roots: dict[bytes, Path]  # by the prefix of the path, "" for the main one
    listen: tuple[Address, ...]
    backend: str = "auto"
    memory: int = 0  # bytes for blocks and small files; 0: by the machine or its cgroup
    log: str = "none"
    verbose: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `parse` turns its text into its value, or raises BadOption."""

    name: str
    metavar: str
    meaning: str
    parse: Callable[[str], object]
    default: str
    repeated: bool = False
    choices: tuple[str, ...] = field(default=())


def parse_address(text: str) -> Address:
    """ADDR:PORT, [ADDR6]:PORT, :PORT, PORT, or unix:PATH."""
    if text.startswith("unix:") and len(text) > len("unix:"):
        return Address(path=text.removeprefix("unix:"))
    match = re.fullmatch(r"(?:(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:]*)):)?(\d{1,5})", text)
    if match is None or int(match[3]) > 65535:
        raise BadOption(f"{text!r} is not ADDR:PORT or unix:PATH, such as 127.0.0.1:8080 or [::]:8080")
    anywhere = "0.0.0.0" if text.startswith(":") else "127.0.0.1"
    return Address(match[1] or match[2] or anywhere, int(match[3]))


def parse_size(text: str) -> int:
    """Bytes, with K, M or G for powers of 1024."""
    match = re.fullmatch(r"(\d+)([KMG]?)", text.upper())
    if match is None:
        raise BadOption(f"{text!r} is not a size, such as 256M or 1G")
    return int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]]


def parse_mount(text: str) -> tuple[bytes, Path]:
    """/PREFIX=DIRECTORY."""
    prefix, equals, directory = text.partition("=")
    if not equals or not prefix.startswith("/") or not prefix.strip("/") or not directory:
        raise BadOption(f"{text!r} is not /PREFIX=DIRECTORY, such as /docs=/srv/docs")
    return prefix.strip("/").encode(), Path(directory)


def parse_switch(text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off", ""):
        return False
    raise BadOption(f"{text!r} is neither true nor false")


def one_of(*names: str) -> Callable[[str], str]:
    """One of these, and nothing else."""

    def parse(text: str) -> str:
        if text not in names:
            raise BadOption(f"{text!r} is none of {', '.join(names)}{nearest(text, names)}")
        return text

    return parse


def nearest(text: str, names: Sequence[str]) -> str:
    """A hint at what may have been meant."""
    import difflib  # only ever needed on the way out

    close = difflib.get_close_matches(text, names, 1)
    return f" (did you mean {close[0]}?)" if close else ""


OPTIONS = (
    Option(
        "listen", "ADDR:PORT", "where to listen; port 0 takes a free one", parse_address, DEFAULT_LISTEN, True
    ),
    Option("mount", "/PREFIX=DIR", "another directory, seen under a prefix", parse_mount, "", True),
    Option("backend", "NAME", "how files are read", one_of(*BACKENDS), "auto", choices=BACKENDS),
    Option("memory", "SIZE", "for blocks and small files; 0: a quarter of what there is", parse_size, "0"),
    Option("log", "FORMAT", "the access log, on stdout", one_of(*LOGS), "none", choices=LOGS),
    Option("verbose", "", "print counters and times at the end", parse_switch, "0"),
)
