"""A server to be measured: how each one is started, what CPU it has used, how it ends.

Rule 1: one worker each, pinned to one core, on a loopback port of its own.
Rule 2: every server is told the things that a comparison must not hang on: enough descriptors, a long accept
        queue, no access log, no limit on requests per connection. All else is its default.
Rule 3: what is not installed is left out, and `missing` says what to install. Starlette gets a virtual
        environment of its own, made once under the cache directory.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Self

CHECKOUT = Path(__file__).resolve().parent.parent
PEERS_VENV = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headrace-peers"
PEERS = ("starlette", "uvicorn", "httptools", "uvloop")

DESCRIPTORS = min(40_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])  # a stuck client takes up to two
CONNECTIONS = 12_000
BACKLOG = 4096  # the kernel's own limit, net.core.somaxconn, by default
START_SECONDS = 20.0
STOP_SECONDS = 6.0
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

NAMES = (
    "headrace",
    "headrace-threads",
    "headrace-sendfile",
    "headrace-buffered",
    "nginx-sendfile",
    "nginx-threads",
    "lighttpd",
    "starlette",
)

# Servers start behind this gate, which waits for a line: core, limits and cgroup are set before they run.
GATE = ("/bin/sh", "-c", 'read -r go && exec "$@" </dev/null', "gate")


class NotStarted(Exception):
    """The server did not say that it is ready; the message carries the end of its log."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to execute. A port of None: the server picks one and says so on its first line."""

    argv: Sequence[str]
    port: int | None = None
    env: Mapping[str, str] = field(default_factory=dict)


def missing(name: str) -> str | None:
    """What keeps this server from being started here, or None."""
    kind = name.partition("-")[0]
    if kind == "headrace":
        return None if _headrace_path() else "headrace is not installed next to this interpreter nor in .venv"
    if kind in ("nginx", "lighttpd"):
        return None if debian_path(kind) else f"{kind} is not installed (apt-get install {kind})"
    return _make_peers_venv()


def version(name: str) -> str:
    """What the server says that it is."""
    kind = name.partition("-")[0]
    if kind == "starlette":
        script = "import sys, importlib.metadata as m; print(*(p + ' ' + m.version(p) for p in sys.argv[1:]))"
        argv = [str(PEERS_VENV / "bin/python"), "-c", script, *PEERS]
    elif kind == "headrace":
        argv = [str(_headrace_path()), "--version"]
    else:
        argv = [str(debian_path(kind)), "-v"]
    try:
        said = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    except OSError as error:
        return f"{kind} ({error.strerror})"
    lines = (said.stdout + said.stderr).strip().splitlines()
    return lines[0].removeprefix("nginx version: ") if lines and said.returncode == 0 else kind


