"""The command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import NoReturn

from server.config.options import NO, OPTIONS, YES, BadOption, nearest

SWITCHES = frozenset(option.flag for option in OPTIONS if option.switch)
DESCRIPTION = "A static-file HTTP server whose loop never waits for a disk."
EPILOG = (
    "Every option can also be given in the environment, as HEADRACE_LISTEN and so on, and in the file "
    "headrace.toml, as listen; the command line beats the environment, the environment the file. "
    "Other commands: headrace check tells what was understood of all that, "
    "headrace config where each value comes from; "
    "headrace compress ROOT makes compressed siblings of files; "
    "headrace probe ROOT tells what is possible here; "
    "headrace healthcheck [URL] whether a server answers."
)


def parse_arguments(
    arguments: Sequence[str], prog: str = "headrace", description: str = DESCRIPTION, epilog: str = EPILOG
) -> dict[str, list[str]]:
    """What was given, by the name of the option; raises BadOption."""
    parser = _Parser(prog=prog, description=description, epilog=epilog, allow_abbrev=False)
    parser.add_argument("--version", action="store_true", help="print the version, alone on the line")
    parser.add_argument("root", nargs="?", metavar="ROOT", help="the directory to serve (default: .)")
    for option in OPTIONS:
        named = f"{option.meaning}: {', '.join(option.choices)}" if option.choices else option.meaning
        default = f" (default: {option.default})" if option.default else ""
        parser.add_argument(
            option.flag, action="append", metavar=option.metavar, dest=option.name, help=named + default
        )
    given = vars(parser.parse_args(list(_with_values(arguments))))
    root = {"root": [given["root"]]} if given["root"] is not None else {}
    return root | {option.name: given[option.name] for option in OPTIONS if given[option.name] is not None}


def _with_values(arguments: Sequence[str]) -> Iterator[str]:
    """A switch takes the next word only if that says yes or no: in `--spa site` it is the root. A
    directory of such a name can be served as ./no."""
    words = iter(arguments)
    switch = ""  # waits for its value
    for word in words:
        if switch:
            said = word.lower()
            if said and said in (*YES, *NO):
                yield f"{switch}={word}"
                switch = ""
                continue
            yield f"{switch}=yes"
        switch = word if word in SWITCHES else ""
        if word == "--":
            yield from (word, *words)
        elif not switch:
            yield word
    if switch:
        yield f"{switch}=yes"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ").split()[0]
        hint = nearest(unknown.partition("=")[0], [option.flag for option in OPTIONS])
        raise BadOption(f"{message}{hint or ' (see headrace --help)'}")
