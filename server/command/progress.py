"""How far it has come, on stderr: a bar on a terminal if rich is there, else nothing but messages."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bar


def shown(count: int) -> str:
    """Bytes, for people.

    >>> shown(1536)
    '1.5 KiB'
    """
    size = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{size:.{0 if unit == 'bytes' else 1}f} {unit}"


class Progress:
    """Counts jobs found and settled."""

    def __init__(self, *, quiet: bool) -> None:
        self._bar: Bar | None = None
        if not quiet and sys.stderr.isatty() and find_spec("rich"):
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            self._bar = Progress(
                BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False),
                console=Console(stderr=True), transient=True,
            )  # fmt: skip
            self._task = self._bar.add_task("", total=0)
        self._found = 0

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def found(self) -> None:
        self._found += 1
        if self._bar is not None:
            self._bar.update(self._task, total=self._found)

    def settled(self, path: str) -> None:
        if self._bar is not None:
            self._bar.update(self._task, advance=1, description=_printable(path))

    def tell(self, message: str) -> None:
        line = f"headrace: {_printable(message)}"
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, file=sys.stderr, flush=True)


def _printable(text: str) -> str:
    """Names of files may hold anything; a terminal obeys some of it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
