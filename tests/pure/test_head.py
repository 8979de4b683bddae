"""Response heads: what h11 would have written, each shape only once."""

from http import HTTPStatus

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.answer import plan
from server.answer.conditions import Validators
from server.answer.found import Representation, Selection
from server.answer.phrases import phrase
from server.answer.plan import Answer, answer
from server.answer.rules import Rulebook
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
CONNECTIONS = [b"", b"close", b"keep-alive"]
FIELDS = st.lists(st.sampled_from(list(VALUES)), max_size=6, unique=True).flatmap(
    lambda names: st.tuples(*(st.tuples(st.just(name), VALUES[name]) for name in names))
)


def by_h11(status, fields, connection):
    extra = [(b"Connection", connection)] if connection else []
    response = h11.Response(
        status_code=status.value, reason=phrase(status), headers=[(b"Date", DATE), *fields, *extra]
    )
    return h11.Connection(h11.SERVER).send(response)


def written(status, fields, connection=b""):
    return Head(Answer(status, fields, ()), connection)


@given(st.sampled_from(STATUSES), FIELDS, st.sampled_from(CONNECTIONS))
def test_a_head_is_what_h11_would_have_written(status, fields, connection):
    expected = by_h11(status, fields, connection)
    assert written(status, fields, connection).dated(DATE) == expected


NO_RULES = Rulebook(()).treat(b"/", b"/")
REPRESENTATIONS = st.builds(
    Representation,
    st.integers(0, 10**15),
    st.builds(Validators, st.sampled_from([None, b'"a-1"', b'W/"b"']), st.sampled_from([None, 0, 784111777])),
    st.sampled_from([b"text/html; charset=utf-8", b"image/png"]),
    st.sampled_from([b"no-cache", b"max-age=0, must-revalidate"]),
)
SELECTIONS = st.builds(
    Selection,
    st.just(b"a"),
    REPRESENTATIONS,
    st.sampled_from([HTTPStatus.OK, HTTPStatus.NOT_FOUND]),
    vary=st.sampled_from([(), (b"Accept-Encoding",), (b"Sec-Fetch-Dest", b"Accept")]),
    fallback=st.booleans(),
) | st.builds(
    Selection, st.just(b"a"), REPRESENTATIONS, st.just(HTTPStatus.OK), st.just(b"br"), REPRESENTATIONS
)


@given(st.sampled_from([b"GET", b"HEAD"]), SELECTIONS, st.sampled_from(CONNECTIONS))
def test_so_is_that_of_a_file_which_is_filled_in(method, selected, connection):
    decided = answer(method, {}, selected, NO_RULES, 0)
    assert decided.form is not None
    assert Head(decided, connection).dated(DATE) == by_h11(decided.status, decided.headers, connection)


@given(SELECTIONS, SELECTIONS)
def test_no_form_is_taken_for_another(selected, other):
    def ask():
        return answer(b"GET", {}, selected, NO_RULES, 0)

    plan._forms.clear()
    expected = ask().headers
    plan._forms.clear()
    answer(b"GET", {}, other, NO_RULES, 0)
    assert ask().headers == expected


def test_h11_writes_files_that_are_alike_once():
    def of(size):
        found = Representation(size, Validators(b'"%d"' % size, size), b"text/only-here", b"no-cache")
        return answer(b"GET", {}, Selection(b"a", found), NO_RULES, 0)

    assert dict(of(7).headers)[b"ETag"] == b'"7"'
    assert b"Content-Length: 7\r\n" in Head(of(7)).dated(DATE)
    before = head._of_form.cache_info().misses
    assert b"Content-Length: 8\r\n" in Head(of(8)).dated(DATE)
    assert head._of_form.cache_info().misses == before


def test_forms_are_not_kept_without_end():
    for n in range(2 * plan.MOST_FORMS + 1):
        found = Representation(n, Validators(b'"a"', None), b"text/x-%d" % n, b"no-cache")
        decided = answer(b"GET", {}, Selection(b"a", found), NO_RULES, 0)
        assert (b"Content-Type", b"text/x-%d" % n) in decided.headers
        assert len(plan._forms) <= plan.MOST_FORMS


def test_it_is_dated_anew_when_the_date_is_another_one():
    plain = written(HTTPStatus.OK, ((b"Content-Length", b"5"),))
    assert b"Date: now" in plain.dated(b"now")
    assert b"Date: then" in plain.dated(b"then")


def test_h11_writes_a_shape_once():
    fields = ((b"X-Only-Here", b"a"), (b"Content-Length", b"5"))
    before = head._parts.cache_info().misses
    for number in range(10):
        written(HTTPStatus.OK, (*fields[:1], (b"Content-Length", b"%d" % number)))
    assert head._parts.cache_info().misses == before + 1


@pytest.mark.parametrize("value", [b"5\r\nX: y", b"5 ", b"", b"-1"])
def test_what_h11_refuses_is_refused(value):
    with pytest.raises(h11.LocalProtocolError):
        written(HTTPStatus.OK, ((b"Content-Length", value),))


def test_a_long_head_is_not_remembered():
    before = head._parts.cache_info().currsize
    long = b"x" * head.LONG_BYTES
    assert long in written(HTTPStatus.OK, ((b"X-Long", long), (b"X", b"y"))).dated(b"now")
    assert head._parts.cache_info().currsize == before
