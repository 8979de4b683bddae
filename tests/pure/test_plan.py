"""The answer: status and exactly these headers, from what is known of the file."""

from http import HTTPStatus

import pytest

from server.answer.conditions import Validators
from server.answer.found import Missing, Redirect, Representation, Selection
from server.answer.guard import Realm
from server.answer.plan import answer, not_allowed, options, page
from server.answer.ranges import FileRange
from server.answer.rules import Pattern, Rule, Rulebook

MODIFIED = 784111777
NOW = MODIFIED + 1000
TEXT = b"text/plain; charset=utf-8"


def file(size: int = 1000, **more) -> Representation:
    return Representation(size, Validators(b'"tag"', MODIFIED), TEXT, b"no-cache", **more)


FILE = Selection(b"file.txt", file())
EMPTY = Selection(b"empty.txt", file(0))
NO_SUCH = Missing(HTTPStatus.NOT_FOUND)

TYPE = (b"Content-Type", TEXT)
VALIDATORS = ((b"ETag", b'"tag"'), (b"Last-Modified", b"Sun, 06 Nov 1994 08:49:37 GMT"))
CACHING = (b"Cache-Control", b"no-cache")
RANGES = (b"Accept-Ranges", b"bytes")
NO_SNIFFING = (b"X-Content-Type-Options", b"nosniff")
NO_RULES = Rulebook(()).treat(b"/file.txt", b"/file.txt")


def ruled(**wishes):
    rule = Rule(Pattern.of_glob("/**"), "test", **wishes)
    return Rulebook((rule,)).treat(b"/file.txt", b"/file.txt")


def length(count: int) -> tuple[bytes, bytes]:
    return (b"Content-Length", b"%d" % count)


def ask(fields=(), found=FILE, method=b"GET", treatment=NO_RULES):
    return answer(method, dict(fields), found, treatment, NOW, b"B")


def test_a_file_is_200_with_all_of_it():
    found = ask()
    assert found.status == 200
    assert set(found.headers) == {TYPE, length(1000), *VALIDATORS, CACHING, RANGES, NO_SNIFFING}
    assert found.body == (FileRange(0, 1000),)


def test_head_says_the_same_as_get_and_sends_nothing():
    """RFC 9110 section 9.3.2."""
    assert ask(method=b"HEAD").headers == ask().headers
    assert ask(method=b"HEAD").body == ()


def test_an_empty_file_is_200_without_a_body():
    found = ask(found=EMPTY)
    assert (found.status, found.body) == (200, ())
    assert length(0) in found.headers


def test_a_part_is_206_and_says_which():
    """RFC 9110 section 15.3.7."""
    found = ask({b"range": b"bytes=10-19"})
    assert found.status == 206
    content_range = (b"Content-Range", b"bytes 10-19/1000")
    assert set(found.headers) == {
        TYPE,
        length(10),
        content_range,
        *VALIDATORS,
        CACHING,
        RANGES,
        NO_SNIFFING,
    }
    assert found.body == (FileRange(10, 10),)


def test_a_range_beyond_the_file_is_416_and_says_how_long_it_is():
    """RFC 9110 section 15.5.17."""
    found = ask({b"range": b"bytes=1000-"})
    assert found.status == 416
    assert (b"Content-Range", b"bytes */1000") in found.headers
    assert not {name for name, _ in found.headers} & {b"ETag", b"Last-Modified", b"Accept-Ranges"}


def test_what_has_not_changed_is_304_with_what_a_cache_needs_and_no_more():
    """RFC 9110 section 15.4.5: no Last-Modified beside an ETag, nothing of the content."""
    found = ask({b"if-none-match": b'"tag"'})
    assert (found.status, set(found.headers), found.body) == (304, {VALIDATORS[0], CACHING}, ())


def test_a_precondition_that_fails_is_412():
    assert ask({b"if-match": b'"other"'}).status == 412


@pytest.mark.parametrize(
    ("fields", "method", "status"),
    [
        ({b"range": b"bytes=0-0"}, b"HEAD", 200),  # section 14.2: Range is defined for GET
        ({b"range": b"bytes=0-0,2-3"}, b"GET", 206),
        ({b"range": b"bytes=0-0,2000-"}, b"GET", 206),
        ({b"range": b"bytes=2-1"}, b"GET", 200),
        ({b"range": b"lines=0-0"}, b"GET", 200),
        ({b"range": b"bytes=0-0", b"if-range": b'"tag"'}, b"GET", 206),
        ({b"range": b"bytes=0-0", b"if-range": b'"other"'}, b"GET", 200),
        ({b"range": b"bytes=5000-", b"if-range": b'"other"'}, b"GET", 200),  # not 416
        ({b"if-range": b'"tag"'}, b"GET", 200),
        ({b"range": b"bytes=0-0", b"if-none-match": b'"tag"'}, b"GET", 304),  # 13.2.2: 3 before 5
        ({b"range": b"bytes=0-0", b"if-match": b'"other"'}, b"GET", 412),
        ({b"if-none-match": b"*"}, b"HEAD", 304),
        ({b"if-match": b'"other"'}, b"HEAD", 412),
    ],
)
def test_conditions_and_ranges_together_give_one_status(fields, method, status):
    assert ask(fields, method=method).status == status


