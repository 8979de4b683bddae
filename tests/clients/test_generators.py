"""What MkDocs, Sphinx and Vite build, served as it is: no link in it is broken."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.crawler import Crawl, crawl
from tests.clients.programs import succeed
from tests.clients.test_demo_site import CHROMIUM, Browser, Tab, running_browser, url
from tests.rig.client import ask
from tests.rig.server import Server, serving
from tests.rig.until import until

APP = Path(__file__).resolve().parent / "vite_app"
INSTALL_SECONDS = 120
NAVIGATION = ("Accept: text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Dest: document")
FOR_EVER = "public, max-age=31536000, immutable"

WHEEL = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><path d="M0 0h8v8z"/></svg>\n'
DATA = '{"flows": true}\n'
MKDOCS = {
    "mkdocs.yml": """
site_name: Mill
use_directory_urls: CLEAN
plugins: [search]
""",
    "docs/index.md": """
# Mill

[About](about.md) and [the wheel](parts/wheel.md#paddles).

![Wheel](wheel.svg)
""",
    "docs/about.md": """
# About

Back to [the mill](index.md), or [a file](data.json).
""",
    "docs/parts/index.md": """
# Parts

[Wheel](wheel.md)
""",
    "docs/parts/wheel.md": """
# Wheel

## Paddles

[About](../about.md) ![Wheel](../wheel.svg)
""",
    "docs/data.json": DATA,
    "docs/wheel.svg": WHEEL,
}
SPHINX = {
    "conf.py": """
project = "Mill"
""",
    "index.rst": """
Mill
====

.. toctree::

   about
   parts/wheel

* :ref:`genindex`
* :ref:`search`
""",
    "about.rst": """
.. _about:

About
=====

See :ref:`paddles` and :download:`a file <data.json>`.
""",
    "parts/wheel.rst": """
Wheel
=====

.. _paddles:

Paddles
-------

.. image:: ../wheel.svg

.. py:function:: turn(times)

   Turns it, see :ref:`about`.
""",
    "data.json": DATA,
    "wheel.svg": WHEEL,
}
ELSEWHERE = {
    "conf.py": """
project = "Other"
extensions = ["sphinx.ext.intersphinx"]
intersphinx_mapping = {"mill": ("MILL", None)}
""",
    "index.rst": """
Other
=====

:py:func:`turn` and :external+mill:ref:`paddles`
""",
}


def lay_out(home: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return home


def build_mkdocs(project: Path, *, clean: bool) -> Path:
    config = MKDOCS["mkdocs.yml"].replace("CLEAN", str(clean).lower())
    lay_out(project, {**MKDOCS, "mkdocs.yml": config})
    succeed(sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", home=project)
    return project / "site"


def build_sphinx(project: Path, files: dict[str, str], builder: str = "html") -> Path:
    lay_out(project, files)
    quietly = ("--quiet", "--fail-on-warning", "--builder", builder)
    succeed(sys.executable, "-m", "sphinx", *quietly, project, project / "built", home=project)
    return project / "built"


def crawled(server: Server, *starts: str) -> Crawl:
    found = crawl(server.port, *starts)
    assert found.broken == []
    return found


def test_the_crawler_says_which_links_are_broken(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        {
            "index.html": """
<link rel="stylesheet" href="style.css"><script src="wheel.svg"></script><p id="here">
<a href="#here">kept</a> <a href="#there">no anchor</a> <a href="missing">missing</a>
<img srcset="wheel.svg 1x, wheel@2x.svg 2x"> <a href="https://example.org/">elsewhere</a>
""",
            "style.css": "p { background: url('wheel.svg') } b { background: url(gone.png) }",
            "wheel.svg": WHEEL,
        },
    )
    with serving(tmp_path) as server:
        found = crawl(server.port, "/")
        assert [said.replace(url(server), "/") for said in found.broken] == [
            "/ leads to #there in /, where it is not",
            "/style.css leads to /gone.png: 404",
            "/ leads to /missing: 404",
            "/ wants ('text/javascript',) of /wheel.svg: image/svg+xml",
            "/ leads to /wheel@2x.svg: 404",
        ]
        assert found.elsewhere == {"https://example.org/"}


@pytest.mark.parametrize("clean", [True, False], ids=["directories", "files"])
def test_no_link_is_broken_in_what_mkdocs_builds(tmp_path: Path, clean: bool) -> None:
    built = build_mkdocs(tmp_path / "mill", clean=clean)
    with serving(built) as server:
        found = crawled(server, "/")
        pages = ("/about/", "/parts/wheel/") if clean else ("/about.html", "/parts/wheel.html")
        assert {*pages, "/data.json", "/wheel.svg"} <= found.paths
        assert {"css", "js", "woff2"} <= {path.rpartition(".")[2] for path in found.paths}
        missing = ask(server.port, "/parts/missing", *NAVIGATION)
        assert (missing.status, missing.body) == (404, (built / "404.html").read_bytes())


def test_what_mkdocs_builds_as_directories_has_clean_urls(tmp_path: Path) -> None:
    built = build_mkdocs(tmp_path / "mill", clean=True)
    with serving(built) as server:
        bare = ask(server.port, "/about?from=afar")
        assert (bare.status, bare["location"]) == (301, "./about/?from=afar")
        page = ask(server.port, "/about/")
        assert (page.status, page.body) == (200, (built / "about/index.html").read_bytes())


def test_what_mkdocs_builds_as_files_has_clean_urls(tmp_path: Path) -> None:
    built = build_mkdocs(tmp_path / "mill", clean=False)
    with serving(built) as server:
        for path in ("/about", "/parts/wheel"):
            page = ask(server.port, path)
            assert (page.status, page["content-type"]) == (200, "text/html; charset=utf-8")
            assert page.body == (built / f"{path[1:]}.html").read_bytes()


@pytest.mark.parametrize("builder", ["html", "dirhtml"])
def test_no_link_is_broken_in_what_sphinx_builds(tmp_path: Path, builder: str) -> None:
    built = build_sphinx(tmp_path / "mill", SPHINX, builder)
    with serving(built) as server:
        found = crawled(server, "/")
        end = ".html" if builder == "html" else "/"
        assert {f"/parts/wheel{end}", f"/genindex{end}", "/_images/wheel.svg"} <= found.paths
        assert {"css", "js", "json", "txt"} <= {path.rpartition(".")[2] for path in found.paths}
        page = ask(server.port, "/parts/wheel")
        assert page.status == (200 if builder == "html" else 301)
        assert ask(server.port, "/.buildinfo").status == 404


def test_sphinx_finds_its_way_into_another_manual_on_the_server(tmp_path: Path) -> None:
    """By what lies at objects.inv."""
    with serving(build_sphinx(tmp_path / "mill", SPHINX)) as server:
        config = ELSEWHERE["conf.py"].replace("MILL", url(server))
        other = build_sphinx(tmp_path / "other", {**ELSEWHERE, "conf.py": config})
        text = (other / "index.html").read_text()
        page = url(server, "/parts/wheel.html")
        anchors = crawled(server, "/parts/wheel.html").anchors[page]
        for anchor in ("turn", "paddles"):
            assert f'href="{page}#{anchor}"' in text
            assert anchor in anchors


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Vite builds of the app beside this file."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm to install Vite with")
    home = tmp_path_factory.mktemp("vite") / "app"
    shutil.copytree(APP, home)
    quietly = ("--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--fetch-retries=1")
    try:
        subprocess.run(
            [npm, "install", *quietly],
            cwd=home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=INSTALL_SECONDS,
            check=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = " ".join((error.stderr or b"").decode(errors="replace").split())
        pytest.skip(f"npm cannot install Vite: {error}: {said[-300:]}")
    succeed("npm", "exec", "--offline", "--", "vite", "build", "--assetsInlineLimit", 0, home=home)
    return home / "dist"


@pytest.fixture(scope="module")
def app_server(app: Path) -> Iterator[Server]:
    with serving(app, "--spa", "yes") as server:
        yield server


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium to open the app with")
    with running_browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    tab = Tab(browser)
    yield tab
    tab.close()


def assets(app: Path) -> dict[str, str]:
    """The paths of what Vite has given a hash, by their names before it."""
    return {
        f"{path.name[: -len(path.suffix) - 9]}{path.suffix}": f"/assets/{path.name}"
        for path in (app / "assets").iterdir()
    }


def test_no_link_is_broken_in_what_vite_builds(app: Path, app_server: Server) -> None:
    found = crawled(app_server, "/")
    hashed = assets(app)
    assert {"/wheel.svg", hashed["index.js"], hashed["index.css"], hashed["water.svg"]} <= found.paths
    # What a script imports only when it is needed.
    assert ask(app_server.port, hashed["user.js"])["content-type"].startswith("text/javascript")


def test_chromium_opens_a_deep_link_of_a_single_page_app(app: Path, app_server: Server, tab: Tab) -> None:
    tab.visit(url(app_server, "/users/42"))
    until(lambda: tab.sees("document.getElementById('page').textContent") == "User 42", "the user is shown")
    assert tab.sees("document.styleSheets[0].cssRules.length") > 0
    assert {answer["status"] for answer in tab.answered} == {200}
    assert {f"{url(app_server)[:-1]}{path}" for path in assets(app).values()} <= set(tab.asked)
    assert tab.complaints == []


def test_chromium_moves_about_in_a_single_page_app(app_server: Server, tab: Tab) -> None:
    tab.visit(url(app_server, "/users/42"))
    until(lambda: tab.sees("document.getElementById('page').textContent") == "User 42", "the user is shown")
    tab.sees("document.querySelector('a[href=\"/users/7\"]').click()")
    until(lambda: tab.sees("document.getElementById('page').textContent") == "User 7", "another is shown")
    tab.tell("Page.reload")
    until(
        lambda: tab.sees("document.getElementById('page')?.textContent") == "User 7",
        "the other is shown again",
    )
    assert tab.sees("location.pathname") == "/users/7"
    tab.sees("history.back()")
    until(lambda: tab.sees("document.getElementById('page')?.textContent") == "User 42", "the first is back")
    assert tab.complaints == []


@pytest.mark.parametrize("path", ["/", "/index.html", "/users/42", "/users/42/edit", "/nowhere"])
def test_every_navigation_in_a_single_page_app_gets_its_page_and_asks_again(
    app: Path, app_server: Server, path: str
) -> None:
    page = ask(app_server.port, path, *NAVIGATION)
    assert (page.status, page["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.body == (app / "index.html").read_bytes()
    assert page["cache-control"] == "no-cache"
    assert ask(app_server.port, path, *NAVIGATION, f"If-None-Match: {page['etag']}").status == 304


@pytest.mark.parametrize(
    "fields", [("Sec-Fetch-Dest: script", "Accept: */*"), ("Sec-Fetch-Dest: style",), ()]
)
def test_a_missing_asset_of_a_single_page_app_is_not_its_page(
    app_server: Server, fields: tuple[str, ...]
) -> None:
    missing = ask(app_server.port, "/assets/none.js", *fields)
    assert missing.status == 404
    assert b"/assets/index-" not in missing.body


def test_an_asset_of_which_vite_knows_the_content_is_immutable(app: Path, app_server: Server) -> None:
    assert ask(app_server.port, assets(app)["water.svg"])["cache-control"] == FOR_EVER
    assert ask(app_server.port, "/wheel.svg")["cache-control"] != FOR_EVER
