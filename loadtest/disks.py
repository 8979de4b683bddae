"""Disks for tests, made of loop devices: healthy ones of every kind, a slow one, and one that stops answering.

Rule 1: whoever makes, unmakes: every mount, device, group and file here is a context manager's. What a killed run
        has left behind is cleared away by the next one, which knows it by the dead process's id in its name.
Rule 2: a disk is not believed to be frozen before `FrozenDisk.prove` has seen cold files hang.
Rule 3: needs root. `missing()` says in one sentence why a machine cannot have this.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from loadtest import throttle
from loadtest.throttle import Ceiling

PREFIX = "headrace-disk-"  # and the maker's process id, so that a later run can tell what nobody owns any more
OLD = 1_600_000_000  # seconds; September 2020, long before any file of a test
COOLINGS = 4  # flushing one layer dirties the one below, and what was used lately is spared once
UNMOUNT_SECONDS = 30  # a killed process leaves the disk only when its last read has come back
STANDSTILL = Ceiling(read_bytes=1)
STANDSTILL_OF_WRITES = Ceiling(read_bytes=1, write_bytes=1)
EXT4 = ("mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0")
FORMATS = {
    "ext4": EXT4,
    "ext4-journal": EXT4,
    "overlay": EXT4,
    "xfs": ("mkfs.xfs", "-q", "-f"),
    "btrfs": ("mkfs.btrfs", "-q", "-f"),
}
SMALLEST = {"xfs": 320, "btrfs": 128}  # megabytes; what their mkfs insists on
LOOP_CTL_GET_FREE = 0x4C82  # linux/loop.h
EXT4_IOC_PRECACHE_EXTENTS = 0x6612  # _IO('f', 18), fs/ext4/ext4.h
SYSTEM_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


class NotFrozen(Exception):
    """A cold file of a frozen disk answered, or its reader was not asleep: a test on it would prove nothing."""


def missing(*kinds: str) -> str | None:
    """Why this machine cannot have the frozen and the slow disk, and file systems of these kinds; None if it can."""
    if os.geteuid() != 0:
        return "only root can make file systems and mount them"
    try:
        with open("/dev/loop-control", "rb+", buffering=0) as control:
            fcntl.ioctl(control, LOOP_CTL_GET_FREE)
    except OSError as error:
        return f"there are no loop devices here ({error})"
    if throttle.find() is None:
        return "no block throttle of control groups can be written to here (version 1 blkio, or version 2 io)"
    needed = {"losetup", "mount", "umount", "sync", "stat", "debugfs", "mkfs.ext4"}
    needed |= {FORMATS[kind][0] for kind in kinds if kind in FORMATS}
    if absent := sorted(program for program in needed if shutil.which(program, path=SYSTEM_PATH) is None):
        return f"programs are not installed: {', '.join(absent)}"
    return None


@contextmanager
def filesystem(kind: str, megabytes: int, *, where: Path | None = None) -> Iterator[Path]:
    """An empty file system of its own, mounted: ext4, ext4-journal (`data=journal`), xfs, btrfs, tmpfs or overlay.

    In the overlay what is written goes to the upper layer, which lies on the same fresh ext4 as the lower one.
    """
    with _home(where) as home:
        place = home / "disk"
        if kind == "tmpfs":
            with _mounted(["-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs"], place):
                yield place
            return
        with _loop(_image(home / "image", max(megabytes, SMALLEST.get(kind, 0)))) as loop:
            _run(*FORMATS[kind], str(loop.device))
            if kind != "overlay":
                options = ["-o", "data=journal"] if kind == "ext4-journal" else []
                with _mounted([*options, "-t", kind.partition("-")[0], str(loop.device)], place):
                    yield place
                return
            with _mounted(["-t", "ext4", str(loop.device)], home / "layers") as layers:
                lower, upper, work = (layers / name for name in ("lower", "upper", "work"))
                for layer in (lower, upper, work):
                    layer.mkdir()
                parts = f"lowerdir={lower},upperdir={upper},workdir={work}"
                with _mounted(["-t", "overlay", "-o", parts, "overlay"], place):
                    yield place


def age(image_or_device: Path, paths: Iterable[str], when: int = OLD) -> None:
    """Set ctime and mtime in an unmounted ext4. A path is one inside the image, or `<7>` for the inode of that number.

    A file that changed a moment ago may change again within the same tick of the clock, so Headrace does not keep what
    it reads from it; and nobody but debugfs can set a ctime. Its exit status says nothing, its stderr does.
    """
    script: list[str] = []
    for path in paths:
        if "\n" in path:
            raise ValueError(f"debugfs takes one line for one command: {path!r}")
        quoted = '"' + path.replace('"', '""') + '"'
        script += [f"sif {quoted} {field} @{when}\n" for field in ("ctime", "mtime")]
    with tempfile.NamedTemporaryFile("w", prefix=PREFIX, suffix=".debugfs") as commands:
        commands.writelines(script)
        commands.flush()
        done = _run("debugfs", "-w", "-f", commands.name, str(image_or_device))
    complaints = [line for line in done.stderr.splitlines() if line and not line.startswith("debugfs 1.")]
    if complaints:
        raise OSError(f"debugfs on {image_or_device}: {complaints[0]}")


class _Disk:
    """An ext4 whose files look old and can be made cold, and a control group for those who are to suffer from it."""

    path: Path  # where it is mounted
    cgroup_procs: Path  # a process whose id is written here is in the group; `enter` does it
    device: Path  # the block device that carries it

    def __init__(self, megabytes: int, *, where: Path | None = None) -> None:
        self._megabytes = megabytes
        self._where = where
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            home = stack.enter_context(_home(self._where))
            self._group = stack.enter_context(throttle.group(home.name))
            self.cgroup_procs = self._group.procs
            self.path = home / "disk"
            self._throttled, self._loop, self._layers = self._build(stack, home)
            self.device = self._loop.device
            stack.callback(self._unmount)
            self._mount()
            stack.callback(self._release)
            self._closing = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    def populate(self, fill: Callable[[Path], None]) -> None:
        """Let `fill` write what it wants, then make all of it look old."""
        fill(self.path)
        inodes = {self.path.stat().st_ino}
        for folder, folders, files in os.walk(self.path):
            inodes |= {os.lstat(os.path.join(folder, name)).st_ino for name in folders + files}
        self._unmount()
        age(self.device, (f"<{inode}>" for inode in sorted(inodes)))
        self._mount()

    def cool(self) -> None:
        """Leave nothing of it in the page cache, nor names and inodes that nobody holds open."""
        for _ in range(COOLINGS):
            for layer in self._layers:
                _run("sync", "-f", str(layer))
            Path("/proc/sys/vm/drop_caches").write_text("3")

    def enter(self, pid: int) -> None:
        """From now on this process, with all its threads, has the disk as it is in the group."""
        self._group.enter(pid)

    def reads(self) -> tuple[int, int]:
        """Read operations that the device has finished so far, and their bytes."""
        operations, _, sectors = (self._loop.sys / "stat").read_text().split()[:3]
        return int(operations), int(sectors) * 512

    def reads_in_flight(self) -> int:
        return int((self._loop.sys / "inflight").read_text().split()[0])

    def request_tags(self) -> int:
        """How many requests the device can have in flight; who wants one more has to wait for a tag."""
        return int((self._loop.sys / "queue/nr_requests").read_text())

    def _build(self, stack: ExitStack, home: Path) -> tuple[_Loop, _Loop, list[Path]]:
        """The device that the throttle is put on, the one to be mounted, and all mounts, the uppermost first."""
        raise NotImplementedError

    def _release(self) -> None:
        raise NotImplementedError

    def _mount(self) -> None:
        # One inode's block at a time: a look at one file must not warm its neighbours.
        _mount(["-t", "ext4", "-o", "inode_readahead_blks=1", str(self.device)], self.path)

    def _unmount(self) -> None:
        if self.path.is_mount():
            _unmount(self.path)


class FrozenDisk(_Disk):
    """A disk that stops answering and goes on later: ext4 on a loop device whose file lies on a second such pair.

    One pair is not enough, for the throttle lets metadata pass. What is metadata above is plain data below, and waits.
    """

    def __init__(self, megabytes: int = 1200, *, where: Path | None = None) -> None:
        super().__init__(megabytes, where=where)
        self._stuck: list[subprocess.Popen[bytes]] = []

    def freeze(self, writes: bool = False) -> None:
        ceiling = STANDSTILL_OF_WRITES if writes else STANDSTILL
        self._group.limit_everybody(self._throttled.number, ceiling)

    def thaw(self) -> None:
        """What has been waiting goes on at once."""
        self._group.limit_everybody(self._throttled.number, Ceiling())

    def prove(self, paths: Sequence[Path], seconds: float = 2.0) -> None:
        """A `stat` of every one of these cold paths hangs, in state D, in a process of its own inside the group.

        Those processes stay stuck until the thaw; they are reaped at the next proof, or at the end.
        """
        self._stuck = [process for process in self._stuck if process.poll() is None]
        look = 'echo $$ > "$1" && exec stat -- "$2"'
        readers = [
            subprocess.Popen(
                ["/bin/sh", "-c", look, "sh", str(self.cgroup_procs), str(path)],
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
            for path in paths
        ]
        self._stuck += readers
        asleep = {reader.pid: ("stat", "D") for reader in readers}
        deadline = time.monotonic() + 10  # to get there; the programs have just been dropped from memory, too
        while (seen := {reader.pid: _state(reader.pid) for reader in readers}) != asleep:
            if time.monotonic() > deadline or any(reader.poll() is not None for reader in readers):
                raise NotFrozen(_complaint(paths, seen.values()))
            time.sleep(0.02)
        time.sleep(seconds)  # there is nothing to wait for: that nothing happens is what is observed
        if (seen := {reader.pid: _state(reader.pid) for reader in readers}) != asleep:
            raise NotFrozen(_complaint(paths, seen.values()))

    def warm_metadata(self, paths: Iterable[Path]) -> None:
        """Names, inodes and extents into memory, so that of these files only the data is on the disk alone."""
        for path in paths:
            with open(path, "rb", buffering=0) as file:
                os.fstat(file.fileno())
                fcntl.ioctl(file, EXT4_IOC_PRECACHE_EXTENTS)

    def _build(self, stack: ExitStack, home: Path) -> tuple[_Loop, _Loop, list[Path]]:
        below = stack.enter_context(_loop(_image(home / "image", self._megabytes + self._megabytes // 8 + 64)))
        _run(*EXT4, str(below.device))
        lower = stack.enter_context(_mounted(["-t", "ext4", str(below.device)], home / "below"))
        # Past the lower page cache: nothing is kept there, and nothing is read ahead that nobody asked for.
        above = stack.enter_context(_loop(_image(lower / "image", self._megabytes), "--direct-io=on"))
        _run(*EXT4, str(above.device))
        return below, above, [self.path, lower]

    def _release(self) -> None:
        self.thaw()
        for process in self._stuck:
            with suppress(subprocess.TimeoutExpired):
                process.wait(UNMOUNT_SECONDS)
            process.kill()
            process.wait()


class SlowDisk(_Disk):
    """A disk that does only so many reads and bytes a second for those in its group, and is quick for all others."""

    def limit(self, reads_per_second: int, bytes_per_second: int) -> None:
        """Zero is no limit."""
        ceiling = Ceiling(read_bytes=bytes_per_second, read_operations=reads_per_second)
        self._group.limit(self._throttled.number, ceiling)

    def unlimit(self) -> None:
        self._group.limit(self._throttled.number, Ceiling())

    def _build(self, stack: ExitStack, home: Path) -> tuple[_Loop, _Loop, list[Path]]:
        loop = stack.enter_context(_loop(_image(home / "image", self._megabytes)))
        _run(*EXT4, str(loop.device))
        return loop, loop, [self.path]

    def _release(self) -> None:
        self.unlimit()


@dataclass(frozen=True, slots=True)
class _Loop:
    """A loop device that carries one of our images."""

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
        """Of a device that is free there is no such file."""
        with suppress(OSError):
            return (self.sys / "loop/backing_file").read_text().strip()
        return ""


@contextmanager
def _home(where: Path | None) -> Iterator[Path]:
    """A directory for the images and mounts of one disk, in which a server of another user may look, too."""
    base = where or Path(tempfile.gettempdir())
    _sweep(base)
    with _termination_unwinds():
        home = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=base))
        try:
            home.chmod(0o755)
            yield home
        finally:
            shutil.rmtree(home)


@contextmanager
def _termination_unwinds() -> Iterator[None]:
    """SIGTERM would end Python on the spot, with everything mounted; made an exit, it passes all the clean-ups."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _sweep(base: Path) -> None:
    """Clear away what runs have left here whose process is gone: it was killed, and could not do it itself."""
    for home in base.glob(f"{PREFIX}*"):
        owner = home.name.removeprefix(PREFIX).partition("-")[0]
        if not home.is_dir() or not owner.isdigit() or Path("/proc", owner).exists():
            continue
        loops = [_Loop(Path("/dev", block.name)) for block in Path("/sys/block").glob("loop*")]
        loops = [loop for loop in loops if loop.backing.startswith(f"{home}/")]
        if (hierarchy := throttle.find()) is not None:
            group = hierarchy.root / home.name
            for loop in loops:
                throttle.Group(hierarchy, group if group.is_dir() else hierarchy.root).limit_everybody(
                    loop.number, Ceiling()
                )
            if group.is_dir():
                throttle.remove(hierarchy, group)
        mounts = [Path(line.split()[4]) for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for mount in reversed([mount for mount in mounts if home in mount.parents]):
            _unmount(mount)
        for loop in loops:
            _run("losetup", "-d", str(loop.device))
        shutil.rmtree(home)


def _image(path: Path, megabytes: int) -> Path:
    with open(path, "wb") as image:
        image.truncate(megabytes * 1_048_576)
    return path


@contextmanager
def _loop(image: Path, *options: str) -> Iterator[_Loop]:
    loop = _Loop(Path(_run("losetup", "--find", "--show", *options, str(image)).stdout.strip()))
    try:
        yield loop
    finally:
        _run("losetup", "-d", str(loop.device))
        deadline = time.monotonic() + UNMOUNT_SECONDS
        while loop.backing == str(image) and time.monotonic() < deadline:
            time.sleep(0.02)  # somebody still has it open, and the kernel lets go of it when they do


@contextmanager
def _mounted(arguments: Sequence[str], at: Path) -> Iterator[Path]:
    _mount(arguments, at)
    try:
        yield at
    finally:
        _unmount(at)


def _mount(arguments: Sequence[str], at: Path) -> None:
    at.mkdir(exist_ok=True)
    _run("mount", *arguments, str(at))
    at.chmod(0o755)


def _unmount(at: Path) -> None:
    deadline = time.monotonic() + UNMOUNT_SECONDS
    while True:
        try:
            _run("umount", str(at))
        except OSError:
            if time.monotonic() > deadline:
                _run("umount", "--lazy", str(at))  # out of sight now, and really gone with its last user
                raise
            time.sleep(0.05)
        else:
            return


def _run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """In a session of its own: a Ctrl-C is for us, and must not hit the `umount` that cleans up after it."""
    found = shutil.which(program, path=SYSTEM_PATH) or program
    done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False, start_new_session=True)
    if done.returncode:
        raise OSError(f"{program} {' '.join(arguments)}: {done.stderr.strip()}")
    return done


def _state(pid: int) -> tuple[str, str]:
    """The name of a process and the letter of its state; of our own children, so there is always one."""
    name, _, rest = Path("/proc", str(pid), "stat").read_text().partition("(")[2].rpartition(")")
    return name, rest.split()[0]


def _complaint(paths: Iterable[Path], seen: Iterable[tuple[str, str]]) -> str:
    awake = [f"{path}: {name} in state {state}" for path, (name, state) in zip(paths, seen, strict=True)
             if (name, state) != ("stat", "D")]
    return f"{len(awake)} of the readers do not hang: {'; '.join(awake[:3])}"
