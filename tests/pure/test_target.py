"""From a request target to a path beneath the root (RFC 3986, RFC 9112 section 3.2.1)."""

from urllib.parse import quote_from_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.answer.target import BadTarget, path_of

SEGMENTS = st.lists(
    st.sampled_from([b"", b".", b"..", b"a", b"b.c", b"...", b"%2e%2E", b"%2f", b"%41", b"x%00"])
)
TARGETS = st.one_of(
    SEGMENTS.map(lambda segments: b"/" + b"/".join(segments)), st.binary().map(lambda b: b"/" + b)
)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/", b""),
        (b"/a", b"a"),
        (b"/a/", b"a/"),
        (b"/a/b.html", b"a/b.html"),
        (b"/a?q=/../x", b"a"),  # RFC 3986 section 3.4: a query is not a path
        (b"/?q", b""),
        (b"/a?b?c", b"a"),
        (b"/a%3Fb", b"a?b"),  # section 2.2: an encoded delimiter is data
        (b"/a%20b", b"a b"),
        (b"/%C3%A9", "é".encode()),
        (b"/%ff", b"\xff"),  # a name is bytes
        (b"/%61%2Fb", b"a/b"),
        (b"/%2561", b"%61"),  # section 2.4: decoded once
        (b"/a+b", b"a+b"),
        # Section 5.2.4, remove dot segments.
        (b"/a/b/c/./../../g", b"a/g"),
        (b"/./a", b"a"),
        (b"/a/.", b"a/"),
        (b"/a/..", b""),
        (b"/a/b/..", b"a/"),
        (b"/a/%2e%2E/b", b"b"),
        (b"/a/..%2Fb", b"b"),
        (b"/.well-known/x", b".well-known/x"),
        (b"/...", b"..."),
        (b"/a..", b"a.."),
        (b"/..a", b"..a"),
        # Empty segments are dropped.
        (b"//", b""),
        (b"//a", b"a"),
        (b"/a//b", b"a/b"),
        (b"/a//", b"a/"),
        (b"/a/%2F/b", b"a/b"),
        (b"/\\..\\a", b"\\..\\a"),  # a backslash is a letter like any other
    ],
)
def test_a_target_names_one_path(target, path):
    assert path_of(target) == path


@pytest.mark.parametrize(
    "target",
    [
        b"/..", b"/../", b"/../a", b"/a/../../b", b"/./..", b"//..", b"/%2e%2e", b"/%2E./a", b"/..%2fa",
        b"/a/..%2f..%2fb", b"/%00", b"/a%00.html", b"/a\0", b"/%", b"/%1", b"/%zz", b"/%+1", b"/% 1",
        b"/a%2", b"/%\xb21",
    ],
)  # fmt: skip
def test_a_target_that_can_name_no_file_is_refused(target):
    with pytest.raises(BadTarget):
        path_of(target)


@given(TARGETS)
@example(b"/a/.//..")
def test_no_path_leads_out_of_the_root_or_has_two_names(target):
    try:
        path = path_of(target)
    except BadTarget:
        return
    assert not path.startswith(b"/")
    assert b"\0" not in path
    *inner, last = path.split(b"/")
    assert not {b"", b".", b".."} & set(inner)
    assert last not in (b".", b"..")


@given(
    st.lists(
        st.binary(min_size=1).filter(lambda s: not {0, 0x2F} & set(s) and s not in (b".", b"..")), min_size=1
    )
)
def test_every_name_can_be_asked_for_by_its_encoding(names):
    path = b"/".join(names)
    assert path_of(b"/" + quote_from_bytes(path).encode()) == path
