"""A server with a page in memory that nobody but the judge asks, on the core of the one that is measured.

What its page takes longer, the machine has taken, and whoever shares the core.
"""

from __future__ import annotations

from contextlib import ExitStack

from loadtest import peers, servers
from loadtest.lab.ground import page_in_shared_memory
from loadtest.measuring.bench import SERVER_CORE
from loadtest.measuring.findings import Column

QUIET = Column("quiet_p99", "quiet server's p99")


def yardstick(stack: ExitStack) -> servers.Server:
    root = stack.enter_context(page_in_shared_memory())
    name = "headrace" if peers.missing("nginx-sendfile") else "nginx-sendfile"
    return stack.enter_context(servers.start(name, root, core=SERVER_CORE))
