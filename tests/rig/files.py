"""What is served in tests."""

import os
import random
import sysconfig
import time
from pathlib import Path

KIB = 1 << 10
MIB = 1 << 20
LONG_AGO_SECONDS = 1_000_000_000.0


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that are all alike nowhere and the same every time."""
    return random.Random(seed).randbytes(size)


def write(path: Path, content: bytes) -> bytes:
    """Writes a file that says it was last changed long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (LONG_AGO_SECONDS, LONG_AGO_SECONDS))
    return content


def forget_cached(path: Path) -> None:
    """Has the page cache lose the file."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def settled_file() -> Path | None:
    """A large file of the interpreter's own, whose last change was so long ago that it is read directly."""
    directory = Path(sysconfig.get_config_var("DESTSHARED"))
    files = [path for path in directory.glob("*.so") if time.time() - path.stat().st_ctime > 60]
    return max(files, key=lambda path: path.stat().st_size, default=None)
