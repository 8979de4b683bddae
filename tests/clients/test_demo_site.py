"""The site that is served out of the box, in a real Chromium.

The browser is spoken to in the DevTools protocol, over a pair of pipes: JSON, and a NUL after each message.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.rig.server import Server, serving
from tests.rig.until import until

SITE = Path(__file__).resolve().parent.parent.parent / "static"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = (
    "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
)  # fmt: skip
PATIENCE_SECONDS = 60.0  # a browser's first start, on a machine that is busy with other things
ABOVE_THE_PIPES = 10  # the browser wants its pipes at 3 and 4, where others may be
NARROWEST_PIXELS, PHONE_PIXELS, DESK_PIXELS = 320, 360, 1280
LEFT = "Inspected target navigated or closed"  # as the browser says it
STRICT_POLICY = "default-src 'self'"

Json = dict[str, Any]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to look at the site with")


class PageLeft(Exception):
    """The page that was asked has made way for another one meanwhile."""


class Browser:
    """One browser, as commands and the events that came meanwhile."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._received = b""
        self._last_id = 0
        self.listeners: list[Callable[[Json], None]] = []

    def tell(self, method: str, session: str = "", **parameters: object) -> Json:
        number = self.post(method, session, **parameters)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (message := self._next(deadline, method)).get("id") != number:
            for listener in self.listeners:
                listener(message)
        if message.get("error", {}).get("message") == LEFT:
            raise PageLeft
        assert "error" not in message, f"{method}: {message['error']}"
        result: Json = message["result"]
        return result

    def post(self, method: str, session: str = "", **parameters: object) -> int:
        """Tells without waiting for the answer; its number."""
        self._last_id += 1
        message: Json = {"id": self._last_id, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        return self._last_id

    def _next(self, deadline: float, waiting_for: str) -> Json:
        while b"\0" not in self._received:
            left = max(0.0, deadline - time.monotonic())
            ready = select.select([self._answers], [], [], left)[0]
            assert ready, f"the browser has not answered {waiting_for}"
            data = os.read(self._answers, 1 << 20)
            assert data, f"the browser ended during {waiting_for}"
            self._received += data
        message, _, self._received = self._received.partition(b"\0")
        event: Json = json.loads(message)
        return event


class Tab:
    """A tab, and what the page in it has asked for and complained of."""

    def __init__(self, browser: Browser, policy: str = "") -> None:
        """With a policy, the page itself comes from here and not from the server, and says it."""
        self._browser, self._policy = browser, policy
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.answered: list[Json] = []
        self._target: str = browser.tell("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.tell("Target.attachToTarget", targetId=self._target, flatten=True)
        self._session: str = attached["sessionId"]
        browser.listeners.append(self._heard)
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.tell(f"{domain}.enable")
        if policy:
            self.tell("Fetch.enable", patterns=[{"resourceType": "Document"}])

    def tell(self, method: str, **parameters: object) -> Json:
        return self._browser.tell(method, self._session, **parameters)

    def visit(self, url: str) -> None:
        self.tell("Page.navigate", url=url)
        until(lambda: self.sees("document.readyState") == "complete", f"{url} is loaded")

    def sees(self, expression: str) -> Any:
        """The value of an expression of JavaScript, or of its promise."""
        try:
            seen = self._evaluate(expression)
        except PageLeft:
            seen = self._evaluate(expression)  # of the page that has come
        assert "exceptionDetails" not in seen, seen
        return seen["result"].get("value")

    def _evaluate(self, expression: str) -> Json:
        return self.tell("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)

    def press(self, key: str, code: int, text: str = "") -> None:
        event = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.tell("Input.dispatchKeyEvent", type="keyDown", text=text, **event)
        self.tell("Input.dispatchKeyEvent", type="keyUp", **event)

    def close(self) -> None:
        self._browser.listeners.remove(self._heard)
        self._browser.tell("Target.closeTarget", targetId=self._target)

    def _heard(self, message: Json) -> None:
        if message.get("sessionId") != self._session or "method" not in message:
            return
        said = message["params"]
        match message["method"]:
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(said["exceptionDetails"]))
            case "Runtime.consoleAPICalled":
                self.complaints.append(json.dumps(said["args"]))
            case "Log.entryAdded":
                self.complaints.append(f"{said['entry']['text']} {said['entry'].get('url')}")
            case "Network.requestWillBeSent":
                self.asked.append(said["request"]["url"])
            case "Network.responseReceived":
                self.answered.append(said["response"])
            case "Fetch.requestPaused":
                fields = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": self._policy}
                self._browser.post(
                    "Fetch.fulfillRequest",
                    self._session,
                    requestId=said["requestId"],
                    responseCode=200,
                    responseHeaders=[{"name": name, "value": value} for name, value in fields.items()],
                    body=b64encode((SITE / "index.html").read_bytes()).decode(),
                )


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(SITE) as server:
        yield server


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with running_browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    tab = Tab(browser)
    yield tab
    tab.close()


@contextmanager
def running_browser(profile: Path) -> Iterator[Browser]:
    assert CHROMIUM is not None
    pipes = [*os.pipe(), *os.pipe()]
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, ABOVE_THE_PIPES) for fd in pipes]
    for fd in pipes:
        os.close(fd)
    its_commands, commands, answers, its_answers = high

    def place_pipes() -> None:
        os.dup2(its_commands, 3)
        os.dup2(its_answers, 4)

    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [CHROMIUM, *QUIET, *sandbox, f"--user-data-dir={profile}", "about:blank"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(3, 4),
        preexec_fn=place_pipes,
    )
    os.close(its_commands)
    os.close(its_answers)
    try:
        browser = Browser(commands, answers)
        yield browser
        with suppress(AssertionError, OSError):
            browser.tell("Browser.close")
    finally:
        os.close(commands)
        os.close(answers)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def url(server: Server, path: str = "/") -> str:
    return f"http://127.0.0.1:{server.port}{path}"


