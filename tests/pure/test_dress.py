"""The headers of an answer as the rules want them."""

import pytest

from server.answer.dress import attachment, dress
from server.answer.guard import Realm
from server.answer.pattern import Pattern
from server.answer.rules import Rule, Rulebook

PLAIN = (
    (b"Content-Type", b"text/css"), (b"Content-Length", b"5"), (b"ETag", b'"x"'),
    (b"Cache-Control", b"no-cache"), (b"Vary", b"Accept-Encoding"), (b"X-Content-Type-Options", b"nosniff"),
)  # fmt: skip
ORIGIN = b"https://app.example"


def dressed(status=200, origin=None, name=b"a.css", headers=PLAIN, **wishes):
    rule = Rule(Pattern.of_glob("/**"), "test", **wishes)
    return dress(headers, Rulebook([rule]).treat(b"/a.css", b"/a.css"), status, origin, name)


def values(headers, name: bytes):
    return [value for key, value in headers if key.lower() == name]


def test_without_wishes_nothing_changes():
    assert dressed() == PLAIN


def test_what_is_set_stands_instead_of_what_was_there():
    found = dressed(set_headers=((b"content-type", b"text/plain"), (b"X-A", b"1")))
    assert values(found, b"content-type") == [b"text/plain"]
    assert values(found, b"x-a") == [b"1"]


def test_what_is_added_stands_beside_it():
    found = dressed(add_headers=((b"X-Content-Type-Options", b"b"), (b"Link", b"<a>"), (b"Link", b"<b>")))
    assert values(found, b"x-content-type-options") == [b"nosniff", b"b"]
    assert values(found, b"link") == [b"<a>", b"<b>"]


def test_what_is_removed_is_gone():
    assert values(dressed(remove_headers=(b"x-content-type-options",)), b"x-content-type-options") == []


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("set_headers", b"Origin", b"Accept-Encoding, Origin"),
        ("add_headers", b"Origin", b"Accept-Encoding, Origin"),
        ("join_headers", b"Origin", b"Accept-Encoding, Origin"),
        ("set_headers", b"accept-encoding,Cookie", b"Accept-Encoding, Cookie"),
        ("add_headers", b"*", b"Accept-Encoding, *"),
    ],
)
def test_vary_only_grows(kind, value, expected):
    """RFC 9110 section 12.5.5: what an answer depends on, no rule can deny."""
    (found,) = values(dressed(**{kind: ((b"Vary", value),)}), b"vary")
    assert found.lower() == expected.lower()


@pytest.mark.parametrize("status", [404, 403, 416, 500])
@pytest.mark.parametrize("kind", ["set_headers", "add_headers", "join_headers"])
@pytest.mark.parametrize("name", [b"Cache-Control", b"Content-Type", b"Content-Disposition", b"Expires"])
def test_what_is_meant_for_the_content_is_not_said_of_an_error(status, kind, name):
    headers = ((b"Content-Type", b"text/html"),)
    assert dressed(status, headers=headers, **{kind: ((name, b"x"),)}) == headers
    assert dressed(200, headers=headers, **{kind: ((name, b"x"),)}) != headers


def test_other_headers_are_said_of_errors_too():
    assert values(dressed(404, set_headers=((b"X-A", b"1"),)), b"x-a") == [b"1"]


def test_the_cache_control_of_a_rule_is_not_for_errors():
    assert values(dressed(200, cache_control=b"max-age=9"), b"cache-control") == [b"max-age=9"]
    assert values(dressed(404, cache_control=b"max-age=9"), b"cache-control") == [b"no-cache"]


