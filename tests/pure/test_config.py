"""What the operator wants: the command line, the environment and the file together, and every error."""

import inspect
import re
import textwrap
from pathlib import Path

import pytest

import server.config
from server.config import BadOption, Config, read_config
from server.config.schema import AuthTable, FileTable, RuleTable, SiteTable
from server.config.settings import unknown_variables

FILE = "headrace.toml"
HASH = "$2y$05$abcdefghijklmnopqrstuuJjRbIO2D1NzIBQBWYeUUW0pHLVZ6t9q"
USERS = f"alice:{HASH}\nbob:{HASH}\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty directory, where headrace.toml is found."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(text: str, *arguments: str, **environment: str) -> Config:
    Path(FILE).write_text(text)
    return read_config(arguments, {f"HEADRACE_{name}": value for name, value in environment.items()})


def refusal(text: str | bytes) -> str:
    """The sentence about a file, without its name."""
    Path(FILE).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BadOption) as raised:
        read_config([], {})
    said = str(raised.value)
    assert "\n" not in said
    assert said.startswith(f"{FILE}: ")
    return said.removeprefix(f"{FILE}: ")


def example() -> str:
    """The example in the documentation of the package."""
    documentation = inspect.getdoc(server.config) or ""
    return textwrap.dedent(documentation[documentation.index("    # headrace.toml") :])


