"""Plots of findings, as PNG and as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from loadtest.measuring.findings import Findings, Plot, middle

COLUMNS = 2
INCHES = (6.0, 3.4)  # of one case
FEW_POINTS = 40  # one alone would be no line
STYLE: Any = {
    "svg.hashsalt": "headrace",  # the same figures make the same file
    "font.size": 8,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.axisbelow": True,
}
OTHERS = ("tab:blue", "tab:orange", "tab:purple", "tab:brown", "tab:pink", "tab:olive", "tab:cyan", "black")
OURS = {
    "headrace": "tab:red",
    "headrace-linux-aio": "darkred",
    "headrace-threads": "salmon",
    "headrace-posix-aio": "crimson",
    "headrace-sendfile": "tab:gray",
    "headrace-buffered": "silver",
}


def draw(directory: Path, scenario: str, found: Findings) -> list[Path]:
    """Every plot for which there are figures; the others' links would lead nowhere, so they are empty."""
    made = []
    for plot in found.plots:
        cases = [case for case in found.cases if _has(found, plot, case)] or found.cases[:1]
        with pyplot.rc_context(STYLE):
            rows = -(-len(cases) // COLUMNS)
            across = min(COLUMNS, len(cases)) or 1
            size = (INCHES[0] * across, INCHES[1] * max(1, rows))
            figure, axes = pyplot.subplots(
                max(1, rows), across, figsize=size, squeeze=False, layout="constrained"
            )
            for place, case in zip(axes.flat, cases, strict=False):
                (_bars if plot.kind == "bars" else _lines)(place, found, plot, case)
                place.set_title(case)
            for empty in axes.flat[len(cases) :]:
                empty.set_visible(False)
            figure.suptitle(plot.heading)
            for kind in ("png", "svg"):
                path = directory / f"{plot.file_name(scenario)}.{kind}"
                figure.savefig(path, dpi=110, metadata={"Date": None} if kind == "svg" else None)
                made.append(path)
            pyplot.close(figure)
    return made


def _has(found: Findings, plot: Plot, case: str) -> bool:
    of_case = [cell for cell in found.cells if cell.case == case]
    if plot.kind == "bars":  # fio alone is no comparison
        return any(cell.figures.get(plot.of) is not None for cell in of_case if cell.server[:3] != "fio")
    return any(cell.traces.get(plot.of) for cell in of_case)


def _bars(place: Axes, found: Findings, plot: Plot, case: str) -> None:
    known = [
        (server, value)
        for server in found.servers
        if (value := middle(found.cells, server, case, plot.of, of=median)) is not None
    ]
    names = [server for server, _ in known]
    bars = place.barh(names, [value for _, value in known], color=[_color(name, found) for name in names])
    place.bar_label(bars, fmt="{:,.3g}", padding=2)
    place.invert_yaxis()
    place.margins(x=0.12)
    place.set_xlabel(plot.axis)


def _lines(place: Axes, found: Findings, plot: Plot, case: str) -> None:
    for cell in found.cells:
        trace: Sequence[Sequence[float]] = cell.traces.get(plot.of, ())
        if cell.case != case or not trace:
            continue
        across, up = zip(*trace, strict=True)
        ours = cell.server == "headrace"
        place.plot(
            across,
            up,
            label=cell.server,
            color=_color(cell.server, found),
            linewidth=1.8 if ours else 0.9,
            zorder=3 if ours else 2,
            marker="o" if len(trace) < FEW_POINTS else None,
            markersize=3,
        )
    if plot.kind == "time":
        place.set_yscale("log")
        place.set_xlabel("seconds")
        place.set_ylabel(plot.axis)
    else:
        place.set_xscale("log")
        place.set_xlabel(plot.axis)
        place.set_ylabel("% that took no longer")
    for axis in (place.xaxis, place.yaxis):
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())
    if place.lines:
        place.legend(fontsize=6, ncols=2)


def _color(server: str, found: Findings) -> str:
    peers = [name for name in found.servers if name not in OURS]
    return OURS.get(server) or OTHERS[peers.index(server) % len(OTHERS)]
