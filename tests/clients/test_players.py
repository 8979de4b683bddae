"""ffmpeg and ffprobe, which read a video as a player does: the head, then where it is wanted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.programs import digest, run, succeed, url
from tests.rig.server import CHECKOUT, Server, serving

SITE = CHECKOUT / "static"
VIDEO = "water.webm"
NEAR_THE_END_SECONDS = 11.5  # of 12
TIMEOUT = ("-rw_timeout", 30_000_000)  # microseconds


@pytest.fixture(scope="module", params=["auto", "threads"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with serving(SITE, backend=request.param) as server:
        yield server
        server.await_quiet()


def frame(source: object, home: Path, *options: object) -> tuple[str, str]:
    """The digest of a frame near the end, and what ffmpeg said of its way there."""
    ran = run(
        "ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "trace", *options, "-ss", NEAR_THE_END_SECONDS,
        "-i", source, "-frames:v", 1, "-f", "rawvideo", "-",
        home=home,
    )  # fmt: skip
    said = ran.stderr.decode(errors="replace")
    assert ran.returncode == 0, said
    assert ran.stdout, said
    return digest(ran.stdout), said


def test_a_frame_near_the_end_is_found_by_a_range(server: Server, tmp_path: Path) -> None:
    seen, said = frame(url(server, VIDEO), tmp_path, *TIMEOUT)
    assert seen == frame(SITE / VIDEO, tmp_path)[0]
    assert set(re.findall(r"HTTP/1\.\d (\d+)", said)) == {"206"}
    size = (SITE / VIDEO).stat().st_size
    starts = [
        int(start) for start in re.findall(rf"Content-Range: bytes (\d+)-{size - 1}/{size}", said, re.I)
    ]
    assert max(starts) > size // 2  # it did not read its way through the first half


def test_the_length_is_found_out(server: Server, tmp_path: Path) -> None:
    asked = ("-v", "error", *TIMEOUT, "-show_entries", "format=duration,size", "-of", "csv=p=0")
    duration, size = succeed("ffprobe", *asked, url(server, VIDEO), home=tmp_path).strip().split(",")
    assert (float(duration), int(size)) == (12.0, (SITE / VIDEO).stat().st_size)
