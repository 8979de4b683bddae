"""What is said of files that cannot be read, and of values wherever they stand: whole sentences."""

import os
import sys
from contextlib import contextmanager
from errno import ELOOP
from pathlib import Path

import pytest

from server.config import BadOption, check_directory, open_directory, read_config

FILE = "headrace.toml"
NOBODY = 65534


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty directory, that whoever may be asked for can search."""
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o755)
    return tmp_path


@contextmanager
def as_nobody():
    """For root, modes of files mean nothing."""
    if os.getuid() == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.seteuid(0)


def refusal(*arguments: str, **environment: str) -> str:
    with pytest.raises(BadOption) as raised:
        read_config(arguments, {f"HEADRACE_{name}": value for name, value in environment.items()})
    return str(raised.value)


def shut(name: str) -> None:
    Path(name).write_text("")
    Path(name).chmod(0)


def rule(text: str) -> str:
    Path(FILE).write_text(f"[[rule]]\n{text}")
    return refusal().removeprefix(f"{FILE}: rule[0].")


# --- files and directories ---


def test_a_file_that_is_asked_for_and_not_there_is_named():
    assert refusal("--config", "nope") == "nope: there is no such file"
    assert refusal(CONFIG="nope/nope.toml") == "nope/nope.toml: there is no such file"


def test_a_file_that_is_a_directory_is_named(here):
    (here / "d").mkdir()
    assert refusal("--config", "d") == "d: this is a directory"


def test_a_file_that_may_not_be_read_is_named():
    shut(FILE)
    with as_nobody():
        assert refusal() == f"{FILE}: this file cannot be read"


def test_of_a_file_that_cannot_be_read_for_any_other_reason_the_kernel_tells_it(here):
    (here / "loop").symlink_to("loop")
    assert refusal("--config", "loop") == f"loop: {os.strerror(ELOOP)}"


@pytest.mark.parametrize("opened", [check_directory, open_directory])
def test_a_directory_that_cannot_be_served_is_named(here, opened):
    (here / "file").touch()
    (here / "shut").mkdir(0o700)
    (here / "loop").symlink_to("loop")
    sentences = {
        "none": "there is no such directory",
        "file": "this is not a directory",
        "shut/inner": "this directory cannot be read",
        "loop": os.strerror(ELOOP),
    }
    (here / "shut").chmod(0)
    with as_nobody():
        for name, said in sentences.items():
            with pytest.raises(BadOption) as raised:
                opened(Path(name))
            assert str(raised.value) == f"{name}: {said}"


# --- the command line and the environment ---


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--mount", "docs=/d"), "--mount: 'docs=/d' is not /PREFIX=DIRECTORY, such as /docs=/srv/docs"),
        (("--mount", "/docs"), "--mount: '/docs' is not /PREFIX=DIRECTORY, such as /docs=/srv/docs"),
        (("--mount", "/docs="), "--mount: '/docs=' is not /PREFIX=DIRECTORY, such as /docs=/srv/docs"),
        (("--mount", "/=/d"), "--mount: '/=/d' is not /PREFIX=DIRECTORY, such as /docs=/srv/docs"),
        (("--mount", ""), "--mount: '' is not /PREFIX=DIRECTORY, such as /docs=/srv/docs"),
        (("--spa=perhaps",), "--spa: 'perhaps' is neither yes nor no"),
        (("--clean-urls", "no", "--spa=2"), "--spa: '2' is neither yes nor no"),
        (("--memory", "1.5G"), "--memory: '1.5G' is not a size, such as 256M or 1G"),
        (("--etag", "m"), "--etag: 'm' is none of mtime, content, none (did you mean mtime?)"),
        (("--log", "xml"), "--log: 'xml' is none of none, common, combined, json"),
        (("--listen", "a:b"), "--listen: 'a:b' is not ADDR:PORT or unix:PATH, such as 127.0.0.1:8080 or [::]:8080"),
        (("--nonsense",), "unrecognized arguments: --nonsense (see headrace --help)"),
        (("--lisen=x",), "unrecognized arguments: --lisen=x (did you mean --listen?)"),
        (("a", "b"), "unrecognized arguments: b (see headrace --help)"),
        (("--backend",), "argument --backend: expected one argument (see headrace --help)"),
    ],
)  # fmt: skip
def test_an_argument_that_is_not_understood_is_said_in_one_sentence(arguments, said):
    assert refusal(*arguments) == said


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("VERBOSE", "perhaps", "'perhaps' is neither yes nor no"),
        ("MOUNT", "/a=/b docs", "'docs' is not /PREFIX=DIRECTORY, such as /docs=/srv/docs"),
        ("MEMORY", "much", "'much' is not a size, such as 256M or 1G"),
        ("SYMLINKS", "", "'' is none of within, follow, deny"),
        ("LISTEN", "", "'' is not ADDR:PORT or unix:PATH, such as 127.0.0.1:8080 or [::]:8080"),
    ],
)
def test_a_variable_that_is_not_understood_is_said_in_one_sentence(name, value, said):
    assert refusal(**{name: value}) == f"HEADRACE_{name}: {said}"


HUGE = "9" * 20
COUNTED = "is more than can be counted, which is less than 8 EiB"


@pytest.mark.parametrize("size", [str(1 << 63), f"{1 << 33}G", f"{HUGE}G", HUGE, "9" * 30])
def test_a_size_that_no_machine_has_is_refused_wherever_it_stands(size):
    assert refusal("--memory", size) == f"--memory: {size!r} {COUNTED}"
    assert refusal(MEMORY=size) == f"HEADRACE_MEMORY: {size!r} {COUNTED}"
    Path(FILE).write_text(f"memory = '{size}'")
    assert refusal() == f"{FILE}: memory: {size!r} {COUNTED}"
    assert rule(f"path = '/'\nbandwidth = '{size}'") == f"bandwidth: {size!r} {COUNTED}"


def test_a_size_in_the_file_may_be_a_number_of_any_length():
    Path(FILE).write_text(f"memory = {HUGE}")
    assert refusal() == f"{FILE}: memory: '{HUGE}' {COUNTED}"


@pytest.mark.parametrize("digits", [31, 5000])  # Python itself reads no more than 4300
def test_a_size_of_ever_so_many_digits_is_none(digits):
    size = "9" * digits
    assert refusal("--memory", size) == f"--memory: {size!r} is not a size, such as 256M or 1G"


@pytest.mark.parametrize(
    ("size", "is_"),
    [
        ("0", 0),
        ("1k", 1024),
        ("2M", 2 << 20),
        (f"{(1 << 33) - 1}G", (1 << 63) - (1 << 30)),
        ("0" * 99 + "1", 1),
    ],
)
def test_a_size_is_so_many_bytes(size, is_):
    assert read_config(["--memory", size], {}).memory == is_


@pytest.mark.parametrize("host", ["ü" * 64, "a..ü", "\udcff", "[1.2.3.4]", "[::g]", "[]"])
def test_an_address_that_nobody_could_look_up_is_refused(host):
    said = "is not ADDR:PORT or unix:PATH, such as 127.0.0.1:8080 or [::]:8080"
    assert refusal("--listen", f"{host}:80") == f"--listen: {f'{host}:80'!r} {said}"


# --- rules ---


def test_a_rule_for_no_path_is_none():
    assert rule("path = []\ndownload = true") == "path: expected at least one path, found none"


@pytest.mark.parametrize("value", [r'"a\u0001"', r'"no-cache\r\nX: y"', '"no-cache "', '" "', r'"\t"'])
def test_a_cache_control_that_is_no_value_of_a_field_is_refused(value):
    said = "the value of 'Cache-Control' has a control character, or a blank at its end"
    assert rule(f"path = '/'\ncache-control = {value}") == f"cache-control: {said}"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("bob", "expected user:hash, as `htpasswd -B` writes it"),
        (":secret", "expected user:hash, as `htpasswd -B` writes it"),
        (
            "bob:secret",
            "the password of 'bob' is not hashed with bcrypt but is plain text or DES;"
            " make it anew with: htpasswd -B FILE bob",
        ),
        (
            "bob:$apr1$x$y",
            "the password of 'bob' is not hashed with bcrypt but is MD5;"
            " make it anew with: htpasswd -B FILE bob",
        ),
    ],
)
def test_a_line_of_a_password_file_is_named_by_its_number(line, why):
    Path("users").write_text(f"# the users\n\n{line}\n")
    said = rule("path = '/'\nauth = { file = 'users', realm = 'r' }")
    assert said == f"auth.file: users: line 3: {why}"


def test_a_password_file_that_may_not_be_read_is_named():
    shut("users")
    Path(FILE).write_text("[[rule]]\npath = '/'\nauth = { file = 'users', realm = 'r' }")
    with as_nobody():
        assert refusal() == f"{FILE}: rule[0].auth.file: users: this file cannot be read"


def test_whoever_has_no_bcrypt_is_told_where_it_is_had(monkeypatch):
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    monkeypatch.setattr("server.config.rules.find_spec", lambda name: None)
    said = rule("path = '/'\nauth = { file = 'users', realm = 'r' }")
    assert said == "auth: passwords need bcrypt: pip install 'headrace[auth]'"
