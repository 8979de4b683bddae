"""Patterns of paths: what they match, what they capture, what is none."""

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.answer.pattern import BadPattern, Pattern

GLOBS = [
    ("/a", "/a", {}),
    ("/a", "/a/", None),
    ("/a", "/ab", None),
    ("/", "/", {}),
    ("/", "/a", None),
    ("/*", "/a", {}),
    ("/*", "/a/b", None),  # within one name
    ("/*.css", "/x.css", {}),
    ("/*.css", "/d/x.css", None),
    ("/*.css", "/.css", {}),
    ("/a?c", "/abc", {}),
    ("/a?c", "/ac", None),
    ("/**", "/", {"splat": ""}),
    ("/**", "/a/b/c", {"splat": "a/b/c"}),
    ("/a/**", "/a", {"splat": ""}),
    ("/a/**", "/a/", {"splat": ""}),
    ("/a/**", "/a/b/c", {"splat": "b/c"}),
    ("/a/**", "/ab", None),
    ("/a/**/**", "/a", {"splat": ""}),
    ("/a/", "/a/b/c", {"splat": "b/c"}),  # all beneath
    ("/a/", "/ab/c", None),
    ("/**/x.js", "/x.js", {"splat": ""}),
    ("/**/x.js", "/a/b/x.js", {"splat": "a/b"}),
    ("/**/x.js", "/a/b/x.jss", None),
    ("/**/a/*.js", "/a/a/a/b.js", {"splat": "a/a"}),
    ("/a/**/z", "/a/z/z/z", {"splat": "z/z"}),
    ("/:year/:month", "/2024/05", {"year": "2024", "month": "05"}),
    ("/:year/:month", "/2024/", None),  # a placeholder stands for a name, not for nothing
    ("/:year/**", "/2024/05/x", {"year": "2024", "splat": "05/x"}),
    ("*.png", "/a/b/c.png", {}),  # without a slash: at any depth
    ("*.png", "/c.png", {}),
    ("*.png", "/c.png/d", None),
    ("LICENSE", "/any/where/LICENSE", {}),
    ("*.{png,jpg}", "/a.jpg", {}),
    ("*.{png,jpg}", "/a.gif", None),
    ("/{a,b}/:x", "/b/c", {"x": "c"}),
    ("/{a,b/**}", "/b/c/d", {"splat": "c/d"}),
    ("/a*b*c", "/aXbYbZc", {}),
    ("/a*b*c", "/aXbYbZ", None),
    ("/Ü*", "/Üb", {}),
]
SPLATS = [
    ("/*", "/", {"splat": ""}),
    ("/*", "/a/b", {"splat": "a/b"}),
    ("/a/*", "/a", {"splat": ""}),
    ("/a/*", "/a/", {"splat": ""}),
    ("/a/*", "/a/b/c", {"splat": "b/c"}),
    ("/a/*", "/ab", None),
    ("/a*", "/abc/d", {"splat": "bc/d"}),
    ("/a*", "/b", None),
    ("/:x/y/*", "/1/y/2/3", {"x": "1", "splat": "2/3"}),
    ("/:x/y/*", "//y/2", None),
    ("/:x", "/a", {"x": "a"}),
    ("/:x", "/a/b", None),
    ("/a.html", "/a.html", {}),
    ("/a.html", "/axhtml", None),
    ("/caf%C3%A9/*", "/café/x", {"splat": "x"}),
    ("/a%20b", "/a b", {}),
    # As Cloudflare has it: anywhere.
    ("/*.jpg", "/a/b.jpg", {"splat": "a/b"}),
    ("/*.jpg", "/.jpg", {"splat": ""}),
    ("/*.jpg", "/jpg", None),
    ("/img/*/deep", "/img/a/b/deep", {"splat": "a/b"}),
    ("/img/*/deep", "/img/deep", None),
    ("/img/a*a/:x", "/img/a/a/y", {"splat": "/", "x": "y"}),
    ("/img/a*a/:x", "/img/a/y", None),  # it has not both of its letters
]
SLASHES = [("/a", "/a/"), ("/a/", "/a"), ("/a/", "/a/"), ("/a", "/a"), ("/:x/", "/a"), ("/", "/")]


def captured(pattern, path):
    found = pattern.match(path.encode())
    return None if found is None else {name.decode(): value.decode() for name, value in found.items()}


@pytest.mark.parametrize(("text", "path", "expected"), GLOBS)
def test_a_glob_matches_names_and_tells_what_stood_there(text, path, expected):
    assert captured(Pattern.of_glob(text), path) == expected


@pytest.mark.parametrize(("text", "path", "expected"), SPLATS)
def test_a_splat_stands_at_the_end_for_all_the_rest(text, path, expected):
    assert captured(Pattern.of_splat(text.encode()), path) == expected


