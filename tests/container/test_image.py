"""The image keeps to what a container is given, and is fast in it all the same."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aio import BLOCK
from tests.container import engine
from tests.container.engine import Container
from tests.rig.client import Client, ask
from tests.rig.files import forget_cached
from tests.rig.until import until

SETTLED_SECONDS = 31  # a younger file is read through the page cache
BLOCKS_A_READ = 4  # at most
STOP_SECONDS = 1
IO_URING_SETUP = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall(425, 1, None)  # io_uring_setup(2) has this number everywhere
print(ctypes.get_errno())
"""

pytestmark = pytest.mark.skipif(engine.missing() is not None, reason=str(engine.missing()))


@pytest.fixture(scope="module")
def image() -> str:
    return engine.build()


@pytest.fixture(scope="module")
def container(image: str) -> Iterator[Container]:
    """One that serves what the image itself holds."""
    with engine.running(image) as container:
        yield container


@pytest.fixture(scope="module")
def cold() -> Path:
    """A large file that has been as it is for a while, and is not in memory: podman itself."""
    path = Path(shutil.which("podman") or "").resolve()
    until(
        lambda: time.time() - path.stat().st_ctime > SETTLED_SECONDS,
        "a file that was not changed just now",
        2 * SETTLED_SECONDS,
    )
    forget_cached(path)
    return path


def test_it_serves_a_site_of_its_own(container: Container) -> None:
    response = ask(container.port, "/")
    assert response.status == 200
    assert response["content-type"].startswith("text/html")


def test_the_server_is_the_first_process_without_a_shell_around_it(container: Container) -> None:
    command = container.python("print(open('/proc/1/cmdline').read().split(chr(0)))")
    assert "/opt/headrace/bin/headrace" in command
    assert "sh'" not in command


def test_it_is_nobody_and_may_do_nothing(container: Container) -> None:
    status = container.python("print(open('/proc/1/status').read())")
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert facts["Uid"].split() == ["65532"] * 4
    assert facts["Gid"].split() == ["65532"] * 4
    assert int(facts["CapEff"], 16) == int(facts["CapBnd"], 16) == 0
    assert facts["NoNewPrivs"] == "1"


@pytest.mark.parametrize("place", ["/", "/tmp", "/srv/www", "/opt/headrace"])
def test_nothing_can_be_written(container: Container, place: str) -> None:
    script = f"""
try:
    open({place!r} + "/new", "w")
except OSError as error:
    print(error.errno)
"""
    assert container.python(script) == str(errno.EROFS)


def test_passwords_can_be_checked_in_it(container: Container) -> None:
    """By the extra [auth], which the image has; [compress] is for machines that build sites."""
    script = "from importlib.util import find_spec; print([bool(find_spec(n)) for n in ('bcrypt', 'brotli')])"
    assert container.python(script) == "[True, False]"


def test_there_is_no_compiler_in_it(container: Container) -> None:
    script = "import shutil; print([name for name in ('cc', 'gcc', 'pip', 'make') if shutil.which(name)])"
    assert container.python(script) == "[]"


def test_its_health_is_asked_for_by_the_server_s_own_command(image: str, container: Container) -> None:
    engine.run(*engine.PODMAN, "healthcheck", "run", container.identity)
    check = json.loads(engine.run(*engine.PODMAN, "inspect", "--format", "{{json .HealthCheck}}", image))
    assert check["Test"] == ["CMD", "headrace", "healthcheck"]


def test_it_is_not_healthy_where_nobody_answers(container: Container) -> None:
    assert container.attempt("headrace", "healthcheck", "http://127.0.0.1:1/").returncode == 1


@pytest.mark.parametrize("refusal", [errno.ENOSYS, errno.EPERM], ids=["as-podman-does", "as-docker-does"])
def test_a_cold_file_is_read_by_aio_where_io_uring_is_refused(
    image: str, cold: Path, refusal: int, tmp_path: Path
) -> None:
    with engine.running(image, cold.parent, engine.refusing(refusal, tmp_path)) as container:
        assert "\nSeccomp:\t2\n" in container.python("print(open('/proc/1/status').read())")
        assert container.python(IO_URING_SETUP) == str(refusal)
        response = ask(container.port, f"/{cold.name}")
        assert response.status == 200
        assert hashlib.sha256(response.body).digest() == hashlib.sha256(cold.read_bytes()).digest()
        assert container.stop(STOP_SECONDS) == 0
        (disk,) = container.state["disks"]
    assert disk["native"] is True
    assert disk["native_reads"] >= len(response.body) / BLOCK / BLOCKS_A_READ
    assert disk["thread_reads"] == 0


def test_it_stops_within_a_second(image: str) -> None:
    """Although it is PID 1, to which a signal without a handler does nothing; and nobody has to be killed."""
    with engine.running(image) as container, Client(container.port) as idle:
        assert idle.ask("/").status == 200
        assert container.stop(STOP_SECONDS) == 0
