"""Which host is asked for, in Host or in an absolute-form (RFC 3986 section 3.2, RFC 9112 section 3.2)."""

import pytest

from server.wire.heads import Refusal, Request, verdict

GOOD = [
    # RFC 3986 section 3.2.2: a reg-name, which need not be a name of DNS
    (b"a.example", "a name"),
    (b"a_b.example", "unreserved: an underscore"),
    (b"a;b=c,(d)!", "sub-delims"),
    (b"", "a reg-name may be empty; RFC 9110 section 7.2: so is Host then"),
    (b"%41.example", "pct-encoded: a letter"),
    (b"%c3%bc.example", "pct-encoded: UTF-8"),
    (b"%00", "pct-encoded: any octet; it is no site's name"),
    (b"999.999.999.999", "not an IPv4 address, and so a reg-name"),
    # Section 3.2.2: IPv4address, IP-literal
    (b"192.0.2.1", "IPv4"),
    (b"192.0.2.1:80", "IPv4 with a port"),
    (b"[::1]", "IPv6"),
    (b"[::ffff:192.0.2.1]:443", "IPv6 with an IPv4 address at its end"),
    (b"[v1.a:b]", "IPvFuture"),
    # Section 3.2.3: port = *DIGIT. What it means is for whoever connects; a server has its own.
    (b"a.example:80", "a port"),
    (b"a.example:", "an empty port"),
    (b"[::1]:", "an empty port behind a literal"),
    (b"a.example:0", "port 0"),
    (b"a.example:65536", "more than TCP has"),
    (b"a.example:" + b"9" * 50, "more than any machine counts"),
]
BAD = [
    (b"%zz", "section 2.1: pct-encoded has hexadecimal digits"),
    (b"a%4", "section 2.1: two of them"),
    (b"a%", "section 2.1: two of them"),
    (b"[::g]", "section 3.2.2: g is no hexadecimal digit"),
    (b"[::1", "section 3.2.2: the bracket is not closed"),
    (b"[]", "section 3.2.2: nothing in the brackets"),
    (b"[v1.]", "section 3.2.2: IPvFuture has something behind the dot"),
    (b"[fe80::1%25eth0]", "RFC 9110 section 4.2: a zone means nothing to another machine"),
    (b"::1", "section 3.2.2: an IPv6 address is in brackets"),
    (b"[::1]a", "section 3.2: behind the bracket is only a port"),
    (b"a:b", "section 3.2.3: a port has only digits"),
    (b"a:-1", "section 3.2.3: a port has only digits"),
    (b"a:80:80", "section 3.2.3: there is only one port"),
    (b"\xc3\xbc.example", "section 3.2.2: only ASCII"),
    (b"u@a.example", "RFC 9110 section 4.2.4: no user information"),
    (b"a.example/", "section 3.2: the authority ends with a slash"),
    (b"a\\b", "section 3.2.2: a backslash is in no name"),
    (b'a"b', "section 3.2.2: a quotation mark is in no name"),
    (b"<a>", "section 3.2.2: brackets are in no name"),
]


@pytest.mark.parametrize(("host", "why"), GOOD)
def test_what_the_grammar_allows_is_a_host(host, why):
    judged = verdict(b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % host)
    assert isinstance(judged, Request), why
    assert judged.host == host


@pytest.mark.parametrize(("host", "why"), BAD)
def test_what_the_grammar_does_not_allow_is_refused(host, why):
    """RFC 9112 section 3.2: an invalid field value is a 400."""
    judged = verdict(b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % host)
    assert isinstance(judged, Refusal), why
    assert judged.status == 400


@pytest.mark.parametrize(("host", "why"), [case for case in GOOD if case[0]])
def test_what_is_a_host_is_one_in_absolute_form(host, why):
    judged = verdict(b"GET http://%b/x HTTP/1.1\r\nHost: b\r\n\r\n" % host)
    assert isinstance(judged, Request), why
    assert (judged.host, judged.target) == (host, b"/x")


@pytest.mark.parametrize(("host", "why"), [case for case in BAD if not {*b"/?"} & {*case[0]}])
def test_what_is_no_host_is_none_in_absolute_form(host, why):
    judged = verdict(b"GET http://%b/x HTTP/1.1\r\nHost: b\r\n\r\n" % host)
    assert isinstance(judged, Refusal), why
    assert judged.status == 400


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_an_expectation_of_1_0_says_nothing(method):
    """RFC 9110 section 10.1.1: a server must ignore it; section 15.2: no 1xx to such a client."""
    judged = verdict(b"%b / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n" % method)
    assert isinstance(judged, Request)
