"""The command line that the laboratory and the bench have in common, and how each of them ends."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest.measuring import tcp

RESULTS = Path(__file__).resolve().parent.parent / "results"
ROUNDS = 3
INTERRUPTED = 130  # as a shell says it of SIGINT


@dataclass(frozen=True, slots=True)
class CommandLine:
    """python -m loadtest.NAME"""

    name: str
    subject: str  # what one measurement is called
    subjects: Sequence[str]
    servers: Collection[str]
    quick: str  # what the quick form leaves out

    def parser(self) -> argparse.ArgumentParser:
        known = ", ".join(self.subjects)
        parser = argparse.ArgumentParser(prog=f"python -m loadtest.{self.name}")
        parser.add_argument("subjects", nargs="*", metavar=self.subject.upper(), help=f"of {known}; else all")
        parser.add_argument("--quick", action="store_true", help=self.quick)
        parser.add_argument(
            "--rounds", type=int, help=f"of which the medians are taken; {ROUNDS}, or 1 if quick"
        )
        for option, meaning in (
            ("--servers", f"of {', '.join(self.servers)}"),
            ("--once", "servers that take part in the first round only: those that no target is close to"),
        ):
            parser.add_argument(option, nargs="+", choices=self.servers, metavar="NAME", help=meaning)
        parser.add_argument(
            "--congestion",
            choices=tcp.available(),
            help="control for TCP that all servers have, as long as this takes (root); "
            f"{tcp.USUAL}, as Headrace has on loopback by itself: nobody is ahead by that",
        )
        parser.add_argument("--flame", action="store_true", help="a round more, for flame graphs of Headrace")
        parser.add_argument(
            "--results",
            type=Path,
            help=f"where to; results/{self.name}, or {self.name}-quick there if quick",
        )
        return parser

    def parse(self, parser: argparse.ArgumentParser) -> argparse.Namespace:
        options = parser.parse_args()
        known = ", ".join(self.subjects)
        if unknown := sorted(set(options.subjects) - set(self.subjects)):
            parser.error(f"no such {self.subject}: {', '.join(unknown)}; there are {known}")
        if options.congestion and not tcp.may_set():
            parser.error("--congestion: only root may change that")
        if not options.congestion and tcp.may_set() and tcp.USUAL in tcp.available():
            options.congestion = tcp.USUAL
        options.subjects = options.subjects or self.subjects
        options.rounds = options.rounds or (1 if options.quick else ROUNDS)
        options.once = options.once or ()
        options.results = options.results or RESULTS / (f"{self.name}-quick" if options.quick else self.name)
        return options

    def not_drawn(self) -> str | None:
        """What it takes to show what was measured, if it is not there."""
        absent = [name for name in ("rich", "matplotlib") if importlib.util.find_spec(name) is None]
        if not absent:
            return None
        return (
            f"{' and '.join(absent)} not installed (make {self.name}, or pip install 'headrace[{self.name}]')"
        )

    def leave_out(self, reason: str) -> None:
        print(f"{self.name}: left out: {reason}", file=sys.stderr)

    def run(
        self,
        options: argparse.Namespace,
        missing: str | None,
        run: Callable[[argparse.Namespace], object],
        if_interrupted: str,
    ) -> None:
        """Runs, or says why not."""
        if missing:
            sys.exit(f"{self.name}: {missing}")
        try:
            with tcp.congestion(options.congestion):
                run(options)
        except KeyboardInterrupt:
            print(f"{self.name}: interrupted; {if_interrupted}", file=sys.stderr)
            sys.exit(INTERRUPTED)
