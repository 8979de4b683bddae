"""The wheel and the sdist, built once, installed where nothing of the checkout can be seen, and served with.

Building and installing asks an index for setuptools, cffi and h11; without one these tests are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.rig.client import ask
from tests.rig.files import noise, write
from tests.rig.server import CHECKOUT, serving

pytestmark = pytest.mark.slow

BUILD_SECONDS = 400
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "--retries", "1", "--timeout", "20")
SOURCES_LEFT_OUT = (
    ".git",
    ".venv",
    ".cache",
    "build",
    "dist",
    "__pycache__",
    "*.egg-info",
    "*.so",
    "*.o",
    ".*_cache",
)
OFFLINE = (
    "NewConnectionError",
    "ConnectTimeoutError",
    "Could not find a version that satisfies",
    "No matching distri",
)


def run(*command: str | Path, cwd: Path) -> str:
    """What the command says; the environment is not the checkout's."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    ran = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=clean,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
    )
    said = ran.stdout + ran.stderr
    if ran.returncode and any(sign in said for sign in OFFLINE):
        pytest.skip("no package index can be reached")
    assert ran.returncode == 0, said
    return ran.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of what is in the repository, so that the checkout's own build is left alone."""
    copy = tmp_path_factory.mktemp("source") / "headrace"
    shutil.copytree(
        CHECKOUT,
        copy,
        ignore=shutil.ignore_patterns(*SOURCES_LEFT_OUT, "_kernel.c", "results", "tests", "loadtest"),
    )
    return copy


@pytest.fixture(scope="module")
def sdist(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("sdist")
    venv = tmp_path_factory.mktemp("builder") / "venv"
    run(sys.executable, "-m", "venv", venv, cwd=out)
    run(venv / "bin/python", *PIP, "install", "--quiet", "build", cwd=out)
    run(venv / "bin/python", "-m", "build", "--sdist", "--outdir", out, source, cwd=out)
    (found,) = out.glob("*.tar.gz")
    return found


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """Built from the sdist alone: what it lacks, the wheel cannot have."""
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, *PIP, "wheel", "--quiet", "--no-deps", "--wheel-dir", out, sdist, cwd=out)
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The bin directory of an environment with nothing but the wheel and what it asks for."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    run(sys.executable, "-m", "venv", venv, cwd=venv.parent)
    run(venv / "bin/python", *PIP, "install", "--quiet", wheel, cwd=venv.parent)
    return venv / "bin"


def test_the_wheel_is_for_the_python_that_it_was_translated_for(wheel):
    version = f"cp{sys.version_info.major}{sys.version_info.minor}"
    assert f"-{version}-{version}-linux_" in wheel.name


def test_what_a_request_passes_through_is_translated(installed):
    said = run(
        installed / "python",
        "-c",
        "from server.wire import connection as it; print(it.__file__)",
        cwd=installed,
    )
    assert said.strip().endswith(SUFFIX)


def test_the_wheel_holds_the_packages_the_extension_and_the_licence_and_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"aio", "server", f"headrace__mypyc{SUFFIX}"}
    for path in (*(CHECKOUT / "aio").glob("*.py"), *(CHECKOUT / "server").rglob("*.py")):
        assert path.relative_to(CHECKOUT).as_posix() in names
    assert "aio/_kernel.abi3.so" in names
    assert {"aio/py.typed", "server/py.typed"} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_sdist_holds_the_sources_of_the_extension(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    written = [path for pattern in ("*.c", "*.h", "*.py") for path in (CHECKOUT / "aio").glob(pattern)]
    wanted = {f"aio/{path.name}" for path in written if path.name != "_kernel.c"}
    assert wanted <= names
    assert {"setup.py", "pyproject.toml", "README.md", "LICENSE"} <= names
    assert not any(name.endswith((".so", ".o")) for name in names)


@pytest.mark.parametrize("command", ["headrace", "python -m server"])
def test_what_was_installed_serves(installed, tmp_path, command):
    root = tmp_path / "root"
    write(root / "index.html", b"home\n")
    write(root / "big.bin", noise(3_000_000))
    name, *arguments = command.split()
    with serving(root, command=(str(installed / name), *arguments), cwd=tmp_path) as server:
        assert ask(server.port, "/").body == b"home\n"
        assert ask(server.port, "/big.bin").body == noise(3_000_000)


def test_what_was_installed_is_not_the_checkout(installed, tmp_path):
    where = run(
        installed / "python", "-c", "import aio, server; print(aio.__file__, server.__file__)", cwd=tmp_path
    )
    assert str(CHECKOUT) not in where


def test_what_was_installed_works_together(installed, tmp_path):
    run(installed / "python", *PIP, "check", cwd=tmp_path)
