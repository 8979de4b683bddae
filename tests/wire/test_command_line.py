"""What the command says when it cannot do what it is told: one sentence, and exit status 2."""

import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from tests.rig.client import ask
from tests.rig.files import write
from tests.rig.server import CHECKOUT, COMMAND, serving

SENTENCE = re.compile(r"headrace: [^\n]{10,300}\n")


def refused(*arguments: str, environment=(), command=COMMAND) -> str:
    """What it says on its way out."""
    ran = subprocess.run(
        [*command, *arguments],
        env={**os.environ, **dict(environment)},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout) == (2, ""), ran.stderr
    assert SENTENCE.fullmatch(ran.stderr), ran.stderr
    return ran.stderr


def test_a_root_that_is_not_there_is_named(tmp_path):
    assert f"{tmp_path}/none: there is no such directory" in refused(f"{tmp_path}/none")
    assert f"{tmp_path}/none: " in refused(str(tmp_path), "--mount", f"/a={tmp_path}/none")
    assert f"{tmp_path}/none: " in refused(environment={"HEADRACE_ROOT": f"{tmp_path}/none"})


def test_a_root_that_is_nothing_is_not_the_current_directory(tmp_path):
    assert refused("") == "headrace: ROOT: '' is not a directory; the current one is .\n"
    assert "HEADRACE_ROOT: " in refused(environment={"HEADRACE_ROOT": ""})
    assert "--mount: '/a=' is not /PREFIX=DIRECTORY" in refused(str(tmp_path), "--mount", "/a=")


def test_a_root_that_is_a_file_is_named(tmp_path):
    write(tmp_path / "file", b"")
    assert f"{tmp_path}/file: this is not a directory" in refused(f"{tmp_path}/file")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_root_that_may_not_be_read_is_named(tmp_path):
    (tmp_path / "shut").mkdir(mode=0o700)
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(parent.stat().st_mode | 0o055)
    launcher = (sys.executable, "-m", "tests.rig.launcher", '{"user": 65534}')
    assert f"{tmp_path}/shut: this directory cannot be read" in refused(f"{tmp_path}/shut", command=launcher)


def test_a_port_that_is_taken_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert f"cannot listen on {address}: " in refused(str(tmp_path), "--listen", address)
        assert f"cannot listen on {address}: " in refused(
            str(tmp_path), environment={"HEADRACE_LISTEN": address}
        )


def test_an_address_that_is_not_ours_is_named(tmp_path):
    assert "cannot listen on 192.0.2.1:8080" in refused(str(tmp_path), "--listen", "192.0.2.1:8080")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--listen", "nonsense:port"), "nonsense:port"),
        (("--listen", "127.0.0.1:65536"), "127.0.0.1:65536"),
        (("--listen", ""), "''"),
        (("--listen", "::1:80"), "::1:80"),
        (("--listen", "host.invalid:0"), "host.invalid"),
        (("--backend", "magic"), "magic"),
        (("--backend", "linux_aio"), "linux-aio"),  # what was meant
        (("--memory", "much"), "much"),
        (("--memory", "-1"), "memory"),
        (("--mount", "docs=/tmp"), "docs=/tmp"),
        (("--mount", "/=/tmp"), "/=/tmp"),
        (("--mount", "/docs"), "/docs"),
        (("--backend",), "--backend"),
        (("--lisen", "127.0.0.1:0"), "--listen"),  # what was meant
        (("--nonsense",), "--nonsense"),
        (("--list", "127.0.0.1:0"), "--list"),  # no abbreviations
        (("more", "roots"), "roots"),
    ],
)
def test_an_option_that_is_wrong_is_named(tmp_path, arguments, named):
    assert named in refused(str(tmp_path), *arguments)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LISTEN", "nonsense:port"),
        ("BACKEND", "magic"),
        ("MEMORY", "much"),
        ("MOUNT", "docs"),
        ("VERBOSE", "perhaps"),
    ],
)
def test_a_variable_that_is_wrong_is_named(tmp_path, name, value):
    said = refused(str(tmp_path), environment={f"HEADRACE_{name}": value})
    assert f"HEADRACE_{name}: " in said
    assert value in said


