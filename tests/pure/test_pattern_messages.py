"""What is said of a pattern that is none: whole sentences."""

import pytest

from server.answer.pattern import MOST_ALTERNATIVES, BadPattern, Pattern

GLOBS = [
    ("", "an empty pattern matches nothing; /** matches all"),
    ("/a//b", "'/a//b' can match no path"),
    ("/a\0", r"'/a\x00' can match no path"),
    ("a/b", "'a/b' does not begin with a slash"),
    ("**/b", "'**/b' does not begin with a slash"),
    ("/a**", "'/a**': ** stands for whole names, between slashes"),
    ("/***/a", "'/***/a': ** stands for whole names, between slashes"),
    ("/a}", "'/a}': a closing brace without an opening one"),
    ("/{a,b}}", "'/{a,b}}': a closing brace without an opening one"),
    ("/{a,b", "'/{a,b': braces that are not closed, or stand within others"),
    ("/{a,{b,c}}", "'/{a,{b,c}}': braces that are not closed, or stand within others"),
    ("/" + "{a,b}" * 7, f"'/{'{a,b}' * 7}': more than {MOST_ALTERNATIVES} alternatives"),
    ("/:", "'/:': a placeholder is a colon and a name, such as :year"),
    ("/:1", "'/:1': a placeholder is a colon and a name, such as :year"),
    ("/a/:b-c", "'/a/:b-c': a placeholder is a colon and a name, such as :year"),
    ("/:x/:x", "'/:x/:x': a placeholder can stand there only once, and :splat is for *"),
    ("/:splat", "'/:splat': a placeholder can stand there only once, and :splat is for *"),
]
SPLATS = [
    (b"", "'' does not begin with a slash"),
    (b"a", "'a' does not begin with a slash"),
    (b"\xff", r"'\\xff' does not begin with a slash"),
    (b"/a?b=c", "'/a?b=c': only the path is compared, without a query"),
    (b"/a#b", "'/a#b': only the path is compared, without a query"),
    (b"/:1", "'/:1': a placeholder is a colon and a name, such as :year"),
    (b"/:x/:x", "'/:x/:x': a placeholder can stand there only once, and :splat is for *"),
    (b"/:splat/*", "'/:splat/*': a placeholder can stand there only once, and :splat is for *"),
    (b"/a%2Fb", "'/a%2Fb': a slash, colon, asterisk or question mark is encoded in it"),
    (b"/%3ax", "'/%3ax': a slash, colon, asterisk or question mark is encoded in it"),
    (b"/%2A", "'/%2A': a slash, colon, asterisk or question mark is encoded in it"),
    (b"/%3F", "'/%3F': a slash, colon, asterisk or question mark is encoded in it"),
]


def test_as_many_alternatives_as_there_may_be_are_taken():
    assert len(Pattern.of_glob("/" + "{a,b}" * 6).alternatives) == MOST_ALTERNATIVES


@pytest.mark.parametrize(("text", "said"), GLOBS)
def test_a_glob_that_is_none_is_said_in_one_sentence(text, said):
    with pytest.raises(BadPattern) as raised:
        Pattern.of_glob(text)
    assert str(raised.value) == said


@pytest.mark.parametrize(("text", "said"), SPLATS)
def test_a_splat_that_is_none_is_said_in_one_sentence(text, said):
    with pytest.raises(BadPattern) as raised:
        Pattern.of_splat(text)
    assert str(raised.value) == said
