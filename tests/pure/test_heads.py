"""Heads of requests (RFC 9112 sections 2 to 6, RFC 9110 section 7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.wire.heads import (
    MOST_BYTES,
    MOST_FIELDS,
    MOST_LINE_BYTES,
    Refusal,
    Request,
    fault_of,
    verdict,
)

BYTES = st.one_of(
    st.binary(max_size=80), st.text("GET /:\r\n\t HTP1.0hostab\x00", max_size=80).map(str.encode)
)


def head(first: bytes = b"GET / HTTP/1.1", *fields: bytes, host: bytes = b"Host: a") -> bytes:
    return b"\r\n".join(line for line in (first, host, *fields) if line) + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("status", "why", "bytes_"),
    [
        # RFC 9112 section 2.2: how lines end
        (400, "bare LF ends a field", b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"),
        (400, "bare LF ends the request line", b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
        (400, "bare CR in a value", head(b"GET / HTTP/1.1", b"X: a\rb")),
        (400, "CR before CRLF", b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"),
        (400, "a space before the first field", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
        # Section 3: the request line
        (400, "no version", head(b"GET /")),
        (400, "two spaces", head(b"GET  / HTTP/1.1")),
        (400, "a space at its front", head(b" GET / HTTP/1.1")),
        (400, "a space at its end", head(b"GET / HTTP/1.1 ")),
        (400, "a version in small letters", head(b"GET / http/1.1")),
        (400, "a version with two digits", head(b"GET / HTTP/1.10")),
        (400, "a target that is not ASCII", head(b"GET /\xe9 HTTP/1.1")),
        (400, "a space in the target", head(b"GET /a b HTTP/1.1")),
        (400, "TLS", b"\x16\x03\x01\x02\x00\r\n\r\n"),
        (400, "nothing", b"\r\n\r\n"),
        # Section 2.3, and RFC 9110 section 2.5: versions
        (505, "HTTP/0.9", head(b"GET / HTTP/0.9")),
        (505, "HTTP/2.0", head(b"GET / HTTP/2.0")),
        (505, "the preface of HTTP/2", head(b"PRI * HTTP/2.0", host=b"")),
        # Section 3.2: the target
        (400, "a fragment", head(b"GET /#top HTTP/1.1")),
        (400, "a target without a slash", head(b"GET index.html HTTP/1.1")),
        (400, "asterisk-form for GET", head(b"GET * HTTP/1.1")),
        (400, "another scheme", head(b"GET ftp://a/ HTTP/1.1")),
        (400, "absolute-form without a host", head(b"GET http:///a HTTP/1.1")),
        (400, "absolute-form with user information", head(b"GET http://u:p@a/ HTTP/1.1")),
        (400, "absolute-form with a port alone, RFC 9110 section 4.2.1", head(b"GET http://:80/ HTTP/1.1")),
        (400, "absolute-form with a query alone", head(b"GET http://?b HTTP/1.1")),
        (400, "absolute-form with one slash", head(b"GET http:/a/b HTTP/1.1")),
        (400, "absolute-form with a fragment for a path", head(b"GET http://a#b HTTP/1.1")),
        (400, "absolute-form with a bad IP literal", head(b"GET http://[1]/ HTTP/1.1")),
        (400, "absolute-form with a fragment", head(b"GET http://a/#b HTTP/1.1")),
        (400, "authority-form for GET", head(b"GET a:80 HTTP/1.1")),
        (414, "a request line too long", head(b"GET /%b HTTP/1.1" % (b"a" * MOST_LINE_BYTES))),
        # Section 3.2: Host
        (400, "no Host", head(host=b"")),
        (400, "no Host with absolute-form", head(b"GET http://a/ HTTP/1.1", host=b"")),
        (400, "two Hosts", head(b"GET / HTTP/1.1", b"Host: b")),
        (400, "two Hosts that are alike", head(b"GET / HTTP/1.1", b"host: a")),
        (400, "a Host with a space", head(host=b"Host: a b")),
        (400, "a Host with user information", head(host=b"Host: u@a")),
        (400, "a Host with a path", head(host=b"Host: a/b")),
        (400, "a Host with a port that is none", head(host=b"Host: a:b")),
        (400, "a Host with a port alone", head(host=b"Host: :80")),
        (400, "a Host with an open IP literal", head(host=b"Host: [::1")),
        # RFC 3986 section 3.2.2: what is in brackets is an IPv6 address
        (400, "one group", head(host=b"Host: [1]")),
        (400, "three colons", head(host=b"Host: [:::]")),
        (400, "dots", head(host=b"Host: [...]")),
        (400, "five digits", head(host=b"Host: [12345::1]:80")),
        (400, "nine groups", head(host=b"Host: [1:2:3:4:5:6:7:8:9]")),
        (400, "a bad IPv4 address in it", head(host=b"Host: [::256.1.1.1]")),
        (400, "an IPv4 address", head(host=b"Host: [127.0.0.1]")),
        (400, "a zone", head(host=b"Host: [fe80::1%25eth0]")),
        (400, "an IPv6 address without brackets", head(host=b"Host: ::1")),
        (400, "no Host with 1.2, RFC 9110 section 2.5", head(b"GET / HTTP/1.2", host=b"")),
        (400, "a bad Host behind absolute-form", head(b"GET http://a/ HTTP/1.1", host=b"Host: a/b")),
        # Section 5: fields
        (400, "a space before the colon", head(host=b"Host : a")),
        (400, "a tab before the colon", head(b"GET / HTTP/1.1", b"X\t: y")),
        (400, "no colon", head(b"GET / HTTP/1.1", b"X")),
        (400, "no name", head(b"GET / HTTP/1.1", b": y")),
        (400, "a name that is no token", head(b"GET / HTTP/1.1", b"X(y): z")),
        (400, "a NUL", head(b"GET / HTTP/1.1", b"X: \0")),
        (400, "an escape", head(b"GET / HTTP/1.1", b"X: \x1b[0m")),
        (400, "a DEL", head(b"GET / HTTP/1.1", b"X: \x7f")),
        (400, "a vertical tab in the target", head(b"GET /\x0b HTTP/1.1")),
        (400, "a folded line, section 5.2", head(b"GET / HTTP/1.1", b"X: a", b" b")),
        (400, "a line folded by a tab", head(b"GET / HTTP/1.1", b"X: a", b"\tb")),
        (431, "too many fields", head(b"GET / HTTP/1.1", *[b"X: y"] * MOST_FIELDS)),
        # Section 6: bodies, and what could be taken for one
        (
            400,
            "both lengths, section 6.1",
            head(b"GET / HTTP/1.1", b"Content-Length: 0", b"Transfer-Encoding: chunked"),
        ),
        (
            400,
            "both lengths, for POST",
            head(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", b"Content-Length: 3"),
        ),
        (400, "two lengths", head(b"GET / HTTP/1.1", b"Content-Length: 0", b"Content-Length: 5")),
        (
            400,
            "two lengths that are alike",
            head(b"GET / HTTP/1.1", b"Content-Length: 0", b"content-length:0"),
        ),
        (400, "a list of lengths", head(b"GET / HTTP/1.1", b"Content-Length: 0, 0")),
        (400, "a length with a sign", head(b"GET / HTTP/1.1", b"Content-Length: +5")),
        (400, "a length below zero", head(b"GET / HTTP/1.1", b"Content-Length: -5")),
        (400, "a length with an underscore", head(b"GET / HTTP/1.1", b"Content-Length: 1_0")),
        (400, "no length", head(b"GET / HTTP/1.1", b"Content-Length:")),
        (400, "a length without end", head(b"GET / HTTP/1.1", b"Content-Length: " + b"9" * 40)),
        (400, "a coding on 1.0, section 6.1", head(b"GET / HTTP/1.0", b"Transfer-Encoding: chunked")),
        (501, "an unknown coding", head(b"GET / HTTP/1.1", b"Transfer-Encoding: gzip")),
        (501, "a coding that resembles chunked", head(b"GET / HTTP/1.1", b"Transfer-Encoding: xchunked")),
        (501, "chunked twice", head(b"GET / HTTP/1.1", b"Transfer-Encoding: chunked, chunked")),
        (
            501,
            "two codings",
            head(b"GET / HTTP/1.1", b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
        ),
        (413, "a body", head(b"GET / HTTP/1.1", b"Content-Length: 1")),
        (413, "a chunked body", head(b"GET / HTTP/1.1", b"Transfer-Encoding: chunked")),
        (
            413,
            "a body that waits to be asked for",
            head(b"GET / HTTP/1.1", b"Content-Length: 1", b"Expect: 100-continue"),
        ),
        (
            400,
            "both lengths, with 1.2",
            head(b"GET / HTTP/1.2", b"Content-Length: 0", b"Transfer-Encoding: chunked"),
        ),
        (413, "a body for HEAD", head(b"HEAD / HTTP/1.1", b"Content-Length: 1")),
        # RFC 9110 section 10.1.1
        (417, "an unknown expectation", head(b"GET / HTTP/1.1", b"Expect: tea")),
        (417, "a second expectation", head(b"GET / HTTP/1.1", b"Expect: 100-continue", b"Expect: tea")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_head_that_could_mean_two_things_is_refused(status, why, bytes_):
    judged = verdict(bytes_)
    assert isinstance(judged, Refusal), why
    assert judged.status == status, judged.why


@pytest.mark.parametrize(
    ("bytes_", "method", "target", "host"),
    [
        (head(), b"GET", b"/", b"a"),
        (head(b"HEAD /a?b=c HTTP/1.1"), b"HEAD", b"/a?b=c", b"a"),
        (head(b"OPTIONS * HTTP/1.1"), b"OPTIONS", b"*", b"a"),
        (head(b"get / HTTP/1.1"), b"get", b"/", b"a"),  # methods have case; it will be 501
        (head(b"GET http://b/c?d HTTP/1.1"), b"GET", b"/c?d", b"b"),  # section 3.2.2: Host is ignored
        (head(b"GET HTTP://B:80 HTTP/1.1"), b"GET", b"/", b"B:80"),
        (head(b"GET https://b HTTP/1.1"), b"GET", b"/", b"b"),
        (head(host=b"Host:"), b"GET", b"/", b""),
        (head(host=b"hOsT:\ta:8080 "), b"GET", b"/", b"a:8080"),
        (head(b"GET http://b?c=/d HTTP/1.1"), b"GET", b"/?c=/d", b"b"),  # RFC 9110 section 4.2.3
        (head(b"GET http://[::1]:80?c HTTP/1.1"), b"GET", b"/?c", b"[::1]:80"),
        (head(host=b"Host: [::1]:80"), b"GET", b"/", b"[::1]:80"),
        (head(host=b"Host: [2001:DB8::192.0.2.1]"), b"GET", b"/", b"[2001:DB8::192.0.2.1]"),
        (head(host=b"Host: [v1.a:b]:"), b"GET", b"/", b"[v1.a:b]:"),
        (head(b"GET / HTTP/1.2"), b"GET", b"/", b"a"),  # RFC 9110 section 2.5: as 1.1
        (head(b"GET / HTTP/1.9"), b"GET", b"/", b"a"),
        (head(b"GET / HTTP/1.0", host=b""), b"GET", b"/", b""),
        (head(b"GET / HTTP/1.1", b"Content-Length: 0"), b"GET", b"/", b"a"),
        (head(b"GET / HTTP/1.1", b"X: \xe9\t!"), b"GET", b"/", b"a"),
        (head(b"GET / HTTP/1.1", b"X:"), b"GET", b"/", b"a"),
        (head(b"GET / HTTP/1.1", b"Expect: 100-Continue"), b"GET", b"/", b"a"),
        (head(b"GET / HTTP/1.1", b"Expect:"), b"GET", b"/", b"a"),  # RFC 9110 section 10.1.1: a list
        (head(b"GET / HTTP/1.1", b"Expect: 100-continue,"), b"GET", b"/", b"a"),
        (head(b"GET / HTTP/1.1", b"Connection: upgrade", b"Upgrade: h2c"), b"GET", b"/", b"a"),
        (head(b"CONNECT a:443 HTTP/1.1"), b"CONNECT", b"a:443", b"a"),
        (head(b"POST / HTTP/1.1", b"Content-Length: 5"), b"POST", b"/", b"a"),  # refused for its method
        (head(b"GET / HTTP/1.1", *[b"X: y"] * (MOST_FIELDS - 1)), b"GET", b"/", b"a"),
        (
            head(b"GET /%b HTTP/1.1" % (b"a" * (MOST_LINE_BYTES - 14))),
            b"GET",
            b"/" + b"a" * (MOST_LINE_BYTES - 14),
            b"a",
        ),
    ],
)
def test_a_head_without_a_fault_is_a_request(bytes_, method, target, host):
    judged = verdict(bytes_)
    assert isinstance(judged, Request)
    assert (judged.method, judged.target, judged.host) == (method, target, host)


@pytest.mark.parametrize(
    "bytes_",
    [
        head(b"HEAD / HTTP/1.1", host=b""),
        head(b"HEAD / HTTP/1.1", b"X: \0"),
        head(b"HEAD / HTTP/1.1", b"Content-Length: 0", b"Content-Length: 0"),
        head(b"HEAD / HTTP/1.1", b"X: a", b" b"),
        head(b"HEAD / HTTP/2.0"),
        head(b"HEAD / http/1.1"),
        head(b"HEAD /%b HTTP/1.1" % (b"a" * MOST_LINE_BYTES)),
    ],
)
def test_whatever_is_wrong_with_a_head_that_asks_with_head_is_said_without_content(bytes_):
    """RFC 9110 section 9.3.2."""
    assert verdict(bytes_).method == b"HEAD"


@pytest.mark.parametrize(
    ("status", "bytes_"),
    [
        (400, b"GET /" + b"a" * (MOST_LINE_BYTES - 5) + b"\x01"),  # the first byte that is too many
        (414, b"GET /" + b"a" * (MOST_LINE_BYTES - 4) + b"\x01"),
        (414, b"GET /" + b"a" * (MOST_LINE_BYTES - 4) + b"\n"),
        (400, b"GET /" + b"a" * (MOST_LINE_BYTES - 5) + b"\n"),
        (None, b"GET /" + b"a" * (MOST_LINE_BYTES - 5) + b"\r"),
        (414, b"GET /" + b"a" * (MOST_LINE_BYTES - 5) + b"\r\r"),
        (400, b"GET / HTTP/1.1\r\nX: \x01".ljust(MOST_BYTES + 9, b"y")),
        (400, b"GET / HTTP/1.1\nX: ".ljust(MOST_BYTES + 9, b"y")),
        (431, b"GET / HTTP/1.1\r\nX: ".ljust(MOST_BYTES + 1, b"y") + b"\x01"),
        (400, b"GET / HTTP/1.1\r\nX: ".ljust(MOST_BYTES, b"y") + b"\x01"),
        (None, b"GET / HTTP/1.1\r\nX: ".ljust(MOST_BYTES, b"y") + b"\r\n\r"),
        (431, b"GET / HTTP/1.1\r\nX: ".ljust(MOST_BYTES, b"y") + b"\r\n\ra"),
    ],
)
def test_of_two_faults_the_first_decides_whole_or_not(status, bytes_):
    for rest in (b"", b"a", b" HTTP/1.1\r\nHost: a\r\n\r\n"):
        fault = fault_of(bytes_ + rest)
        if status is not None:
            assert fault is not None
            assert fault.status == status
        elif not rest:
            assert fault is None


def test_repeated_fields_are_one_list():
    """RFC 9110 section 5.3."""
    judged = verdict(head(b"GET / HTTP/1.1", b'If-None-Match: "a"', b'IF-NONE-MATCH: "b"'))
    assert judged.fields[b"if-none-match"] == b'"a", "b"'


@pytest.mark.parametrize(
    ("version", "connection", "keeps"),
    [
        # RFC 9112 section 9.3
        (b"1.1", b"", True),
        (b"1.1", b"Connection: close", False),
        (b"1.1", b"Connection: Close", False),
        (b"1.1", b"Connection: keep-alive", True),
        (b"1.1", b"Connection: foo, close", False),
        (b"1.1", b"Connection: keep-alive, close", False),
        (b"1.1", b"Connection: closed", True),
        (b"1.2", b"", True),  # RFC 9110 section 2.5
        (b"1.2", b"Connection: close", False),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: keep-alive", True),
        (b"1.0", b"Connection: Keep-Alive", True),
        (b"1.0", b"Connection: close", False),
        (b"1.0", b"Connection: keep-alive, close", False),
    ],
)
def test_a_connection_goes_on_if_both_can_know_that_it_does(version, connection, keeps):
    assert verdict(head(b"GET / HTTP/" + version, connection)).keep_alive is keeps


@given(BYTES)
def test_no_head_is_too_bad_to_be_judged(bytes_):
    assert isinstance(verdict(bytes_ + b"\r\n\r\n"), Request | Refusal)


@given(st.integers(0, 60), BYTES)
def test_a_verdict_is_a_function_of_the_bytes_alone(at, noise):
    """Whatever is spliced into a good head, asking twice gives the same."""
    good = head(b"GET /a HTTP/1.1", b"Connection: keep-alive", b"Accept: */*")
    spliced = good[: min(at, len(good) - 4)] + noise + good[min(at, len(good) - 4) :]
    assert verdict(spliced) == verdict(spliced)


@given(BYTES)
def test_what_is_accepted_has_one_host_at_most_and_no_body(noise):
    judged = verdict(b"GET / HTTP/1.1\r\nHost: a\r\n" + noise + b"\r\n\r\n")
    if isinstance(judged, Request):
        assert judged.method == b"GET"
        assert judged.host == b"a"
        assert judged.fields.get(b"content-length", b"0").strip(b"0") == b""
        assert b"transfer-encoding" not in judged.fields


def test_the_most_that_is_taken_is_what_others_take():
    """RFC 9112 section 3: at least 8000 octets of a request line."""
    assert MOST_LINE_BYTES >= 8000
    assert MOST_BYTES >= MOST_LINE_BYTES
