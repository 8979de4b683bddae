"""`headrace probe` and `headrace healthcheck`, as they are called."""

import socket
import subprocess
import sys
from contextlib import closing

import pytest

from tests.rig.files import noise, write
from tests.rig.server import serving

SECONDS = 30


def headrace(*arguments, environment=None):
    return subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=environment,
        check=False,
    )


def test_the_probe_tells_what_is_possible_here(tmp_path):
    write(tmp_path / "large.bin", noise(200_000))
    told = headrace("probe", str(tmp_path))
    assert (told.returncode, told.stderr) == (0, "")
    rows = {line[:12].strip(): line[13:] for line in told.stdout.splitlines()}
    for what in ("kernel", "native AIO", "io_uring", "filesystem", "openat2", "direct I/O", "memory"):
        assert rows[what]
    assert "tried with large.bin" in rows["direct I/O"]


def test_the_probe_says_when_there_is_nothing_to_try(tmp_path):
    told = headrace("probe", str(tmp_path))
    assert told.returncode == 0
    assert "no file of more than 64 KiB" in told.stdout


def test_the_probe_of_no_directory_is_refused(tmp_path):
    told = headrace("probe", str(tmp_path / "none"))
    assert told.returncode == 2
    assert "there is no such directory" in told.stderr


@pytest.mark.parametrize("target", ["url", "environment", "anywhere", "unix"])
def test_a_server_that_answers_is_healthy(tmp_path, target):
    path = tmp_path / "socket"
    with serving(tmp_path, "--listen", f"unix:{path}") as server:
        address = {
            "url": f"http://127.0.0.1:{server.port}/none",
            "environment": f"127.0.0.1:{server.port}",
            "anywhere": f"0.0.0.0:{server.port} [::]:1",
            "unix": f"unix:{path}",
        }[target]
        if target == "url":
            told = headrace("healthcheck", address)
        else:
            told = headrace("healthcheck", environment={"HEADRACE_LISTEN": address})
    assert (told.returncode, told.stderr) == (0, "")


def test_nobody_there_is_not_healthy():
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        told = headrace("healthcheck", f"http://127.0.0.1:{free.getsockname()[1]}/")
    assert told.returncode == 1
    assert told.stderr.startswith("headrace: no answer")


@pytest.mark.parametrize("url", ["https://a.example/", "nonsense", "http://"])
def test_what_is_no_http_url_is_not_asked(url):
    told = headrace("healthcheck", url)
    assert told.returncode == 1
    assert "not an http URL" in told.stderr


@pytest.mark.parametrize("listen", ["nonsense:port", ""])
def test_a_listener_that_is_none_is_said_in_one_sentence(listen):
    told = headrace("healthcheck", environment={"HEADRACE_LISTEN": listen})
    said = f"{listen!r} is not ADDR:PORT or unix:PATH, such as 127.0.0.1:8080 or [::]:8080"
    assert (told.returncode, told.stderr) == (1, f"headrace: no answer: {said}\n")
