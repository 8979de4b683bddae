"""Dates as HTTP writes them (RFC 9110 section 5.6.7)."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

DAYS = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")


def http_date(seconds: int) -> bytes:
    """An IMF-fixdate.

    >>> http_date(784111777)
    b'Sun, 06 Nov 1994 08:49:37 GMT'
    """
    t = datetime.fromtimestamp(seconds, UTC)
    return b"%s, %02d %s %04d %02d:%02d:%02d GMT" % (
        DAYS[t.weekday()], t.day, MONTHS[t.month - 1], t.year, t.hour, t.minute, t.second,
    )  # fmt: skip


def parse_date(value: bytes) -> int | None:
    """Seconds since the epoch, from any of the three forms; None if it is none of them."""
    if value.count(b",") > 1:
        return None  # two dates are none (RFC 9110 section 13.1.3)
    text = value.decode("latin-1")
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    if moment.tzinfo is None:
        if not text.rstrip().endswith(("GMT", "-0000")) and "," in text:
            return None
        moment = moment.replace(tzinfo=UTC)
    try:
        return int(moment.timestamp())
    except (ValueError, OverflowError):
        return None
