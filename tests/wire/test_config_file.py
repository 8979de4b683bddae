"""headrace.toml as the command reads it: what counts, what is wrong with it, what was understood."""

import subprocess
import sys
import time

import bcrypt
import pytest

from tests.rig.client import ask
from tests.rig.files import write
from tests.rig.server import COMMAND, serving
from tests.rig.until import until


def run(*arguments, cwd, environment=None):
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.fixture
def project(tmp_path):
    write(tmp_path / "public/index.html", b"public\n")
    write(tmp_path / "other/index.html", b"other\n")
    return tmp_path


def test_the_file_in_the_working_directory_is_found_and_its_paths_are_relative_to_it(project):
    (project / "headrace.toml").write_text('root = "public"\nlisting = true\n')
    with serving(None, cwd=project) as server:
        assert ask(server.port, "/").body == b"public\n"
    (project / "conf").mkdir()
    (project / "headrace.toml").rename(project / "conf/site.toml")
    (project / "conf/site.toml").write_text('root = "../other"\n')
    with serving(None, "--config", "conf/site.toml", cwd=project) as server:
        assert ask(server.port, "/").body == b"other\n"
    with serving(None, cwd=project, environment={"HEADRACE_CONFIG": "conf/site.toml"}) as server:
        assert ask(server.port, "/").body == b"other\n"


