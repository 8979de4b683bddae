"""What a thousand users ask for, one after the other: a function of its seed, but for the validators.

Rule 1: pages are chosen by a Zipf law, and a page's assets are asked for after it, with it as their referer.
Rule 2: browsers keep what they saw. Of what is kept, so many are asked about again that a fifth of all
        requests have validators, from the first on; the others are still fresh, and not asked for.
Rule 3: a validator is what this server itself has said of this target in this coding: it is put in when the
        heads are written. A server that says nothing gets no condition.
Rule 4: as many users are active at a time as there are connections; wrk cannot tie a user to one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from loadtest.bench.agents import User, Visit, users
from loadtest.bench.site import Layout

SEED = 1
USERS = 1_000
ACTIVE = 64
REQUESTS = 60_000
PAST = 40_000  # requests before the first: users are known to the site already
AGAIN = 0.2  # of all requests are about what the user has seen
TYPED_IN = 0.3  # of pages have no referer
PAGES_AT_A_TIME = (1, 6)

Validators = Sequence[tuple[str, str]]  # fields of a request


@dataclass(frozen=True, slots=True)
class Step:
    """One request, whatever the server."""

    user: int
    target: str
    referer: str
    again: bool  # the user has it, and asks whether it is still so


@dataclass(frozen=True, slots=True)
class Trace:
    users: Sequence[User]
    steps: Sequence[Step]

    def heads(self, validators: Mapping[tuple[str, str], Validators]) -> Iterator[bytes]:
        """By the target and Accept-Encoding, what this server's answer makes a browser ask with."""
        for step in self.steps:
            user = self.users[step.user]
            known = validators.get((step.target, user.codings), ()) if step.again else ()
            yield user.head(Visit(step.target, step.referer, known))

    def asked(self) -> list[tuple[str, str]]:
        """Targets with the values of Accept-Encoding that they are asked for with."""
        return list(dict.fromkeys((step.target, self.users[step.user].codings) for step in self.steps))


def trace(site: Layout, *, seed: int = SEED, requests: int = REQUESTS, people: int = USERS) -> Trace:
    chance = Random(seed)
    everybody = users(people, chance)
    steps: list[Step] = []
    again = 0
    active = [_session(site, user, everybody[user], chance) for user in chance.sample(range(people), ACTIVE)]
    kept: list[set[str]] = [set() for _ in everybody]
    past = 0
    while len(steps) < requests:
        place = chance.randrange(ACTIVE)
        step = next(active[place], None)
        if step is None:
            user = chance.randrange(people)
            active[place] = _session(site, user, everybody[user], chance)
            continue
        if step.target in kept[step.user]:
            if past < PAST or again >= AGAIN * len(steps):
                continue  # it is fresh
            again += 1
            step = Step(step.user, step.target, step.referer, again=True)
        elif everybody[step.user].keeps:
            kept[step.user].add(step.target)
        if past < PAST:
            past += 1
        else:
            steps.append(step)
    return Trace(everybody, steps)


def zipf(count: int) -> list[float]:
    """Sums of weights: the second is chosen half as often as the first."""
    return list(accumulate(1 / rank for rank in range(1, count + 1)))


def _session(site: Layout, number: int, user: User, chance: Random) -> Iterator[Step]:
    """A few pages with their assets. Curl and bots ask for no assets."""
    before = ""
    for _ in range(chance.randint(*PAGES_AT_A_TIME)):
        page = chance.choices(site.pages, cum_weights=zipf(len(site.pages)))[0]
        referer = "" if not user.keeps or chance.random() < TYPED_IN else before
        yield Step(number, page.target, referer, again=False)
        before = page.target
        for asset in page.assets if user.keeps else ():
            yield Step(number, asset, page.target, again=False)