@pytest.mark.parametrize(("text", "path"), SLASHES)
def test_a_slash_at_the_end_may_make_no_difference(text, path):
    """As Netlify has it in _redirects."""
    assert Pattern.of_splat(text.encode(), any_slash=True).match(path.encode()) is not None
    strict = Pattern.of_splat(text.encode())
    assert (strict.match(path.encode()) is not None) == (text.endswith("/") == path.endswith("/"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("/caf%C3%A9/**", "can match no path: paths are compared decoded (did you mean '/café/**'?)"),
        ("a%20b.pdf", "can match no path: paths are compared decoded (did you mean 'a b.pdf'?)"),
        ("/x?y=1", "can match no path: only the path is compared, without a query and a fragment"),
        ("/x#y", "can match no path: only the path is compared, without a query and a fragment"),
        ("/x/../y", "can match no path: paths are compared without dot segments"),
        ("/x/.", "can match no path: paths are compared without dot segments"),
    ],
)
def test_a_glob_that_can_never_match_is_refused_and_told_why(text, why):
    with pytest.raises(BadPattern) as raised:
        Pattern.of_glob(text)
    assert why in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "", "a/b", "/a//b", "/a**", "/a**b/c", "/{a,b", "/a}", "/{a,{b,c}}", "/:", "/:a-b", "/:1",
        "/:x/:x", "/:splat", "/a\0", "/" + "{a,b}" * 8,
    ],
)  # fmt: skip
def test_what_is_no_glob_is_refused(text):
    with pytest.raises(BadPattern):
        Pattern.of_glob(text)


@pytest.mark.parametrize(
    "text",
    [b"a", b"", b"*", b"/*/a/*", b"/a**", b"/a?b=1", b"/a#b", b"/:x/:x", b"/:splat", b"/:",
     b"/a%2Fb", b"/%2A", b"/%3Ax", b"/%00", b"https://example.org/*"],
)  # fmt: skip
def test_what_is_no_splat_is_refused(text):
    with pytest.raises(BadPattern):
        Pattern.of_splat(text)


@pytest.mark.parametrize(
    ("pattern", "exact", "prefix"),
    [
        (Pattern.of_glob("/a/b"), b"/a/b", b"/a/b"),
        (Pattern.of_glob("/a/*"), None, b"/a"),
        (Pattern.of_glob("/a/b/**/c"), None, b"/a/b"),
        (Pattern.of_glob("/*/a"), None, b""),
        (Pattern.of_glob("/:x"), None, b""),
        (Pattern.of_glob("/{a,b}/c"), None, b""),
        (Pattern.of_glob("/a/{b,c}"), None, b"/a"),
        (Pattern.of_glob("/a{,/b/c}"), None, b"/a"),
        (Pattern.of_glob("a"), None, b""),
        (Pattern.of_glob("/**"), None, b""),
        (Pattern.of_splat(b"/a/*"), None, b"/a"),
        (Pattern.of_splat(b"/a*"), None, b""),
        (Pattern.of_splat(b"/a/*/b"), None, b"/a"),
        (Pattern.of_splat(b"/a%20b"), b"/a b", b"/a b"),
    ],
)
def test_what_all_its_paths_have_in_common_is_known(pattern, exact, prefix):
    assert (pattern.exact, pattern.prefix) == (exact, prefix)


WORDS = st.text("ab*?.", min_size=1, max_size=8).filter(
    lambda word: "**" not in word and word not in (".", "..")
)
NAMES = st.text("ab.", min_size=1, max_size=8)


@given(WORDS, NAMES)
def test_a_word_matches_as_the_shell_has_it(word, name):
    expected = fnmatch.fnmatchcase(name, word)
    assert (Pattern.of_glob("/" + word).match(b"/" + name.encode()) is not None) == expected


@given(
    st.lists(st.sampled_from(["**", "a", "b", "*"]), min_size=1, max_size=5),
    st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=7),
)
def test_two_asterisks_match_any_number_of_names(words, names):
    """Compared with the regular expression that says the same."""
    expression = "".join(
        "(?:/[^/]+)*" if word == "**" else "/" + word.replace("*", "[^/]*") for word in words
    )
    path = "/" + "/".join(names)
    expected = re.fullmatch(expression, path) is not None
    assert (Pattern.of_glob("/" + "/".join(words)).match(path.encode()) is not None) == expected


@given(st.lists(st.sampled_from([b"a", b"b", b"ab"]), min_size=1, max_size=6), st.integers(0, 6))
def test_what_prefix_says_is_what_every_match_begins_with(names, cut):
    pattern = Pattern.of_splat(b"/" + b"/".join(names[:cut]) + b"*")
    path = b"/" + b"/".join(names)
    if pattern.match(path) is not None:
        assert (path + b"/").startswith(pattern.prefix + b"/")
