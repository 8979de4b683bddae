"""What the service's threads do beside their work: they are there in time, and so is the memory."""

import os
import re
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from aio import BLOCK
from aio._kernel import ffi, lib
from aio.service import AHEAD, Service
from tests.kernel.ways import BACKENDS, Bench
from tests.rig.until import until

PAGE = os.sysconf("SC_PAGE_SIZE")
PRESENT = 1 << 63  # in /proc/PID/pagemap
SHORTEST_SLICE = 100_000  # nanoseconds
KERNEL = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))


def is_touched(service: Service, slot: int) -> bool:
    address = int(ffi.cast("uintptr_t", lib.memory_base(service._memory))) + slot * BLOCK
    with Path("/proc/self/pagemap").open("rb") as pages:
        pages.seek(address // PAGE * 8)
        (entry,) = struct.unpack("<Q", pages.read(8))
    return bool(entry & PRESENT)


def slice_of(path: Path) -> int | None:
    """In nanoseconds. The thread that makes memory ready has none, and ends when all of it is."""
    with suppress(FileNotFoundError, ProcessLookupError):
        if found := re.search(r"^se\.slice\s*:\s*(\d+)", path.read_text(), re.MULTILINE):
            return int(found[1])
    return None


needs_populating = pytest.mark.skipif(KERNEL < (5, 14), reason="no MADV_POPULATE_WRITE before Linux 5.14")


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service(4 * AHEAD)
    yield service
    service.close(1000)


@needs_populating
def test_a_little_memory_is_ready_at_first(service: Service) -> None:
    until(lambda: is_touched(service, AHEAD - 1), "memory for the first slots")
    assert not is_touched(service, 2 * AHEAD)


@needs_populating
def test_as_much_memory_as_has_been_used_is_ready_beyond_it(service: Service) -> None:
    used = 3 * AHEAD // 2
    service.will_use(used)
    until(lambda: is_touched(service, 2 * used - 1), "as much again")
    assert not is_touched(service, 4 * AHEAD - 1)


@pytest.mark.skipif(KERNEL < (6, 12), reason="slices can be asked for from Linux 6.12 on")
@pytest.mark.skipif(not Path("/proc/self/sched").exists(), reason="the kernel does not tell of slices")
def test_whoever_opens_files_is_served_by_the_processor_at_once(tmp_path: Path) -> None:
    (tmp_path / "page").write_bytes(b"page")
    with Bench(tmp_path, BACKENDS["aio"]) as bench, bench.opened("page"):
        slices = {int(path.parent.name): slice_of(path) for path in Path("/proc/self/task").glob("*/sched")}
    assert SHORTEST_SLICE in slices.values()
    assert slices[threading.get_native_id()] != SHORTEST_SLICE
