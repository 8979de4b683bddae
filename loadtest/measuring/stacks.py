"""Stacks that were seen, and how often, drawn as a flame graph: SVG without a script.

Rule 1: a box is as wide as the share of looks in which its call was under way; what it called stands on it.
Rule 2: a file is named without the place where it lies on this machine.
Rule 3: a function that mypyc has translated to C is named as it is in Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html import escape
from zlib import crc32

WIDTH, ROW, HEAD, MARGIN = 1200, 16, 40, 10  # pixels
LETTER = 6.2  # pixels that one takes, on average
NARROWEST = 0.5  # pixels of a box that is drawn
PLACE = re.compile(r"(?<=\()/[^()]*/")  # what is before a file's name
ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}")  # of what has no name, in this one process
TRANSLATED = re.compile(r"CPyDef_([a-z0-9_]+?)___(\w+) \([^)]*\)")  # a module, and what it has
WRAPPER = "CPyPy_"  # through which it is called from outside; the function itself is on top of it
WAITING = "Condition.wait (threading.py"  # a thread that has nothing to do, which py-spy takes for awake


@dataclass(slots=True)
class Call:
    """One call, by where it came from."""

    name: str
    looks: int = 0
    calls: dict[str, Call] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        return 1 + max((call.depth for call in self.calls.values()), default=0)


def gathered(lines: Iterable[str]) -> Call:
    """Of lines `outermost;...;innermost COUNT`, without those of threads that wait."""
    root = Call("all")
    for line in lines:
        names, _, count = line.strip().rpartition(" ")
        if not names or WAITING in names:
            continue
        call = root
        call.looks += int(count)
        for name in ADDRESS.sub("?", TRANSLATED.sub(_in_python, PLACE.sub("", names))).split(";"):
            if name.startswith(WRAPPER):
                continue
            call = call.calls.setdefault(name, Call(name))
            call.looks += int(count)
    return root


def _in_python(function: re.Match[str]) -> str:
    module, name = function.groups()
    return f"{name.replace('___', '.', 1)} ({module}.py)"


def drawn(root: Call, title: str) -> str:
    height = HEAD + ROW * root.depth + MARGIN
    boxes = "\n".join(_boxes(root, root.looks, MARGIN, height - MARGIN - ROW)) if root.looks else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="monospace" font-size="10">\n'
        f'<rect width="{WIDTH}" height="{height}" fill="#fffbf0"/>\n'
        f'<text x="{WIDTH // 2}" y="24" text-anchor="middle" font-size="14">{escape(title)}</text>\n'
        f"{boxes}\n</svg>\n"
    )


def _boxes(call: Call, all_looks: int, left: float, top: float) -> Iterator[str]:
    width = (WIDTH - 2 * MARGIN) * call.looks / all_looks
    if width < NARROWEST:
        return
    letters = int((width - 4) / LETTER)
    shown = call.name if len(call.name) <= letters else call.name[: max(0, letters - 2)] + ".."
    text = f'<text x="{left + 2:.1f}" y="{top + 11:.0f}">{escape(shown)}</text>' if letters > 2 else ""
    yield (
        f"<g><title>{escape(call.name)}: {100 * call.looks / all_looks:.1f} %</title>"
        f'<rect x="{left:.1f}" y="{top:.0f}" width="{width:.1f}" height="{ROW - 1}" '
        f'fill="{_color(call.name)}"/>{text}</g>'
    )
    for _, inner in sorted(call.calls.items()):
        yield from _boxes(inner, all_looks, left, top - ROW)
        left += (WIDTH - 2 * MARGIN) * inner.looks / all_looks


def _color(name: str) -> str:
    """Warm for Python, cold for the rest; the same for the same name."""
    shade = crc32(name.encode()) % 60
    return f"rgb(235,{150 + shade},90)" if ".py" in name else f"rgb({130 + shade},190,225)"
