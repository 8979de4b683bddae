"""Nothing is imported once the loop runs, and Python opens nothing: both would read files in the loop."""

import json
import re
import signal

import pytest

from tests.rig import mixed
from tests.rig.client import Client, get
from tests.rig.server import serving

SAW = re.compile(r"rig: saw (\[.*\])\n")


@pytest.mark.parametrize("options", [(), ("--log", "combined"), ("--log", "json", "--verbose")], ids=" ".join)
def test_nothing_is_imported_or_opened_while_the_loop_runs(tmp_path, options):
    mixed.lay_out(tmp_path)
    with serving(tmp_path, *mixed.options(), *options, rig={"watch": True}) as server:
        mixed.mixed_run(server, tmp_path)
        with Client(server.port, receive_buffer=16_384) as client:  # one who is there when it drains
            client.send(get("/big.bin")).head()
            server.signal(signal.SIGTERM)
            assert len(client.rest()) == mixed.BIG
        assert server.ended() == 0
        assert json.loads(SAW.search(server.said)[1]) == []


def test_an_import_while_the_loop_runs_would_be_seen(tmp_path):
    with serving(tmp_path, rig={"watch": True, "late": "wave"}) as server:
        server.signal(signal.SIGTERM)
        assert server.ended() == 0
        assert "import wave" in json.loads(SAW.search(server.said)[1])
