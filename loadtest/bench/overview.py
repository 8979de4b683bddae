"""The top of the page: a line for each server, and all targets together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from loadtest.measuring.findings import middle
from loadtest.measuring.report import VERDICTS, figure
from loadtest.measuring.results import Result

# Of each workload, what the overview shows: the figure, and its unit.
SHOWN = {
    "files": ("cpu_per_gb", "ms per GB"),
    "idle": ("kib_per_connection", "KiB each"),
    "start": ("start_cpu", "ms"),
}
ELSE = ("cpu_per_request", "µs")
OF_OURS_ALONE = ("measures",)


def page(results: Sequence[Result]) -> str:
    return "\n".join([*_servers(results), "", *_targets(results), "", *_dates(results)]).strip()


def _servers(results: Sequence[Result]) -> Iterator[str]:
    between = [result for result in results if result.scenario not in OF_OURS_ALONE]
    columns = [
        (result, case, *SHOWN.get(result.scenario, ELSE)) for result in between for case in _cases(result)
    ]
    yield (
        "| CPU, or memory | "
        + " | ".join(_heading(result, case, unit) for result, case, _, unit in columns)
        + " |"
    )
    yield "|---|" + "---|" * len(columns)
    servers = dict.fromkeys(server for result in between for server in result.findings.servers)
    for server in servers:
        figures = (
            figure(middle(result.findings.cells, server, case, what)) for result, case, what, _ in columns
        )
        yield f"| {server} | {' | '.join(figures)} |"


def _cases(result: Result) -> list[str]:
    return result.findings.cases


def _heading(result: Result, case: str, unit: str) -> str:
    alone = len(_cases(result)) == 1
    return f"{result.scenario}, {unit}" if alone else f"{result.scenario}, {case}, {unit}"


def _targets(results: Sequence[Result]) -> Iterator[str]:
    judged = [target for result in results for target in result.findings.targets]
    met = sum(target.met is True for target in judged)
    measured = sum(target.met is not None for target in judged)
    yield f"Targets: {met} of {measured} met."
    yield ""
    yield "| target | figure | |"
    yield "|---|---|---|"
    for target in judged:
        yield f"| {target.text} | {figure(target.figure)} | {VERDICTS[target.met]} |"


def _dates(results: Sequence[Result]) -> Iterator[str]:
    runs = {(str(result.facts["date"]), result.facts["rounds"], result.facts["quick"]) for result in results}
    if len(runs) > 1:
        yield "The workloads are not all of one run: compare only within a section."