# Every error of the file: its text, and what is said; a sentence that ends in a blank goes on.
SYNTAX = [
    ("root = \n", "line 1, column 8: invalid value"),
    ('root = "."\n\n  spa == true', "line 3, column 8: invalid value"),
    ("[site\n", "line 1, column 6: expected ']' at the end of a table declaration"),
    ("spa = true\nspa = true\n", "line 2, column 11: cannot overwrite a value"),
    ('listen = ["a",\n"b"', "line 2, column 4: unclosed array"),
    (b'root = "a"\n# \xff\n', "line 2: this is not UTF-8"),
]
KEYS = [
    ("lisen = 1", "lisen: there is no such key (did you mean listen?)"),
    ("clean_urls = true", "clean_urls: there is no such key (did you mean clean-urls?)"),
    ("config = 'x'", "config: there is no such key: root, mount, clean-urls, "),
    ("zzz = 1", "zzz: there is no such key: root, mount, clean-urls, "),
    ("'a b' = 1", '"a b": there is no such key: root, mount, clean-urls, '),
    ("hosts = ['a']", "hosts: this key belongs in a [[site]]"),
    ("redirect = '/'", "redirect: this key belongs in a [[rule]]"),
    (
        "[[rule]]\npath = '/'\nspa = true",
        "rule[0].spa: this key belongs at the top of the file or in a [[site]]",
    ),
    (
        "[[site]]\nhosts = 'a'\nroot = '.'\nlisten = '1'",
        "site[0].listen: this key belongs at the top of the file",
    ),
    (
        "[[site]]\nhosts = 'a'\nroot = '.'\n[[site.rule]]\npath = '/'\n[[site.rule]]\npath = '/'\ncache = 1",
        "site[0].rule[1].cache: there is no such key (did you mean cache-control?)",
    ),
    (
        "[[rule]]\npath = '/'\nauth = { file = 'f', realm = 'r', user = 'u' }",
        "rule[0].auth.user: there is no such key: file, realm",
    ),
    ("[[rule]]\ndownload = true", "rule[0]: the key path is missing"),
    ("[[site]]\nroot = '.'", "site[0]: the key hosts is missing"),
    ("[[site]]\nhosts = 'a'", "site[0]: the key root is missing"),
    ("[[rule]]\npath = '/'\nauth = { file = 'f' }", "rule[0].auth: the key realm is missing"),
]
TYPES = [
    ("root = 1", "root: expected a string, found 1"),
    ("spa = 'yes'", 'spa: expected true or false, found "yes"'),
    ("verbose = 1", "verbose: expected true or false, found 1"),
    ("listen = 8080", "listen: expected a string or a list of strings, found 8080"),
    ("listen = ['8080', 8081]", "listen[1]: expected a string, found 8081"),
    ("memory = 1.5", "memory: expected a whole number or a string, found 1.5"),
    ("memory = true", "memory: expected a whole number or a string, found true"),
    ("etag = 2020-01-01", "etag: expected a string, found 2020-01-01"),
    ("mount = '/a=b'", 'mount: expected a table, found "/a=b"'),
    ("mount = { '/a' = 'b', '/c' = 1 }", 'mount."/c": expected a string, found 1'),
    ("types = []", "types: expected a table, found a list"),
    ("[rule]\npath = '/'", "rule: expected a list of tables, each beginning with [[rule]], found a table"),
    ("site = 1", "site: expected a list of tables, each beginning with [[site]], found 1"),
    ("rule = [1]", "rule[0]: expected a table, found 1"),
    (
        "[[site]]\nhosts = 'a'\nroot = '.'\n[site.rule]",
        "site[0].rule: expected a list of tables, each beginning with [[site.rule]], found a table",
    ),
    (
        "[[site]]\nhosts = 'a'\nroot = '.'\n[[site]]\nhosts = 'b'\nroot = '.'\n"
        "[[site.rule]]\npath = '/'\ncache-control = 60",
        "site[1].rule[0].cache-control: expected a string, found 60",
    ),
    (
        "[[rule]]\npath = '/'\nheaders = { A = 'b', 'X-Y' = false }",
        "rule[0].headers.X-Y: expected a string, found false",
    ),
    (
        "[[rule]]\npath = '/'\nremove-headers = 'A'",
        'rule[0].remove-headers: expected a list of strings, found "A"',
    ),
    (
        "[[rule]]\npath = '/'\ncors = 1",
        "rule[0].cors: expected true or false, a string or a list of strings, found 1",
    ),
    ("[[rule]]\npath = '/'\nstatus = '301'", 'rule[0].status: expected a whole number, found "301"'),
    ("[[rule]]\npath = '/'\nauth = 'users'", 'rule[0].auth: expected a table, found "users"'),
    (f"spa = '{'x' * 99}'", f'spa: expected true or false, found "{"x" * 59}..."'),
]
VALUES = [
    ("root = ''", 'root: "" is not the path of anything'),
    (r'root = "a\u0000"', r'root: "a\u0000" is not the path of anything'),
    ("listen = 'here'", "listen: 'here' is not ADDR:PORT or unix:PATH, such as 127.0.0.1:8080 or [::]:8080"),
    ("listen = ['80', '65536']", "listen[1]: '65536' is not ADDR:PORT or unix:PATH, such as "),
    ("listen = []", "listen: expected at least one address, found none"),
    (
        "backend = 'thread'",
        "backend: 'thread' is none of auto, linux-aio, posix-aio, threads, sendfile, buffered (did you mean ",
    ),
    ("congestion = 'Cubic'", "congestion: 'Cubic' is not the name of a congestion control, such as cubic"),
    ("congestion = ''", "congestion: '' is not the name of a congestion control, such as cubic"),
    ("log = 'apache'", "log: 'apache' is none of none, common, combined, json"),
    ("etag = 'mtimes'", "etag: 'mtimes' is none of mtime, content, none (did you mean mtime?)"),
    ("symlinks = 'denied'", "symlinks: 'denied' is none of within, follow, deny (did you mean deny?)"),
    ("memory = '1T'", "memory: '1T' is not a size, such as 256M or 1G"),
    ("memory = -1", "memory: '-1' is not a size, such as 256M or 1G"),
    ("mount = { docs = 'd' }", "mount.docs: 'docs' is not a prefix of paths, such as /docs"),
    ("mount = { '/' = 'd' }", "mount.\"/\": '/' is not a prefix of paths, such as /docs"),
    ("mount = { '/a/../b' = 'd' }", "mount.\"/a/../b\": '/a/../b' is not a prefix of paths, such as /docs"),
    ("mount = { '/a' = 'd', '/a/' = 'e' }", 'mount."/a/": there is another directory for /a'),
    ("mount = { '/a' = '' }", 'mount."/a": "" is not the path of anything'),
    (
        "types = { 'tar.gz' = 'a/b' }",
        'types."tar.gz": "tar.gz" is not the ending of a name behind its last dot, such as webp',
    ),
    (
        "types = { '.' = 'a/b' }",
        'types.".": "." is not the ending of a name behind its last dot, such as webp',
    ),
    ("types = { x = 'text' }", 'types.x: "text" is not a content type, such as text/plain; charset=utf-8'),
    (r'types = { x = "a/b\r\nX: y" }', r'types.x: "a/b\r\nX: y" is not a content type, such as '),
]
HOSTS = [
    ("[]", "site[0].hosts: expected at least one host, found none"),
    ("''", "site[0].hosts: '' is not a host, without scheme and port, such as example.org"),
    (
        "['a.example', 'example.org:80']",
        "site[0].hosts[1]: 'example.org:80' is not a host, without scheme and port, such as example.org (did you mean example.org?)",
    ),
    (
        "'https://example.org/x'",
        "site[0].hosts: 'https://example.org/x' is not a host, without scheme and port, such as example.org (did you mean example.org?)",
    ),
    (
        "'example.org.'",
        "site[0].hosts: 'example.org.' is not a host, without scheme and port, such as example.org (did you mean example.org?)",
    ),
    (
        "'Bücher.example'",
        "site[0].hosts: 'Bücher.example' is not a host, without scheme and port, such as example.org (did you mean xn--bcher-kva.example?)",
    ),
    ("'::1'", "site[0].hosts: '::1' is not a host, without scheme and port, such as example.org"),
    ("'[::g]'", "site[0].hosts: '[::g]' is not a host, without scheme and port, such as example.org"),
    ("'a..b'", "site[0].hosts: 'a..b' is not a host, without scheme and port, such as example.org"),
    ("'*'", "site[0].hosts: '*' is not needed: the first site has all hosts that no other site has"),
    ("'www.*.org'", "site[0].hosts: 'www.*.org': a wildcard is the whole first label, as in *.example.org"),
    (
        "'w*.example.org'",
        "site[0].hosts: 'w*.example.org': a wildcard is the whole first label, as in *.example.org",
    ),
    ("['a', 'A']", "site[0].hosts[1]: a is taken by site[0].hosts[0]"),
]
SITES = [
    ("hosts = ['b', 'a']\nroot = '.'", "site[1].hosts[1]: a is taken by site[0].hosts"),
    ("hosts = 'b'\nroot = '.'\nname = ' '", 'site[1].name: " " is not a name that can be read'),
    ("hosts = 'b'\nroot = '.'\nname = 'one'", 'site[1].name: "one" is taken by site[0].name'),
    ("hosts = 'b'\nroot = '.'\nspa = 0", "site[1].spa: expected true or false, found 0"),
    ("hosts = 'b'\nroot = '.'\netag = 'x'", "site[1].etag: 'x' is none of mtime, content, none"),
]
RULES = [
    ("", "rule[0]: this rule does nothing: it says only which paths it is for"),
    ("redirect = '/a'\nrewrite = '/b'", "rule[0]: a rule has either redirect or rewrite, not both"),
    ("status = 301", "rule[0].status: there is neither redirect nor rewrite in this rule"),
    ("force = true", "rule[0].force: there is neither redirect nor rewrite in this rule"),
    ("redirect = 'new'", "rule[0].redirect: 'new' is neither a path, such as /new/:splat, nor an http(s) URL"),
    ("redirect = '//evil.example'", "rule[0].redirect: '//evil.example' is neither a path, such as /new/:splat, nor "),
    (r'redirect = "/a\r\nX: y"', r"rule[0].redirect: '/a\r\nX: y' is neither a path, such as /new/:splat, nor "),
    ("redirect = '/a'\nstatus = 200", "rule[0].status: expected 301, 302, 303, 307, 308, found 200"),
    ("rewrite = 'https://example.org/'", "rule[0].rewrite: 'https://example.org/' is not a path, such as /index.html"),
    ("rewrite = '/a'\nstatus = 301", "rule[0].status: expected 200 or the status of an error, found 301"),
    ("error-pages = { 200 = '/a' }", 'rule[0].error-pages.200: "200" is not the status of an error, such as 404'),
    ("error-pages = { 405 = '/a' }", "rule[0].error-pages.405: no page is ever shown for 405: those that can have one are 401, 403, 404, 406, 500, 503"),
    ("error-pages = { 404 = 'a' }", 'rule[0].error-pages.404: "a" is not a path from the root of the site, such as /404.html'),
    ("cors = 'example.org'", 'rule[0].cors: "example.org" is not an origin, such as https://example.org'),
    ("cors = ['https://a.example', 'https://B.example/']", 'rule[0].cors[1]: "https://B.example/" is not an origin, such as https://example.org (did you mean https://b.example?)'),
    ("security = 'strickt'", "rule[0].security: 'strickt' is none of basic, strict, isolated (did you mean strict?)"),
    ("allow = []", "rule[0].allow: expected at least one address, found none: everybody could mean nobody"),
    ("deny = []", "rule[0].deny: expected at least one address, found none: everybody could mean nobody"),
    ("allow = ''", "rule[0].allow: expected at least one address, found none: everybody could mean nobody"),
    ("cache-control = ''", "rule[0].cache-control: expected directives, such as no-store; remove-headers takes the field away"),
    ("allow = 'localhost'", "rule[0].allow: 'localhost' is not an address or network, such as 192.0.2.1 or 2001:db8::/32"),
    ("deny = ['::1', '10.1.2.3/8']", "rule[0].deny[1]: '10.1.2.3/8' is not an address or network, such as 192.0.2.1 or 2001:db8::/32 (did you mean 10.0.0.0/8?)"),
    ("bandwidth = 'fast'", "rule[0].bandwidth: 'fast' is not a size, such as 256M or 1G"),
    ("bandwidth = 0", "rule[0].bandwidth: expected more than 0 bytes per second"),
    ("auth = { file = 'none', realm = 'r' }", "rule[0].auth.file: none: there is no such file"),
    ("auth = { file = '.', realm = 'r' }", "rule[0].auth.file: .: this is a directory"),
    ("auth = { file = 'empty', realm = 'r' }", "rule[0].auth.file: empty: there is no user in it"),
    ("auth = { file = 'users', realm = '' }", 'rule[0].auth.realm: "" is not a name in printable ASCII without quotes'),
    ("auth = { file = 'users', realm = 'a\"b' }", r'rule[0].auth.realm: "a\"b" is not a name in printable ASCII without quotes'),
]  # fmt: skip


