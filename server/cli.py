"""The command line."""

from __future__ import annotations

import gc
import importlib
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from server.config import BadOption, Config, check_directory, nearest, read_config, unknown_variables
from server.process.worker import Worker, raise_descriptor_limit
from server.wire.address import Address, SocketName, UnknownCongestion, listen

BAD_USAGE = 2
COMMANDS = (
    "check",
    "compress",
    "config",
    "healthcheck",
    "probe",
)  # a directory of such a name can be served as ./probe


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until it is told to stop, or does what its first word says; the exit status."""
    if arguments is None:
        arguments = sys.argv[1:]
    if list(arguments) == ["--version"]:
        print(f"headrace {importlib.import_module('importlib.metadata').version('headrace')}")
        return 0
    if arguments and arguments[0] in COMMANDS:
        command = importlib.import_module(f"server.command.{arguments[0]}")
        return int(command.main(arguments[1:]))
    for why in unknown_variables(os.environ):
        print(f"headrace: {why}", file=sys.stderr)
    try:
        config = read_config(arguments, os.environ)
        worker = make_worker(config)
    except BadOption as error:
        print(f"headrace: {error}{meant(arguments, error)}", file=sys.stderr)
        return BAD_USAGE
    worker.prepare()
    worker.journal.notice(ready_line(config, worker.addresses))
    gc.collect()
    gc.freeze()
    gc.disable()  # see Worker._tidy_when_idle
    return worker.run()


def meant(arguments: Sequence[str], error: BadOption) -> str:
    """A hint for whoever has mistyped a command: it is taken for a directory that is not there."""
    word = arguments[0] if arguments else ""
    return nearest(word, COMMANDS) if word.isalpha() and str(error).startswith(f"{word}: ") else ""


def make_worker(config: Config) -> Worker:
    """Opens what the worker needs. If any of it cannot be had, nothing stays open or behind."""
    with ExitStack() as undo:
        for site in config.sites:
            for directory in site.roots.values():
                check_directory(directory)
        listeners = []
        for address in config.listen:
            listeners.append(undo.enter_context(open_listener(address, config.congestion)))
            undo.callback(SocketName(address.path).remove)
        raise_descriptor_limit()
        try:
            worker = Worker(config, listeners)
        except MemoryError as error:
            raise BadOption(f"--memory: {error}") from None
        except OSError as error:
            raise BadOption(str(error)) from None
        undo.pop_all()
        return worker


def open_listener(address: Address, congestion: str) -> socket.socket:
    try:
        return listen(address, congestion)
    except UnknownCongestion as error:
        raise BadOption(f"--congestion: {error}") from None
    except OSError as error:
        raise BadOption(f"cannot listen on {address}: {error.strerror}") from None


def ready_line(config: Config, addresses: Sequence[Address]) -> str:
    urls = ", ".join(address.url for address in addresses)
    return f"serving {config.sites[0].roots[b'']} at {urls} ({config.backend})"
