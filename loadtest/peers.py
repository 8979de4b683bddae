"""The servers that are compared: how each is configured, whether it can be had here, what it says that it is.

Rule 1: every server is told the things that a comparison must not hang on: enough descriptors, a long accept
        queue, no access log, no limit on requests per connection. All else is its default.
Rule 2: one function for each kind of server; what follows the first dash of a name is its mode.
Rule 3: what is not installed is left out, and `missing` says what to install. Those in Python get a virtual
        environment of their own, made once under the cache directory.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
PEERS_VENV = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headrace-peers"
PYTHON_PEERS: Mapping[str, Sequence[str]] = {
    "aiohttp": ("aiohttp",),
    "starlette": ("starlette", "uvicorn", "httptools", "uvloop"),
    "granian": ("granian",),
}
PACKAGES = tuple(package for packages in PYTHON_PEERS.values() for package in packages)

DESCRIPTORS = min(40_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])  # a stuck client takes up to two
CONNECTIONS = 12_000
BACKLOG = 4096  # the kernel's own limit, net.core.somaxconn, by default

NAMES = (
    "headrace",
    "headrace-linux-aio",
    "headrace-threads",
    "headrace-posix-aio",
    "headrace-sendfile",
    "headrace-buffered",
    "nginx-sendfile",
    "nginx-threads",
    "nginx-directio",
    "lighttpd",
    "caddy",
    "aiohttp",
    "starlette",
    "granian",
)
NGINX_MODES = {
    "sendfile": "",
    "threads": "aio threads;",
    "directio": "aio on; directio 512; output_buffers 2 256k;",
}
MOUNTING = ("headrace", "nginx", "lighttpd")  # kinds that are told of a second directory here


@dataclass(frozen=True, slots=True)
class Command:
    """What to execute. A port of None: the server picks one and says so on its first line."""

    argv: Sequence[str]
    port: int | None = None
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Site:
    """What is to be served, and with how much memory of the server's own."""

    root: Path
    mounts: Mapping[str, Path] = field(default_factory=dict)  # prefix, such as /other, to directory
    # Headrace's. So little that all of it has been used after a few seconds, as it has been in a server that
    # is up for a while: the kernel zeroes memory at its first use. "0" is a quarter of what there is.
    memory: str = "128M"


def kind_of(name: str) -> str:
    return name.partition("-")[0]


def command(name: str, site: Site, directory: Path) -> Command:
    """How to start a server, whose own files go to the directory."""
    return KINDS[kind_of(name)](name.partition("-")[2], site, directory)


def missing(name: str) -> str | None:
    """What keeps this server from being started here, or None."""
    kind, _, mode = name.partition("-")
    if kind == "headrace":
        if not headrace_path():
            return "headrace is not installed next to this interpreter nor in .venv"
        return None if not mode or mode in _backends() else f"this build has no backend {mode}"
    if kind in PYTHON_PEERS:
        return _make_peers_venv()
    if not debian_path(kind):
        return f"{kind} is not installed (apt-get install {kind})"
    if mode == "directio" and "--with-file-aio" not in _said(str(debian_path("nginx")), "-V"):
        return "this nginx was built without --with-file-aio"
    return None


def version(name: str) -> str:
    """What the server says that it is."""
    kind = kind_of(name)
    if kind in PYTHON_PEERS:
        script = "import sys, importlib.metadata as m; print(*(p + ' ' + m.version(p) for p in sys.argv[1:]))"
        said = _said(str(PEERS_VENV / "bin/python"), "-c", script, *PYTHON_PEERS[kind])
    elif kind == "headrace":
        said = _said(str(headrace_path()), "--version")
    elif kind == "caddy":
        said = "caddy " + _said(str(debian_path(kind)), "version")
    else:
        said = _said(str(debian_path(kind)), "-v")
    lines = said.strip().splitlines()
    return lines[0].removeprefix("nginx version: ") if lines else kind


def _headrace(mode: str, site: Site, directory: Path) -> Command:
    argv = (
        *(str(headrace_path()), str(site.root), "--listen", "127.0.0.1:0", "--verbose"),
        *("--backend", mode or "auto", "--memory", site.memory),
        *(word for prefix, to in site.mounts.items() for word in ("--mount", f"{prefix}={to}")),
    )
    return Command(argv)


def _nginx(mode: str, site: Site, directory: Path) -> Command:
    port = free_port()
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "\n".join(f"    {kind}_temp_path {directory}/{kind};" for kind in kinds)
    aliases = "\n".join(
        f"        location {prefix}/ {{ alias {to}/; }}" for prefix, to in site.mounts.items()
    )
    config = directory / "nginx.conf"
    config.write_text(
        f"""daemon off;
master_process off;
worker_processes 1;
worker_rlimit_nofile {DESCRIPTORS};
pid {directory}/pid;
error_log {directory}/error.log crit;
events {{ worker_connections {CONNECTIONS}; }}
http {{
{places}
    access_log off;
    keepalive_requests 1000000;
    default_type application/octet-stream;
    sendfile on;
    {NGINX_MODES[mode]}
    server {{
        listen 127.0.0.1:{port} backlog={BACKLOG};
        root {site.root};
{aliases}
    }}
}}
"""
    )
    argv = (
        str(debian_path("nginx")),
        *("-p", str(directory), "-c", str(config), "-e", f"{directory}/error.log"),
    )
    return Command(argv, port)