def start(
    name: str,
    root: Path,
    *,
    core: int = 0,
    enter: Callable[[int], object] | None = None,
    configure: Callable[[Path, Path], Command] | None = None,
) -> Server:
    """Start one server on `root` and return it when it listens.

    `configure`, from the root and a directory for its files, gives a command in place of the usual one.
    `enter` puts a process into the rig's cgroup: it is called before the server executes, so its children and
    threads are born there.
    """
    directory = Path(tempfile.mkdtemp(prefix=f"headrace-{name}-"))
    try:
        command = (configure or partial(_command, name))(root, directory)
        log = (directory / "log").open("wb")
        with log:
            process = subprocess.Popen(
                [*GATE, *command.argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL if name.startswith("headrace") else log,
                stderr=log,
                env={**os.environ, **command.env},
                start_new_session=True,
            )
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    server = Server(name, process, directory)
    try:
        os.sched_setaffinity(process.pid, {core})
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        if enter is not None:
            enter(process.pid)
        _open_gate(process)
        server.wait_ready(command.port)
    except BaseException:
        server.stop()
        raise
    return server


class Server:
    """One running server."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], directory: Path) -> None:
        self.name = name
        self.port = 0
        self._process = process
        self._directory = directory
        self._last_state: dict[str, object] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def pids(self) -> list[int]:
        """The process and its descendants, oldest first."""
        found = [self._process.pid]
        for pid in found:  # grows while we walk: children of children
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    found.extend(int(child) for child in children.read_text().split())
                except OSError:
                    continue
        return found

    def cpu_seconds(self) -> float:
        """User and system time of all its processes; their figures include all threads, ended ones too."""
        return sum(map(_cpu_ticks, self.pids)) / TICKS_PER_SECOND

    def wait_ready(self, port: int | None) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise NotStarted(f"{self.name} ended with {self._process.returncode}:\n{self.log()[-2000:]}")
            if (listening := port or self._announced_port()) and _accepts(listening):
                self.port = listening
                return
            time.sleep(0.02)
        raise NotStarted(f"{self.name} was not ready after {START_SECONDS:.0f} s:\n{self.log()[-2000:]}")

    def log(self) -> str:
        try:
            return (self._directory / "log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def state(self, wait_seconds: float = 2.0) -> dict[str, object]:
        """What Headrace tells of itself at SIGUSR1, or told last before it ended; of the others nothing."""
        if not self.name.startswith("headrace") or self._process.poll() is not None:
            return self._last_state
        told_before = len(self._states())
        self._process.send_signal(signal.SIGUSR1)
        deadline = time.monotonic() + wait_seconds
        while time.monotonic() < deadline and len(self._states()) == told_before:
            time.sleep(0.02)
        self._remember_state()
        return self._last_state

    def stop(self) -> None:
        """SIGTERM, and after a while SIGKILL. A process asleep on a frozen disk ends only after the thaw."""
        family = self.pids
        if self._process.poll() is None:
            self._process.terminate()
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            for pid in family:
                _kill(pid)
            self._process.wait()
        self._remember_state()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _announced_port(self) -> int | None:
        """From the line `headrace: serving ROOT at http://127.0.0.1:PORT/ ...`."""
        for line in self.log().splitlines():
            if line.startswith("headrace: serving ") and " at http://127.0.0.1:" in line:
                return int(line.rpartition(" at http://127.0.0.1:")[2].partition("/")[0])
        return None

    def _states(self) -> list[str]:
        mark = "headrace: state "
        return [line.removeprefix(mark) for line in self.log().splitlines() if line.startswith(mark)]

    def _remember_state(self) -> None:
        for text in reversed(self._states()):
            try:
                state = json.loads(text)
            except ValueError:
                continue  # a line still being written
            if isinstance(state, dict):
                self._last_state = state
                return


def _command(name: str, root: Path, directory: Path) -> Command:
    match name.split("-"):
        case ["headrace", *backend]:
            return Command(
                (
                    str(_headrace_path()),
                    str(root),
                    *("--listen", "127.0.0.1:0"),
                    *("--backend", backend[0] if backend else "auto"),
                    # So little that all of it has been used after a few seconds, as it has been in a
                    # server that is up for a while: the kernel zeroes memory at its first use.
                    *("--memory", "128M"),
                    "--verbose",
                )
            )
        case ["nginx", mode]:
            return _nginx(root, directory, "aio threads;" if mode == "threads" else "")
        case ["lighttpd"]:
            return _lighttpd(root, directory)
        case ["starlette"]:
            return _starlette(root, directory)
    raise ValueError(f"no such server: {name}; there are {', '.join(NAMES)}")


def _nginx(root: Path, directory: Path, aio: str) -> Command:
    port = free_port()
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "\n".join(f"    {kind}_temp_path {directory}/{kind};" for kind in kinds)
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
    {aio}
    server {{
        listen 127.0.0.1:{port} backlog={BACKLOG};
        root {root};
    }}
}}
"""
    )
    argv = (
        str(debian_path("nginx")),
        *("-p", str(directory), "-c", str(config), "-e", f"{directory}/error.log"),
    )
    return Command(argv, port)


def _lighttpd(root: Path, directory: Path) -> Command:
    port = free_port()
    config = directory / "lighttpd.conf"
    config.write_text(
        f"""server.document-root = "{root}"
server.bind = "127.0.0.1"
server.port = {port}
server.errorlog = "{directory}/error.log"
server.max-fds = {DESCRIPTORS}
server.max-connections = {CONNECTIONS}
server.listen-backlog = {BACKLOG}
server.max-keep-alive-requests = 65535
mimetype.assign = ( "" => "application/octet-stream" )
"""
    )
    return Command((str(debian_path("lighttpd")), "-D", "-f", str(config)), port)


def _starlette(root: Path, directory: Path) -> Command:
    port = free_port()
    (directory / "site_app.py").write_text(
        "import os\n"
        "from starlette.staticfiles import StaticFiles\n"
        "app = StaticFiles(directory=os.environ['HEADRACE_PEER_ROOT'])\n"
    )
    argv = (
        *(str(PEERS_VENV / "bin/python"), "-m", "uvicorn", "site_app:app", "--app-dir", str(directory)),
        *("--host", "127.0.0.1", "--port", str(port), "--backlog", str(BACKLOG)),
        *("--loop", "uvloop", "--http", "httptools", "--lifespan", "off", "--no-access-log"),
        *("--log-level", "warning", "--timeout-keep-alive", "75", "--timeout-graceful-shutdown", "1"),
    )
    return Command(argv, port, {"HEADRACE_PEER_ROOT": str(root)})


def _headrace_path() -> Path | None:
    for candidate in (CHECKOUT / ".venv/bin/headrace", Path(sys.executable).with_name("headrace")):
        if candidate.exists():
            return candidate
    found = shutil.which("headrace")
    return Path(found) if found else None


def debian_path(kind: str) -> str | None:
    return shutil.which(kind, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def _make_peers_venv() -> str | None:
    python = PEERS_VENV / "bin/python"
    if (PEERS_VENV / "complete").exists():
        return None
    try:
        venv.create(PEERS_VENV, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS], check=True, timeout=300)
    except (OSError, subprocess.SubprocessError) as error:
        return f"starlette: its environment could not be made in {PEERS_VENV}: {error}"
    (PEERS_VENV / "complete").touch()
    return None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _open_gate(process: subprocess.Popen[bytes]) -> None:
    gate: IO[bytes] | None = process.stdin
    assert gate is not None
    gate.write(b"go\n")
    gate.close()


def _cpu_ticks(pid: int) -> int:
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(after_name[11]) + int(after_name[12])


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
