"""The servers that are compared: how each is configured, whether it can be had here, what it says that it is.

Rule 1: every server is told the things that a comparison must not hang on: enough descriptors, a long accept
        queue, no access log, no limit on requests per connection, the machine's congestion control. All
        else is its default.
Rule 2: one function for each kind of server; what follows the first dash of a name is its mode.
Rule 3: what is not installed is left out, and `missing` says what to install. Those in Python get a virtual
        environment of their own, made once under the cache directory.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from loadtest import python_peers
from loadtest.command import BACKLOG, CONNECTIONS, DESCRIPTORS, KEEP_ALIVE_SECONDS, Command, Site, free_port
from loadtest.python_peers import PYTHON_PEERS

CHECKOUT = Path(__file__).resolve().parent.parent
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
    "": "",
    "sendfile": "",
    "cached": "open_file_cache max=10000 inactive=60s;",
    "gzip": "gzip_static on;",
    "threads": "aio threads;",
    "directio": "aio on; directio 512; output_buffers 2 256k;",
}
WITHOUT = "without-"  # a mode of Headrace that the bench makes: one of its measures left out
MOUNTING = ("headrace", "nginx", "lighttpd")  # kinds that are told of a second directory here
LOGGING = ("headrace", "nginx", "lighttpd", "caddy")  # kinds that are told here to write an access log
PROGRAMS = {"static": "static-web-server"}  # where a kind is not named as its program is


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
        known = not mode or mode in _backends() or mode.startswith(WITHOUT)
        return None if known else f"this build has no backend {mode}"
    if kind in PYTHON_PEERS:
        return python_peers.make_peers_venv()
    if kind in python_peers.KINDS:
        return None
    if not debian_path(kind):
        program = PROGRAMS.get(kind, kind)
        return f"{program} is not installed (apt-get install {program}, where Debian has it)"
    if mode == "directio" and "--with-file-aio" not in _said(str(debian_path("nginx")), "-V"):
        return "this nginx was built without --with-file-aio"
    return None


def version(name: str) -> str:
    """What the server says that it is."""
    kind = kind_of(name)
    if kind in PYTHON_PEERS:
        said = python_peers.versions(kind)
    elif kind in python_peers.KINDS:
        said = f"{kind} of Python {platform.python_version()}"
    elif kind == "headrace":
        said = _said(str(headrace_path()), "--version")
    elif kind == "caddy":
        said = "caddy " + _said(str(debian_path(kind)), "version")
    elif kind in ("darkhttpd", "static"):
        said = _said(str(debian_path(kind)), "--version")
    else:
        said = _said(str(debian_path(kind)), "-v")
    lines = said.strip().splitlines()
    return lines[0].removeprefix("nginx version: ") if lines else kind


def _headrace(mode: str, site: Site, directory: Path) -> Command:
    program: tuple[str, ...] = (str(headrace_path()),)
    backend = mode or "auto"
    if mode.startswith(WITHOUT):
        program = (sys.executable, "-m", "loadtest.bench.interpreted", mode.removeprefix(WITHOUT))
        backend = "auto"
    argv = (
        *(*program, str(site.root), "--listen", "127.0.0.1:0", "--congestion", "system", "--verbose"),
        *("--backend", backend, "--memory", site.memory),
        *(word for prefix, to in site.mounts.items() for word in ("--mount", f"{prefix}={to}")),
        *(("--log", "combined") if site.log else ()),
    )
    return Command(argv, env={"PYTHONPATH": str(CHECKOUT)} if mode.startswith(WITHOUT) else {})


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
    access_log {f"{site.log} combined" if site.log else "off"};
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
server.max-keep-alive-idle = {KEEP_ALIVE_SECONDS}
mimetype.assign = ( "" => "application/octet-stream" )
"""
        + (f'server.modules += ( "mod_alias" )\nalias.url = ( {aliases} )\n' if aliases else "")
        + (f'server.modules += ( "mod_accesslog" )\naccesslog.filename = "{site.log}"\n' if site.log else "")
    )
    return Command((str(debian_path("lighttpd")), "-D", "-f", str(config)), port)


def _caddy(mode: str, site: Site, directory: Path) -> Command:
    port = free_port()
    config = directory / "Caddyfile"
    logging = f"log {{\n        output file {site.log}\n    }}" if site.log else ""
    sidecars = "{\n        precompressed zstd br gzip\n    }" if mode == "precompressed" else ""
    config.write_text(
        f"""{{
    admin off
    auto_https off
    default_bind 127.0.0.1
    log {{
        level ERROR
    }}
}}
http://:{port} {{
    root * {site.root}
    file_server {sidecars}
    {logging}
}}
"""
    )
    home = {"HOME": str(directory), "XDG_DATA_HOME": str(directory), "XDG_CONFIG_HOME": str(directory)}
    argv = (str(debian_path("caddy")), "run", "--config", str(config), "--adapter", "caddyfile")
    return Command(argv, port, home)


def _darkhttpd(mode: str, site: Site, directory: Path) -> Command:
    port = free_port()
    argv = (str(debian_path("darkhttpd")), str(site.root), "--addr", "127.0.0.1", "--port", str(port))
    return Command((*argv, "--log", "/dev/null", "--timeout", str(KEEP_ALIVE_SECONDS)), port)


def _static_web_server(mode: str, site: Site, directory: Path) -> Command:
    port = free_port()
    argv = (
        *(str(debian_path("static")), "--host", "127.0.0.1", "--port", str(port), "--root", str(site.root)),
        *("--threads-multiplier", "1", "--log-level", "error"),
    )
    return Command(argv, port)


KINDS: Mapping[str, Callable[[str, Site, Path], Command]] = {
    "headrace": _headrace,
    "nginx": _nginx,
    "lighttpd": _lighttpd,
    "caddy": _caddy,
    "darkhttpd": _darkhttpd,
    "static": _static_web_server,
    **python_peers.KINDS,
}


def headrace_path() -> Path | None:
    for candidate in (CHECKOUT / ".venv/bin/headrace", Path(sys.executable).with_name("headrace")):
        if candidate.exists():
            return candidate
    found = shutil.which("headrace")
    return Path(found) if found else None


def debian_path(kind: str) -> str | None:
    program = PROGRAMS.get(kind, kind)
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


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
