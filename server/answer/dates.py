"""Dates as HTTP writes them (RFC 9110 section 5.6.7)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

DAYS: Final = tuple(b"Mon Tue Wed Thu Fri Sat Sun".split())
MONTHS: Final = tuple(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())
MONTH: Final = rb"(?P<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
TIME: Final = rb"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
SHORT: Final = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
LONG: Final = rb"(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
FORMS: Final = (
    re.compile(SHORT + rb", (?P<day>\d\d) " + MONTH + rb" (?P<year>\d{4}) " + TIME + rb" GMT"),
    re.compile(LONG + rb", (?P<day>\d\d)-" + MONTH + rb"-(?P<year>\d\d) " + TIME + rb" GMT"),  # RFC 850
    re.compile(SHORT + rb" " + MONTH + rb" (?P<day>\d\d| \d) " + TIME + rb" (?P<year>\d{4})"),  # asctime
)
HALF_A_CENTURY: Final = 50  # years
MOST_DATES: Final = 1024  # that are known in writing: the files of a site have few, and now is one


@lru_cache(MOST_DATES)
def http_date(seconds: int) -> bytes:
    """An IMF-fixdate.

    >>> http_date(784111777)
    b'Sun, 06 Nov 1994 08:49:37 GMT'
    """
    t = datetime.fromtimestamp(seconds, UTC)
    return b"%s, %02d %s %04d %02d:%02d:%02d GMT" % (
        DAYS[t.weekday()], t.day, MONTHS[t.month - 1], t.year, t.hour, t.minute, t.second,
    )  # fmt: skip


def parse_date(value: bytes, now: int) -> int | None:
    """Seconds since the epoch, from any of the three forms; None if it is none of them. Two digits
    of a year are of the century before if the moment would be more than 50 years after `now`."""
    for form in FORMS:
        if match := form.fullmatch(value):
            return _seconds(match, now)
    return None


def _seconds(match: re.Match[bytes], now: int) -> int | None:
    year, day = int(match["year"]), int(match["day"])
    month = MONTHS.index(match["month"]) + 1
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"])
    if len(match["year"]) == 2:
        this_year, *others = datetime.fromtimestamp(now, UTC).timetuple()[:6]
        year += this_year - this_year % 100
        if (year, month, day, hour, minute, second) > (this_year + HALF_A_CENTURY, *others):
            year -= 100
    leap = second == 60  # the second before the next minute
    try:
        moment = datetime(year, month, day, hour, minute, second - leap, tzinfo=UTC) + timedelta(seconds=leap)
    except (ValueError, OverflowError):
        return None
    return int(moment.timestamp())
