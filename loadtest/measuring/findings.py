"""What a scenario has found: values that go to JSON and come back from it as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

Trace = Sequence[Sequence[float]]  # pairs, whose meaning is the plot's


@dataclass(frozen=True, slots=True)
class Cell:
    """One server in one case, once."""

    server: str
    case: str
    round: int
    figures: Mapping[str, float | None]
    traces: Mapping[str, Trace] = field(default_factory=dict)  # of the first round
    state: Mapping[str, object] = field(default_factory=dict)  # what Headrace said of itself


@dataclass(frozen=True, slots=True)
class Column:
    """A figure in the table. Of several rounds the median is shown, or the worst."""

    figure: str
    heading: str
    worst: bool = False


# On loopback, what one side does not do of TCP's work, the other does: who keeps the clients at their limit
# has it done by them.
BOTH = Column("both_cpu_per_gb", "CPU ms per GB, the clients' too")


@dataclass(frozen=True, slots=True)
class Target:
    """What was to be reached; of None there is no figure in this run."""

    text: str
    figure: float | None
    met: bool | None


@dataclass(frozen=True, slots=True)
class Plot:
    """Bars of a figure, or for each case lines of a trace: over time, or a distribution."""

    kind: str  # bars, time, cdf
    of: str
    heading: str
    axis: str

    def file_name(self, scenario: str) -> str:
        """Without an ending."""
        return f"{scenario}-{self.of.replace('_', '-')}" + ("-over-time" if self.kind == "time" else "")


@dataclass(frozen=True, slots=True)
class Findings:
    """All that one run of one scenario has to say."""

    columns: Sequence[Column]
    cells: Sequence[Cell]
    targets: Sequence[Target] = ()
    plots: Sequence[Plot] = ()
    notes: Sequence[str] = ()

    def as_json(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Findings:
        return cls(
            columns=[Column(**one) for one in value["columns"]],
            cells=[Cell(**one) for one in value["cells"]],
            targets=[Target(**one) for one in value["targets"]],
            plots=[Plot(**one) for one in value["plots"]],
            notes=value["notes"],
        )

    @property
    def cases(self) -> list[str]:
        return list(dict.fromkeys(cell.case for cell in self.cells))

    @property
    def servers(self) -> list[str]:
        return list(dict.fromkeys(cell.server for cell in self.cells))


def middle(
    cells: Iterable[Cell], server: str, case: str, figure: str, of: Callable[[list[float]], float] = median
) -> float | None:
    """The median of the rounds; None where there is no figure."""
    known = [
        value
        for cell in cells
        if (cell.server, cell.case) == (server, case) and (value := cell.figures.get(figure)) is not None
    ]
    return of(known) if known else None


def ratio(figure: float | None, to: float | None) -> float | None:
    """Of two figures of one turn it belongs into the turn's cell, so that the median is one of ratios: a
    machine's speed varies from round to round, and is in both."""
    return figure / to if figure is not None and to else None


def at_least(text: str, figure: float | None, wanted: float | None) -> Target:
    return Target(text, figure, None if figure is None or wanted is None else figure >= wanted)


def at_most(text: str, figure: float | None, wanted: float | None) -> Target:
    return Target(text, figure, None if figure is None or wanted is None else figure <= wanted)


def best(cells: Sequence[Cell], servers: Iterable[str], case: str, figure: str) -> float | None:
    known = [value for one in servers if (value := middle(cells, one, case, figure)) is not None]
    return max(known, default=None)


def peers_in(cells: Iterable[Cell]) -> list[str]:
    """The servers that are not ours, nor fio, the measure of the disk."""
    names = dict.fromkeys(cell.server for cell in cells)
    return [name for name in names if not name.startswith(("headrace", "fio"))]


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """The nearest rank: a figure that was measured, not one in between."""
    return ordered[max(0, -int(-len(ordered) * percent // 100) - 1)] if ordered else None


def distribution(values: Iterable[float]) -> Trace:
    """Pairs of a value and the share of values, in percent, that are no larger."""
    ordered = sorted(values)
    shares = (*range(1, 100), 99.5, 99.9, 100)
    return [(round(percentile(ordered, share) or 0, 4), share) for share in shares] if ordered else []


def over_time(samples: Iterable[tuple[float, float]], bucket_seconds: float = 0.1) -> Trace:
    """Pairs of seconds and the largest value within each bucket."""
    largest: dict[int, float] = {}
    for second, value in samples:
        bucket = int(second / bucket_seconds)
        largest[bucket] = max(largest.get(bucket, 0.0), value)
    return [(round(bucket * bucket_seconds, 3), round(largest[bucket], 4)) for bucket in sorted(largest)]
