"""The list of a directory, in a real Chromium."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.test_demo_site import (
    CHROMIUM,
    DESK_PIXELS,
    NARROWEST_PIXELS,
    PHONE_PIXELS,
    Browser,
    Tab,
    running_browser,
    url,
)
from tests.rig.server import Server, serving
from tests.rig.until import until

LONG = b"a-name-that-does-not-end-" * 9 + b".txt"
NASTY = [
    b"a:b.txt", b"javascript:alert(1).txt", b"http:.txt", b"?x.txt", b"#x.txt", b"%2f.txt", b"%2e%2e.txt",
    b"\\\\x.txt", b" two  spaces.txt", b"new\nline.txt", b"&amp;<b>\"'.txt", b"<script>alert(1)<.txt",
    b"caf\xe9.txt", "文件.txt".encode(), "קובץ.txt".encode(), "\u202etxt.exe.txt".encode(), LONG,
]  # fmt: skip
SIZES = {b"small.txt": 40, b"large.txt": 4_000, b"middle.txt": 400}
TIMES = {b"small.txt": 3_000, b"large.txt": 1_000, b"middle.txt": 2_000}
LONG_COUNT = 1000  # names: several pieces
DIRECTORY = "/docs/nasty%20%3F/"
NAMES_SHOWN = "[...document.querySelectorAll('tbody bdi')].map(name => name.textContent)"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to look at lists with")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("listed")
    (root / "favicon.ico").touch()  # browsers ask for it
    nasty = root / "docs" / "nasty ?"
    (nasty / "a:b").mkdir(parents=True)
    for name in NASTY:
        place(nasty, name).write_bytes(b"This is " + name.hex().encode())
    (root / "sizes").mkdir()
    for name, size in SIZES.items():
        place(root / "sizes", name).write_bytes(b"x" * size)
        os.utime(place(root / "sizes", name), (TIMES[name], TIMES[name]))
    (root / "long").mkdir()
    for n in range(LONG_COUNT):
        (root / "long" / f"{n:04}.txt").touch()
    with serving(root, "--listing") as server:
        yield server


def place(directory: Path, name: bytes) -> Path:
    return directory / os.fsdecode(name)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with running_browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    tab = Tab(browser)
    yield tab
    tab.close()


def follow(tab: Tab, text: str, where: str = "tbody") -> None:
    """By keyboard, to the end of what is loaded then."""
    tab.sees(
        f"[...document.querySelectorAll('{where} a')].find(a => a.textContent.startsWith({text!r})).focus();"
        "window.leaving = true"
    )
    tab.press("Enter", 13, "\r")
    until(lambda: tab.sees("!window.leaving && document.readyState") == "complete", f"{text} is loaded")


def test_the_page_shows_every_name_and_complains_of_nothing(server: Server, tab: Tab) -> None:
    tab.visit(url(server, DIRECTORY))
    shown = set(tab.sees(NAMES_SHOWN))
    assert shown >= {"a:b/", "a:b.txt", "&amp;<b>\"'.txt", "caf\ufffd.txt", "文件.txt", " two  spaces.txt"}
    assert len(shown) == len(NASTY) + 1
    assert tab.sees("document.title") == "Index of /docs/nasty ?/"
    assert tab.sees("document.querySelector('h1').innerText") == "Index / docs / nasty ?"
    assert tab.sees("document.compatMode") == "CSS1Compat"
    assert {asked.partition("?")[0] for asked in tab.asked} <= {
        url(server, DIRECTORY),
        url(server, "/favicon.ico"),
    }
    assert tab.complaints == []


@pytest.mark.parametrize("name", NASTY)
def test_a_click_on_a_name_fetches_that_file(server: Server, tab: Tab, name: bytes) -> None:
    tab.visit(url(server, DIRECTORY))
    shown = name.decode(errors="replace").replace("\n", "\ufffd").replace("\u202e", "\ufffd")
    spot = tab.sees(
        "(link => { link.scrollIntoView(); const box = link.getBoundingClientRect();"
        " return [box.x + 20, box.y + 10] })"
        f"([...document.querySelectorAll('tbody a')].find(a => a.textContent === {shown!r}))"
    )
    mouse = {"x": spot[0], "y": spot[1], "button": "left", "clickCount": 1}
    tab.tell("Input.dispatchMouseEvent", type="mousePressed", **mouse)
    tab.tell("Input.dispatchMouseEvent", type="mouseReleased", **mouse)
    said = f"This is {name.hex()}"
    until(lambda: tab.sees("document.body?.innerText") == said, f"the text of {name!r} is there")
    assert tab.complaints == []


def test_directories_are_gone_into_and_out_of(server: Server, tab: Tab) -> None:
    tab.visit(url(server, DIRECTORY))
    follow(tab, "a:b/")
    assert tab.sees("location.pathname") == DIRECTORY + "a%3Ab/"
    assert "There is nothing here." in tab.sees("document.body.innerText")
    follow(tab, "Parent")
    assert tab.sees("location.pathname") == DIRECTORY
    follow(tab, "docs", "nav")
    assert tab.sees("location.pathname") == "/docs/"
    follow(tab, "Index", "nav")
    assert tab.sees("location.pathname") == "/"
    assert tab.sees("!document.querySelector('[href=\"../\"]')")
    assert tab.complaints == []


def test_a_list_is_sorted_without_script(server: Server, tab: Tab) -> None:
    tab.tell("Emulation.setScriptExecutionDisabled", value=True)
    tab.visit(url(server, "/sizes/"))
    by_name = ["large.txt", "middle.txt", "small.txt"]
    assert tab.sees(NAMES_SHOWN) == by_name
    for column, direction, names in [
        ("Size", "descending", by_name),
        ("Size", "ascending", by_name[::-1]),
        ("Modified", "descending", by_name[::-1]),
        ("Modified", "ascending", by_name),
        ("Name", "ascending", by_name),
        ("Name", "descending", by_name[::-1]),
    ]:
        follow(tab, column, "thead")
        assert tab.sees(NAMES_SHOWN) == names, (column, direction)
        sorted_by = "[...document.querySelectorAll('[aria-sort]')].map(th => [th.innerText, th.ariaSort])"
        ((title, state),) = tab.sees(sorted_by)
        assert (title.split()[0], state) == (column, direction)


def test_tab_leads_to_every_link_and_shows_where_it_is(server: Server, tab: Tab) -> None:
    tab.visit(url(server, DIRECTORY))
    links = tab.sees("[...document.querySelectorAll('a')].map(a => a.href)")
    assert len(links) == 2 + 3 + 1 + 1 + len(NASTY)  # the way, columns, the parent, what is here
    for link in links:
        tab.press("Tab", 9)
        assert tab.sees("document.activeElement.href") == link
        style, width, colour, paper = tab.sees(
            "(style => [style.outlineStyle, style.outlineWidth, style.outlineColor,"
            " getComputedStyle(document.body).backgroundColor])(getComputedStyle(document.activeElement))"
        )
        assert (style, width) == ("solid", "2px")
        assert colour != paper
    assert tab.sees("getComputedStyle(document.querySelector('a')).outlineStyle") == "none"


@pytest.mark.parametrize("path", ["/", DIRECTORY, DIRECTORY + "?sort=size", DIRECTORY + "?sort=time"])
@pytest.mark.parametrize("width", [NARROWEST_PIXELS, PHONE_PIXELS, DESK_PIXELS])
def test_no_width_needs_scrolling_sideways(server: Server, tab: Tab, width: int, path: str) -> None:
    tab.tell(
        "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500
    )
    tab.visit(url(server, path))
    assert tab.sees("innerWidth") == width
    assert tab.sees("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    # And nothing is cut off, or runs into what stands beside it.
    assert (
        tab.sees(
            "[...document.querySelectorAll('th, td')].filter(cell => cell.scrollWidth > cell.clientWidth)"
            ".map(cell => cell.innerText)"
        )
        == []
    )
    assert tab.complaints == []


def test_it_is_dark_where_the_reader_wants_it_dark(server: Server, tab: Tab) -> None:
    brightness = {}
    for scheme in ("light", "dark"):
        tab.tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        tab.visit(url(server, DIRECTORY))
        brightness[scheme] = [
            tab.sees(f"getComputedStyle(document.querySelector('{part}')).{what}.match(/\\d+/g).map(Number)")
            for part, what in [("body", "backgroundColor"), ("body", "color"), ("tbody a", "color")]
        ]
    (paper, ink, link), (night, chalk, night_link) = brightness["light"], brightness["dark"]
    assert max(ink) < 64 < 192 < min(paper)
    assert max(night) < 64 < 192 < min(chalk)
    assert sum(link) < sum(night_link)


def test_it_is_a_table_for_those_who_hear_it(server: Server, tab: Tab) -> None:
    """WAI-ARIA: roles, and the order of what is sorted."""
    tab.visit(url(server, "/sizes/"))
    nodes = tab.tell("Accessibility.getFullAXTree")["nodes"]
    heard = [(node["role"]["value"], node.get("name", {}).get("value")) for node in nodes]
    roles = [role for role, _ in heard]
    assert roles.count("table") == 1
    assert roles.count("row") == 1 + 1 + len(SIZES)
    assert ("heading", "Index / sizes") in heard
    assert [name for role, name in heard if role == "columnheader"] == ["Name", "Size", "Modified (UTC)"]
    rows = ["Parent directory", "large.txt", "middle.txt", "small.txt"]
    assert [name for role, name in heard if role == "rowheader"] == rows
    assert ("link", "large.txt") in heard


def test_a_long_list_is_laid_out_where_it_is_seen(server: Server, tab: Tab) -> None:
    tab.visit(url(server, "/long/"))
    assert tab.sees(f"{NAMES_SHOWN}.length") == LONG_COUNT
    last = "[...document.querySelectorAll('tbody a')].at(-1)"
    seen = f"{last}.checkVisibility({{contentVisibilityAuto: true}})"
    assert not tab.sees(seen)
    tab.sees(f"{last}.focus()")
    until(lambda: tab.sees(seen), "the last name is shown")
    assert tab.sees(f"(box => 0 <= box.top && box.bottom <= innerHeight)({last}.getBoundingClientRect())")
    assert tab.complaints == []


def test_json_has_the_same_links_as_the_page(server: Server, tab: Tab) -> None:
    tab.visit(url(server, DIRECTORY))
    links = tab.sees("[...document.querySelectorAll('tbody a')].map(a => a.getAttribute('href')).slice(1)")
    listed = tab.sees(
        "fetch('', {headers: {Accept: 'application/json, */*'}, cache: 'no-store'}).then(got => got.json())"
    )
    assert [entry["href"] for entry in listed] == links
    assert len(links) == len(NASTY) + 1
