"""The bench's own decisions: who asks for what, what wrk says of it, and whether a target is met."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import h11
import pytest

from loadtest.bench import agents, probe, site, targets, wrk
from loadtest.bench.agents import Visit
from loadtest.bench.trace import AGAIN, USERS, Trace, trace, zipf
from loadtest.measuring.findings import Cell, Target

REQUESTS = 12_000
LAYOUT = site.layout()
VALIDATORS = (("If-None-Match", '"v1"'), ("If-Modified-Since", "Tue, 14 Nov 2023 22:13:20 GMT"))


@pytest.fixture(scope="module")
def asked() -> Trace:
    return trace(LAYOUT, requests=REQUESTS)


def heads(of: Trace) -> list[bytes]:
    return [*of.heads(dict.fromkeys(of.asked(), VALIDATORS))]


def test_a_site_has_500_targets_of_200_bytes_to_60_kib() -> None:
    assert len(LAYOUT.sizes) == 500
    assert len(LAYOUT.pages) == 100
    assert site.SMALLEST <= min(LAYOUT.sizes.values()) < 300
    assert 50_000 < max(LAYOUT.sizes.values()) <= site.LARGEST
    assert {asset for page in LAYOUT.pages for asset in page.assets} <= LAYOUT.sizes.keys()


def test_every_asset_is_some_page_s() -> None:
    wanted = {target for page in LAYOUT.pages for target in (page.target, *page.assets)}
    assert wanted == LAYOUT.sizes.keys()


def test_the_same_seed_makes_the_same_heads(asked: Trace) -> None:
    assert heads(trace(site.layout(), requests=REQUESTS)) == heads(asked)
    assert trace(LAYOUT, requests=REQUESTS, seed=2).steps != asked.steps


def test_a_fifth_asks_whether_it_is_still_so(asked: Trace) -> None:
    assert sum(step.again for step in asked.steps) / REQUESTS == pytest.approx(AGAIN, abs=0.01)
    conditional = sum(b"\r\nIf-None-Match: " in head for head in heads(asked))
    assert conditional == sum(step.again for step in asked.steps)


def test_it_is_a_fifth_from_the_beginning(asked: Trace) -> None:
    for begin in range(0, REQUESTS, 2000):
        part = asked.steps[begin : begin + 2000]
        assert sum(step.again for step in part) / len(part) == pytest.approx(AGAIN, abs=0.02)


def test_who_keeps_what_they_see_does_not_get_it_twice(asked: Trace) -> None:
    seen: set[tuple[int, str]] = set()
    for step in asked.steps:
        key = (step.user, step.target)
        keeps = asked.users[step.user].keeps
        assert step.again or key not in seen or not keeps
        assert keeps or not step.again
        seen.add(key)


def test_a_server_without_validators_gets_no_conditions(asked: Trace) -> None:
    assert not any(b"\r\nIf-" in head for head in asked.heads({}))


def test_pages_are_asked_for_by_a_zipf_law(asked: Trace) -> None:
    pages = [page.target for page in LAYOUT.pages]
    counted = Counter(step.target for step in asked.steps if step.target in pages)
    weights = zipf(len(pages))
    first_ten = sum(counted[page] for page in pages[:10]) / counted.total()
    # What is still fresh is not asked for, and that is mostly what is wanted most.
    assert 0.6 < first_ten / (weights[9] / weights[-1]) <= 1.1
    assert counted[pages[0]] > 3 * counted[pages[9]]


def test_zipf_s_second_has_half_the_weight_of_the_first() -> None:
    first, second, third = zipf(3)
    assert (second - first) / first == pytest.approx(1 / 2)
    assert (third - second) / first == pytest.approx(1 / 3)


def test_assets_have_their_page_as_referer(asked: Trace) -> None:
    assets = {page.target: set(page.assets) for page in LAYOUT.pages}
    for step in asked.steps:
        if step.target not in assets:
            assert step.target in assets[step.referer]


def test_cookies_are_the_user_s_own(asked: Trace) -> None:
    assert len({user.cookies for user in asked.users}) == len(asked.users) == USERS


def test_all_agents_are_there(asked: Trace) -> None:
    there = Counter(user.agent for user in asked.users)
    for agent, share in agents.SHARES.items():
        assert there[agent] / USERS == pytest.approx(share / 100, abs=0.04)


@pytest.mark.parametrize("agent", agents.SHARES)
@pytest.mark.parametrize("target", ["/a.html", "/a.css", "/a.js", "/a.png", "/a.woff2", "/a.json"])
def test_every_head_is_one_that_h11_accepts(agent: str, target: str) -> None:
    user = next(one for one in agents.users(500, Random(1)) if one.agent == agent)
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(user.head(Visit(target, "/page.html", VALIDATORS)))
    request = connection.next_event()
    assert isinstance(request, h11.Request)
    assert isinstance(connection.next_event(), h11.EndOfMessage)
    fields = dict(request.headers)
    assert fields[b"user-agent"] == user.name.encode()
    assert fields.get(b"accept-encoding", b"").decode() == user.codings
    assert len(fields) == len(request.headers)  # none twice


def said(**but: object) -> str:
    told = {
        **{"requests": 10, "bytes": 1000, "seconds": 2.0, "cpu_seconds": 0.5, "p50": 1.0, "p99": 2.0},
        **{"connect": 0, "read": 0, "write": 0, "status": 0, "timeout": 0},
        **but,
    }
    return (
        "wrk says more\nbench: " + "{" + ",".join(f'"{name}":{value}' for name, value in told.items()) + "}\n"
    )


def test_what_wrk_took_of_its_core_is_told() -> None:
    assert wrk.parse(said()).percent == 25.0


@pytest.mark.parametrize("error", ["connect", "read", "write", "status", "timeout"])
def test_one_error_under_load_fails(error: str) -> None:
    with pytest.raises(wrk.Failed, match=f"wrk: of 10 requests 1 errors of {error}"):
        wrk.parse(said(**{error: 1}))


def test_no_answer_at_all_fails() -> None:
    with pytest.raises(wrk.Failed, match="not one answer"):
        wrk.parse(said(requests=0))
    with pytest.raises(wrk.Failed, match="unable to connect"):
        wrk.parse("", "unable to connect to 127.0.0.1")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (probe.Answer(404, {}, b""), "answered with 404"),
        (probe.Answer(200, {"content-length": "3"}, b"page"), "said to have 3 bytes"),
        (probe.Answer(200, {}, b"pagE"), "other bytes"),
        (probe.Answer(200, {"content-encoding": "br"}, b"page"), "other bytes"),
        (probe.Answer(200, {"content-encoding": "deflate"}, b"page"), "in which it is not there"),
    ],
)
def test_an_answer_that_is_not_the_file_is_refused(tmp_path: Path, answer: probe.Answer, why: str) -> None:
    (tmp_path / "a.html").write_bytes(b"page")
    (tmp_path / "a.html.br").write_bytes(b"shorter")
    with pytest.raises(probe.Wrong, match=why):
        probe.compare(tmp_path, "/a.html", answer)


def test_an_answer_may_be_the_file_or_its_sidecar(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes(b"page")
    (tmp_path / "a.html.br").write_bytes(b"shorter")
    probe.compare(tmp_path, "/a.html?x=1", probe.Answer(200, {"content-length": "4"}, b"page"))
    probe.compare(tmp_path, "/a.html", probe.Answer(200, {"content-encoding": "br"}, b"shorter"))


def test_a_browser_asks_with_what_the_server_has_said() -> None:
    answer = probe.Answer(200, {"etag": '"1"', "last-modified": "then", "date": "now"}, b"")
    assert answer.conditions == (("If-None-Match", '"1"'), ("If-Modified-Since", "then"))


def cells(workload: str, figure: str, **of: float) -> list[Cell]:
    return [Cell(server.replace("_", "-"), workload, 1, {figure: value}) for server, value in of.items()]


def verdicts(found: list[Target]) -> dict[str, bool | None]:
    return {target.text: target.met for target in found}


def test_a_target_is_a_ratio_to_the_peer() -> None:
    found = cells("browsers", "cpu_per_request", headrace=26.0, nginx=20.0, granian=77.0)
    assert verdicts([*targets.judged("browsers", found)]) == {
        "browsers: CPU per request, at most 1.3x nginx": True,
        "browsers: 3x better than granian in CPU per request": False,
    }


def test_a_target_whose_peer_is_not_there_is_neither_met_nor_missed() -> None:
    found = cells("strangers", "cpu_per_request", headrace=100.0, caddy=50.0)
    assert list(verdicts([*targets.judged("strangers", found)]).values()) == [False, None]


def test_the_log_is_compared_with_our_own_answers_without_it() -> None:
    found = [
        Cell("headrace", targets.NOT_LOGGED, 1, {"cpu_per_request": 20.0}),
        Cell("headrace", targets.LOGGED, 1, {"cpu_per_request": 24.0}),
    ]
    (target,) = targets.judged("logged", found)
    assert (target.figure, target.met) == (1.2, True)


def test_a_target_counts_in_every_case() -> None:
    found = [
        Cell(server, case, 1, {"cpu_per_gb": value})
        for case, ours in (("100 KiB", 900.0), ("10 MiB", 200.0))
        for server, value in (("headrace", ours), ("nginx", 300.0))
    ]
    assert [target.met for target in targets.judged("files", found)] == [False, True]
