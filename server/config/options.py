"""Options: one table for the command line, the environment and the file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from server.wire.address import AUTO, Address

LOGS = ("none", "common", "combined", "json")
BACKENDS = ("auto", "linux-aio", "posix-aio", "threads", "sendfile", "buffered")
ETAGS = ("mtime", "content", "none")
SYMLINKS = ("within", "follow", "deny")
DEFAULT_LISTEN = "127.0.0.1:8080"
MOST_BYTES = (1 << 63) - 1  # of memory or in a second: what C can count
PREFIX = "HEADRACE_"  # of variables in the environment
YES = ("1", "true", "yes", "on")
NO = ("0", "false", "no", "off", "")


class BadOption(Exception):
    """A value that an option cannot have; says what it could be."""


class Option(NamedTuple):
    """One option. `parse` turns its text into its value, or raises BadOption."""

    name: str
    metavar: str
    meaning: str
    parse: Callable[[str], object]
    default: str
    repeated: bool = False
    choices: tuple[str, ...] = ()
    switch: bool = False  # yes or no; without a value on the command line: yes
    site: bool = False  # a site in the file can have its own

    @property
    def flag(self) -> str:
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return f"{PREFIX}{self.name.upper().replace('-', '_')}"


# ADDR6 is in brackets, as in a URL (RFC 3986 section 3.2.2).
ADDRESS = r"(?:(?:\[([0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)\]|([^\[\]:]*)):)?(\d{1,5})"


def parse_address(text: str) -> Address:
    """ADDR:PORT, [ADDR6]:PORT, :PORT, PORT, or unix:PATH."""
    if text.startswith("unix:") and len(text) > len("unix:"):
        return Address(path=text.removeprefix("unix:"))
    match = re.fullmatch(ADDRESS, text, re.ASCII)
    if match is None or int(match[3]) > 65535 or not _can_be_looked_up(match[2] or ""):
        raise BadOption(f"{text!r} is not ADDR:PORT or unix:PATH, such as 127.0.0.1:8080 or [::]:8080")
    anywhere = "0.0.0.0" if text.startswith(":") else "127.0.0.1"
    return Address(match[1] or match[2] or anywhere, int(match[3]))


def _can_be_looked_up(host: str) -> bool:
    """Whether there is a way to write it for the resolver; what ASCII can write it may judge itself."""
    try:
        return host.isascii() or bool(host.encode("idna"))
    except UnicodeError:
        return False


def parse_size(text: str) -> int:
    """Bytes, with K, M or G for powers of 1024."""
    match = re.fullmatch(r"0*(\d{1,30})([KMG]?)", text.upper(), re.ASCII)
    if match is None:
        raise BadOption(f"{text!r} is not a size, such as 256M or 1G")
    size = int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2]]
    if size > MOST_BYTES:
        raise BadOption(f"{text!r} is more than can be counted, which is less than 8 EiB")
    return size


def parse_directory(text: str) -> Path:
    """Not nothing, which is mostly a variable that was forgotten, and would be the current directory."""
    if not text:
        raise BadOption("'' is not a directory; the current one is .")
    return Path(text)


def parse_mount(text: str) -> tuple[bytes, Path]:
    """/PREFIX=DIRECTORY."""
    prefix, equals, directory = text.partition("=")
    try:
        if equals and directory:
            return parse_prefix(prefix), Path(directory)
    except BadOption:
        pass
    raise BadOption(f"{text!r} is not /PREFIX=DIRECTORY, such as /docs=/srv/docs")


def parse_prefix(text: str) -> bytes:
    """/PREFIX, as the path of a request begins; without the slashes around it."""
    inner = text.strip("/")
    if not text.startswith("/") or not inner or {"", ".", ".."} & set(inner.split("/")):
        raise BadOption(f"{text!r} is not a prefix of paths, such as /docs")
    return os.fsencode(inner)


def parse_switch(text: str) -> bool:
    if text.lower() in YES:
        return True
    if text.lower() in NO:
        return False
    raise BadOption(f"{text!r} is neither yes nor no")


def parse_congestion(text: str) -> str:
    """A name; whether the kernel has such a control is seen when a socket is given it."""
    if re.fullmatch(r"[a-z0-9_-]{1,15}", text, re.ASCII) is None:
        raise BadOption(f"{text!r} is not the name of a congestion control, such as cubic")
    return text


def one_of(*names: str) -> Callable[[str], str]:
    """One of these, and nothing else."""

    def parse(text: str) -> str:
        if text not in names:
            raise BadOption(f"{text!r} is none of {', '.join(names)}{nearest(text, names)}")
        return text

    return parse


def nearest(text: str, names: Sequence[str], prefix: str = "") -> str:
    """A hint at what may have been meant; the prefix is what all have in common."""
    import difflib  # only ever needed on the way out

    begun = [name for name in names if text and name.startswith(text)]
    close = begun if len(begun) == 1 else difflib.get_close_matches(text, names, 1)
    return f" (did you mean {prefix}{close[0]}?)" if close else ""


ROOT = Option("root", "ROOT", "the directory to serve", parse_directory, ".", site=True)
CONFIG = Option("config", "FILE", "a configuration; ./headrace.toml if there is one; empty: none", str, "")
MOUNT = Option(
    "mount",
    "/PREFIX=DIR",
    "another directory, seen under a prefix",
    parse_mount,
    "",
    repeated=True,
    site=True,
)
CONGESTION = Option(
    "congestion",
    "NAME",
    "TCP's control of it; system: the machine's; auto: that, but none that paces on loopback",
    parse_congestion,
    AUTO,
)
LISTEN = Option(
    "listen", "ADDR:PORT", "where to listen; port 0 takes a free one", parse_address, DEFAULT_LISTEN, True
)


def _switch(name: str, meaning: str, default: str = "no", *, site: bool = True) -> Option:
    return Option(name, "yes|no", meaning, parse_switch, default, switch=True, site=site)


def _choice(name: str, metavar: str, meaning: str, choices: tuple[str, ...], *, site: bool) -> Option:
    return Option(name, metavar, meaning, one_of(*choices), choices[0], choices=choices, site=site)


HABITS = (
    _switch("clean-urls", "/about is about.html", "yes"),
    _switch("spa", "a navigation to nowhere gets /index.html"),
    _switch("listing", "a directory without an index is listed"),
    _switch("dotfiles", "names that begin with a dot are served"),
)
ETAG = _choice("etag", "KIND", "what entity tags are made of", ETAGS, site=True)
LINKS = _choice("symlinks", "KIND", "where symbolic links may lead", SYMLINKS, site=True)
OPTIONS = (
    CONFIG,
    LISTEN,
    CONGESTION,
    MOUNT,
    *HABITS,
    ETAG,
    LINKS,
    _choice("backend", "NAME", "how files are read", BACKENDS, site=False),
    Option("memory", "SIZE", "for blocks and small files; 0: a quarter of what there is", parse_size, "0"),
    _choice("log", "FORMAT", "the access log, on stdout", LOGS, site=False),
    _switch("verbose", "print counters and times at the end", site=False),
)
