"""Response heads: what h11 would have written, each shape only once."""

from http import HTTPStatus

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.answer.phrases import phrase
from server.wire import head
from server.wire.head import Head

DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"
STATUSES = [HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.NOT_MODIFIED, HTTPStatus.NOT_FOUND]
VALUES = {
    b"Content-Length": st.integers(0, 10**15).map(lambda number: b"%d" % number),
    b"ETag": st.sampled_from(
        [b'"a"', b'W/"b"', b'""', b'"?etag?"', b'"Date: ?date?"', b'"\xe9"', b'"a\tb"', b""]
    ),
    b"Last-Modified": st.sampled_from([DATE, b"Mon, 07 Nov 1994 08:49:37 GMT", b"?modified?"]),
    b"Content-Range": st.sampled_from([b"bytes 0-1/2", b"bytes */5"]),
    b"Content-Type": st.sampled_from([b"text/html", b"?date?", b"image/png"]),
    b"X-Own": st.from_regex(rb"[!-~]([ -~]{0,20}[!-~])?", fullmatch=True),
}
FIELDS = st.lists(st.sampled_from(list(VALUES)), max_size=6, unique=True).flatmap(
    lambda names: st.tuples(*(st.tuples(st.just(name), VALUES[name]) for name in names))
)


def by_h11(status, fields, connection):
    extra = [(b"Connection", connection)] if connection else []
    response = h11.Response(
        status_code=status.value, reason=phrase(status), headers=[(b"Date", DATE), *fields, *extra]
    )
    return h11.Connection(h11.SERVER).send(response)


@given(st.sampled_from(STATUSES), FIELDS, st.sampled_from([b"", b"close", b"keep-alive"]))
def test_a_head_is_what_h11_would_have_written(status, fields, connection):
    expected = by_h11(status, fields, connection)
    assert Head(status, fields, connection).dated(DATE) == expected


def test_it_is_dated_anew_when_the_date_is_another_one():
    written = Head(HTTPStatus.OK, ((b"Content-Length", b"5"),))
    assert b"Date: now" in written.dated(b"now")
    assert b"Date: then" in written.dated(b"then")


def test_h11_writes_a_shape_once():
    fields = ((b"X-Only-Here", b"a"), (b"Content-Length", b"5"))
    before = head._parts.cache_info().misses
    for number in range(10):
        Head(HTTPStatus.OK, (*fields[:1], (b"Content-Length", b"%d" % number)))
    assert head._parts.cache_info().misses == before + 1


@pytest.mark.parametrize("value", [b"5\r\nX: y", b"5 ", b"", b"-1"])
def test_what_h11_refuses_is_refused(value):
    with pytest.raises(h11.LocalProtocolError):
        Head(HTTPStatus.OK, ((b"Content-Length", value),))


def test_a_long_head_is_not_remembered():
    before = head._parts.cache_info().currsize
    long = b"x" * head.LONG_BYTES
    written = Head(HTTPStatus.OK, ((b"X-Long", long), (b"X", b"y")))
    assert long in written.dated(b"now")
    assert head._parts.cache_info().currsize == before
