"""The answer: status and exactly these headers, from what is known of the file."""

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.answer.plan import (
    Directory,
    Missing,
    Representation,
    answer,
    not_allowed,
    options,
    page,
    represent,
)
from server.answer.ranges import FileRange

MODIFIED = 784111777
NOW = MODIFIED + 1000
FILE = represent(1000, MODIFIED * 10**9, b"text/plain; charset=utf-8", NOW)
EMPTY = represent(0, MODIFIED * 10**9, b"text/plain; charset=utf-8", NOW)
NO_SUCH = Missing(HTTPStatus.NOT_FOUND)

TYPE = (b"Content-Type", b"text/plain; charset=utf-8")
VALIDATORS = ((b"ETag", FILE.validators.etag), (b"Last-Modified", b"Sun, 06 Nov 1994 08:49:37 GMT"))
RANGES = (b"Accept-Ranges", b"bytes")
NO_SNIFFING = (b"X-Content-Type-Options", b"nosniff")


def length(count: int) -> tuple[bytes, bytes]:
    return (b"Content-Length", b"%d" % count)


def ask(fields=(), found=FILE, method=b"GET", target=b"/file.txt"):
    return answer(method, target, dict(fields), found, NOW)


def test_a_file_is_200_with_all_of_it():
    found = ask()
    assert found.status == 200
    assert set(found.headers) == {TYPE, length(1000), *VALIDATORS, RANGES, NO_SNIFFING}
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
    assert set(found.headers) == {TYPE, length(10), content_range, *VALIDATORS, RANGES, NO_SNIFFING}
    assert found.body == (FileRange(10, 10),)


def test_a_range_beyond_the_file_is_416_and_says_how_long_it_is():
    """RFC 9110 section 15.5.17."""
    found = ask({b"range": b"bytes=1000-"})
    assert found.status == 416
    assert (b"Content-Range", b"bytes */1000") in found.headers
    assert not {name for name, _ in found.headers} & {b"ETag", b"Last-Modified", b"Accept-Ranges"}


def test_what_has_not_changed_is_304_with_its_validators_alone():
    """RFC 9110 section 15.4.5."""
    found = ask({b"if-none-match": FILE.validators.etag})
    assert (found.status, set(found.headers), found.body) == (304, set(VALIDATORS), ())


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
        ({b"range": b"bytes=0-0", b"if-range": FILE.validators.etag}, b"GET", 206),
        ({b"range": b"bytes=0-0", b"if-range": b'"other"'}, b"GET", 200),
        ({b"range": b"bytes=5000-", b"if-range": b'"other"'}, b"GET", 200),  # not 416
        ({b"if-range": FILE.validators.etag}, b"GET", 200),
        ({b"range": b"bytes=0-0", b"if-none-match": FILE.validators.etag}, b"GET", 304),  # 13.2.2: 3 before 5
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


@pytest.mark.parametrize(
    ("target", "location"),
    [
        (b"/docs", b"/docs/"),
        (b"/docs?a=b&c", b"/docs/?a=b&c"),
        (b"/docs?", b"/docs/?"),
        (b"/a%20b", b"/a%20b/"),
        (b"/docs/../docs", b"/docs/../docs/"),
        (b"//evil.example", b"/evil.example/"),
        (b"////evil.example/docs?x", b"/evil.example/docs/?x"),
        (b"/%2Fevil.example", b"/%2Fevil.example/"),
        (b"/\\evil.example/../docs", b"/%5Cevil.example/../docs/"),
    ],
)
def test_a_directory_without_its_slash_is_a_redirect_that_keeps_the_query(target, location):
    found = ask(found=Directory(), target=target)
    assert found.status == 301
    assert (b"Location", location) in found.headers


@given(st.text(alphabet="/\\.%2fa:@?", max_size=12))
def test_a_redirect_never_names_another_host(rest):
    """As browsers read it: a backslash is a slash to them (WHATWG URL, "relative slash state")."""
    found = ask(found=Directory(), target=b"/" + rest.encode())
    for location in (value for name, value in found.headers if name == b"Location"):
        assert location.startswith(b"/")
        assert not location.replace(b"\\", b"/").startswith(b"//")


@pytest.mark.parametrize("target", [b"/", b"/docs/", b"//", b"/docs/?q"])
def test_an_index_that_is_a_directory_is_404_and_not_a_redirect_for_ever(target):
    assert ask(found=Directory(), target=target).status == 404


@pytest.mark.parametrize(
    "status", [400, 403, 404, 405, 408, 412, 413, 414, 416, 417, 431, 500, 501, 503, 505]
)
def test_an_error_is_a_page_as_long_as_it_says(status):
    found = page(HTTPStatus(status), b"GET")
    (body,) = found.body
    assert set(found.headers) == {(b"Content-Type", b"text/html; charset=utf-8"), length(len(body))}
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


@pytest.mark.parametrize(
    ("age_seconds", "weak"), [(0, True), (1.9, True), (2, False), (1000, False), (-5, True)]
)
def test_a_tag_is_weak_as_long_as_the_file_may_change_unseen(age_seconds, weak):
    """RFC 9110 section 8.8.1."""
    found = represent(1, MODIFIED * 10**9, b"x/y", MODIFIED + age_seconds)
    assert found.validators.etag.startswith(b"W/") is weak


def test_tags_differ_when_time_or_size_does():
    tags = {
        represent(size, ns, b"x/y", NOW).validators.etag for size in (1, 2) for ns in (10**18, 10**18 + 1)
    }
    assert len(tags) == 4


def test_several_ranges_come_as_parts_in_the_order_asked_for():
    """RFC 9110 section 14.6; and the body begins with CRLF, for clients that wait for it."""
    given_answer = answer(b"GET", b"/a", {b"range": b"bytes=500-509,0-4"}, FILE, now=NOW, boundary=b"B")
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
    given_answer = answer(b"GET", b"/a", {b"range": header}, FILE, now=NOW)
    assert given_answer.status == status
    assert sum(isinstance(part, FileRange) for part in given_answer.body) <= 1


def test_more_parts_than_an_answer_may_have_get_the_whole():
    found = Representation(10_000_000, FILE.validators, b"text/plain")
    many = b",".join(b"%d-%d" % (n * 1000, n * 1000) for n in range(65))
    assert answer(b"GET", b"/a", {b"range": b"bytes=" + many}, found, now=NOW).status == 200
