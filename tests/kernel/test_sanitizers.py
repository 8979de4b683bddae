"""The C of the disk service, hammered by harness.c while the sanitizers or valgrind watch."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
AIO = HERE.parents[1] / "aio"
SOURCES = [HERE / "harness.c", *sorted(AIO.glob("[!_]*.c"))]  # cffi's own is called _kernel.c
ROUNDS, STEPS = 60, 400
SLOWLY = 20, 300  # under valgrind
SECONDS = 300  # a hang is a failure, too
NO_LEAKS_SEEN = (
    "LeakSanitizer has encountered a fatal error"  # it wants to ptrace(2), as not every container may
)
NO_SHADOW = "unexpected memory mapping"  # old thread sanitizers and kernels that put memory anywhere
EVERY_LEAK = ("--leak-check=full", "--show-leak-kinds=all", "--errors-for-leak-kinds=all")

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


def built(folder: Path, *options: str) -> Path:
    program = folder / "harness"
    # With a pipe that many a loan does not fit into, as where a user has as many as he may have.
    said = ["-std=c11", "-Wall", "-Wextra", "-O1", "-g", "-DPIPE_BYTES=65536", f"-I{AIO}"]
    command = ["gcc", *said, *options, *map(str, SOURCES)]
    done = subprocess.run([*command, "-o", program, "-lpthread"], capture_output=True, text=True, check=False)
    if done.returncode and "cannot find" in done.stderr:
        pytest.skip(f"gcc has no {' '.join(options)} here")
    assert (done.returncode, done.stderr) == (0, "")
    return program


def run(
    *command: str | Path, folder: Path, rounds: tuple[int, int] = (ROUNDS, STEPS), **options: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, folder, *map(str, rounds)],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        env={**os.environ, **options},
    )


def complaints(done: subprocess.CompletedProcess[str]) -> tuple[int, str]:
    return done.returncode, done.stderr


def test_the_service_is_right_without_anybody_watching(tmp_path):
    done = run(built(tmp_path, "-O2"), folder=tmp_path)
    assert complaints(done) == (0, "")
    assert "reads" in done.stdout


def test_the_service_touches_no_memory_that_is_not_its_own_and_leaks_none(tmp_path):
    program = built(tmp_path, "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    done = run(program, folder=tmp_path, ASAN_OPTIONS="detect_leaks=1")
    if NO_LEAKS_SEEN in done.stderr:
        done = run(program, folder=tmp_path, ASAN_OPTIONS="detect_leaks=0")
    assert complaints(done) == (0, "")


def test_no_two_threads_of_the_service_race(tmp_path):
    program = built(tmp_path, "-fsanitize=thread")
    done = run(program, folder=tmp_path)
    if NO_SHADOW in done.stderr:
        done = run("setarch", "-R", program, folder=tmp_path)
    if NO_SHADOW in done.stderr or "setarch: failed" in done.stderr:
        pytest.skip("the thread sanitizer finds no room for its shadow memory here")
    assert complaints(done) == (0, "")


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
def test_valgrind_finds_nothing(tmp_path):
    program = built(tmp_path, "-DWITHOUT_OPENAT2", "-Wl,--wrap=syscall")
    valgrind = ("valgrind", "-q", "--error-exitcode=9", "--fair-sched=yes", *EVERY_LEAK)
    done = run(*valgrind, program, folder=tmp_path, rounds=SLOWLY)
    assert complaints(done) == (0, "")
