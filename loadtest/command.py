"""What is to be served, and the command that does it: what all configurations of servers are made from."""

from __future__ import annotations

import resource
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path


def _descriptors(wanted: int) -> int:
    """As many as this process may have, and whom it starts; root may have any number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, max(hard, wanted)))
    return min(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[1])


DESCRIPTORS = _descriptors(40_000)  # a stuck client takes up to two; lighttpd keeps half of them for files
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