def _lighttpd(mode: str, site: Site, directory: Path) -> Command:
    port = free_port()
    aliases = ", ".join(f'"{prefix}/" => "{to}/"' for prefix, to in site.mounts.items())
    config = directory / "lighttpd.conf"
    config.write_text(
        f"""server.document-root = "{site.root}"
server.bind = "127.0.0.1"
server.port = {port}
server.errorlog = "{directory}/error.log"
server.max-fds = {DESCRIPTORS}
server.max-connections = {CONNECTIONS}
server.listen-backlog = {BACKLOG}
server.max-keep-alive-requests = 65535
mimetype.assign = ( "" => "application/octet-stream" )
"""
        + (f'server.modules += ( "mod_alias" )\nalias.url = ( {aliases} )\n' if aliases else "")
    )
    return Command((str(debian_path("lighttpd")), "-D", "-f", str(config)), port)


def _caddy(mode: str, site: Site, directory: Path) -> Command:
    port = free_port()
    config = directory / "Caddyfile"
    config.write_text(
        f"""{{
    admin off
    auto_https off
    default_bind 127.0.0.1
    log {{
        level ERROR
    }}
}}
http://127.0.0.1:{port} {{
    root * {site.root}
    file_server
}}
"""
    )
    home = {"HOME": str(directory), "XDG_DATA_HOME": str(directory), "XDG_CONFIG_HOME": str(directory)}
    argv = (str(debian_path("caddy")), "run", "--config", str(config), "--adapter", "caddyfile")
    return Command(argv, port, home)


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
    return Command((_peers_python(), str(script), str(site.root), str(port), str(BACKLOG)), port)


def _starlette(mode: str, site: Site, directory: Path) -> Command:
    port = free_port()
    (directory / "site_app.py").write_text(
        "import os\n"
        "from starlette.staticfiles import StaticFiles\n"
        "app = StaticFiles(directory=os.environ['HEADRACE_PEER_ROOT'])\n"
    )
    argv = (
        *(_peers_python(), "-m", "uvicorn", "site_app:app", "--app-dir", str(directory)),
        *("--host", "127.0.0.1", "--port", str(port), "--backlog", str(BACKLOG)),
        *("--loop", "uvloop", "--http", "httptools", "--lifespan", "off", "--no-access-log"),
        *("--log-level", "warning", "--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "1"),
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
        *(_peers_python(), "-m", "granian", "--interface", "asginl", "--workers", "1"),
        *("--host", "127.0.0.1", "--port", str(port), "--backlog", str(BACKLOG), "--log-level", "error"),
        *("--static-path-route", "", "--static-path-mount", str(site.root)),
        *("--working-dir", str(directory), "site_app:app"),
    )
    return Command(argv, port)


KINDS: Mapping[str, Callable[[str, Site, Path], Command]] = {
    "headrace": _headrace,
    "nginx": _nginx,
    "lighttpd": _lighttpd,
    "caddy": _caddy,
    "aiohttp": _aiohttp,
    "starlette": _starlette,
    "granian": _granian,
}


def headrace_path() -> Path | None:
    for candidate in (CHECKOUT / ".venv/bin/headrace", Path(sys.executable).with_name("headrace")):
        if candidate.exists():
            return candidate
    found = shutil.which("headrace")
    return Path(found) if found else None


def debian_path(kind: str) -> str | None:
    return shutil.which(kind, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@cache
def _backends() -> frozenset[str]:
    """Those that this build's help lists."""
    text = " ".join(_said(str(headrace_path()), "--help").split())
    listed = re.search(r"--backend NAME how files are read: ([a-z, -]+)", text)
    return frozenset(listed[1].replace(" ", "").split(",")) if listed else frozenset()


def _said(*argv: str) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return ""
    return (done.stdout + done.stderr).strip()


def _peers_python() -> str:
    return str(PEERS_VENV / "bin/python")


@cache
def _make_peers_venv() -> str | None:
    complete = PEERS_VENV / "complete"
    if complete.exists() and complete.read_text().split() == list(PACKAGES):
        return None
    try:
        venv.create(PEERS_VENV, with_pip=True, clear=True)
        subprocess.run(
            [_peers_python(), "-m", "pip", "install", "--quiet", *PACKAGES], check=True, timeout=300
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"an environment for the peers in Python could not be made in {PEERS_VENV}: {error}"
    complete.write_text("\n".join(PACKAGES))
    return None