def await_script(tab: Tab) -> None:
    until(lambda: tab.sees("document.documentElement.dataset.asked") == "yes", "the module script has run")


def test_the_page_is_complete_and_complains_of_nothing(server: Server, tab: Tab) -> None:
    tab.visit(url(server))
    await_script(tab)
    assert tab.sees("[...document.images].map(image => image.naturalWidth > 0)") == [True] * 3
    assert tab.sees("getComputedStyle(document.body).marginTop") == "0px"
    assert tab.sees("document.getElementById('head').textContent").startswith(
        "200 OK\ncontent-type: text/html"
    )
    assert {answer["status"] for answer in tab.answered} <= {200, 206}
    assert tab.complaints == []


def test_nothing_is_asked_of_another_host(server: Server, tab: Tab) -> None:
    tab.visit(url(server))
    await_script(tab)
    assert {urlsplit(asked)[:2] for asked in tab.asked if not asked.startswith("data:")} == {
        ("http", f"127.0.0.1:{server.port}")
    }


def test_it_works_under_a_strict_content_security_policy(server: Server, browser: Browser) -> None:
    tab = Tab(browser, STRICT_POLICY)
    tab.visit(url(server))
    await_script(tab)
    refused = tab.sees(
        "new Promise(resolve => {"
        "  addEventListener('securitypolicyviolation', event => resolve(event.effectiveDirective));"
        "  document.body.append(Object.assign(document.createElement('style'), {textContent: '*{}'}));"
        "})"
    )
    assert refused == "style-src-elem"  # so the policy was in force
    assert [said for said in tab.complaints if "inline style" not in said] == []
    tab.close()


def test_the_video_seeks_by_ranges(server: Server, tab: Tab) -> None:
    tab.visit(url(server))
    arrived = tab.sees(
        "new Promise((resolve, reject) => {"
        "  const video = document.querySelector('video');"
        "  const seek = () => {"
        "    video.addEventListener('seeked', () => resolve([video.currentTime, video.videoWidth]));"
        "    video.currentTime = 9.5;"
        "  };"
        "  video.addEventListener('error', () => reject(video.error), true);"
        "  video.readyState ? seek() : video.addEventListener('loadedmetadata', seek);"
        "})"
    )
    assert arrived == [9.5, 960]
    answers = [answer for answer in tab.answered if answer["url"].endswith("/water.webm")]
    assert answers
    assert {answer["status"] for answer in answers} == {206}
    assert {answer["mimeType"] for answer in answers} == {"video/webm"}
    size = (SITE / "water.webm").stat().st_size
    for answer in answers:
        fields = {name.lower(): value for name, value in answer["headers"].items()}
        assert fields["content-range"].endswith(f"-{size - 1}/{size}")
    assert tab.complaints == []


