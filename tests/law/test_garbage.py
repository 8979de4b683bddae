"""Serving leaves no reference cycles behind.

A collection takes longer the more connections there are, and a turn with it, so the collector is
off while anybody is connected. There must be nothing that only it could free, or memory would
grow for as long as there are clients.
"""

import json

import pytest

from tests.rig.mixed import lay_out, mixed_run, options
from tests.rig.server import serving

STATE = "headrace: state "


@pytest.mark.parametrize("backend", ["auto", "linux-aio", "posix-aio", "threads"])
def test_a_mixed_run_leaves_nothing_for_the_collector(tmp_path, backend):
    lay_out(tmp_path)
    with serving(tmp_path, *options(), "--verbose", "--log", "combined", backend=backend) as server:
        mixed_run(server, tmp_path)
    last = [line for line in server.said.splitlines() if line.startswith(STATE)][-1]
    assert json.loads(last.removeprefix(STATE))["garbage"] == 0
