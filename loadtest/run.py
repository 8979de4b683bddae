"""Runs the users against a server, without Downloaders and with them, and compares what the Bystander saw.

    python -m loadtest.run [--url URL] [--seconds N] [--users Downloader=100 ...]

Rule 1: the judge is a locust of its own. One Python process that swallows downloads cannot at the same time
        tell to the millisecond what a page took. The other, with all other users, gives way to it (nice).
Rule 2: the two runs differ in the Downloaders and in nothing else: same server, same corpus, one after the
        other.
Rule 3: a Bystander that waits does not ask. The percentiles count what it would have asked meanwhile, so that
        no server gains by stopping the judge.
Rule 4: a machine that is busy with other things shows. Who only sleeps and wakes here is late, too: by that
        much the server cannot be blamed.
Rule 5: status 1 if any request failed, if anybody who was sent got nothing, or if the server ended badly.
Rule 6: all has an end: a locust that does not stop in time is killed, and that is a failure.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Self

from loadtest import corpus

LOCUSTFILE = Path(__file__).resolve().with_name("locustfile.py")
RESULTS = Path(__file__).resolve().parent / "results" / "users"
BIN = Path(sys.executable).parent  # where this environment has its programs
SECONDS = 30
USERS = {"Bystander": 10, "Browser": 10, "Seeker": 10, "Downloader": 40}
MARKS = {
    "Bystander": "bystander",
    "Browser": "page",
    "Seeker": "video",
    "Downloader": "download",
}  # of requests
JUDGE = "Bystander"
INTERVAL_MS = 50.0  # of one Bystander; users.BYSTANDER_PER_SECOND
SERVER_MEMORY = "256M"  # less than the large files, so that the disk has work

SETTLE_SECONDS = 3  # at most: the load is there before the judge comes, and stays until it has gone
PATIENCE_SECONDS = 5  # for answers that are under way at the end
START_SECONDS = 15.0
COMPLAINTS_SHOWN = 12
DOZE_SECONDS = 0.01
STOP_SECONDS = 40.0  # more than a server takes that lets its answers end


class Failed(Exception):
    """The verdict cannot be had, or is no; the message says why."""


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one run."""

    name: str
    times: tuple[float, ...]  # of the Bystanders, in milliseconds
    late: tuple[float, ...]  # by how much a process that does nothing woke up late, in milliseconds
    others: int  # requests of everybody else
    megabytes: float  # that these have got


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    users = {**USERS, **dict(options.users)}
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # ends what we have started
    try:
        if not (BIN / "locust").exists():
            raise Failed(f"locust is not installed in {BIN} (pip install 'headrace[load]')")
        options.results.mkdir(parents=True, exist_ok=True)
        if options.url is None:
            corpus.make(options.corpus, corpus.Recipe(megabytes=options.megabytes))
            place: AbstractContextManager[str] = _serving(options.corpus, options.results)
        else:
            place = nullcontext(options.url.rstrip("/"))
        with place as url:
            _require_corpus(url)
            quiet = {**users, "Downloader": 0}
            runs = [
                _run(name, url, crowd, options)
                for name, crowd in (("without Downloaders", quiet), ("with Downloaders", users))
            ]
    except (Failed, corpus.NotACorpus, OSError) as error:
        print(f"loadtest: {error}", file=sys.stderr)
        return 1
    print(verdict(runs))
    print(f"No request failed. Reports (HTML, CSV) are in {options.results}.")
    return 0


def percentile(ordered: Sequence[float], percent: float) -> float:
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]


def unhidden(times: Sequence[float], interval: float) -> list[float]:
    """In order, and with them the waits of those requests that a stalled user had no chance to make."""
    return sorted(waited - gone for waited in times for gone in _steps(waited, interval))


def verdict(runs: Sequence[Run]) -> str:
    """A line for each run. The last column is the machine's own share: what it keeps any process waiting."""
    lines = [
        f"{JUDGE}, ms:           p50     p95     p99     max   requests     others   MiB/others   machine p99"
    ]
    for run in runs:
        ordered = unhidden(run.times, INTERVAL_MS)
        figures = [percentile(ordered, percent) for percent in (50, 95, 99, 100)]
        lines.append(
            f"{run.name:<19}"
            + "".join(f"{figure:8.1f}" for figure in figures)
            + f"{len(run.times):11}{run.others:11}{run.megabytes:13.0f}"
            + f"{percentile(sorted(run.late), 99):14.1f}"
        )
    return "\n".join(lines)


def _steps(waited: float, interval: float) -> Iterator[float]:
    return (n * interval for n in range(max(1, ceil(waited / interval))))


def _run(name: str, url: str, users: Mapping[str, int], options: argparse.Namespace) -> Run:
    """One run of two locusts: first the load, and within its time the judge."""
    print(f"{name}: {options.seconds} s, {_listed(users)}", file=sys.stderr, flush=True)
    stem = name.split()[0]
    for left in options.results.glob(f"{stem}-*"):
        left.unlink()
    judge = _Locust(options.results / f"{stem}-judge", url, {JUDGE: users[JUDGE]})
    load = _Locust(
        options.results / f"{stem}-load", url, {k: n for k, n in users.items() if k != JUDGE and n}
    )
    settle = min(SETTLE_SECONDS, options.seconds)
    load_seconds = options.seconds + 2 * settle
    with judge, load:
        if load.users:
            load.start(load_seconds, before=("nice", "-n", "10"))
            time.sleep(settle)
        judge.start(options.seconds)
        deadline = time.monotonic() + load_seconds + PATIENCE_SECONDS + START_SECONDS
        late = judge.doze_until_it_ends(deadline)
        reports = [locust.report(deadline) for locust in (judge, load) if locust.users]
    complaints = [complaint for report in reports for complaint in report.complaints]
    if complaints:
        raise Failed("\n  ".join([f"{name}: not all went well (reports in {options.results})", *complaints]))
    others = reports[1:]
    return Run(
        name=name,
        times=reports[0].times,
        late=late,
        others=sum(report.requests for report in others),
        megabytes=sum(report.bytes for report in others) / 1_048_576,
    )