def check(text: str | bytes, expected: str) -> None:
    said = refusal(text)
    assert said.startswith(expected) if expected.endswith(" ") else said == expected


@pytest.mark.parametrize(("text", "said"), [*SYNTAX, *KEYS, *TYPES, *VALUES])
def test_an_error_in_the_file_is_said_in_one_sentence(text, said):
    check(text, said)


@pytest.mark.parametrize(("hosts", "said"), HOSTS)
def test_an_error_in_the_hosts_of_a_site_is_said_in_one_sentence(hosts, said):
    check(f"[[site]]\nroot = '.'\nhosts = {hosts}", said)


@pytest.mark.parametrize(("text", "said"), SITES)
def test_an_error_in_a_second_site_is_said_in_one_sentence(text, said):
    check(f"[[site]]\nname = 'one'\nhosts = 'a'\nroot = '.'\n[[site]]\n{text}", said)


@pytest.mark.parametrize(("text", "said"), RULES)
def test_an_error_in_a_rule_is_said_in_one_sentence(here, text, said):
    (here / "empty").write_text("# nobody\n")
    (here / "users").write_text(USERS)
    check(f"[[rule]]\npath = '/a/*'\n{text}", said)


def test_the_example_in_the_documentation_is_understood(here):
    (here / "users.htpasswd").write_text(USERS)
    config = read(example())
    assert [site.name for site in config.sites] == ["default", "intern"]
    assert len(config.listen) == 2
    assert len(config.sites[1].rules) > len(config.sites[0].rules) > 0


