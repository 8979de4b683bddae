"""A crawler: from one page along every link to wherever it leads on this server."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from tests.rig.client import Client, Response

MOST_PAGES = 2000
NAVIGATION, SUBRESOURCE = "Accept: text/html,*/*;q=0.8", "Accept: */*"
CSS_URL = re.compile(r"""url\(\s*(['"]?)(.*?)\1\s*\)|@import\s+(['"])(.*?)\3""")
STYLE = ("text/css",)
SCRIPT = ("text/javascript",)
PICTURE = ("image/",)
PAGE = ("text/html",)
ANY = ("",)
BY_ENDING = {
    "": PAGE,
    "html": PAGE,
    "css": STYLE,
    "js": SCRIPT,
    "mjs": SCRIPT,
    "json": ("application/json",),
    "svg": ("image/svg+xml",),
    "png": ("image/png",),
    "ico": ("image/vnd.microsoft.icon", "image/x-icon"),
    "woff": ("font/woff",),
    "woff2": ("font/woff2",),
    "ttf": ("font/ttf",),
    "eot": ("application/vnd.ms-fontobject",),
    "txt": ("text/plain; charset=utf-8",),
    "xml": ("application/xml", "text/xml"),
    "gz": ("application/gzip",),
    "inv": ("application/octet-stream",),
}
USES = {
    ("link", "stylesheet"): STYLE,
    ("link", "modulepreload"): SCRIPT,
    ("link", "icon"): PICTURE,
    ("script", ""): SCRIPT,
    ("img", ""): PICTURE,
    ("a", ""): (),
}


@dataclass(frozen=True)
class Link:
    """Where one leads, from where, and what has to be there for it to work: beginnings of media types.

    Without a use it is for people to follow, so that a page is asked for.
    """

    url: str
    source: str
    use: tuple[str, ...] = ()


@dataclass
class Crawl:
    """What has been found."""

    responses: dict[str, Response] = field(default_factory=dict)  # by URL, without the fragment
    broken: list[str] = field(default_factory=list)  # in words
    elsewhere: set[str] = field(default_factory=set)  # links to other servers
    anchors: dict[str, set[str]] = field(default_factory=dict)  # of the pages, by URL
    links: set[Link] = field(default_factory=set)  # as they are written, with their fragments

    @property
    def paths(self) -> set[str]:
        return {urlsplit(url).path for url in self.responses}


class Page(HTMLParser):
    """The links and anchors in a page."""

    def __init__(self, url: str, text: str) -> None:
        super().__init__()
        self._base = self._url = url
        self.links: list[Link] = []
        self.anchors: set[str] = set()
        self._in_style = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attributes}
        self.anchors |= {said[name] for name in ("id", "name") if name in said}
        self._in_style = tag == "style"
        if tag == "base":
            self._base = urljoin(self._url, said["href"])
            return
        kinds = said.get("rel", "").split() if tag == "link" else [""]
        use = next((USES[tag, kind] for kind in kinds if (tag, kind) in USES), ())
        places = [said[name] for name in ("href", "src", "poster", "data") if said.get(name)]
        if "dns-prefetch" not in kinds and "preconnect" not in kinds:
            self._add(places, use)
        self._add([part.split()[0] for part in said.get("srcset", "").split(",") if part.strip()], PICTURE)
        self._add(css_links(said.get("style", "")), ANY)

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self._add(css_links(data), ANY)

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def _add(self, places: list[str], use: tuple[str, ...]) -> None:
        self.links += [Link(urljoin(self._base, place), self._url, use) for place in places]


def css_links(text: str) -> list[str]:
    return [found[2] or found[4] for found in CSS_URL.finditer(text)]


def crawl(port: int, *starts: str) -> Crawl:
    """Follows every link there is from these paths on. Nothing may have to be redirected."""
    origin = f"http://127.0.0.1:{port}"
    found = Crawl()
    waiting = [Link(origin + start, "the beginning") for start in starts]
    with Client(port) as client:
        while waiting:
            link = waiting.pop()
            url, _ = urldefrag(link.url)
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https"):
                continue  # data:, mailto:, javascript:
            if f"{parts.scheme}://{parts.netloc}" != origin:
                found.elsewhere.add(link.url)
                continue
            found.links.add(link)
            if url in found.responses:
                continue
            assert len(found.responses) < MOST_PAGES, "the pages do not end"
            target = url.removeprefix(origin) or "/"
            found.responses[url] = response = client.ask(target, SUBRESOURCE if link.use else NAVIGATION)
            if response.status == 200:
                waiting += links_in(found, url, response)
    judge(found)
    return found


def links_in(found: Crawl, url: str, response: Response) -> list[Link]:
    content_type = response["content-type"]
    if content_type.startswith(PAGE):
        page = Page(url, response.body.decode())
        found.anchors[url] = page.anchors
        return page.links
    if content_type.startswith(STYLE):
        return [Link(urljoin(url, place), url, ANY) for place in css_links(response.body.decode())]
    return []


def judge(found: Crawl) -> None:
    for link in sorted(found.links, key=lambda link: (link.url, link.source)):
        url, fragment = urldefrag(link.url)
        response = found.responses[url]
        if response.status != 200:
            found.broken.append(f"{link.source} leads to {url}: {response.status}")
            continue
        name = urlsplit(url).path.rpartition("/")[2]
        kind, content_type = name.rpartition(".")[2] if "." in name else "", response["content-type"]
        for fitting in (BY_ENDING[kind], link.use):
            if fitting and not content_type.startswith(fitting):
                found.broken.append(f"{link.source} wants {fitting} of {url}: {content_type}")
        if fragment and url in found.anchors and unquote(fragment) not in found.anchors[url]:
            found.broken.append(f"{link.source} leads to #{fragment} in {url}, where it is not")