@dataclass(frozen=True, slots=True)
class _Report:
    """What one locust said when it ended, or is said of one that did not end well."""

    complaints: tuple[str, ...]
    times: tuple[float, ...] = ()
    requests: int = 0
    bytes: int = 0


class _Locust:
    """One headless locust, and the files that it leaves."""

    def __init__(self, stem: Path, url: str, users: Mapping[str, int]) -> None:
        self.users = users
        self._stem = stem
        self._url = url
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def start(self, seconds: int, *, before: Sequence[str] = ()) -> None:
        everybody = str(sum(self.users.values()))
        counts = [{"user_class_name": name, "fixed_count": count} for name, count in self.users.items()]
        command = [
            *(*before, str(BIN / "locust"), "--headless", "--only-summary", "--locustfile", str(LOCUSTFILE)),
            *("--host", self._url, "--users", everybody, "--spawn-rate", everybody),
            *("--config-users", json.dumps(counts)),
            *("--run-time", f"{seconds}s", "--stop-timeout", str(PATIENCE_SECONDS)),
            *("--html", f"{self._stem}.html", "--csv", str(self._stem), "--report", f"{self._stem}.json"),
            *self.users,
        ]
        with Path(f"{self._stem}.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def doze_until_it_ends(self, deadline: float) -> tuple[float, ...]:
        """How late each of our short sleeps ended, in milliseconds."""
        assert self._process is not None
        late = []
        while self._process.poll() is None and time.monotonic() < deadline:
            asleep = time.perf_counter()
            time.sleep(DOZE_SECONDS)
            late.append((time.perf_counter() - asleep - DOZE_SECONDS) * 1000)
        return tuple(late)

    def report(self, deadline: float) -> _Report:
        """Wait for it to end by itself."""
        assert self._process is not None
        log = f"{self._stem}.log"
        try:
            status = self._process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return _Report((f"{self._stem.name} did not end in time (see {log})",))
        try:
            told = json.loads(Path(f"{self._stem}.json").read_text())
        except FileNotFoundError:
            return _Report((f"{self._stem.name} ended early, with status {status} (see {log})",))
        complaints = [
            *(f"{count} x {message}" for count, message in sorted(told["failures"], reverse=True)),
            *(f"{name}: not one request" for name in self.users if not _asked(name, told["requests"])),
        ]
        if status and not complaints:
            complaints = [f"{self._stem.name} ended with status {status} (see {log})"]
        if len(complaints) > COMPLAINTS_SHOWN:
            more = len(complaints) - COMPLAINTS_SHOWN
            complaints = [*complaints[:COMPLAINTS_SHOWN], f"and {more} other kinds ({self._stem}.html)"]
        requests: Mapping[str, int] = told["requests"]
        return _Report(
            tuple(complaints), tuple(told["bystander_ms"]), sum(requests.values()), int(told["bytes"])
        )


def _asked(name: str, requests: Mapping[str, int]) -> bool:
    return any(count for asked, count in requests.items() if asked.startswith(MARKS[name]))


@contextmanager
def _serving(root: Path, results: Path) -> Iterator[str]:
    """The URL of a server on loopback, which must end in peace."""
    log = results / "server.log"
    command = [
        str(BIN / "headrace"),
        str(root),
        "--listen",
        "127.0.0.1:0",
        "--memory",
        SERVER_MEMORY,
        "--verbose",
    ]
    with log.open("wb") as file:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        yield _announced_url(server, log)
        server.terminate()
        try:
            status = server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed(f"the server did not end within {STOP_SECONDS:.0f} s (see {log})") from None
        if status:
            raise Failed(f"the server ended with status {status} (see {log})")
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()


def _announced_url(server: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        if found := re.search(r"headrace: serving .* at (http://127\.0\.0\.1:\d+)/", log.read_text()):
            return found[1]
        time.sleep(0.02)
    raise Failed(f"the server did not start:\n{log.read_text()}")


def _require_corpus(url: str) -> None:
    """Ask once before many ask."""
    try:
        with urllib.request.urlopen(url + corpus.MANIFEST, timeout=START_SECONDS) as answer:
            corpus.parse_manifest(answer.read())
    except (OSError, ValueError, corpus.NotACorpus) as error:
        raise Failed(f"{url} does not serve the corpus: {error}") from None


def _listed(users: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}s" for name, count in users.items() if count)


def _count(text: str) -> tuple[str, int]:
    name, _, count = text.partition("=")
    if name not in USERS or not count.isdigit() or (name == JUDGE and not int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is not like Downloader=100; there are {', '.join(USERS)}")
    return name, int(count)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.run", description="What a Bystander sees, without Downloaders and with them."
    )
    parser.add_argument("--url", help="of a server that serves the corpus (default: one is started here)")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of each run (default: %(default)s)")
    parser.add_argument(
        "--users",
        metavar="NAME=COUNT",
        type=_count,
        nargs="+",
        default=[],
        help=f"how many of whom (default: {' '.join(f'{name}={count}' for name, count in USERS.items())})",
    )
    parser.add_argument(
        "--corpus", type=Path, default=corpus.HERE, help="where to have it (default: %(default)s)"
    )
    parser.add_argument(
        "--megabytes", type=int, default=corpus.MEGABYTES, help="of its large files (default: %(default)s)"
    )
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="for the reports (default: %(default)s)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
