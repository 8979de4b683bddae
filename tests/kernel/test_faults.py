"""Reads that fail: of streams, in a process made for it; and of a server, as its clients see it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kernel import faults

SECONDS = 300
CASES = Path(__file__).parent / "faulty_reads.py"
pytestmark = pytest.mark.skipif(faults.MISSING is not None, reason=str(faults.MISSING))


def test_streams_say_what_the_disk_says_and_leave_nothing_behind(tmp_path):
    with faults.Faults(tmp_path / "plan") as plan:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", CASES],
            env={**os.environ, **plan.environment(faults.built(tmp_path))},
            cwd=CASES.parents[2],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5000:]