@pytest.mark.parametrize(
    "fields", [{}, {b"if-match": b'"x"'}, {b"range": b"bytes=0-0"}, {b"if-none-match": b"*"}]
)
def test_what_is_missing_is_missing_whatever_the_conditions(fields):
    assert ask(fields, found=NO_SUCH).status == 404


def test_what_is_elsewhere_is_a_redirect():
    found = ask(found=Redirect(b"./docs/?q", HTTPStatus.MOVED_PERMANENTLY))
    assert found.status == 301
    assert (b"Location", b"./docs/?q") in found.headers
    assert CACHING in found.headers  # RFC 9110 section 15.4.2: or caches would choose how long


@pytest.mark.parametrize(
    "status", [400, 403, 404, 405, 408, 412, 413, 414, 416, 417, 431, 500, 501, 503, 505]
)
def test_an_error_is_a_page_as_long_as_it_says(status):
    found = page(HTTPStatus(status), b"GET")
    (body,) = found.body
    about = {(b"Content-Type", b"text/html; charset=utf-8"), length(len(body)), NO_SNIFFING}
    assert set(found.headers) == about
    assert b"%d" % status in body
    silent = page(HTTPStatus(status), b"HEAD")
    assert (silent.headers, silent.body) == (found.headers, ())


def test_options_says_what_can_be_done():
    assert (options().status, options().headers) == (204, ((b"Allow", b"GET, HEAD, OPTIONS"),))


def test_another_method_is_405_and_is_told_which_are_allowed():
    """RFC 9110 section 15.5.6."""
    found = not_allowed(b"POST")
    assert found.status == 405
    assert (b"Allow", b"GET, HEAD, OPTIONS") in found.headers


def test_several_ranges_come_as_parts_in_the_order_asked_for():
    """RFC 9110 section 14.6; and the body begins with CRLF, for clients that wait for it."""
    given_answer = ask({b"range": b"bytes=500-509,0-4"})
    assert given_answer.status == 206
    headers = dict(given_answer.headers)
    assert headers[b"Content-Type"] == b"multipart/byteranges; boundary=B"
    assert b"Content-Range" not in headers
    assert given_answer.body == (
        b"\r\n--B\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 500-509/1000\r\n\r\n",
        FileRange(500, 10),
        b"\r\n--B\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes 0-4/1000\r\n\r\n",
        FileRange(0, 5),
        b"\r\n--B--\r\n",
    )
    length = sum(len(part) if isinstance(part, bytes) else part.length for part in given_answer.body)
    assert headers[b"Content-Length"] == b"%d" % length


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (b"bytes=0-9,10-19", 206),  # they touch: one part, and no multipart
        (b"bytes=0-998,0-998", 200),  # more than there is
        (b"bytes=" + b",".join(b"%d-%d" % (n, n) for n in range(0, 1000, 10)), 206),  # all of them near
        (b"bytes=2000-,0-0", 206),  # what lies beyond is left out
        (b"bytes=2000-,3000-", 416),
    ],
)
def test_ranges_that_make_no_sense_apart_are_answered_together(header, status):
    given_answer = ask({b"range": header})
    assert given_answer.status == status
    assert sum(isinstance(part, FileRange) for part in given_answer.body) <= 1


def test_more_parts_than_an_answer_may_have_get_the_whole():
    found = Selection(b"big.txt", file(10_000_000))
    many = b",".join(b"%d-%d" % (n * 1000, n * 1000) for n in range(65))
    assert ask({b"range": b"bytes=" + many}, found).status == 200


# --- variants ---

ORIGINAL = file(codings=(b"br",))
PACKED = Representation(100, Validators(b'"packed"', MODIFIED), b"application/x-brotli", b"public")
VARIANT = Selection(b"app.js", ORIGINAL, coding=b"br", variant=PACKED, vary=(b"Accept-Encoding",))


def test_a_variant_has_its_own_length_and_tag_and_the_type_of_its_original():
    """RFC 9110 sections 8.4, 8.8.3.3, 12.5.5."""
    headers = dict(ask(found=VARIANT).headers)
    assert headers[b"Content-Encoding"] == b"br"
    assert headers[b"Content-Type"] == TEXT
    assert headers[b"Content-Length"] == b"100"
    assert headers[b"ETag"] == b'"packed-br"'
    assert headers[b"Vary"] == b"Accept-Encoding"
    assert headers[b"Cache-Control"] == b"no-cache"


