"""Disks of loop devices: healthy ones of every kind, the machine's own, a slow one, one that stops answering.

Rule 1: everything here is a context manager; `loops` and `throttle` see to it that nothing stays behind.
Rule 2: a disk is not believed to be frozen before `FrozenDisk.prove` has seen cold files hang.
Rule 3: needs root. `missing` says in one sentence why a machine cannot have this.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from loadtest import loops, throttle
from loadtest.loops import Loop
from loadtest.throttle import Ceiling

OLD = 1_600_000_000  # seconds; September 2020, long before any file of a test
PROOF_SECONDS = 20  # for the readers to get stuck; their programs, too, have just been dropped from memory
THAW_SECONDS = 30
COOLINGS = 4  # flushing one layer dirties the one below, and what was used lately is spared once
STANDSTILL = Ceiling(read_bytes=throttle.LOWEST)
STANDSTILL_OF_WRITES = Ceiling(read_bytes=throttle.LOWEST, write_bytes=throttle.LOWEST)
EXT4 = ("mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0")  # no late writes
FORMATS = {
    "ext4": EXT4,
    "ext4-journal": EXT4,
    "overlay": EXT4,
    "xfs": ("mkfs.xfs", "-q", "-f"),
    "btrfs": ("mkfs.btrfs", "-q", "-f"),
}
SMALLEST = {"xfs": 320, "btrfs": 128}  # megabytes that their mkfs insists on
LOOP_CTL_GET_FREE = 0x4C82  # linux/loop.h
EXT4_IOC_PRECACHE_EXTENTS = 0x6612  # _IO('f', 18), fs/ext4/ext4.h


class NotFrozen(Exception):
    """A cold file of a frozen disk has answered: no test on this disk would prove anything."""


def missing(*kinds: str) -> str | None:
    """Why there can be no frozen and no slow disk here, nor file systems of these kinds; or None."""
    if os.geteuid() != 0:
        return "only root can make file systems and mount them"
    try:
        with open("/dev/loop-control", "rb+", buffering=0) as control:
            fcntl.ioctl(control, LOOP_CTL_GET_FREE)
    except OSError as error:
        return f"there are no loop devices here ({error})"
    if throttle.find() is None:
        return "no block throttle of control groups (version 1 blkio, version 2 io) can be written to here"
    needed = {"losetup", "mount", "umount", "sync", "stat", "debugfs", "mkfs.ext4"}
    needed |= {FORMATS[kind][0] for kind in kinds if kind in FORMATS}
    if absent := sorted(name for name in needed if shutil.which(name, path=loops.SYSTEM_PATH) is None):
        return f"programs are not installed: {', '.join(absent)}"
    return None


@contextmanager
def filesystem(
    kind: str, megabytes: int, *, where: Path | None = None, direct: bool = False
) -> Iterator[Path]:
    """A fresh file system, mounted: ext4, ext4-journal (`data=journal`), xfs, btrfs, tmpfs or overlay.

    In the overlay what is written goes to the upper layer, on the same fresh ext4 as the lower one. `direct`:
    past the page cache of the file system that the image lies in.
    """
    with loops.home(where) as home, ExitStack() as stack:
        place = home / "disk"
        if kind == "tmpfs":
            arguments = ["-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs"]
            yield stack.enter_context(loops.mounted(arguments, place))
            return
        image = loops.sparse(home / "image", max(megabytes, SMALLEST.get(kind, 0)))
        options = ("--direct-io=on",) if direct else ()
        device = str(stack.enter_context(loops.loop(image, *options)).device)
        loops.run(*FORMATS[kind], device)
        if kind == "overlay":
            below = stack.enter_context(loops.mounted(["-t", "ext4", device], home / "below"))
            lower, upper, work = (below / name for name in ("lower", "upper", "work"))
            for layer in (lower, upper, work):
                layer.mkdir()
            layers = f"lowerdir={lower},upperdir={upper},workdir={work}"
            arguments = ["-t", "overlay", "-o", layers, "overlay"]
        elif kind == "ext4-journal":
            arguments = ["-t", "ext4", "-o", "data=journal", device]
        else:
            arguments = ["-t", kind, device]
        yield stack.enter_context(loops.mounted(arguments, place))


def age(image_or_device: Path, paths: Iterable[str], when: int = OLD) -> None:
    """Set ctime and mtime in an unmounted ext4. A path is one inside the image, or `<7>` for inode 7.

    A file that has just changed can change again within the same tick of the clock, so Headrace does not keep
    what it reads from it; and nobody but debugfs can set a ctime, whose exit status tells nothing of errors.
    """
    script: list[str] = []
    for path in paths:
        if "\n" in path:
            raise ValueError(f"debugfs takes one line for one command: {path!r}")
        quoted = '"' + path.replace('"', '""') + '"'
        script += [f"sif {quoted} {field} @{when}\n" for field in ("ctime", "mtime")]
    with tempfile.NamedTemporaryFile("w", suffix=".debugfs") as commands:
        commands.writelines(script)
        commands.flush()
        done = loops.run("debugfs", "-w", "-f", commands.name, str(image_or_device))
    complaints = [line for line in done.stderr.splitlines() if line and not line.startswith("debugfs 1.")]
    if complaints:
        raise OSError(f"debugfs on {image_or_device}: {complaints[0]}")


class _Disk:
    """An ext4 whose files look old and can be made cold, and a group for those who are to suffer from it."""

    path: Path  # where it is mounted
    device: Path  # the block device that it is mounted from
    cgroup_procs: Path  # who writes its process id here is in the group

    def __init__(self, megabytes: int = 1200, *, where: Path | None = None) -> None:
        self._megabytes = megabytes
        self._where = where
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            home = stack.enter_context(loops.home(self._where))
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
        """Leave nothing of it in the page cache, nor the names and inodes of what nobody holds open."""
        for _ in range(COOLINGS):
            for layer in self._layers:
                loops.run("sync", "-f", str(layer))
            Path("/proc/sys/vm/drop_caches").write_text("3")

    def enter(self, pid: int) -> None:
        """From now on the disk is to this process, with all its threads, as it is to the group."""
        self._group.enter(pid)

    def reads(self) -> tuple[int, int]:
        """Read operations that the device has finished so far, and their bytes."""
        operations, _, sectors = (self._loop.sys / "stat").read_text().split()[:3]
        return int(operations), int(sectors) * 512

    def reads_in_flight(self) -> int:
        return int((self._loop.sys / "inflight").read_text().split()[0])

    def request_tags(self) -> int:
        """How many requests the device takes at once; whoever has one more sleeps until a tag comes free."""
        return int((self._loop.sys / "queue/nr_requests").read_text())

    def _build(self, stack: ExitStack, home: Path) -> tuple[Loop, Loop, list[Path]]:
        """The device to be throttled, the one to be mounted, and all mounts with the uppermost first."""
        raise NotImplementedError

    def _release(self) -> None:
        """Let those go on who wait for the disk, or it could not be unmounted."""
        raise NotImplementedError

    def _mount(self) -> None:
        # One inode's block at a time: a look at one file must not warm its neighbours.
        loops.mount(["-t", "ext4", "-o", "inode_readahead_blks=1", str(self.device)], self.path)

    def _unmount(self) -> None:
        if self.path.is_mount():
            loops.unmount(self.path)


class FrozenDisk(_Disk):
    """A disk that stops answering: ext4 on a loop device, whose file lies in an ext4 on another loop device.

    One of them would not do, for the throttle lets metadata pass. What is metadata above is plain data below.
    """

    def __init__(self, megabytes: int = 1200, *, where: Path | None = None) -> None:
        super().__init__(megabytes, where=where)
        self._stuck: list[subprocess.Popen[bytes]] = []
        self._warm = ExitStack()  # files held so that they stay in memory

    def freeze(self, writes: bool = False) -> None:
        self._group.limit_everybody(self._throttled.number, STANDSTILL_OF_WRITES if writes else STANDSTILL)

    def thaw(self) -> None:
        """What has been waiting goes on at once."""
        self._group.limit_everybody(self._throttled.number, Ceiling())
        self._warm.close()

    def prove(self, paths: Sequence[Path], seconds: float = 2.0) -> None:
        """See the `stat` of each of these cold paths hang, in a process of its own inside the group.

        These processes are stuck until the thaw; they are reaped by the next proof, or at the end.
        """
        self._stuck = [process for process in self._stuck if process.poll() is None]
        readers = {path: self._look_at(path) for path in paths}
        deadline = time.monotonic() + PROOF_SECONDS
        while awake := _awake(readers):
            if time.monotonic() > deadline or any(reader.poll() is not None for reader in readers.values()):
                raise NotFrozen(awake)
            time.sleep(0.02)
        time.sleep(seconds)  # no event to wait for: that nothing happens is what we want to see
        if awake := _awake(readers):
            raise NotFrozen(awake)

    def warm_metadata(self, paths: Iterable[Path]) -> None:
        """Have names, inodes and extents in memory until the thaw, but not the data.

        They are held open, so that nobody on the machine who drops the caches makes them cold again.
        """
        for path in paths:
            file = os.open(path, os.O_RDONLY)
            self._warm.callback(os.close, file)
            fcntl.ioctl(file, EXT4_IOC_PRECACHE_EXTENTS)

    def warm_data(self, paths: Iterable[Path]) -> None:
        """Have these files in the page cache until the thaw, for pages that are mapped are not dropped."""
        for path in paths:
            with open(path, "rb", buffering=0) as file:
                mapping = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
            self._warm.enter_context(mapping)
            for start in range(0, len(mapping), mmap.PAGESIZE):
                mapping[start]  # the page is mapped when it is touched

    def _look_at(self, path: Path) -> subprocess.Popen[bytes]:
        enter_and_look = 'echo $$ > "$1" && exec stat -- "$2"'
        command = ["/bin/sh", "-c", enter_and_look, "sh", str(self.cgroup_procs), str(path)]
        reader = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        self._stuck.append(reader)
        return reader

    def _build(self, stack: ExitStack, home: Path) -> tuple[Loop, Loop, list[Path]]:
        room = self._megabytes * 9 // 8 + 64  # the file system below needs some for itself
        below = stack.enter_context(loops.loop(loops.sparse(home / "image", room)))
        loops.run(*EXT4, str(below.device))
        lower = stack.enter_context(loops.mounted(["-t", "ext4", str(below.device)], home / "below"))
        # Past the lower page cache: it would keep what the upper one has dropped, and read ahead.
        image = loops.sparse(lower / "image", self._megabytes)
        above = stack.enter_context(loops.loop(image, "--direct-io=on"))
        loops.run(*EXT4, str(above.device))
        return below, above, [self.path, lower]

    def _release(self) -> None:
        self.thaw()
        for process in self._stuck:
            with suppress(subprocess.TimeoutExpired):
                process.wait(THAW_SECONDS)
            process.kill()
            process.wait()


class SlowDisk(_Disk):
    """A disk that does only so many reads and bytes a second for its group, and is quick for all others."""

    def limit(self, reads_per_second: int, bytes_per_second: int) -> None:
        """Zero is no limit."""
        ceiling = Ceiling(read_bytes=bytes_per_second, read_operations=reads_per_second)
        self._group.limit(self._throttled.number, ceiling)

    def unlimit(self) -> None:
        self._group.limit(self._throttled.number, Ceiling())

    def _build(self, stack: ExitStack, home: Path) -> tuple[Loop, Loop, list[Path]]:
        loop = stack.enter_context(loops.loop(loops.sparse(home / "image", self._megabytes)))
        loops.run(*EXT4, str(loop.device))
        return loop, loop, [self.path]

    def _release(self) -> None:
        self.unlimit()


class OwnDisk(_Disk):
    """Some of the machine's own disk, as fast as that is: a loop device that keeps nothing in memory."""

    def _build(self, stack: ExitStack, home: Path) -> tuple[Loop, Loop, list[Path]]:
        image = home / "image"
        with open(image, "wb") as file:  # in one piece, where a sparse file would be in many
            os.posix_fallocate(file.fileno(), 0, self._megabytes * 1_048_576)
        loop = stack.enter_context(loops.loop(image, "--direct-io=on"))
        loops.run(*EXT4, str(loop.device))
        return loop, loop, [self.path]

    def _release(self) -> None:
        """Nobody is held back here."""


def _awake(readers: dict[Path, subprocess.Popen[bytes]]) -> str:
    """Which of them do not sleep in the `stat`, uninterruptibly, and what they do; empty when all do."""
    states = {path: _state(reader.pid) for path, reader in readers.items()}
    awake = [f"{path} ({' '.join(state)})" for path, state in states.items() if state != ("stat", "D")]
    return f"{len(awake)} of {len(readers)} do not hang: {', '.join(awake[:3])}" if awake else ""


def _state(pid: int) -> tuple[str, str]:
    """The name and the state's letter of a child of ours; not yet waited for, it has them even when dead."""
    name, _, rest = Path("/proc", str(pid), "stat").read_text().partition("(")[2].rpartition(")")
    return name, rest.split()[0]
