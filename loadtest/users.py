"""Who asks, for what, and what they take for a right answer.

Rule 1: an answer is right in its status, its headers and its bytes, by the corpus's manifest; anything else
        is a failed request. To go away in the middle of an answer is what people do, and no failure.
Rule 2: the manifest comes from the server that is asked, so that any URL will do that serves the corpus.
Rule 3: the Bystander is the judge. Its page is small and in memory, and what it has to wait for is the fault
        of the others. It is asked for at a steady rate, under a name of its own.
Rule 4: whoever takes large files has a link of a certain speed, as people have. Without one, a handful of
        users on the same machine would be a test of the memory bus.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import partial
from time import perf_counter

import gevent
from gevent.lock import RLock
from gevent.pool import Pool
from locust import FastHttpUser, between, constant_throughput, events, task
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS, ResponseContextManager
from locust.exception import StopUser

from loadtest.corpus import BYSTANDER, MANIFEST, Check, File, Manifest, NotACorpus, WrongBytes, parse_manifest

LINK_BYTES_PER_SECOND = 4 * 1024 * 1024  # a line into a house, 32 Mbit/s
CHUNK = 256 * 1024  # read at a time from a large answer
LONG_PART = 8 * 1024 * 1024
CONNECTIONS_OF_A_BROWSER = 6
BYSTANDER_PER_SECOND = 20  # by each of them
BYSTANDER_NAME = "bystander"

_manifests: dict[str, Manifest] = {}  # by host; one is enough for all users of a process
_manifests_lock = RLock()


@events.test_start.add_listener
def forget_manifests(**_: object) -> None:
    """The server may have another corpus by the next test that is started from the web page."""
    _manifests.clear()


class Wrong(Exception):
    """The head of an answer is not what it must be."""


class Visitor(FastHttpUser):
    """What the four have in common: the manifest, and how an answer is judged."""

    abstract = True
    connection_timeout = 10.0
    network_timeout = 20.0  # for a server that says nothing at all
    max_redirects = 0  # nothing in the corpus has moved

    def on_start(self) -> None:
        host = (self.host or "").rstrip("/")
        self.client.base_url = host
        with _manifests_lock:
            if host not in _manifests:
                _manifests[host] = self._fetch_manifest()
        self.corpus = _manifests[host]

    def read(self, path: str, name: str, condition: Mapping[str, str] | None = None) -> dict[str, str]:
        """GET a small file whole. Returns the condition under which to ask for it again.

        With a condition the answer must be 304, because nothing in the corpus changes.
        """
        headers = {"Accept-Encoding": "gzip", **(condition or {})}
        with self.client.get(path, name=name, headers=headers, catch_response=True) as response:
            if response.request_meta["exception"] is None:
                try:
                    if condition:
                        expect(response, 304)
                    else:
                        judge_whole(response, self.corpus.files[path])
                        return condition_of(response)
                except (Wrong, WrongBytes) as error:
                    response.failure(error)
        return dict(condition or {})

    def stream(self, file: File, name: str, part: range | None = None, take: int | None = None) -> None:
        """GET a large file or a part of it, at the speed of the link; hang up after `take` bytes.

        The time that locust reports is that of the head: how long the rest takes is up to the link.
        """
        wanted = part if part is not None else range(file.size)
        headers = {"Accept-Encoding": "identity"}
        if part is not None:
            last = "" if part.stop == file.size else part.stop - 1
            headers["Range"] = f"bytes={part.start}-{last}"
        with self.client.get(
            file.path, name=name, headers=headers, stream=True, catch_response=True
        ) as response:
            meta = response.request_meta
            if meta["exception"] is not None:
                return
            check = Check(file, wanted.start)
            try:
                judge_head(response, file, part)
                receive(response, check, wanted.start + min(len(wanted), take or len(wanted)))
            except (Wrong, WrongBytes, *FAILURE_EXCEPTIONS) as error:
                response.failure(error)
            finally:
                meta["response_length"] = check.at - wanted.start
                response.release()  # closes a connection on which something is still to come

    def _fetch_manifest(self) -> Manifest:
        with self.client.get(MANIFEST, name="manifest", catch_response=True) as response:
            if response.request_meta["exception"] is None:
                try:
                    expect(response, 200)
                    return parse_manifest(response.content)
                except (Wrong, NotACorpus) as error:
                    response.failure(error)
        raise StopUser


class Browser(Visitor):
    """Reads a page with all that belongs to it, and comes back to it soon, with what it has kept."""

    weight = 4
    wait_time = between(0.2, 1.0)

    @task
    def visit_twice(self) -> None:
        page = random.choice(list(self.corpus.pages))
        kept: dict[str, dict[str, str]] = {}
        self._visit(page, kept, "")
        gevent.sleep(random.uniform(0.2, 1.0))
        self._visit(page, kept, " again")

    def _visit(self, page: str, kept: dict[str, dict[str, str]], again: str) -> None:
        kept[page] = self.read(page, f"page{again}", kept.get(page))
        connections = Pool(CONNECTIONS_OF_A_BROWSER)
        assets = self.corpus.pages[page]
        try:
            conditions = connections.map(
                lambda asset: self.read(asset, f"asset{again}", kept.get(asset)), assets
            )
        finally:
            connections.kill()
        kept.update(zip(assets, conditions, strict=True))


class Downloader(Visitor):
    """Takes large files, whole or by range. One in four loses patience."""

    weight = 4
    wait_time = between(0.0, 0.5)

    @task(2)
    def take_all(self) -> None:
        self.stream(self._any(), "download")

    @task(1)
    def take_a_part(self) -> None:
        file = self._any()
        start = random.randrange(file.size)
        self.stream(file, "download, part", range(start, min(file.size, start + LONG_PART)))

    @task(1)
    def give_up(self) -> None:
        file = self._any()
        self.stream(file, "download, given up", take=random.randrange(1, file.size // 2))

    def _any(self) -> File:
        return self.corpus.files[random.choice(self.corpus.downloads)]


class Seeker(Visitor):
    """Watches a video as browsers do: asks for all the rest, and hangs up to ask from elsewhere."""

    weight = 2
    wait_time = between(0.2, 1.0)

    @task
    def watch(self) -> None:
        file = self.corpus.files[random.choice(self.corpus.videos)]
        self.stream(file, "video, from the start", range(file.size), take=_a_moment())
        for _ in range(random.randrange(2, 6)):
            start = random.randrange(file.size)
            self.stream(file, "video, from within", range(start, file.size), take=_a_moment())


class Bystander(Visitor):
    """Asks for one small page, steadily."""

    weight = 2
    wait_time = constant_throughput(BYSTANDER_PER_SECOND)

    @task
    def look(self) -> None:
        self.read(BYSTANDER, BYSTANDER_NAME)


def expect(response: ResponseContextManager, status: int) -> None:
    if response.status_code != status:
        raise Wrong(f"status {response.status_code} where {status} is due")


def judge_head(response: ResponseContextManager, file: File, part: range | None) -> None:
    expect(response, 200 if part is None else 206)
    _expect_field(response, "Content-Length", str(len(part) if part is not None else file.size))
    if part is not None:
        _expect_field(response, "Content-Range", f"bytes {part.start}-{part.stop - 1}/{file.size}")


def judge_whole(response: ResponseContextManager, file: File) -> None:
    """A page may come compressed; the length of that is the server's own affair."""
    expect(response, 200)
    if field(response, "Content-Encoding") is None:
        _expect_field(response, "Content-Length", str(file.size))
    check = Check(file)
    check.take(response.content)
    if check.at != file.size:
        raise WrongBytes(f"{file.path}: {check.at} bytes of {file.size}")


