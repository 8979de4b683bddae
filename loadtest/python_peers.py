"""The servers in Python that are compared, and the virtual environment that they have of their own.

Rule 1: the environment is made once, under the cache directory. They are nobody's dependencies.
Rule 2: each is the shortest program that its own documentation would have for a directory of files, in one
        process, without an access log where it can be without.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from loadtest.command import BACKLOG, CONNECTIONS, KEEP_ALIVE_SECONDS, Command, Site, free_port

PEERS_VENV = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headrace-peers"
PYTHON_PEERS: Mapping[str, Sequence[str]] = {
    "aiohttp": ("aiohttp",),
    "starlette": ("starlette", "uvicorn", "h11", "httptools", "uvloop"),
    "granian": ("granian",),
    "sanic": ("sanic",),
}
PACKAGES = tuple(package for packages in PYTHON_PEERS.values() for package in packages)
UVICORN_MODES = {
    "": ("--loop", "uvloop", "--http", "httptools"),
    "h11": ("--loop", "asyncio", "--http", "h11"),  # what a plain `pip install uvicorn` is
}


def versions(kind: str) -> str:
    script = "import sys, importlib.metadata as m; print(*(p + ' ' + m.version(p) for p in sys.argv[1:]))"
    done = subprocess.run(
        [peers_python(), "-c", script, *PYTHON_PEERS[kind]],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return done.stdout.strip()


def peers_python() -> str:
    return str(PEERS_VENV / "bin/python")


@cache
def make_peers_venv() -> str | None:
    """Why it could not be made, or None."""
    complete = PEERS_VENV / "complete"
    if complete.exists() and complete.read_text().split() == list(PACKAGES):
        return None
    try:
        venv.create(PEERS_VENV, with_pip=True, clear=True)
        subprocess.run(
            [peers_python(), "-m", "pip", "install", "--quiet", *PACKAGES], check=True, timeout=300
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"an environment for the peers in Python could not be made in {PEERS_VENV}: {error}"
    complete.write_text("\n".join(PACKAGES))
    return None


def _aiohttp(mode: str, site: Site, directory: Path) -> Command:
    port = free_port()
    script = directory / "site_app.py"
    script.write_text(
        "import sys\n"
        "from aiohttp import web\n"
        "app = web.Application()\n"
        "app.router.add_static('/', sys.argv[1])\n"
        "web.run_app(app, host='127.0.0.1', port=int(sys.argv[2]), backlog=int(sys.argv[3]),\n"
        "            access_log=None, print=None, shutdown_timeout=1)\n"
    )
    return Command((peers_python(), str(script), str(site.root), str(port), str(BACKLOG)), port)


def _starlette(mode: str, site: Site, directory: Path) -> Command:
    port = free_port()
    (directory / "site_app.py").write_text(
        "import os\n"
        "from starlette.staticfiles import StaticFiles\n"
        "app = StaticFiles(directory=os.environ['HEADRACE_PEER_ROOT'])\n"
    )
    argv = (
        *(peers_python(), "-m", "uvicorn", "site_app:app", "--app-dir", str(directory)),
        *("--host", "127.0.0.1", "--port", str(port), "--backlog", str(BACKLOG)),
        *(*UVICORN_MODES[mode], "--lifespan", "off", "--no-access-log", "--log-level", "warning"),
        *("--timeout-keep-alive", str(KEEP_ALIVE_SECONDS), "--timeout-graceful-shutdown", "1"),
    )
    return Command(argv, port, {"HEADRACE_PEER_ROOT": str(site.root)})


def _granian(mode: str, site: Site, directory: Path) -> Command:
    port = free_port()
    (directory / "site_app.py").write_text(
        "async def app(scope, receive, send):\n"
        "    await send({'type': 'http.response.start', 'status': 404, 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': b''})\n"
    )
    argv = (
        *(peers_python(), "-m", "granian", "--interface", "asginl", "--workers", "1"),
        *("--host", "127.0.0.1", "--port", str(port), "--backlog", str(BACKLOG), "--log-level", "error"),
        *("--backpressure", str(CONNECTIONS)),
        *("--static-path-route", "", "--static-path-mount", str(site.root)),
        *("--working-dir", str(directory), "site_app:app"),
    )
    return Command(argv, port)


def _sanic(mode: str, site: Site, directory: Path) -> Command:
    port = free_port()
    script = directory / "site_app.py"
    script.write_text(
        "import sys\n"
        "from sanic import Sanic\n"
        "app = Sanic('site')\n"
        "app.config.MOTD = False\n"
        "app.static('/', sys.argv[1])\n"
        "if __name__ == '__main__':\n"
        "    app.run(host='127.0.0.1', port=int(sys.argv[2]), backlog=int(sys.argv[3]),\n"
        "            single_process=True, access_log=False)\n"
    )
    return Command((peers_python(), str(script), str(site.root), str(port), str(BACKLOG)), port)


def _http_server(mode: str, site: Site, directory: Path) -> Command:
    """Of the interpreter that we run in. It cannot be told to write no log."""
    port = free_port()
    argv = (sys.executable, "-m", "http.server", str(port))
    return Command((*argv, "--bind", "127.0.0.1", "--directory", str(site.root)), port)


KINDS: Mapping[str, Callable[[str, Site, Path], Command]] = {
    "aiohttp": _aiohttp,
    "starlette": _starlette,
    "granian": _granian,
    "sanic": _sanic,
    "http.server": _http_server,
}
