"""How many clients must be stuck on a disk that does not answer until a page from memory is no longer served.

Rule 1: no clock decides. The disk stands still, and the page is answered within three seconds or it is not.
Rule 2: the disk is proved to stand still (cold files hang in other processes) before anything is concluded.
Rule 3: the page has been asked for before the freeze, and this process keeps it in the page cache; every
        stuck client asks for a file of its own: all of it cold, or else its name, inode and extents warm.
Rule 4: the page is asked for on a connection that is kept and on new ones, again and again: a server that
        still answers whom it has accepted, but accepts nobody, has stopped.
Rule 5: after the thaw every download that was stuck should complete. They are counted.
"""

from __future__ import annotations

import argparse
import os
import resource
import selectors
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from loadtest import disks, servers
from loadtest.judge import PAGE, Answer, ask_on, ask_page, request
from loadtest.slowdisk import (
    FAILURES,
    FORK,
    PAGE_BYTES,
    held_in_memory,
    installed,
    machine_facts,
    say,
    write_result,
)

CROWDS = (1, 2, 4, 8, 16, 32, 33, 48, 64, 128, 250, 1000, 10_000)
FILE_BYTES = 300_000  # more than any server keeps of a small file
FILES_PER_FOLDER = 10
PROVED_FILES = 20  # one in each of so many folders
ANSWER_SECONDS = 3.0
PROBES, PROBE_PAUSE_SECONDS = 3, 0.7  # so that a second passes, after which what is known is looked at again
THAW_SECONDS = 60.0
VARIANTS = {"cold": "all of it", "warm": "the data only"}


@dataclass(frozen=True, slots=True)
class Trial:
    """One server on one frozen disk."""

    server: str
    variant: str
    largest_crowd: int  # that was tried
    unanswered_from: int | None  # None: the page was answered all the time
    slowest_page_ms: float  # of those that were answered
    pages_answered: int
    answered_while_frozen: int  # downloads that got an answer, whole or refused, from a disk that stood still
    completed: int
    thaw_seconds: float  # until the last one
    page_after_thaw: bool
    state: dict[str, object]