def test_the_command_line_beats_the_environment_and_that_the_file(project):
    (project / "headrace.toml").write_text('root = "public"\nspa = true\n[mount]\n"/m" = "other"\n')
    html = "Sec-Fetch-Dest: document"
    with serving(None, cwd=project) as server:
        assert ask(server.port, "/none", html).status == 200
        assert ask(server.port, "/m/").body == b"other\n"
    with serving(None, cwd=project, environment={"HEADRACE_SPA": "no"}) as server:
        assert ask(server.port, "/none", html).status == 404
    with serving(None, "--spa", "yes", cwd=project, environment={"HEADRACE_SPA": "no"}) as server:
        assert ask(server.port, "/none", html).status == 200
    with serving(project / "other", cwd=project) as server:
        assert ask(server.port, "/").body == b"other\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("root = 'public'\nlisten = [", "headrace.toml: line 2, column 11: "),
        ("rooot = 'public'", "headrace.toml: rooot: there is no such key (did you mean root?)"),
        ("root = 'none'", "none: there is no such directory"),
        ("spa = 'yes'", 'headrace.toml: spa: expected true or false, found "yes"'),
        (
            "[[rule]]\npath = '/a'\ncache = 'x'",
            "headrace.toml: rule[0].cache: there is no such key (did you mean cache-control?)",
        ),
        (
            "[[rule]]\npath = 'a/b'\ndownload = true",
            "headrace.toml: rule[0].path: 'a/b' does not begin with a slash",
        ),
        (
            "[[rule]]\npath = '/a'\nauth = { file = 'u', realm = 'r' }",
            "headrace.toml: rule[0].auth.file: u: there is no such file",
        ),
        (
            "[[rule]]\npath = '/a'\nheaders = { Date = 'x' }",
            "headrace.toml: rule[0].headers.Date: 'Date' is not for rules: the server itself writes it",
        ),
        (
            "[[rule]]\npath = '/a'\nremove-headers = ['Vary']",
            "headrace.toml: rule[0].remove-headers[0]: 'Vary' is not for rules: an answer needs it",
        ),
        (
            "[[rule]]\npath = '/*'\nredirect = '/:x'",
            "headrace.toml: rule[0].redirect: '/:x': nothing is called :x in the path it is for",
        ),
        (
            "[[rule]]\npath = '/a/**'\nredirect = '/a/:splat'",
            "headrace.toml: rule[0].redirect: it leads to itself",
        ),
        (
            "[[rule]]\npath = '/a/:h'\nredirect = 'https://:h/'",
            "headrace.toml: rule[0].redirect: 'https://:h/' is neither a path",
        ),
        ("[[site]]\nroot = 'public'", "headrace.toml: site[0]: the key hosts is missing"),
        (
            "[[site]]\nroot = 'public'\nhosts = 'a:80'",
            "headrace.toml: site[0].hosts: 'a:80' is not a host, without scheme and port, such as example.org (did you mean a?)",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_served(project, text, said):
    (project / "headrace.toml").write_text(text)
    done = run("--listen", "127.0.0.1:0", cwd=project)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"headrace: {said}")
    assert done.stderr.count("\n") == 1
    checked = run("check", cwd=project)
    assert checked.returncode == 2
    assert said.removeprefix("none: ") in checked.stderr + checked.stdout


FULL = """
root = "public"
[[rule]]
path = "/old/*"
redirect = "/new"
[[rule]]
path = "/assets/"
cache-control = "max-age=60"
[[site]]
hosts = ["docs.example.org", "*.docs.example.org"]
root = "other"
listing = true
"""


def test_check_says_what_it_understood(project):
    (project / "headrace.toml").write_text(FULL)
    (project / "public/_redirects").write_text("/a /b 302\n/c\n")
    done = run("check", cwd=project)
    assert (done.returncode, done.stderr) == (0, "")
    for sentence in (
        "redirect to /new (302), always",
        "set Cache-Control: max-age=60",
        "docs.example.org, *.docs.example.org",
        "redirect to /b (302), where there is no file",
        "left out: _redirects:2: expected FROM TO [STATUS]",
    ):
        assert sentence in done.stdout


def test_check_finds_an_address_that_is_there_twice(project):
    (project / "headrace.toml").write_text(
        'root = "public"\nlisten = ["127.0.0.1:8081", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:8081"]'
    )
    done = run("check", cwd=project)
    assert (done.returncode, done.stderr) == (2, "headrace: cannot listen on 127.0.0.1:8081 twice\n")


def test_a_mistyped_command_or_variable_is_told_with_what_may_have_been_meant(project):
    done = run("chek", cwd=project)
    assert (done.returncode, done.stderr) == (
        2,
        "headrace: chek: there is no such directory (did you mean check?)\n",
    )
    done = run("check", cwd=project, environment={"HEADRACE_LISEN": "x", "PATH": "/usr/bin"})
    assert done.returncode == 0
    assert (
        done.stderr == "headrace: HEADRACE_LISEN: there is no such variable (did you mean HEADRACE_LISTEN?)\n"
    )


def test_config_says_where_each_value_comes_from(project):
    (project / "headrace.toml").write_text(FULL)
    done = run(
        "config", "--log", "json", cwd=project, environment={"HEADRACE_MEMORY": "32M", "PATH": "/usr/bin"}
    )
    assert (done.returncode, done.stderr) == (0, "")
    rows = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert rows["log"].split() == ["log", "json", "--log"]
    assert rows["memory"].split() == ["memory", "32M", "HEADRACE_MEMORY"]
    assert rows["etag"].split() == ["etag", "mtime", "default"]
    assert "headrace.toml: root" in done.stdout
    assert "headrace.toml: site[0].listing" in done.stdout


def test_what_the_server_was_told_is_never_served(project):
    """Neither the file nor those of passwords, under a root or a mount, by whatever name."""
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
    for name in ("public/users.txt", "other/deep/staff.html"):
        write(project / name, f"ada:{hashed}\n".encode())
    write(project / "public/users.txt.gz", b"packed\n")
    write(project / "other/_headers", b"/*\n  X-A: 1\n")
    write(project / "other/seen.txt", b"seen\n")
    (project / "public/site.conf.toml").write_text("""
root = "."
listing = true
[mount]
"/m" = "../other"
[[rule]]
path = "/one/**"
auth = { file = "users.txt", realm = "r" }
[[rule]]
path = "/two/**"
auth = { file = "../other/deep/staff.html", realm = "r" }
""")
    (project / "current").symlink_to("public")
    with serving(None, "--config", "current/site.conf.toml", cwd=project) as server:
        for target in (
            "/site.conf.toml", "/users.txt", "/users.txt.gz", "/m/deep/staff.html", "/m/deep/staff",
            "/m/_headers", "/m/_redirects",
        ):  # fmt: skip
            assert ask(server.port, target).status == 404, target
        time.sleep(0.6)  # it is looked at again
        assert ask(server.port, "/users.txt").status == 404
        (project / "public/index.html").unlink()
        (project / "other/index.html").unlink()
        until(lambda: ask(server.port, "/").body.startswith(b"<!doctype"), "a list is shown")
        for target, seen in (("/", b"users"), ("/m/deep/", b"staff"), ("/", b"conf"), ("/m/", b"_headers")):
            assert seen not in ask(server.port, target, "Accept: application/json").body
        assert b"seen.txt" in ask(server.port, "/m/", "Accept: application/json").body


def test_whoever_has_no_passwords_needs_no_bcrypt_and_others_are_told(project):
    (project / "headrace.toml").write_text(
        "root = 'public'\n[[rule]]\npath = '/**'\nauth = { file = 'u', realm = 'r' }\n"
    )
    hidden = (
        "import sys; sys.modules['bcrypt'] = None; import server.cli; sys.exit(server.cli.main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", hidden, "--listen", "127.0.0.1:0"],
        cwd=project, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "rule[0].auth: passwords need bcrypt: pip install 'headrace[auth]'" in done.stderr
