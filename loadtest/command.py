"""What is to be served, and the command that does it: what all configurations of servers are made from."""

from __future__ import annotations

import resource
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

DESCRIPTORS = min(40_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])  # a stuck client takes up to two
CONNECTIONS = 12_000
BACKLOG = 4096  # the kernel's own limit, net.core.somaxconn, by default
KEEP_ALIVE_SECONDS = 75  # nginx's default, for those whose own is shorter than a measurement


@dataclass(frozen=True, slots=True)
class Command:
    """What to execute. A port of None: the server picks one and says so on its first line."""

    argv: Sequence[str]
    port: int | None = None
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Site:
    """What is to be served, and with how much memory of the server's own."""

    root: Path
    mounts: Mapping[str, Path] = field(default_factory=dict)  # prefix, such as /other, to directory
    # Headrace's. So little that all of it has been used after a few seconds, as it has been in a server that
    # is up for a while: the kernel zeroes memory at its first use. "0" is a quarter of what there is.
    memory: str = "128M"
    log: Path | None = None  # a file for the access log, in the combined format where the server has it


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
