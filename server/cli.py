"""The command line."""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

from server.config import OPTIONS, BadOption, Config, nearest
from server.process.worker import Worker, raise_descriptor_limit
from server.wire.address import Address, SocketName, listen

BAD_USAGE = 2
COMMANDS = ("probe", "healthcheck")  # a directory of such a name can be served as ./probe
ENVIRONMENT = "HEADRACE_"


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
    try:
        config = read_config(arguments, os.environ)
        worker = make_worker(config)
    except BadOption as error:
        print(f"headrace: {error}", file=sys.stderr)
        return BAD_USAGE
    worker.journal.notice(ready_line(config, worker.addresses))
    gc.collect()
    gc.freeze()
    gc.disable()  # see Worker._tidy_when_idle
    return worker.run()


def make_worker(config: Config) -> Worker:
    """Opens what the worker needs. If any of it cannot be had, nothing stays open or behind."""
    with ExitStack() as undo:
        roots = {prefix: open_root(directory) for prefix, directory in config.roots.items()}
        listeners = []
        for address in config.listen:
            listeners.append(undo.enter_context(open_listener(address)))
            undo.callback(SocketName(address.path).remove)
        raise_descriptor_limit()
        try:
            worker = Worker(config, listeners, roots)
        except MemoryError as error:
            raise BadOption(f"--memory: {error}") from None
        except OSError as error:
            raise BadOption(str(error)) from None
        undo.pop_all()
        return worker


def read_config(arguments: Sequence[str], environment: Mapping[str, str]) -> Config:
    """What the command line, the environment and the defaults say together."""
    given = vars(_parser().parse_args(arguments))
    values: dict[str, Any] = {}  # each of the type that its option's parser returns
    for option in OPTIONS:
        flag, variable = f"--{option.name}", ENVIRONMENT + option.name.upper()
        texts, source = given[option.name], flag
        if texts is None and variable in environment:
            texts, source = environment[variable].split() or [""], variable
        if texts is None:
            texts = [option.default] if option.default else []
        try:
            parsed = [option.parse(text) for text in texts]
        except BadOption as error:
            raise BadOption(f"{source}: {error}") from None
        values[option.name] = tuple(parsed) if option.repeated else parsed[-1]
    root = Path(given["root"] or environment.get(ENVIRONMENT + "ROOT", "."))
    mounts: dict[bytes, Path] = dict(values.pop("mount"))
    return Config(roots={b"": root, **mounts}, **values)


def open_root(directory: Path) -> int:
    """A descriptor beneath which everything is opened."""
    try:
        root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise BadOption(f"{directory}: there is no such directory") from None
    except NotADirectoryError:
        raise BadOption(f"{directory}: this is not a directory") from None
    except PermissionError:
        raise BadOption(f"{directory}: this directory cannot be read") from None
    except OSError as error:
        raise BadOption(f"{directory}: {error.strerror}") from None
    return root


def open_listener(address: Address) -> socket.socket:
    try:
        return listen(address)
    except OSError as error:
        raise BadOption(f"cannot listen on {address}: {error.strerror}") from None


def ready_line(config: Config, addresses: Sequence[Address]) -> str:
    urls = ", ".join(address.url for address in addresses)
    return f"serving {config.roots[b'']} at {urls} ({config.backend})"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ").split()[0]
        hint = nearest(unknown.partition("=")[0], [f"--{option.name}" for option in OPTIONS])
        raise BadOption(f"{message}{hint or ' (see headrace --help)'}")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="headrace",
        description="A static-file HTTP server whose loop never waits for a disk.",
        epilog="Every option can also be given in the environment, as HEADRACE_LISTEN and so on. "
        "Other commands: headrace probe ROOT tells what is possible here; "
        "headrace healthcheck [URL] whether a server answers.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version, alone on the line")
    parser.add_argument("root", nargs="?", metavar="ROOT", help="the directory to serve (default: .)")
    for option in OPTIONS:
        flag = f"--{option.name}"
        if not option.metavar:
            parser.add_argument(flag, action="store_const", const=["1"], help=option.meaning)
            continue
        named = f"{option.meaning}: {', '.join(option.choices)}" if option.choices else option.meaning
        default = f" (default: {option.default})" if option.default else ""
        parser.add_argument(flag, action="append", metavar=option.metavar, help=named + default)
    return parser