@pytest.mark.parametrize(
    ("wishes", "status", "expected"),
    [
        ({}, 200, b"private, no-cache"),
        ({"cache_control": b"public, max-age=9, S-MaxAge=99"}, 200, b"private, max-age=9"),
        ({"set_headers": ((b"Cache-Control", b"max-age=9"),)}, 206, b"private, max-age=9"),
        ({"cache_control": b'no-cache="A, public", public'}, 200, b'private, no-cache="A, public"'),
        ({"cache_control": b'private="X", no-store'}, 304, b"private, no-store"),
        ({"remove_headers": (b"cache-control",)}, 200, b"private"),
        ({"cache_control": b"public"}, 404, b"private, no-cache"),
    ],
)  # fmt: skip
def test_what_asks_for_a_password_is_kept_by_nobody_else(wishes, status, expected):
    """RFC 9111 sections 3.5 and 5.2.2."""
    found = dressed(status, realm=Realm("r", {b"a": b"x"}), **wishes)
    assert values(found, b"cache-control") == [expected]


def test_a_304_has_what_a_200_would_say_and_nothing_about_content():
    """RFC 9110 section 15.4.5."""
    headers = (*PLAIN, (b"Last-Modified", b"x"))
    found = dressed(304, ORIGIN, headers=headers, set_headers=((b"X-A", b"1"),), cors=(b"*",))
    assert {name.lower() for name, _ in found} == {
        b"etag", b"cache-control", b"vary", b"access-control-allow-origin", b"access-control-expose-headers",
    }  # fmt: skip


def test_a_304_without_a_tag_says_when_it_was_modified():
    found = dressed(304, headers=((b"Last-Modified", b"x"), (b"Content-Type", b"y")))
    assert found == ((b"Last-Modified", b"x"),)


@pytest.mark.parametrize(
    ("status", "name", "said"), [(200, b"a.pdf", 1), (206, b"a.pdf", 1), (404, b"a", 0), (200, b"", 0)]
)
def test_a_file_to_be_saved_is_an_attachment(status, name, said):
    assert len(values(dressed(status, name=name, download=True), b"content-disposition")) == said


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"a.pdf", b"attachment; filename=\"a.pdf\"; filename*=UTF-8''a.pdf"),
        (b"a b.pdf", b"attachment; filename=\"a b.pdf\"; filename*=UTF-8''a%20b.pdf"),
        ("ü.pdf".encode(), b"attachment; filename=\"__.pdf\"; filename*=UTF-8''%C3%BC.pdf"),
        (b'a"\\b', b"attachment; filename=\"a__b\"; filename*=UTF-8''a%22%5Cb"),
        (b"a\r\nX: y", b"attachment; filename=\"a__X: y\"; filename*=UTF-8''a%0D%0AX%3A%20y"),
        (b"100%", b"attachment; filename=\"100%\"; filename*=UTF-8''100%25"),
    ],
)
def test_the_name_of_an_attachment_is_said_in_both_forms(name, expected):
    """RFC 6266 section 4.3, RFC 8187 section 3.2."""
    assert attachment(name) == expected


# --- CORS ---


def test_any_origin_may_read():
    found = dressed(origin=ORIGIN, cors=(b"*",))
    assert values(found, b"access-control-allow-origin") == [b"*"]
    assert values(found, b"vary") == [b"Accept-Encoding"]  # everybody gets the same


@pytest.mark.parametrize(
    ("origin", "expected"),
    [(ORIGIN, [ORIGIN]), (b"https://evil.example", []), (None, []), (ORIGIN.upper(), [])],
)
def test_named_origins_may_read_and_the_answer_varies(origin, expected):
    """Fetch standard, CORS protocol: the origin is compared byte by byte."""
    found = dressed(origin=origin, cors=(ORIGIN, b"https://other.example"))
    assert values(found, b"access-control-allow-origin") == expected
    assert values(found, b"vary") == [b"Accept-Encoding, Origin"]


def test_no_origin_may_read():
    assert dressed(origin=ORIGIN, cors=()) == PLAIN


def test_an_origin_that_a_rule_sets_in_words_is_the_only_one():
    found = dressed(
        origin=ORIGIN, cors=(b"*",), set_headers=((b"Access-Control-Allow-Origin", b"https://x.example"),)
    )
    assert values(found, b"access-control-allow-origin") == [b"https://x.example"]
