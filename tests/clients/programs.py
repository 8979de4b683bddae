"""Programs that others have written, run as their users run them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.rig.server import Server

PATIENCE_SECONDS = 60  # for a program that takes less than two on a machine that is idle


def run(program: str, *arguments: object, home: Path) -> subprocess.CompletedProcess[bytes]:
    """Runs it in a directory, to its end, with nothing from the user's settings: no proxy, no rc file."""
    return subprocess.run(
        command(program, *arguments),
        cwd=home,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
    )


def succeed(program: str, *arguments: object, home: Path) -> str:
    """What it said on stdout and then on stderr, after it has ended with 0."""
    ran = run(program, *arguments, home=home)
    said = (ran.stdout + ran.stderr).decode(errors="replace")
    assert ran.returncode == 0, f"exit status {ran.returncode}\n{said}"
    return said


def break_off(program: str, *arguments: object, home: Path, after: int) -> bytes:
    """The first bytes of its stdout; then nobody reads any more, and it ends as it likes."""
    with subprocess.Popen(
        command(program, *arguments),
        cwd=home,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.read(after)
        process.stdout.close()
        try:
            status = process.wait(PATIENCE_SECONDS)
        finally:
            process.kill()
    assert (len(first), status != 0) == (after, True)
    return first


def command(program: str, *arguments: object) -> list[str]:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return [path, *map(str, arguments)]


def environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C"}


def url(server: Server, path: str = "") -> str:
    return f"http://127.0.0.1:{server.port}/{path}"


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def digest_of(path: Path) -> str:
    return digest(path.read_bytes())
