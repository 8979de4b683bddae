"""`headrace compress ROOT`: makes compressed files beside those that are worth it.

Each is made under another name in the same directory and then renamed, so that a server never
sees half of one. It gets the time of its original, which says that it belongs to it: what has that
time, or a later one as what others have put there may, is not made anew. Where a build gives every
file the same time only the ctime tells that the original is another: then all is made anew. The
same content gives the same bytes.
"""

from __future__ import annotations

import argparse
import os
import signal
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from multiprocessing import active_children, get_context
from pathlib import Path

from server.command.codings import ENDINGS, MISSING, Job, Kind, Made, available, is_current, obey, worth_it
from server.command.progress import Progress, shown

BAD_USAGE = 2
INTERRUPTED = 128 + signal.SIGINT
AHEAD = 4  # jobs for each process that are handed out before they can begin
STOPS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Tally:
    """What has been done."""

    files: int = 0
    failed: int = 0
    removed: int = 0
    orphans: int = 0
    made: dict[str, tuple[int, int, int]] = field(default_factory=dict)  # files, bytes before and after
    skipped: dict[str, int] = field(default_factory=dict)  # by kind of outcome


def main(arguments: Sequence[str]) -> int:
    """0 if all went well, 1 and a sentence for each file that could not be read or written."""
    options = _parse(arguments)
    if not options.root.is_dir():
        print(f"headrace: {options.root} is not a directory", file=sys.stderr)
        return BAD_USAGE
    codings = [name for name in options.codings if name in available()]
    for name in options.codings:
        if name not in codings:
            print(f"headrace: no {name}: {MISSING}", file=sys.stderr)
    # A stop by a supervisor is to tidy up as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    tally = Tally()
    with Progress(quiet=options.quiet) as progress:
        try:
            _compress(options, codings, tally, progress)
        except KeyboardInterrupt:
            progress.tell("interrupted; what is there is whole")
            return INTERRUPTED
        except BrokenExecutor:
            progress.tell("a process that compresses has been killed")
            return 1
    if not options.quiet:
        print("\n".join(_summary(tally, dry=options.dry_run)))
    return 1 if tally.failed else 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="headrace compress", description="Makes .zst, .br and .gz files beside those that are worth it."
    )
    parser.add_argument("root", type=Path, metavar="ROOT")
    parser.add_argument("--jobs", type=_positive, default=len(os.sched_getaffinity(0)), metavar="N")
    parser.add_argument("--codings", type=_codings, default=list(ENDINGS), metavar="zst,br,gz")
    parser.add_argument("--min-size", type=_size, default=1024, metavar="1K", help="leave smaller files")
    parser.add_argument("--level", choices=("best", "fast"), default="best")
    parser.add_argument("--force", action="store_true", help="also where one is there")
    parser.add_argument("--prune", action="store_true", help="remove those whose original has gone")
    parser.add_argument("--dry-run", action="store_true", help="say what there is to do")
    parser.add_argument("--quiet", action="store_true", help="say only what went wrong")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _codings(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in ENDINGS:
            raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(ENDINGS)}")
    return list(dict.fromkeys(names))


def _size(text: str) -> int:
    unit = {"K": 1024, "M": 1024**2}.get(text[-1:].upper())
    number = int(text[:-1] if unit else text) * (unit or 1)
    if number < 0:
        raise ValueError
    return number


def _compress(options: argparse.Namespace, codings: list[str], tally: Tally, progress: Progress) -> None:
    jobs = _jobs(options, codings, tally, progress)
    if options.dry_run:
        for job in jobs:
            progress.tell(f"would make {job.target}")
        return
    # Not a fork: the children are to have nothing of ours but their jobs.
    pool = ProcessPoolExecutor(options.jobs, get_context("spawn"))
    pending: dict[Future[Made], Job] = {}
    try:
        for job in jobs:
            # The children inherit that they hear of no stop: we stop them.
            signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
            pending[pool.submit(obey, job)] = job
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
            progress.found()
            if len(pending) >= options.jobs * AHEAD:
                _settle(pending, tally, progress)
        while pending:
            _settle(pending, tally, progress)
    except BaseException:
        _abandon(pool, pending)
        raise
    pool.shutdown()


