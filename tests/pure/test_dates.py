"""Dates (RFC 9110 section 5.6.7)."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.answer.dates import http_date, parse_date

SOUND_AND_FURY = 784111777  # Sun, 06 Nov 1994 08:49:37 GMT, the date of the RFC
NOW = 1795404988  # in 2026
LAST = 253402300799  # Fri, 31 Dec 9999 23:59:59 GMT


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"Sun, 06 Nov 1994 08:49:37 GMT", SOUND_AND_FURY),
        (b"Sunday, 06-Nov-94 08:49:37 GMT", SOUND_AND_FURY),
        (b"Sun Nov  6 08:49:37 1994", SOUND_AND_FURY),
        (b"Thu, 01 Jan 1970 00:00:00 GMT", 0),
        (b"Thu Jan  1 00:00:00 1970", 0),
        (b"Thursday, 29-Feb-24 12:00:00 GMT", 1709208000),
        (b"Tue, 19 Jan 2038 03:14:08 GMT", 1 << 31),
        (b"Fri, 31 Dec 9999 23:59:59 GMT", LAST),
    ],
)
def test_a_date_is_understood_in_all_three_forms(text, seconds):
    assert parse_date(text, NOW) == seconds


@pytest.mark.parametrize(
    "text",
    [
        b"", b"0", b"now", b"-1", b"784111777", b"1994-11-06T08:49:37Z", b"Sun", b"Sun, 06 Nov 1994",
        b"Sun, 06 Nov 1994 08:49:37", b"Sun, 32 Nov 1994 08:49:37 GMT", b"Sun, 06 Nov 1994 24:49:37 GMT",
        b"Sun, 06 Nov 1994 08:60:37 GMT", b"Sun, 30 Feb 1994 08:49:37 GMT", b"Sun, 06 Foo 1994 08:49:37 GMT",
        b"Sun, 06 Nov 99999999999999999999 08:49:37 GMT", b"Sun, 06 Nov 1994 08:49:37 \xff\xfe",
        b"sun, 06 Nov 1994 08:49:37 GMT", b"Sun, 6 Nov 1994 08:49:37 GMT", b"Sun, 06 Nov 1994 08:49:37 +0000",
        b"Sun, 06 Nov 94 08:49:37 GMT", b"Sunday, 06-Nov-1994 08:49:37 GMT", b"Sun Nov 06 08:49:37 1994 GMT",
        b" Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sun,  06 Nov 1994 08:49:37 GMT", b"Sun, 06 Nov 1994 08:49:61 GMT",
        b"Thursday, 29-Feb-23 12:00:00 GMT", b"Mon, 01 Jan 0000 00:00:00 GMT",
        b"\xff" * 40, b",,,,",        b'"3a-5"',
    ],
)  # fmt: skip
def test_what_is_no_date_is_none(text):
    assert parse_date(text, NOW) is None


def test_two_dates_are_no_date():
    """RFC 9110 section 13.1.3: a field with more than one member is to be ignored."""
    assert parse_date(b"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", NOW) is None


@pytest.mark.parametrize(
    ("year", "full"),
    [(b"26", 2026), (b"70", 2070), (b"76", 2076), (b"77", 1977), (b"94", 1994), (b"00", 2000)],
)
def test_two_digits_of_a_year_are_never_more_than_fifty_years_ahead(year, full):
    """RFC 9110 section 5.6.7."""
    long = parse_date(b"Monday, 05-Jul-%b 12:00:00 GMT" % year, NOW)
    assert long == parse_date(b"Mon, 05 Jul %d 12:00:00 GMT" % full, NOW)


@pytest.mark.parametrize(
    ("moment", "full"),
    [
        (b"23-Nov-76 03:36:28", 2076),  # fifty years after NOW, to the second
        (b"23-Nov-76 03:36:29", 1976),
        (b"23-Nov-76 03:37:00", 1976),
        (b"22-Nov-76 23:59:59", 2076),
        (b"24-Nov-76 00:00:00", 1976),
        (b"01-Dec-76 00:00:00", 1976),
        (b"31-Oct-76 23:59:59", 2076),
    ],
)
def test_fifty_years_are_counted_to_the_second(moment, full):
    """RFC 9110 section 5.6.7: a timestamp that appears to be more than 50 years in the future."""
    assert http_date(NOW) == b"Mon, 23 Nov 2026 03:36:28 GMT"
    assert http_date(parse_date(b"Monday, %b GMT" % moment, NOW)) == http_date(
        parse_date(b"Mon, %b %d %b GMT" % (moment[:6].replace(b"-", b" "), full, moment[10:]), NOW)
    )


def test_a_leap_second_is_the_second_before_the_next_minute():
    assert parse_date(b"Fri, 30 Jun 2012 23:59:60 GMT", NOW) == parse_date(
        b"Sun, 01 Jul 2012 00:00:00 GMT", NOW
    )


@given(st.integers(0, LAST))
def test_a_date_that_was_written_reads_as_it_was(seconds):
    text = http_date(seconds)
    assert len(text) == len(b"Sun, 06 Nov 1994 08:49:37 GMT")
    assert parse_date(text, NOW) == seconds


LONG_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@given(st.integers(0, LAST))
def test_a_date_of_asctime_reads_as_it_was_written(seconds):
    """RFC 9110 section 5.6.7: the day of the month is padded with a blank."""
    then = datetime.fromtimestamp(seconds, UTC)
    assert parse_date(then.ctime().encode(), NOW) == seconds


@given(st.integers(2000, 2049), st.data())
def test_a_date_of_rfc_850_reads_as_it_was_written(year, data):
    """RFC 9110 section 5.6.7: as long as it is no more than 50 years ahead, and no 50 years ago."""
    now = int(datetime(year, 7, 1, tzinfo=UTC).timestamp())
    first, last = datetime(year - 50, 7, 1, 0, 0, 1), datetime(year + 50, 7, 1)
    then = data.draw(st.datetimes(first, last, timezones=st.just(UTC))).replace(microsecond=0)
    text = f"{LONG_DAYS[then.weekday()]}, {then:%d-%b-%y %H:%M:%S} GMT"
    assert parse_date(text.encode(), now) == int(then.timestamp())


@given(st.binary())
def test_no_bytes_are_too_bad_to_be_judged(text):
    assert parse_date(text, NOW) is None or isinstance(parse_date(text, NOW), int)
