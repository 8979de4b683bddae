"""What the servers stand on: files to be served, a limit to memory, and what fio makes of a disk.

Rule 1: every file looks old (`disks.populate`), or Headrace would not keep what it reads from it.
Rule 2: content is random, so that no layer below can make it small.
"""

from __future__ import annotations

import json
import mmap
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from loadtest.judge import PAGE

PAGE_BYTES = 1024
FILES_PER_FOLDER = 100
FIO_GATE = 'echo $$ > "$1" && shift && exec "$@"'
FIO = "fio O_DIRECT"  # takes its turns like a server
KB, MB = 1000, 1_000_000  # of files; limits of memory are in MiB
MIB = 1 << 20


def write_page(root: Path) -> None:
    (root / PAGE.lstrip("/")).write_bytes(os.urandom(PAGE_BYTES // 2).hex().encode())


def write_files(root: Path, prefix: str, sizes: Sequence[int]) -> list[str]:
    """Files of these sizes, in folders beneath one of this name; their targets."""
    content = memoryview(os.urandom(max(sizes) + len(sizes)))
    targets = []
    (root / prefix).mkdir()
    for number, size in enumerate(sizes):
        folder = root / prefix / f"{number // FILES_PER_FOLDER:04}"
        if number % FILES_PER_FOLDER == 0:
            folder.mkdir()
        # No two files are the same, for a disk that would notice.
        (folder / f"f{number:05}").write_bytes(content[number : number + size])
        targets.append(f"/{prefix}/{folder.name}/f{number:05}")
    return targets


def megabytes_for(*sets: Sequence[int]) -> int:
    """The size of a file system that holds files of these sizes, with some room."""
    used = sum((size // 4096 + 2) * 4096 for sizes in sets for size in sizes)
    return used * 9 // 8 // MIB + 160


def at(root: Path, targets: Sequence[str]) -> list[Path]:
    return [root / target.lstrip("/") for target in targets]


@contextmanager
def page_held(root: Path) -> Iterator[None]:
    """What is mapped is not dropped from the page cache, whoever drops caches on this machine meanwhile."""
    with (
        (root / PAGE.lstrip("/")).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
    ):
        assert mapped[:1]
        yield


@contextmanager
def page_in_shared_memory() -> Iterator[Path]:
    """A root with the page alone, on no disk at all."""
    shared_memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="headrace-page-", dir=shared_memory) as made:
        root = Path(made)
        (root / PAGE.lstrip("/")).write_bytes(b"m" * PAGE_BYTES)
        yield root


def fio_missing() -> str | None:
    return None if shutil.which("fio") else "fio is not installed (apt-get install fio)"


def fio_and(names: Sequence[str]) -> list[str]:
    """The servers, and before them fio, if it can be had."""
    return [*names] if fio_missing() else [FIO, *names]


def fio(where: Path, *, block: int, depth: int, seconds: float, procs: Path | None = None) -> float:
    """MB/s that fio reads with O_DIRECT from one file or all in a directory, one after the other.

    It does so in the group whose list of processes is given, and ends after so many seconds or all files.
    """
    job = [
        *("fio", "--name=fio", f"--{'opendir' if where.is_dir() else 'filename'}={where}", "--rw=read"),
        *("--direct=1", "--openfiles=128"),
        *("--ioengine=libaio", f"--iodepth={depth}", f"--bs={block}", f"--runtime={seconds:g}s"),
        *("--file_service_type=sequential", "--readonly", "--output-format=json", "--allow_file_create=0"),
        *("--cpus_allowed=0", "--thread"),
    ]
    command = ["/bin/sh", "-c", FIO_GATE, "sh", str(procs), *job] if procs else job
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds + 60, check=False, start_new_session=True
    )
    if done.returncode:
        raise RuntimeError(f"fio: {done.stderr.strip() or done.stdout.strip()}")
    return float(json.loads(done.stdout[done.stdout.index("{") :])["jobs"][0]["read"]["bw_bytes"]) / 1e6