def test_ranges_of_a_variant_are_of_the_variant():
    headers = dict(ask({b"range": b"bytes=90-"}, VARIANT).headers)
    assert headers[b"Content-Range"] == b"bytes 90-99/100"
    assert headers[b"Content-Encoding"] == b"br"
    assert ask({b"range": b"bytes=500-"}, VARIANT).status == 416


def test_a_304_of_a_variant_says_which_it_is():
    found = ask({b"if-none-match": b'"packed-br"'}, VARIANT)
    expected = {(b"ETag", b'"packed-br"'), CACHING, (b"Vary", b"Accept-Encoding")}
    assert (found.status, set(found.headers)) == (304, expected)
    assert ask({b"if-none-match": b'"packed"'}, VARIANT).status == 200


def test_what_is_refused_for_its_coding_may_be_had_in_another():
    found = ask(found=Missing(HTTPStatus.NOT_ACCEPTABLE))
    assert (b"Vary", b"Accept-Encoding") in found.headers


# --- pages with a status, fallbacks, rules ---


@pytest.mark.parametrize(
    "fields", [{}, {b"if-none-match": b"*"}, {b"range": b"bytes=0-0"}, {b"if-match": b'"other"'}]
)
def test_a_page_of_the_sites_own_is_sent_whole_and_is_no_version_of_anything(fields):
    found = ask(fields, Selection(b"404.html", file(), status=HTTPStatus.NOT_FOUND))
    assert (found.status, found.body) == (404, (FileRange(0, 1000),))
    assert set(found.headers) == {TYPE, length(1000), CACHING, NO_SNIFFING}


def test_a_fallback_is_never_kept_without_asking():
    immutable = Representation(10, Validators(b'"tag"', None), TEXT, b"public, max-age=31536000, immutable")
    found = ask(found=Selection(b"index.html", immutable, fallback=True))
    assert dict(found.headers)[b"Cache-Control"] == b"no-cache"
    rule = ruled(cache_control=b"public, max-age=31536000, immutable")
    found = ask(found=Selection(b"index.html", file(), fallback=True), treatment=rule)
    assert dict(found.headers)[b"Cache-Control"] == b"no-cache"


def test_what_is_behind_a_password_is_kept_by_no_cache_that_others_use():
    """RFC 9111 section 3.5."""
    realm = Realm("here", {})
    style = Representation(1, Validators(None, None), TEXT, b"public, max-age=9")
    found = ask(found=Selection(b"a.css", style), treatment=ruled(realm=realm))
    assert dict(found.headers)[b"Cache-Control"] == b"private, max-age=9"


@pytest.mark.parametrize(
    ("fields", "found", "status"),
    [
        ({}, FILE, 200),
        ({b"range": b"bytes=0-9"}, FILE, 206),
        ({b"range": b"bytes=9999-"}, FILE, 416),
        ({b"if-match": b'"other"'}, FILE, 412),
        ({}, NO_SUCH, 404),
        ({}, Redirect(b"./x/", HTTPStatus.MOVED_PERMANENTLY), 301),
    ],
)
def test_headers_of_a_rule_are_on_every_answer(fields, found, status):
    answered = ask(fields, found, treatment=ruled(set_headers=((b"X-Own", b"1"),)))
    assert answered.status == status
    assert (b"X-Own", b"1") in answered.headers


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({}, b"Content-Type: text/plain; charset=utf-8\r\n"),
        ({"set_headers": ((b"content-type", b"text/x"),)}, b"Content-Type: text/x\r\n"),
        ({"add_headers": ((b"Content-Type", b"text/x"),)}, b"Content-Type: text/plain; charset=utf-8\r\n"),
        ({"remove_headers": (b"content-type",)}, b""),
    ],
)
def test_the_type_that_a_rule_sets_is_that_of_each_of_several_parts(wishes, said):
    """RFC 9110 section 14.6: the type of the whole says how the parts are told apart."""
    found = ask({b"range": b"bytes=0-0,500-501"}, treatment=ruled(**wishes))
    assert [v for n, v in found.headers if n.lower() == b"content-type"] == [
        b"multipart/byteranges; boundary=B"
    ]
    assert found.body[0] == b"\r\n--B\r\n" + said + b"Content-Range: bytes 0-0/1000\r\n\r\n"


@pytest.mark.parametrize(("by_rule", "caching"), [(False, b"no-cache"), (True, b"max-age=9")])
def test_how_long_a_redirect_holds_is_up_to_the_rule_that_made_it(by_rule, caching):
    """What a rule says of the files of a directory is not for the slash that the server puts behind it."""
    wishes = ruled(cache_control=b"max-age=9", set_headers=((b"Content-Type", b"text/x"),))
    found = ask(found=Redirect(b"./x/", HTTPStatus.MOVED_PERMANENTLY, by_rule), treatment=wishes)
    assert dict(found.headers)[b"Cache-Control"] == caching
    assert dict(found.headers)[b"Content-Type"] == b"text/html; charset=utf-8"