def main() -> None:
    options = _options()
    if reason := disks.missing():
        sys.exit(f"stuck: {reason}")
    if not (names := installed(options.servers)):
        sys.exit("stuck: none of these servers is installed")
    crowds = [crowd for crowd in CROWDS if crowd <= options.most]
    resource.setrlimit(resource.RLIMIT_NOFILE, (servers.DESCRIPTORS, servers.DESCRIPTORS))
    facts = machine_facts(names)
    files = max(crowds) + FILES_PER_FOLDER
    megabytes = files * (FILE_BYTES // 4096 + 2) // 256
    trials: list[Trial] = []
    say(f"writing {files} files, {megabytes} MiB")
    with disks.FrozenDisk(megabytes + megabytes // 8 + 128) as disk:
        targets: list[str] = []
        disk.populate(lambda root: targets.extend(_write_files(root, files)))
        for variant in options.variants:
            for name in names:
                try:
                    trials.append(_try(disk, name, variant, targets, crowds, options.hold))
                except (*FAILURES, disks.NotFrozen) as failure:
                    say(f"{name} frozen: {VARIANTS[variant]}: {failure}")
                else:
                    say(_in_brief(trials[-1]))
    written = write_result("stuck", {"facts": facts, "trials": [asdict(trial) for trial in trials]})
    print(
        f"Linux {facts['kernel']}, {facts['cpu']}; {', '.join(dict.fromkeys(map(servers.version, names)))}",
        end="\n\n",
    )
    print(_table(trials))
    say(f"all figures: {written}")


def _write_files(root: Path, files: int) -> Iterator[str]:
    """The page, the files to be stuck on, and those in folders of their own that prove the freeze."""
    (root / PAGE.lstrip("/")).write_bytes(os.urandom(PAGE_BYTES // 2).hex().encode())
    content = os.urandom(FILE_BYTES)
    for number in range(files):
        folder = root / f"d{number // FILES_PER_FOLDER:04}"
        folder.mkdir(exist_ok=True)
        (folder / f"f{number:05}").write_bytes(content)
        yield f"/{folder.name}/f{number:05}"
    for number in range(PROVED_FILES):
        folder = root / f"proof{number:02}"
        folder.mkdir()
        (folder / "file").write_bytes(content)


def _try(
    disk: disks.FrozenDisk,
    name: str,
    variant: str,
    targets: Sequence[str],
    crowds: Sequence[int],
    hold: float,
) -> Trial:
    disk.cool()
    with ExitStack() as stack:
        if variant == "warm":
            stack.enter_context(_warm_metadata(disk, [disk.path / target.lstrip("/") for target in targets]))
        server = stack.enter_context(servers.start(name, disk.path, enter=disk.enter))
        stack.enter_context(held_in_memory(disk.path / PAGE.lstrip("/")))
        for _ in range(5):
            ask_page(server.port, 5)
            time.sleep(0.1)
        crowd = stack.enter_context(_Crowd(server.port, targets))
        stack.callback(disk.thaw)  # before the server is stopped: who sleeps on the disk cannot end
        disk.freeze()
        disk.prove([disk.path / f"proof{number:02}" / "file" for number in range(PROVED_FILES)], seconds=1.0)
        page = stack.enter_context(_Page(server.port))
        failed = _raise_crowd(crowd, page, crowds, hold)
        crowd.read(seconds=0.5)
        early, answers, slowest = crowd.ended, page.answers, page.slowest
        disk.thaw()
        thawed = time.monotonic()
        crowd.read(THAW_SECONDS)
        seconds = time.monotonic() - thawed
        alive = page.answered_afresh()
        state = server.state()
    return Trial(
        server=name,
        variant=variant,
        largest_crowd=crowd.size,
        unanswered_from=failed,
        slowest_page_ms=slowest * 1e3,
        pages_answered=answers,
        answered_while_frozen=early,
        completed=crowd.completed,
        thaw_seconds=seconds,
        page_after_thaw=alive,
        state=state,
    )


@contextmanager
def _warm_metadata(disk: disks.FrozenDisk, paths: Sequence[Path]) -> Iterator[None]:
    """By another process: the files are held open, and we need our descriptors for the crowd."""
    said, say_warm = FORK.Pipe(duplex=False)

    def hold() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        disk.warm_metadata(paths)
        say_warm.send(True)
        signal.pause()

    holder = FORK.Process(target=hold, daemon=True)
    holder.start()
    try:
        if not said.poll(THAW_SECONDS):
            raise TimeoutError("the metadata could not be read")
        yield
    finally:
        holder.kill()
        holder.join()


def _raise_crowd(crowd: _Crowd, page: _Page, crowds: Sequence[int], hold: float) -> int | None:
    """The first crowd under which the page is not answered; the largest is held for some time."""
    for size in crowds:
        if not crowd.grow(size):
            return size
        until = time.monotonic() + (hold if size == crowds[-1] else PROBES * PROBE_PAUSE_SECONDS)
        while time.monotonic() < until:
            time.sleep(PROBE_PAUSE_SECONDS)
            if not (page.answered() and page.answered_afresh()):
                return size
    return None


class _Page:
    """The client of the page in memory."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._kept = self._connect()
        self.answers = 0
        self.slowest = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._kept.close()

    def answered(self) -> bool:
        """On the connection that is kept. One that has been idle for too long is made anew."""
        try:
            return self._answered_on(self._kept)
        except ConnectionError:
            self._kept.close()
            self._kept = self._connect()
            return self._answered_on(self._kept)

    def answered_afresh(self) -> bool:
        try:
            with self._connect() as connection:
                return self._answered_on(connection)
        except OSError:
            return False

    def _answered_on(self, connection: socket.socket) -> bool:
        asked = time.monotonic()
        try:
            ask_on(connection)
        except TimeoutError:
            return False
        self.answers += 1
        self.slowest = max(self.slowest, time.monotonic() - asked)
        return True

    def _connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), timeout=ANSWER_SECONDS)


class _Crowd:
    """The clients that wait for the disk, each for a file of its own."""

    def __init__(self, port: int, targets: Sequence[str]) -> None:
        self._port = port
        self._targets = targets
        self._selector = selectors.DefaultSelector()
        self._buffer = memoryview(bytearray(1 << 18))
        self.size = 0
        self.completed = 0
        self.ended = 0  # completed, refused or cut off

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for key in list(self._selector.get_map().values()):
            self._end(key.fileobj)
        self._selector.close()

    def grow(self, size: int) -> bool:
        """Connect more clients, until they are so many; false if the server lets them wait at the door."""
        while self.size < size:
            client = socket.socket()
            try:
                client.settimeout(ANSWER_SECONDS)
                client.connect(("127.0.0.1", self._port))
                client.sendall(request(self._targets[self.size]))
            except OSError:
                client.close()
                return False
            client.setblocking(False)
            self._selector.register(client, selectors.EVENT_READ, Answer())
            self.size += 1
        return True

    def read(self, seconds: float) -> None:
        """Take what comes, for so long or until all have ended."""
        deadline = time.monotonic() + seconds
        while self.ended < self.size and (left := deadline - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                assert isinstance(key.fileobj, socket.socket)
                try:
                    received = key.fileobj.recv_into(self._buffer)
                except OSError:
                    received = 0
                if received and not key.data.feed(self._buffer[:received]):
                    continue
                self.completed += bool(received) and key.data.ok
                self.ended += 1
                self._end(key.fileobj)

    def _end(self, client: object) -> None:
        assert isinstance(client, socket.socket)
        self._selector.unregister(client)
        client.close()


def _table(trials: Sequence[Trial]) -> str:
    lines = [
        "| server | frozen | page no longer answered from | slowest page before | stuck clients "
        "| answered while frozen | completed after the thaw |",
        "|---|---|---|---|---|---|---|",
    ]
    for trial in trials:
        first = (
            f"**{trial.unanswered_from:,}**" if trial.unanswered_from else f"none at {trial.largest_crowd:,}"
        )
        slowest = f"{trial.slowest_page_ms:.1f} ms" if trial.pages_answered else "-"
        lines.append(
            f"| {trial.server} | {VARIANTS[trial.variant]} | {first} | {slowest} | {trial.largest_crowd:,} "
            f"| {trial.answered_while_frozen:,} | {trial.completed:,} in {trial.thaw_seconds:.1f} s |"
        )
    return "\n".join(lines)


def _in_brief(trial: Trial) -> str:
    outcome = (
        f"not answered from {trial.unanswered_from}" if trial.unanswered_from else "answered all the time"
    )
    return (
        f"{trial.server:16} frozen: {VARIANTS[trial.variant]:13} page {outcome} "
        f"({trial.pages_answered} answers, slowest {trial.slowest_page_ms:.1f} ms); "
        f"{trial.completed} of {trial.largest_crowd} completed after the thaw in {trial.thaw_seconds:.1f} s"
        f"{'' if trial.page_after_thaw else '; PAGE NOT ANSWERED AFTER THE THAW'}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.stuck", description="The frozen-disk measure.")
    default = ["headrace", "nginx-threads", "nginx-sendfile", "starlette", "lighttpd"]
    parser.add_argument("--servers", nargs="+", default=default, choices=servers.NAMES)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=VARIANTS)
    parser.add_argument("--most", type=int, default=1000, help="the largest crowd, at most 10000")
    parser.add_argument(
        "--hold", type=float, default=15.0, help="seconds for which the largest crowd is held"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