def condition_of(response: ResponseContextManager) -> dict[str, str]:
    if tag := field(response, "ETag"):
        return {"If-None-Match": tag}
    if modified := field(response, "Last-Modified"):
        return {"If-Modified-Since": modified}
    return {}  # the server does not take part in this


def receive(response: ResponseContextManager, check: Check, end: int) -> None:
    """Read the body up to this place in the file, no faster than the link."""
    start, began = check.at, perf_counter()
    for chunk in iter(partial(response.read, CHUNK), b""):
        check.take(chunk)
        if check.at >= end:
            return
        due = began + (check.at - start) / LINK_BYTES_PER_SECOND
        gevent.sleep(max(0.0, due - perf_counter()))
    raise WrongBytes(f"{check.at - start} bytes where {end - start} were promised")


def field(response: ResponseContextManager, name: str) -> str | None:
    """A header that comes twice counts as none."""
    value = response.headers.get(name) if response.headers is not None else None
    return value if isinstance(value, str) else None


def _expect_field(response: ResponseContextManager, name: str, value: str) -> None:
    if (said := field(response, name)) != value:
        raise Wrong(f"{name} is {said} where {value} is due")


def _a_moment() -> int:
    """How much of a video is fetched before the viewer goes elsewhere."""
    return random.randrange(256 * 1024, 3 * 1024 * 1024)