def test_the_video_plays_on_from_where_it_was_sought(server: Server, tab: Tab) -> None:
    tab.visit(url(server))
    heard = tab.sees(
        "new Promise((resolve, reject) => {"
        "  const video = document.querySelector('video');"
        "  video.muted = true;"  # a browser plays what is silent without being clicked
        "  const play = () => {"
        "    video.addEventListener('timeupdate', () => {"
        "      const frames = video.getVideoPlaybackQuality().totalVideoFrames;"
        "      if (video.currentTime > 9.7) resolve([video.paused, frames > 2]);"
        "    });"
        "    video.play().catch(reject);"
        "  };"
        "  const seek = () => {"
        "    video.addEventListener('seeked', play, {once: true});"
        "    video.currentTime = 9.5;"
        "  };"
        "  video.addEventListener('error', () => reject(video.error), true);"
        "  video.readyState ? seek() : video.addEventListener('loadedmetadata', seek);"
        "})"
    )
    assert heard == [False, True]
    assert tab.complaints == []


def test_the_jumps_move_the_video(server: Server, tab: Tab) -> None:
    tab.visit(url(server))
    await_script(tab)
    tab.sees("document.querySelector('#jumps button[value=\"5.5\"]').click()")
    until(
        lambda: (
            tab.sees("(video => !video.seeking && video.currentTime)(document.querySelector('video'))") == 5.5
        ),
        "the video is at dusk",
    )


def test_the_measurement_runs_by_keyboard(server: Server, tab: Tab) -> None:
    tab.visit(url(server))
    await_script(tab)
    tab.sees("document.getElementById('measure').focus()")
    tab.press("Enter", 13, "\r")
    until(
        lambda: tab.sees("!document.getElementById('times').hidden"), "the times are shown", PATIENCE_SECONDS
    )
    cells = tab.sees("[...document.querySelectorAll('#times td')].map(cell => Number(cell.textContent))")
    assert len(cells) == 4
    assert all(cell > 0 for cell in cells), cells
    assert tab.sees("document.getElementById('said').textContent").startswith("Done. ")
    assert tab.sees("document.activeElement.id") == "measure"
    assert tab.complaints == []


def test_the_first_tab_stop_leads_to_the_text(server: Server, tab: Tab) -> None:
    tab.visit(url(server))
    tab.press("Tab", 9)
    assert tab.sees("document.activeElement.className") == "skip"
    tab.press("Enter", 13, "\r")
    until(lambda: tab.sees("document.activeElement.id") == "main", "the text has the focus")


def test_without_script_it_lacks_only_what_needs_it(server: Server, tab: Tab) -> None:
    tab.tell("Emulation.setScriptExecutionDisabled", value=True)
    tab.visit(url(server))
    assert tab.sees("[...document.querySelectorAll('[hidden]')].map(part => part.id)") == [
        "ask", "times", "jumps",
    ]  # fmt: skip
    assert tab.sees("getComputedStyle(document.getElementById('ask')).display") == "none"
    assert "walking pace" not in tab.sees("document.getElementById('main').innerText")


@pytest.mark.parametrize("path", ["/", "/404.html"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [NARROWEST_PIXELS, PHONE_PIXELS, DESK_PIXELS])
def test_no_width_needs_scrolling_sideways(
    server: Server, tab: Tab, width: int, scheme: str, path: str
) -> None:
    tab.tell(
        "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500
    )
    tab.tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    tab.visit(url(server, path))
    assert tab.sees("innerWidth") == width
    assert tab.sees("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert tab.complaints == []


@pytest.mark.parametrize("path", ["/", "/404.html"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(server: Server, tab: Tab, scheme: str, path: str) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    tab.tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    tab.visit(url(server, path))
    too_faint = tab.sees(
        """(() => {
          const numbers = colour => (colour.match(/[\\d.]+/g) ?? []).map(Number);
          const luminance = colour => numbers(colour).slice(0, 3).map(part => part / 255)
            .map(part => part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4)
            .reduce((sum, part, at) => sum + part * [.2126, .7152, .0722][at], 0);
          const behind = part => {
            const colour = getComputedStyle(part).backgroundColor;
            return numbers(colour)[3] === 0 ? behind(part.parentElement) : colour;
          };
          const faint = [];
          for (const part of document.body.querySelectorAll("*")) {
            if (!part.checkVisibility()) continue;
            if (![...part.childNodes].some(child => child.nodeType === 3 && child.data.trim())) continue;
            const both = [luminance(getComputedStyle(part).color), luminance(behind(part))];
            const ratio = (Math.max(...both) + .05) / (Math.min(...both) + .05);
            if (ratio < 4.5) faint.push([part.tagName, part.textContent.slice(0, 40), ratio]);
          }
          return faint;
        })()"""
    )
    assert too_faint == []