@pytest.mark.parametrize("table", [FileTable, SiteTable, RuleTable, AuthTable])
def test_the_example_in_the_documentation_has_every_key(table):
    for key in table.__struct_encode_fields__:
        assert re.search(rf"^\[?\[?(\w+\.)?{key}\b|\b{key} = ", example(), re.MULTILINE), key


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("HEADRACE_LISEN", "HEADRACE_LISEN: there is no such variable (did you mean HEADRACE_LISTEN?)"),
        ("HEADRACE_CLEANURLS", "HEADRACE_CLEANURLS: there is no such variable (did you mean HEADRACE_CLEAN_URLS?)"),
        ("HEADRACE_ZZZ", "HEADRACE_ZZZ: there is no such variable"),
        ("HEADRACE_ROOT", None),
        ("HEADRACE_CONFIG", None),
        ("HEADRACE_SPA", None),
        ("HEADRACES", None),
    ],
)  # fmt: skip
def test_a_variable_that_means_nothing_is_told(name, said):
    assert list(unknown_variables({name: "x", "PATH": "/bin"})) == ([said] if said else [])


def test_hosts_that_are_written_in_several_ways_are_one():
    assert read("[[site]]\nroot = '.'\nhosts = '[0:0::1]'").sites[0].hosts == ("[::1]",)
    said = refusal("[[site]]\nroot = '.'\nhosts = ['[::1]', '[0::1]']")
    assert said == "site[0].hosts[1]: [::1] is taken by site[0].hosts[0]"