def test_memory_that_cannot_be_had_is_named(tmp_path):
    assert "--memory: no " in refused(str(tmp_path), "--listen", "127.0.0.1:0", "--memory", "99999999G")


@pytest.mark.parametrize("digits", [20, 40])
def test_memory_that_cannot_be_counted_is_named(tmp_path, digits):
    """Not a traceback: C has no such number."""
    assert "headrace: --memory: '99999999" in refused(str(tmp_path), "--memory", "9" * digits + "G")
    (tmp_path / "headrace.toml").write_text(f"memory = {'9' * 20}")
    assert "headrace.toml: memory: '99999999" in refused("--config", str(tmp_path / "headrace.toml"))


def test_a_socket_whose_path_is_too_long_is_told_how_long_it_may_be(tmp_path):
    path = f"/{'x' * 107}"
    said = f"headrace: cannot listen on unix:{path}: the path of a socket has at most 107 bytes\n"
    assert refused(str(tmp_path), "--listen", f"unix:{path}") == said
    (tmp_path / "headrace.toml").write_text(f"listen = 'unix:{path}'")
    assert refused("--config", str(tmp_path / "headrace.toml")) == said


def test_a_socket_whose_path_is_as_long_as_it_may_be_is_served(tmp_path):
    write(tmp_path / "index.html", b"home\n")
    name = "x" * 107  # in its directory: the path of a temporary one is long itself
    with serving(
        tmp_path, "--listen", f"unix:{name}", cwd=tmp_path, environment={"PYTHONPATH": str(CHECKOUT)}
    ):
        assert (tmp_path / name).is_socket()
    assert not (tmp_path / name).exists()


def test_a_socket_that_was_made_before_the_fault_is_taken_back(tmp_path):
    name = tmp_path / "socket"
    refused(str(tmp_path), "--listen", f"unix:{name}", "--memory", "99999999G")
    refused(str(tmp_path), "--listen", f"unix:{name}", "--listen", "127.0.0.1:0", "--listen", "192.0.2.1:1")
    assert not name.exists()


def test_more_disks_than_there_may_be_are_refused(tmp_path):
    mounts = [word for n in range(64) for word in ("--mount", f"/m{n}={tmp_path}")]
    assert "another device" in refused(str(tmp_path), "--listen", "127.0.0.1:0", *mounts)


def test_the_environment_is_heard_and_the_command_line_beats_it(tmp_path):
    write(tmp_path / "main/index.html", b"main\n")
    write(tmp_path / "a/index.html", b"a\n")
    write(tmp_path / "b/index.html", b"b\n")
    environment = {
        "HEADRACE_MOUNT": f"/a={tmp_path}/a /b={tmp_path}/b",
        "HEADRACE_VERBOSE": "1",
        "HEADRACE_BACKEND": "magic",
        "HEADRACE_LISTEN": "nonsense",
    }
    with serving(tmp_path / "main", backend="threads", environment=environment) as server:
        assert [ask(server.port, target).body for target in ("/", "/a/", "/b/")] == [
            b"main\n",
            b"a\n",
            b"b\n",
        ]
        server.signal(signal.SIGTERM)
        assert server.ended() == 0
        assert "(threads)" in server.said
        assert "headrace: state {" in server.said


def test_it_listens_wherever_it_is_told(tmp_path):
    write(tmp_path / "index.html", b"home\n")
    with serving(tmp_path, "--listen", "127.0.0.1:0") as server:
        ports = [int(port) for port in re.findall(r"http://127\.0\.0\.1:(\d+)/", server.said)]
        assert len(ports) == 2
        assert [ask(port, "/").body for port in ports] == [b"home\n", b"home\n"]


def test_help_names_every_option():
    ran = subprocess.run([*COMMAND, "--help"], cwd=CHECKOUT, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0
    for option in ("--listen", "--mount", "--backend", "--memory", "--verbose", "HEADRACE_"):
        assert option in ran.stdout
