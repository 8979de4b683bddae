"""The files _headers and _redirects, as Netlify and Cloudflare Pages read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.answer.rules import Rule, Rulebook
from server.answer.sitefiles import Fault, parse_headers, parse_redirects


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
        (b"https://x.example/*\n", "_headers:1: 'https://x.example/*' does not begin with a slash"),
        (b"/*/a\n", "_headers:1: '/*/a': * can only stand at the end"),
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
        (b"/a https://api.example/ 200", "'https://api.example/' is not a path, such as /index.html"),
        (b"/a?x=1 /b", "'/a?x=1': only the path is compared, without a query"),
        (b"https://a.example/* /b", "'https://a.example/*' does not begin with a slash"),
        (b"/a /a", "it leads to itself"),
        (b"/a/*/b /c", "'/a/*/b': * can only stand at the end"),
        (b"/" + b"a" * 2000 + b" /b", "more than 2000 bytes in one line"),
    ],
)
def test_a_redirect_that_is_not_understood_is_left_out_and_said(line, why):
    book, faults = read(parse_redirects, b"# first\n" + line + b"\n/ok /fine\n")
    assert faults == [f"_redirects:2: {why}"]
    assert book.detour(b"/ok", force=False) == (b"/fine", 301)


@pytest.mark.parametrize(
    ("parse", "block"), [(parse_headers, b"/%d\n  X-A: 1\n"), (parse_redirects, b"/%d /x\n")]
)
def test_there_are_only_so_many_rules_in_a_file(parse, block):
    found = [item for item in parse(b"".join(block % n for n in range(5100))) if item is not None]
    assert sum(isinstance(item, Rule) for item in found) == 5000
    assert found[-1].why == "more than 5000 rules: the rest is not read"


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
