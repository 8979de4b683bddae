"""Who asks: user agents, with the heads that they send.

Rule 1: a head has the fields that this agent sends for this kind of target, in its order, with its capitals.
Rule 2: what is the user's own, the cookies, and what the trace decides, the referer and the validators, is
        put where the agent would put it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

HOST = "www.example.org"  # not where the server really is, so that heads are the same in each run
SHARES = {"chrome": 62, "firefox": 12, "safari": 18, "curl": 3, "bot": 5}  # of a hundred users
IMAGES = frozenset(("png", "jpg", "svg"))

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
CHROME_SYSTEMS = (  # in the name, and as the client hints have it
    ("Windows NT 10.0; Win64; x64", '"Windows"', "?0"),
    ("Macintosh; Intel Mac OS X 10_15_7", '"macOS"', "?0"),
    ("Linux; Android 10; K", '"Android"', "?1"),
    ("X11; Linux x86_64", '"Linux"', "?0"),
)
FIREFOX_SYSTEMS = ("Windows NT 10.0; Win64; x64", "X11; Linux x86_64", "Macintosh; Intel Mac OS X 10.15")
SAFARI_SYSTEMS = ("Macintosh; Intel Mac OS X 10_15_7", "iPhone; CPU iPhone OS 18_5 like Mac OS X")
BOTS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
)
CHROMES, FIREFOXES, SAFARIS = range(136, 143), range(138, 146), ("17.6", "18.3", "18.5", "26.0")
LANGUAGES = (
    ("en-US,en;q=0.9", "en-US,en;q=0.5"),  # as Chromium writes it, as Firefox does
    ("en-GB,en-US;q=0.9,en;q=0.8", "en-GB,en;q=0.5"),
    ("de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7", "de,en-US;q=0.7,en;q=0.3"),
    ("fr-FR,fr;q=0.9,en-US;q=0.8,en;q=0.7", "fr,fr-FR;q=0.8,en-US;q=0.5,en;q=0.3"),
    ("ja,en-US;q=0.9,en;q=0.8", "ja,en-US;q=0.7,en;q=0.3"),
)
CHROME_PAGE = (
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.7"
)
OTHER_PAGE = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
CHROME_IMAGE = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
FIREFOX_IMAGE = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
SAFARI_IMAGE = (
    "image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,image/png,image/svg+xml,"
    "image/*;q=0.8,*/*;q=0.5"
)
ALL, NO_ZSTD, OLD = "gzip, deflate, br, zstd", "gzip, deflate, br", "gzip, deflate"

Fields = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Visit:
    """One request that a user makes."""

    target: str
    referer: str = ""  # the page's target; empty for a page that was typed in
    validators: Sequence[tuple[str, str]] = ()  # If-None-Match and If-Modified-Since


@dataclass(frozen=True, slots=True)
class User:
    """One user, with the agent, the cookies and the language of their own."""

    agent: str
    name: str  # User-Agent
    cookies: str
    language: int  # of LANGUAGES
    system: int  # modulo how many its agent runs on
    version: int  # likewise

    @property
    def keeps(self) -> bool:
        """Whether what was seen is kept, to be asked about again."""
        return self.agent not in ("curl", "bot")

    @property
    def codings(self) -> str:
        """Accept-Encoding; empty: none is sent."""
        return {"chrome": ALL, "firefox": ALL, "safari": NO_ZSTD, "curl": "", "bot": OLD}[self.agent]

    def head(self, visit: Visit) -> bytes:
        fields = WRITERS[self.agent](self, visit, kind_of(visit.target))
        lines = [f"GET {visit.target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
        return "\r\n".join([*lines, "", ""]).encode()


def users(count: int, chance: Random) -> list[User]:
    return [_user(chance.choices(list(SHARES), list(SHARES.values()))[0], chance) for _ in range(count)]


def kind_of(target: str) -> str:
    """As Sec-Fetch-Dest calls it."""
    ending = target.partition("?")[0].rpartition(".")[2]
    if ending in IMAGES:
        return "image"
    return {"html": "document", "css": "style", "js": "script", "woff2": "font"}.get(ending, "empty")


def _user(agent: str, chance: Random) -> User:
    system, version = chance.randrange(60), chance.randrange(60)
    cookies = (
        f"session={chance.randbytes(16).hex()}; "
        f"_ga=GA1.1.{chance.randrange(10**9)}.{1_700_000_000 + chance.randrange(10**7)}; "
        f"consent={chance.choice(('all', 'some', 'none'))}"
    )
    name = _name(agent, system, version)
    return User(agent, name, cookies, chance.randrange(len(LANGUAGES)), system, version)


def _name(agent: str, system: int, version: int) -> str:
    """As User-Agent has it. Real ones differ in little else than this, and there are few of them."""
    if agent == "chrome":
        return (
            f"Mozilla/5.0 ({CHROME_SYSTEMS[system % 4][0]}) {WEBKIT} "
            f"Chrome/{CHROMES[version % len(CHROMES)]}.0.0.0 Safari/537.36"
        )
    if agent == "firefox":
        number = FIREFOXES[version % len(FIREFOXES)]
        return f"Mozilla/5.0 ({FIREFOX_SYSTEMS[system % 3]}; rv:{number}.0) Gecko/20100101 Firefox/{number}.0"
    if agent == "safari":
        return (
            f"Mozilla/5.0 ({SAFARI_SYSTEMS[system % 2]}) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            f"Version/{SAFARIS[version % 4]} Safari/605.1.15"
        )
    return BOTS[system % 3] if agent == "bot" else f"curl/8.{version % 17}.{system % 2}"


def _chrome(user: User, visit: Visit, kind: str) -> Fields:
    brand = CHROMES[user.version % len(CHROMES)]
    _, platform, mobile = CHROME_SYSTEMS[user.system % 4]
    hints = [
        ("sec-ch-ua", f'"Chromium";v="{brand}", "Not)A;Brand";v="8", "Google Chrome";v="{brand}"'),
        ("sec-ch-ua-mobile", mobile),
        ("sec-ch-ua-platform", platform),
    ]
    fields: Fields = [("Host", HOST), ("Connection", "keep-alive")]
    if kind == "document":
        fields += [("Cache-Control", "max-age=0")] if visit.validators else []
        fields += [*hints, ("Upgrade-Insecure-Requests", "1"), ("User-Agent", user.name)]
        fields += [("Accept", CHROME_PAGE), ("Sec-Fetch-Site", "same-origin" if visit.referer else "none")]
        fields += [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-User", "?1"), ("Sec-Fetch-Dest", kind)]
    else:
        origin = [("Origin", f"http://{HOST}")] if kind == "font" else []
        fields += [hints[2], ("User-Agent", user.name), *hints[:2], *origin]
        accept = {"image": CHROME_IMAGE, "style": "text/css,*/*;q=0.1"}.get(kind, "*/*")
        fields += [("Accept", accept), ("Sec-Fetch-Site", "same-origin")]
        fields += [("Sec-Fetch-Mode", "cors" if kind in ("font", "empty") else "no-cors")]
        fields += [("Sec-Fetch-Dest", kind)]
    fields += _referer(visit)
    fields += [("Accept-Encoding", user.codings), ("Accept-Language", LANGUAGES[user.language][0])]
    return [*fields, ("Cookie", user.cookies), *visit.validators]


def _firefox_fields(user: User, visit: Visit, kind: str) -> Fields:
    accept = {"document": OTHER_PAGE, "image": FIREFOX_IMAGE, "style": "text/css,*/*;q=0.1"}.get(kind, "*/*")
    fields: Fields = [("Host", HOST), ("User-Agent", user.name), ("Accept", accept)]
    fields += [("Accept-Language", LANGUAGES[user.language][1]), ("Accept-Encoding", user.codings)]
    fields += [*_referer(visit), ("Connection", "keep-alive"), ("Cookie", user.cookies)]
    if kind == "document":
        fields += [("Upgrade-Insecure-Requests", "1"), ("Sec-Fetch-Dest", kind)]
        fields += [
            ("Sec-Fetch-Mode", "navigate"),
            ("Sec-Fetch-Site", "same-origin" if visit.referer else "none"),
        ]
        fields += [("Sec-Fetch-User", "?1")]
    else:
        fields += [("Sec-Fetch-Dest", kind), ("Sec-Fetch-Mode", "cors" if kind == "empty" else "no-cors")]
        fields += [("Sec-Fetch-Site", "same-origin")]
    priority = {"document": "u=0, i", "style": "u=2", "script": "u=2", "image": "u=5, i"}.get(kind, "u=4")
    # Firefox asks about what it has with the date first.
    return [*fields, *reversed(visit.validators), ("Priority", priority)]


def _safari(user: User, visit: Visit, kind: str) -> Fields:
    accept = {"document": OTHER_PAGE, "image": SAFARI_IMAGE, "style": "text/css,*/*;q=0.1"}.get(kind, "*/*")
    fields: Fields = [("Host", HOST), *reversed(visit.validators), ("Sec-Fetch-Dest", kind)]
    fields += [("Accept", accept), ("Sec-Fetch-Site", "same-origin" if visit.referer else "none")]
    fields += [("Cookie", user.cookies), ("Sec-Fetch-Mode", "navigate" if kind == "document" else "no-cors")]
    fields += [("User-Agent", user.name), *_referer(visit)]
    fields += [("Accept-Language", LANGUAGES[user.language][0]), ("Priority", "u=0, i")]
    return [*fields, ("Accept-Encoding", user.codings), ("Connection", "keep-alive")]


def _curl(user: User, visit: Visit, kind: str) -> Fields:
    return [("Host", HOST), ("User-Agent", user.name), ("Accept", "*/*")]


def _bot(user: User, visit: Visit, kind: str) -> Fields:
    fields: Fields = [("Host", HOST), ("Connection", "keep-alive"), ("Accept", OTHER_PAGE)]
    return [
        *fields,
        ("From", "robot(at)example.com"),
        ("User-Agent", user.name),
        ("Accept-Encoding", user.codings),
    ]


def _referer(visit: Visit) -> Fields:
    return [("Referer", f"http://{HOST}{visit.referer}")] if visit.referer else []


WRITERS = {
    "chrome": _chrome,
    "firefox": _firefox_fields,
    "safari": _safari,
    "curl": _curl,
    "bot": _bot,
}
