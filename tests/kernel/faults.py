"""Reads that a disk answers with an error, or only in part: faults.c stands between a program and the kernel.

A program is made faulty by its environment, and only at its start. The test and the program share a file in
memory that says which bytes of which file are bad, as faults.c has it.
"""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

HERE = Path(__file__).parent
PLAN = struct.Struct("=QQqqqqqqq")
KIND = struct.Struct("=q")
KIND_AT = 40
HEALTHY, FAIL, CUT, REFUSE = range(4)
ALWAYS = 1 << 40
END = 1 << 60  # behind the last byte of every file
PRELOAD = "LD_PRELOAD"
SHARED = "FAULTS"
MISSING = None if shutil.which("cc") else "there is no C compiler"


def built(folder: Path) -> Path:
    """The object to preload."""
    made = folder / "faults.so"
    command = ["cc", "-std=c11", "-Wall", "-Wextra", "-O1", "-g", "-shared", "-fPIC", str(HERE / "faults.c")]
    done = subprocess.run(
        [*command, "-o", made, "-ldl", "-lpthread"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return made


class Faults:
    """The bad place that a program sees which has this environment()."""

    def __init__(self, shared: Path) -> None:
        self._path = shared
        if not shared.exists():
            shared.write_bytes(bytes(PLAN.size))
        with shared.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), PLAN.size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.heal()
        self._shared.close()

    def environment(self, preload: Path) -> dict[str, str]:
        return {PRELOAD: str(preload), SHARED: str(self._path)}

    def heal(self) -> None:
        """The disk is as good as new."""
        KIND.pack_into(self._shared, KIND_AT, HEALTHY)

    def fail(self, path: Path, error: int, first: int = 0, end: int = END, *, times: int = ALWAYS) -> None:
        """Reads that touch these bytes end with the error; a thread's read still gets what is before them."""
        self._set(path, FAIL, error, first, end, times)

    def cut(self, path: Path, at: int, *, times: int = ALWAYS) -> None:
        """A read across this place ends there."""
        self._set(path, CUT, 0, at, at + 1, times)

    def refuse(self, path: Path, error: int, first: int = 0, end: int = END, *, times: int = ALWAYS) -> None:
        """io_submit(2) does not take reads of these bytes."""
        self._set(path, REFUSE, error, first, end, times)

    @property
    def native(self) -> int:
        """How many reads by AIO have come back so since the place went bad."""
        return PLAN.unpack_from(self._shared)[7]

    @property
    def by_thread(self) -> int:
        return PLAN.unpack_from(self._shared)[8]

    def _set(self, path: Path, kind: int, error: int, first: int, end: int, times: int) -> None:
        self.heal()
        facts = os.stat(path)
        plan = (facts.st_dev, facts.st_ino, first, end, error, HEALTHY, times, 0, 0)
        PLAN.pack_into(self._shared, 0, *plan)
        KIND.pack_into(self._shared, KIND_AT, kind)
