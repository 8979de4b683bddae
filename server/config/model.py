"""What the operator wants, understood and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from server.answer.rules import Rule
from server.answer.search import Habits
from server.wire.address import AUTO, Address


@dataclass(frozen=True, slots=True)
class SiteConfig:
    """One site: what is served to those who ask for its hosts."""

    name: str
    hosts: tuple[str, ...]  # lower case, without port; "*.example.org" is every name beneath it
    roots: dict[bytes, Path]  # by the prefix of the path, b"" for the main one
    habits: Habits = field(default_factory=Habits)
    etag: str = "mtime"  # "mtime", "content" or "none"
    symlinks: str = "within"  # "within", "follow" or "deny"
    rules: tuple[Rule, ...] = ()
    types: Mapping[bytes, bytes] = field(
        default_factory=dict
    )  # content type by ending, without the dot, lower case


class Config(NamedTuple):
    """All that a server is told."""

    listen: tuple[Address, ...]
    sites: tuple[SiteConfig, ...]  # the first is the default: it has all hosts that no other has
    congestion: str = AUTO  # of TCP: a control's name, "system", or "auto"
    backend: str = "auto"
    memory: int = 0  # bytes for blocks and small files; 0: by the machine or its cgroup
    log: str = "none"
    verbose: bool = False
    private: tuple[Path, ...] = ()  # files that are never served, wherever they lie