def _abandon(pool: ProcessPoolExecutor, pending: dict[Future[Made], Job]) -> None:
    """Waits for nobody: the best compression of one file takes minutes."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    pool.shutdown(wait=False, cancel_futures=True)
    for child in active_children():
        child.kill()
        child.join()
    for job in pending.values():
        with suppress(OSError):
            os.unlink(job.temporary)


def _settle(pending: dict[Future[Made], Job], tally: Tally, progress: Progress) -> None:
    for future in wait(pending, return_when=FIRST_COMPLETED).done:
        made = future.result()
        del pending[future]
        progress.settled(made.job.path)
        if made.kind is Kind.MADE:
            files, before, after = tally.made.get(made.job.coding, (0, 0, 0))
            tally.made[made.job.coding] = (files + 1, before + made.before, after + made.after)
        elif made.kind is Kind.FAILED:
            tally.failed += 1
            progress.tell(f"{made.job.target}: {made.why}")
        else:
            tally.skipped[made.kind.value] = tally.skipped.get(made.kind.value, 0) + 1
            if made.kind is Kind.CHANGED:
                progress.tell(f"{made.job.path} changed meanwhile: left")


def _jobs(options: argparse.Namespace, codings: list[str], tally: Tally, progress: Progress) -> Iterator[Job]:
    """What there is to make, directory by directory."""

    def complain(error: OSError) -> None:
        tally.failed += 1
        progress.tell(f"{error.filename}: {error.strerror}")

    serial = count()
    # Links to directories are not followed; links to files may lead out, and are not followed either.
    for directory, directories, names in os.walk(options.root, onerror=complain):
        directories[:] = sorted(name for name in directories if _is_served(name))
        present = set(names)
        for name in sorted(filter(_is_served, names)):
            path = os.path.join(directory, name)
            try:
                facts = os.lstat(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                complain(error)
                continue
            if not stat.S_ISREG(facts.st_mode):
                continue
            if original := _original(name):
                if original not in present and options.prune:
                    tally.orphans += 1
                    _prune(path, options.dry_run, complain, progress)
            elif worth_it(name) and facts.st_size >= options.min_size:
                tally.files += 1
                for coding in codings:
                    target = path + ENDINGS[coding]
                    if options.force or not is_current(target, facts):
                        temporary = os.path.join(directory, f".headrace-{os.getpid()}-{next(serial)}")
                        yield Job(path, target, temporary, coding, options.level == "best")


def _original(name: str) -> str:
    """What a sidecar is made of, by its name; "" if it is none: `archive.tar.gz` is a file of its own."""
    stem, dot, ending = name.rpartition(".")
    return stem if dot + ending in ENDINGS.values() and worth_it(stem) else ""


def _is_served(name: str) -> bool:
    """Names that begin with a dot are hidden, but for one (RFC 8615)."""
    return not name.startswith(".") or name == ".well-known"


def _prune(path: str, dry: bool, complain: Callable[[OSError], None], progress: Progress) -> None:
    if dry:
        progress.tell(f"would remove {path}")
        return
    try:
        os.unlink(path)
    except OSError as error:
        complain(error)


def _summary(tally: Tally, *, dry: bool) -> Iterator[str]:
    yield f"{tally.files} files are worth compressing"
    if dry:
        return
    for coding, (files, before, after) in sorted(tally.made.items()):
        yield f"{coding:>4}: {files} made, {shown(before)} -> {shown(after)} ({after / before:.0%})"
    for why, files in sorted(tally.skipped.items()):
        yield f"{files} {why}"
    if tally.orphans:
        yield f"{tally.orphans} removed, their original has gone"
    if tally.failed:
        yield f"{tally.failed} failed"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
