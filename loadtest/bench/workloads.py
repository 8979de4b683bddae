"""What wrk is sent to do: for each workload, the heads, and how many connections they come on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from loadtest.bench import probe, site, wrk
from loadtest.bench.agents import HOST, User, Visit, users
from loadtest.bench.trace import Trace, trace

PIPELINED = 16
REPLAYED = 300  # of the trace, one after the other, to see that 304 is said where it should be
CLOSING = ("http.server",)  # in HTTP/1.0, whatever it is asked in


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that wrk needs, once the server has been seen to answer right."""

    heads: Sequence[bytes]
    unchanged: float | None = None  # share of 304 among the answers, 0 to 1


@dataclass(frozen=True, slots=True)
class Case:
    """One workload's one row for each server."""

    name: str
    prepare: Callable[[int, Path], Prepared]  # from the server's port, and the root that it serves
    connections: int = wrk.CONNECTIONS
    logged: bool = False

    def __str__(self) -> str:
        return self.name


def plain(target: str, *fields: str) -> bytes:
    """As wrk asks by itself."""
    return "\r\n".join([f"GET {target} HTTP/1.1", f"Host: {HOST}", *fields, "", ""]).encode()


def same(target: str = site.PAGE) -> Callable[[int, Path], Prepared]:
    def prepare(port: int, root: Path) -> Prepared:
        probe.compare_all(port, root, [(target, plain(target))])
        return Prepared([plain(target)])

    return prepare


def reconnect(port: int, root: Path) -> Prepared:
    head = plain(site.PAGE, "Connection: close")
    probe.compare_all(port, root, [(site.PAGE, head)])
    return Prepared([head])


def pipelined(port: int, root: Path) -> Prepared:
    together = plain(site.PAGE) * PIPELINED
    for answer in probe.Asker(port).ask_at_once(together, PIPELINED):
        probe.compare(root, site.PAGE, answer)
    return Prepared([together])


def strangers(port: int, root: Path) -> Prepared:
    chance = Random(2)
    user = next(one for one in users(100, chance) if one.agent == "chrome")
    unique = User(
        *(user.agent, user.name, f"visit={wrk.STRANGER}; {user.cookies}"),
        *(user.language, user.system, user.version),
    )
    head = unique.head(Visit(f"{site.PAGE}?utm_id={wrk.STRANGER}"))
    probe.compare_all(port, root, [(site.PAGE, head.replace(wrk.STRANGER.encode(), b"0"))])
    return Prepared([head])


def browsers(port: int, root: Path) -> Prepared:
    """First every target in every coding that anybody asks with, compared. What the server has said there of
    their versions is what the users of the trace ask with."""
    everybody = whole_trace()
    askers: Mapping[str, User] = {user.codings: user for user in everybody.users}
    asked = everybody.asked()
    heads = [(target, askers[codings].head(Visit(target))) for target, codings in asked]
    answers = probe.compare_all(port, root, heads)
    conditions = {key: answer.conditions for key, answer in zip(asked, answers, strict=True)}
    made = [*everybody.heads(conditions)]
    conditional = [
        step.again and bool(conditions[step.target, everybody.users[step.user].codings])
        for step in everybody.steps
    ]
    _replay(port, root, everybody, made, conditional)
    return Prepared(made, unchanged=sum(conditional) / len(conditional))


@cache
def whole_trace() -> Trace:
    return trace(site.layout())


def _replay(
    port: int, root: Path, everybody: Trace, heads: Sequence[bytes], conditional: Sequence[bool]
) -> None:
    """A sample of the trace: so many with conditions, so many without."""
    chosen = [
        place
        for wanted in (True, False)
        for place in [at for at, one in enumerate(conditional) if one is wanted][: REPLAYED // 2]
    ]
    with probe.Asker(port) as asker:
        for place in chosen:
            answer = asker.ask(heads[place])
            target = everybody.steps[place].target
            if not conditional[place]:
                probe.compare(root, target, answer)
            elif answer.status != 304 or answer.body:
                raise probe.Wrong(f"{target} was answered with {answer.status}, though it has not changed")
