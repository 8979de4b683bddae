"""The image and its containers, as podman and runc have them.

Rule 1: a container gets less than what an engine gives by default: no capability, no way to new privileges,
        no writable place, not even /tmp. The seccomp profile is the default one.
Rule 2: images and containers lie in the checkout's .cache/, not among those of the machine's owner.
"""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rig.until import until

CHECKOUT = Path(__file__).resolve().parents[2]
STORAGE = CHECKOUT / ".cache" / "containers"
IMAGE = "localhost/headrace"
TOOLS = ("buildah", "debootstrap", "podman", "runc")
PROFILE = Path("/usr/share/containers/seccomp.json")
BUILD_SECONDS = 600  # the first one fetches a distribution
COMMAND_SECONDS = 60
# runc and cgroupfs, because crun and systemd ask for more than a machine without systemd has.
PODMAN = ("podman", "--runtime", "runc", "--cgroup-manager", "cgroupfs")
CONFINED = (
    "--read-only", "--read-only-tmpfs=false", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
)  # fmt: skip


def missing() -> str | None:
    """What this machine lacks to build and run the image; None if it has it all."""
    if os.geteuid() != 0:
        return "containers without an engine need root"
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if not PROFILE.exists():
        absent.append(str(PROFILE))
    return f"there is no {' and no '.join(absent)}" if absent else None


def build() -> str:
    """Builds the image from the checkout; its name."""
    run(str(CHECKOUT / ".ci" / "image.sh"), "buildah", seconds=BUILD_SECONDS)
    run("buildah", "rmi", "--prune")  # what an earlier run had built
    return IMAGE


def run(*command: str, seconds: float = COMMAND_SECONDS) -> str:
    """Runs a command that must not fail; its output."""
    ended = attempt(*command, seconds=seconds)
    assert ended.returncode == 0, f"{' '.join(command)}: {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def attempt(*command: str, seconds: float = COMMAND_SECONDS) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=_environment(), capture_output=True, text=True, timeout=seconds, check=False
    )


@dataclass(frozen=True)
class Container:
    """One that runs."""

    identity: str
    port: int

    def attempt(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command in it."""
        return attempt(*PODMAN, "exec", self.identity, *command)

    def python(self, script: str) -> str:
        """Runs Python in it, as the server is run; what it printed."""
        return run(*PODMAN, "exec", self.identity, "python3", "-c", script).strip()

    @property
    def log(self) -> str:
        ended = attempt(*PODMAN, "logs", self.identity)
        return ended.stdout + ended.stderr

    @property
    def state(self) -> Any:
        """The last one that the server has written to its log."""
        return json.loads(re.findall(r"^headrace: state (\{.*\})$", self.log, re.MULTILINE)[-1])

    def stop(self, seconds: int) -> int:
        """SIGTERM, and SIGKILL after so many seconds. The exit status: 137 if it was the latter."""
        run(*PODMAN, "stop", "--time", str(seconds), self.identity)
        return int(run(*PODMAN, "inspect", "--format", "{{.State.ExitCode}}", self.identity))


@contextmanager
def running(image: str, root: Path | None = None, options: Sequence[str] = ()) -> Iterator[Container]:
    """A container that serves; a directory may be mounted where the image has its site."""
    port = _free_port()
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    identity = run(
        *PODMAN, "run", "--detach", *CONFINED, "--network", "host", "--log-driver", "k8s-file",
        # No more than a machine may have that is itself confined.
        "--ulimit", f"nofile={descriptors}:{descriptors}", "--ulimit", "nproc=4096:4096",
        "--env", f"HEADRACE_LISTEN=127.0.0.1:{port}", "--env", "HEADRACE_VERBOSE=1",
        *(("--volume", f"{root}:/srv/www:ro") if root else ()),
        *options,
        image,
    ).strip()  # fmt: skip
    container = Container(identity, port)
    try:
        until(lambda: "headrace: serving" in container.log, "the line that says that it serves")
        yield container
    finally:
        run(*PODMAN, "rm", "--force", "--time", "0", identity)


def refusing(number: int, scratch: Path) -> tuple[str, ...]:
    """Options for the default profile that says this to calls it does not allow.

    podman says ENOSYS and Docker EPERM, to nearly the same calls.
    """
    if number == errno.ENOSYS:
        return ()
    profile = json.loads(PROFILE.read_text())
    profile |= {"defaultErrnoRet": number, "defaultErrno": errno.errorcode[number]}
    path = scratch / "seccomp.json"
    path.write_text(json.dumps(profile))
    return "--security-opt", f"seccomp={path}"


def _environment() -> dict[str, str]:
    STORAGE.mkdir(parents=True, exist_ok=True)
    conf = STORAGE / "storage.conf"
    conf.write_text(
        # vfs works on whatever the checkout lies on, also on an overlay.
        f'[storage]\ndriver = "vfs"\ngraphroot = "{STORAGE / "graph"}"\nrunroot = "{STORAGE / "run"}"\n'
    )
    return {
        **os.environ,
        "CONTAINERS_STORAGE_CONF": str(conf),
        "DISABLE_HC_SYSTEMD": "true",  # health is asked for by the test, not by a timer of systemd's
    }


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
