"""The report: one Markdown page with a section for each scenario that has results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from loadtest.measuring.findings import Findings, Target, middle
from loadtest.measuring.results import Result

VERDICTS: Mapping[bool | None, str] = {True: "met", False: "**missed**", None: "not measured"}


def write(directory: Path, results: Sequence[Result], head: str) -> Path:
    path = directory / "README.md"
    path.write_text("\n\n".join([head, *(_section(directory, result) for result in results)]) + "\n")
    return path


def _section(directory: Path, result: Result) -> str:
    found = result.findings
    parts = [f"## {result.scenario}: {result.title}", result.asks, _circumstances(result.facts)]
    parts += [table(found), *(f"*{note}*" for note in found.notes)]
    failures = result.facts.get("failures")
    if isinstance(failures, list) and failures:
        parts.append("Failed: " + "; ".join(failures) + ".")
    if found.targets:
        parts.append("\n".join(_targets(found.targets)))
    parts += [f"![{plot.heading}]({plot.file_name(result.scenario)}.png)" for plot in found.plots]
    if flames := sorted(directory.glob(f"{result.scenario}-flame-*.svg")):
        links = (f"[{path.stem.partition('-flame-')[2]}]({path.name})" for path in flames)
        parts.append(
            f"Flame graphs of `headrace`, each of a round that is not in the figures: {', '.join(links)}."
        )
    return "\n\n".join(parts)


def _circumstances(facts: Mapping[str, object]) -> str:
    versions = facts["versions"]
    assert isinstance(versions, list)
    once = facts.get("once")
    others = f", but one of {', '.join(once)}" if isinstance(once, list) and once else ""
    stolen = facts.get("stolen_percent")
    host = f", {stolen} % of the cores' time taken by the host" if stolen is not None else ""
    quick = ", in the quick form" if facts["quick"] else ""
    control = facts.get("congestion_control")
    kernel = f"Linux {facts['kernel']}{f' with {control}' if control else ''}"
    return (
        f"{facts['date']}, {facts['rounds']} round(s){others}{quick}, {facts['seconds']} s; "
        f"{kernel}, {facts['cpu']}, Python {facts['python']}; {', '.join(versions)}; "
        f"load average at the start {facts['load_average_at_start']}{host}."
    )


def table(found: Findings) -> str:
    lines = [
        f"| | server | {' | '.join(column.heading for column in found.columns)} |",
        "|---|---|" + "---|" * len(found.columns),
    ]
    for case in found.cases:
        before = case
        for server in found.servers:
            if not any((cell.server, cell.case) == (server, case) for cell in found.cells):
                continue
            figures = [
                figure(middle(found.cells, server, case, one.figure, of=max if one.worst else median))
                for one in found.columns
            ]
            lines.append(f"| {before} | {server} | {' | '.join(figures)} |")
            before = ""
    return "\n".join(lines)


def _targets(targets: Sequence[Target]) -> Iterator[str]:
    yield "| target | figure | |"
    yield "|---|---|---|"
    for target in targets:
        yield f"| {target.text} | {figure(target.figure)} | {VERDICTS[target.met]} |"


def figure(value: float | None) -> str:
    if value is None:
        return "-"
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
