"""Loop devices, and file systems mounted from them, that are gone when they are no longer needed.

Rule 1: whoever makes, unmakes: every mount, device and directory here is a context manager's, and SIGTERM
        ends them as properly as Ctrl-C does.
Rule 2: what a killed run has left is cleared away by the next one. A directory is named after the process
        that made it, so that anybody can tell what nobody owns any more.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from loadtest import throttle

PREFIX = "headrace-disk-"  # then the maker's process id, then anything
UNMOUNT_SECONDS = 30  # a killed process leaves a disk only when its last read has come back
SYSTEM_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


@contextmanager
def home(where: Path | None) -> Iterator[Path]:
    """A directory for one disk's images and mounts, in which a server run by another user may look, too."""
    base = where or Path(tempfile.gettempdir())
    sweep(base)
    with _termination_unwinds():
        made = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=base))
        try:
            made.chmod(0o755)
            yield made
        finally:
            shutil.rmtree(made)


def sweep(base: Path) -> None:
    """Clear away the homes in this directory whose makers were killed and could not do it themselves.

    All are thawed first: who hangs on one disk may hold another.
    """
    homes = [left for left in base.glob(f"{PREFIX}*") if left.is_dir() and _is_left(left)]
    for step in (_thaw, _clear_away):
        for left in homes:
            with suppress(OSError):  # another run may be at it, too
                step(left)


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop device that carries an image of ours."""

    device: Path

    @property
    def number(self) -> str:
        number = os.stat(self.device).st_rdev
        return f"{os.major(number)}:{os.minor(number)}"

    @property
    def sys(self) -> Path:
        return Path("/sys/block") / self.device.name

    @property
    def backing(self) -> str:
        """Empty for a device that is free."""
        with suppress(OSError):
            return (self.sys / "loop/backing_file").read_text().strip()
        return ""


@contextmanager
def loop(image: Path, *options: str) -> Iterator[Loop]:
    made = Loop(Path(run("losetup", "--find", "--show", *options, str(image)).stdout.strip()))
    try:
        yield made
    finally:
        run("losetup", "-d", str(made.device))
        deadline = time.monotonic() + UNMOUNT_SECONDS
        while made.backing == str(image) and time.monotonic() < deadline:
            time.sleep(0.02)  # somebody still has it open, and the kernel lets go of it when they do


def sparse(image: Path, megabytes: int) -> Path:
    with open(image, "wb") as file:
        file.truncate(megabytes * 1_048_576)
    return image


@contextmanager
def mounted(arguments: Sequence[str], at: Path) -> Iterator[Path]:
    mount(arguments, at)
    try:
        yield at
    finally:
        unmount(at)


def mount(arguments: Sequence[str], at: Path) -> None:
    at.mkdir(exist_ok=True)
    run("mount", *arguments, str(at))


def unmount(at: Path) -> None:
    deadline = time.monotonic() + UNMOUNT_SECONDS
    while True:
        try:
            run("umount", str(at))
        except OSError:
            if time.monotonic() > deadline:
                run("umount", "--lazy", str(at))  # out of sight now, and really gone with its last user
                raise
            time.sleep(0.05)
        else:
            return


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """In a session of its own: a Ctrl-C is for us, and must not hit the `umount` that cleans up after it."""
    command = [shutil.which(program, path=SYSTEM_PATH) or program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, start_new_session=True)
    if done.returncode:
        raise OSError(f"{program} {' '.join(arguments)}: {done.stderr.strip()}")
    return done


def _is_left(made: Path) -> bool:
    maker = made.name.removeprefix(PREFIX).partition("-")[0]
    return maker.isdigit() and not Path("/proc", maker).exists()


def _thaw(left: Path) -> None:
    hierarchy = throttle.find()
    if hierarchy is not None and (path := hierarchy.root / left.name).is_dir():
        for ours in _loops_of(left):
            throttle.Group(hierarchy, path).limit_everybody(ours.number, throttle.Ceiling())
        throttle.remove(hierarchy, path)


def _clear_away(left: Path) -> None:
    for ours in _loops_of(left):
        run("losetup", "-d", str(ours.device))  # of one that is mounted: as soon as it is not
    mounts = [Path(line.split()[4]) for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for at in reversed([at for at in mounts if left in at.parents]):
        unmount(at)
    shutil.rmtree(left)


def _loops_of(left: Path) -> list[Loop]:
    loops = [Loop(Path("/dev", block.name)) for block in Path("/sys/block").glob("loop*")]
    return [ours for ours in loops if ours.backing.startswith(f"{left}/")]


@contextmanager
def _termination_unwinds() -> Iterator[None]:
    """SIGTERM would end Python on the spot, with everything mounted; as a Ctrl-C it passes every clean-up."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
