"""The files _headers and _redirects, as Netlify and Cloudflare Pages read them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.answer.rules import Rule, Rulebook
from server.answer.sitefiles import Fault, parse_headers, parse_redirects

NOT_ONLY = "is not the only host of this site: a [[site]] of its own could have it"


def read(parse, text: bytes):
    found = [item for item in parse(text) if item is not None]
    faults = [f"{item.source}: {item.why}" for item in found if isinstance(item, Fault)]
    return Rulebook([item for item in found if isinstance(item, Rule)]), faults


def headers(text: bytes, path: bytes = b"/a"):
    book, faults = read(parse_headers, text)
    found = book.treat(path, path)
    return dict(found.set_headers), found.remove_headers, faults


def leads(text: bytes, path: bytes, *, force: bool = False):
    book, faults = read(parse_redirects, text)
    assert not faults
    return book.detour(path, force=force)


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        (b"/a\n  X-A: 1\n", b"/a", {b"X-A": b"1"}),
        (b"/a\n  X-A: 1\n", b"/b", {}),
        (b"/*\n\tX-A: 1\n\tX-B:2\n", b"/b/c", {b"X-A": b"1", b"X-B": b"2"}),
        (b"# comment\n\n/*\n  # comment\n  X-A: 1\n\n  X-B: 2\n", b"/a", {b"X-A": b"1", b"X-B": b"2"}),
        (b"/*\n  X-A: 1\n/a\n  X-A: 2\n  X-A: 3\n", b"/a", {b"X-A": b"1, 2, 3"}),
        (b"/a\r\n  X-A: 1\r\n", b"/a", {b"X-A": b"1"}),
        (b"\xef\xbb\xbf/a\n  X-A: 1", b"/a", {b"X-A": b"1"}),
        (b"/a\n  Link: </x>; rel=preload\n", b"/a", {b"Link": b"</x>; rel=preload"}),
        (b"/a\n  Content-Security-Policy: a 'self'; b: c\n", b"/a", {b"Content-Security-Policy": b"a 'self'; b: c"}),
        (b"/:x/b\n  X-A: 1\n", b"/q/b", {b"X-A": b"1"}),
        (b"/a/*.jpg\n  X-A: 1\n", b"/a/b/c.jpg", {b"X-A": b"1"}),
        (b"", b"/a", {}),
    ],
)  # fmt: skip
def test_headers_stand_below_the_path_they_are_for(text, path, expected):
    found, _, faults = headers(text, path)
    assert not faults
    assert found == expected


def test_an_exclamation_mark_takes_a_header_away():
    found, removed, faults = headers(b"/*\n  X-A: 1\n/a\n  ! X-A\n  ! ETag\n")
    assert (found, removed, faults) == ({}, {b"x-a", b"etag"}, [])


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"  X-A: 1\n", "_headers:1: a header without a path above it"),
        (b"/a\n  X-A\n", "_headers:2: neither a path nor NAME: VALUE"),
        (b"/a\n  X A: 1\n", "_headers:2: 'X A' is not the name of a header"),
        (b"/a\n  Content-Length: 1\n", "_headers:2: 'Content-Length' is not for rules: the server itself writes it"),
        (b"/a\n  ! Content-Length\n", "_headers:2: 'Content-Length' is not for rules: an answer needs it"),
        (b"/a\n  ! \n", "_headers:2: '' is not the name of a header"),
        (b"/a\n  X-A: a\x01b\n", "_headers:2: the value of 'X-A' has a control character, or a blank at its end"),
        (b"https://x.example/*\n", f"_headers:1: x.example {NOT_ONLY}"),
        (b"/:x/*\n  X-A: \":x\"\n", "_headers:2: what * and :names stand for is not filled into headers"),
        (b"/a/*\n  X-A: /b/:splat\n", "_headers:2: what * and :names stand for is not filled into headers"),
        (b"/*/a/*\n", "_headers:1: '/*/a/*': * can only stand there once"),
        (b"/a\n  X-A: " + b"x" * 2000 + b"\n", "_headers:2: more than 2000 bytes in one line"),
    ],
)  # fmt: skip
def test_a_line_of_headers_that_is_not_understood_is_left_out_and_said(text, fault):
    assert headers(text)[2][0] == fault


def test_headers_below_a_path_that_is_not_understood_are_nobodys():
    found, _, faults = headers(b"/a\n  X-A: 1\n/" + b"s" * 3000 + b"\n  X-B: 2\n")
    assert found == {b"X-A": b"1"}
    assert len(faults) == 2


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        (b"/a /b\n", b"/a", (b"/b", 301)),
        (b"/a\t/b 302\n", b"/a", (b"/b", 302)),
        (b"/a/* /b/:splat 308", b"/a/x", (b"/b/x", 308)),
        (b"/a /b 301 # why\n", b"/a", (b"/b", 301)),
        (b"/a /b # why not\n", b"/a", (b"/b", 301)),
        (b"/a https://example.org/x\n", b"/a", (b"https://example.org/x", 301)),
        (b"/* /index.html 200\n", b"/x/y", (b"/index.html", 200)),
        (b"/x /gone.html 410\n", b"/x", (b"/gone.html", 410)),
        (b"# /a /c\n/a /b\n/a /c\n", b"/a", (b"/b", 301)),
        (b"/a /b\n", b"/c", None),
    ],
)
def test_a_redirect_is_one_line(text, path, expected):
    assert leads(text, path) == expected
    assert leads(text, path, force=True) is None


def test_a_status_with_an_exclamation_mark_holds_also_where_a_file_lies():
    assert leads(b"/a /b 301!\n", b"/a", force=True) == (b"/b", 301)
    assert leads(b"/a /b 301!\n", b"/a") is None


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"/a", "expected FROM TO [STATUS]"),
        (b"/a # /b", "expected FROM TO [STATUS]"),
        (b"/a id=:id /b", "conditions on the query are not understood"),
        (b"/a /b 302 Country=de", "conditions on country, language or role are not understood"),
        (b"/a /b 30x", "'30x' is not a status, such as 301 or 200!"),
        (b"/a /b Country=de", "'Country=de' is not a status, such as 301 or 200!"),
        (b"/a /b 201", "201 is neither a redirect, nor 200, nor an error"),
        (b"/a /b 419", "419 is neither a redirect, nor 200, nor an error"),
        (b"/a b", "'b' is neither a path, such as /new/:splat, nor an http(s) URL"),
        (b"/a //evil.example", "'//evil.example' is neither a path, such as /new/:splat, nor an http(s) URL"),
        (
            b"/a /.netlify/functions/:x 200",
            "'/.netlify/functions/:x': nothing is called :x in the path it is for",
        ),
        (b"/a /.netlify/functions/x 200", "there are no functions here"),
        (b"/a https://api.example/ 200", "'https://api.example/' is not a path, such as /index.html"),
        (b"/a?x=1 /b", "'/a?x=1': only the path is compared, without a query"),
        (b"https://a.example/* /b", f"a.example {NOT_ONLY}"),
        (b"/a /a", "it leads to itself"),
        (b"/a/*/b/* /c", "'/a/*/b/*': * can only stand there once"),
        (b"/a /a?b", "it leads to itself"),
        (b"/" + b"a" * 2000 + b" /b", "more than 2000 bytes in one line"),
    ],
)
def test_a_redirect_that_is_not_understood_is_left_out_and_said(line, why):
    book, faults = read(parse_redirects, b"# first\n" + line + b"\n/ok /fine\n")
    assert faults == [f"_redirects:2: {why}"]
    assert book.detour(b"/ok", force=False) == (b"/fine", 301)


@pytest.mark.parametrize(
    ("parse", "block", "most", "why"),
    [
        (parse_headers, b"/%d\n  X-A: 1\n", 5000, "more than 5000 rules: the rest is left out"),
        (parse_redirects, b"/%d /x\n", 5000, "more than 5000 rules: the rest is left out"),
        (parse_redirects, b"/%d/* /x\n", 5000, "more than 5000 rules: the rest is left out"),
        (parse_redirects, b"/a/:x/%d /x\n", 100, "more than 100 rules with * or :names for paths that begin with /a/"),
        (parse_headers, b"/:x/%d\n  X-A: 1\n", 100, "more than 100 rules with * or :names for paths that begin with /"),
    ],
)  # fmt: skip
def test_there_are_only_so_many_rules_in_a_file(parse, block, most, why):
    found = [item for item in parse(b"".join(block % n for n in range(5100))) if item is not None]
    assert sum(isinstance(item, Rule) for item in found) == most
    (fault,) = [item.why for item in found if isinstance(item, Fault)]
    assert fault.startswith(why)


CLOSED = b"/a/*\n  Basic-Auth: alice:s3cret bob:hunter2\n"


@pytest.mark.parametrize(
    ("text", "path", "closed"),
    [
        (CLOSED, b"/a/x", True),
        (CLOSED, b"/a", True),
        (CLOSED, b"/b", False),
        (b"/a\n  basic-auth : x:s3cret\n  X-A: 1\n", b"/a.html", True),
        (b"/a\nBasic-Auth: x:s3cret\n", b"/a", True),
        (b"/a\n  Basic-Auth: " + b"x:s3cret " * 999 + b"\n", b"/a", True),
        (b"/a\n  X-A: 1\n/*/*\n  Basic-Auth: x:s3cret\n", b"/b", True),  # nobody knows for what it was
        (b"  Basic-Auth: x:s3cret\n", b"/b", True),
        (b"https://x.example/a/*\n  Basic-Auth: x:s3cret\n", b"/a/x", True),
        (b"https://x.example/a/*\n  Basic-Auth: x:s3cret\n", b"/b", False),
        (b"".join(b"/%d\n  X-A: 1\n" % n for n in range(5000)) + CLOSED, b"/a/x", True),
        (b"".join(b"/:a/%d\n  X-A: 1\n" % n for n in range(300)) + b"/:a\n Basic-Auth: x:y", b"/a", True),
    ],
)
def test_what_was_to_have_a_password_is_open_to_nobody_and_no_password_is_told(text, path, closed):
    book, faults = read(parse_headers, text)
    assert book.treat(path, path).closed is closed
    assert any("Basic-Auth is not understood" in fault for fault in faults)
    assert not any("s3cret" in fault for fault in faults)


@pytest.mark.parametrize(
    ("hosts", "source", "holds"),
    [
        (("a.example",), b"https://a.example/x", True),
        (("a.example",), b"http://A.Example/x", True),
        (("a.example",), b"https://b.example/x", False),
        (("a.example", "b.example"), b"https://a.example/x", False),  # it would hold for the other one too
        ((), b"https://a.example/x", False),
        (("a.example",), b"https://:project.pages.dev/x", False),
    ],
)
def test_a_rule_for_one_host_holds_where_that_is_the_only_one(hosts, source, holds):
    for parse, text in ((parse_headers, b"%b\n  X-A: 1\n"), (parse_redirects, b"%b /y\n")):
        found, *_ = [item for item in parse(text % source, hosts) if item is not None]
        assert isinstance(found, Rule) == holds
        assert not holds or found.pattern.match(b"/x") is not None


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        (b"/old /new", b"/old/", b"/new"),
        (b"/old/ /new", b"/old", b"/new"),
        (b"/old /old/", b"/old", b"/old/"),
        (b"/old /old/", b"/old/", None),
        (b"/old/ /old", b"/old/", b"/old"),
        (b"/old/ /old", b"/old", None),
        (b"/:y/:m /p/:m/:y", b"/1/2/", b"/p/2/1"),
        (b"/a/*/b /c/:splat", b"/a/x/y/b", b"/c/x/y"),
    ],
)
def test_a_slash_at_the_end_makes_no_difference_to_a_redirect(text, path, expected):
    found = leads(text, path)
    assert (found and found[0]) == expected


@pytest.mark.parametrize("parse", [parse_headers, parse_redirects])
@pytest.mark.parametrize("line", [b"", b"# comment", b"/a", b"  X-A: 1", b"/a /b", b"!", b"\xff"])
def test_one_line_is_read_at_a_time(parse, line):
    """So that a long file holds up nobody: each step ends with a line."""
    steps = sum(1 for _ in parse((line + b"\n") * 1000))
    assert steps >= 1000


@given(
    st.lists(
        st.sampled_from([b"/a", b"/*", b" ", b"\t", b"\n", b"#", b":", b"!", b"X", b"301", b"\xff", b"/b"])
    )
)
@pytest.mark.parametrize("parse", [parse_headers, parse_redirects])
def test_any_text_is_either_understood_or_said(parse, pieces):
    for item in parse(b"".join(pieces)):
        assert item is None or isinstance(item, Rule | Fault)


@pytest.mark.parametrize(
    "line",
    [b"/old/%d /x\n", b"/old-%d/* /x/:splat\n", b"/old/%d/:a /x/:a\n", b"/:a/%d /x\n", b"/*/%d /x\n"],
)
def test_thousands_of_rules_cost_a_new_path_less_than_a_millisecond(line):
    book, _ = read(parse_redirects, b"".join(line % n for n in range(5000)))

    def look(path: bytes) -> float:
        began = time.perf_counter()
        book.detour(path, force=False)
        book.treat(path, path)
        return time.perf_counter() - began

    for path in (b"/none", b"/old/4999/y", b"/old-77/a/b/c", b"/a" * 200):
        assert min(look(path) for _ in range(20)) < 0.001
