"""The list of a directory, for people as HTML and for programs as JSON.

What it says of a directory it is given; here is only how that is asked for, and how it is written.
A link is relative and begins with `./`, and all but letters, digits, hyphens, dots, underscores
and tildes is encoded in it: so it names what lies there, whatever it is called, whatever a proxy
puts before the path. A name is shown with replacement characters for what is not UTF-8, what HTML
does not allow, and what would turn the direction of writing: `fdp.exe` shall not look like `exe.pdf`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from html import escape
from json import JSONEncoder
from typing import NamedTuple

from server.answer.dates import http_date
from server.answer.listing_style import STYLE
from server.answer.negotiation import weights_of

KEYS = ("name", "size", "time")
BODY_ROWS = 100  # in a body of the table; not so many that a browser would be long at laying one out
ROWS_AT_ONCE = 10  # in a piece; making one takes a thirtieth of a millisecond, on a slow machine a fifth
BYTES_AT_ONCE = 512  # of names in a piece: those that are long and strange take their time
MOST_CRUMBS = 16  # directories above that are linked to
UNITS = ("kB", "MB", "GB", "TB", "PB", "EB")
NO_SIZE = "\u2013"
EARLIEST, LATEST = -62_135_596_800, 253_402_300_799  # the years 1 and 9999, in seconds since the epoch
CHARSET = re.compile(rb';[ \t]*charset="?utf-8"?', re.IGNORECASE)  # a parameter that both our types fit

# HTML standard section 13.1.3: text has no control characters and no noncharacters. And those of
# Unicode's bidirectional algorithm (UAX #9 section 2) that overrule how text would run by itself.
NOT_TEXT = re.compile(
    "[\0-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
    + "]"
)

Described = tuple[bytes, bool, int, int]  # name, whether it is a directory, size, time of modification


class Order(NamedTuple):
    """By what a list is sorted: "name", "size" or "time"."""

    key: str = "name"
    descending: bool = False


def order_of(query: bytes) -> Order:
    """What `sort=name|size|time` and `order=asc|desc` ask for; the first of each counts, and
    what is none of these says nothing.

    >>> order_of(b"sort=size&order=desc")
    Order(key='size', descending=True)
    """
    asked: dict[bytes, bytes] = {}
    for parameter in query.split(b"&"):
        name, _, value = parameter.partition(b"=")
        asked.setdefault(name, value)
    key = asked.get(b"sort", b"").decode("latin-1")
    return Order(key if key in KEYS else KEYS[0], asked.get(b"order") == b"desc")


def wants_json(accept: bytes | None) -> bool:
    """Whether JSON is preferred to HTML (RFC 9110 section 12.5.1).

    At equal weight the one that is named more exactly is, and then HTML: `*/*` gets HTML, but
    `application/json, */*` does not. A range with a parameter that is not ours says nothing.
    """
    if accept is None:
        return False
    weights = weights_of(CHARSET.sub(b"", accept))
    json, html = (_weight(weights, *media) for media in ((b"application", b"json"), (b"text", b"html")))
    return json[0] > 0 and json > html


def _weight(weights: dict[bytes, float], kind: bytes, subtype: bytes) -> tuple[float, int]:
    """The weight of a media type and how exactly it is named; the most exact range counts."""
    for exactness, media_range in ((2, (kind, subtype)), (1, (kind, b"*")), (0, (b"*", b"*"))):
        weight = weights.get(b"/".join(media_range))
        if weight is not None:
            return weight, exactness
    return 0.0, 0


def render(
    path: bytes, records: Iterable[Described | None], count: int, order: Order, *, json: bool
) -> Iterator[bytes]:
    """The list of the directory `path`, which is decoded, has no leading slash, and is empty or
    ends in one; in pieces of at most ROWS_AT_ONCE of the records, in their order. Those that are
    None are not shown; there may be so many of them that a piece is empty. `count` is of the rest."""
    return _json(records) if json else _html(path, records, count, order)


def _json(records: Iterable[Described | None]) -> Iterator[bytes]:
    yield b"[\n"
    lead = ""
    for rows in _batches(records, _json_row):
        yield (lead + ",\n".join(rows)).encode() if rows else b""
        lead = ",\n" if rows else lead
    yield b"\n]\n"


def _html(path: bytes, records: Iterable[Described | None], count: int, order: Order) -> Iterator[bytes]:
    """BODY_ROWS or a few more are a body of the table: browsers lay out only those that can be seen."""
    yield _head(path, count, order).encode()
    in_body = 0
    for rows in _batches(records, _html_row):
        lead = "<tbody>\n" if rows and not in_body else ""
        yield (lead + "".join(rows)).encode()
        in_body += len(rows)
        if in_body >= BODY_ROWS:
            in_body = 0
    yield TAIL


def _batches(records: Iterable[Described | None], write: Callable[[Described], str]) -> Iterator[list[str]]:
    rows: list[str] = []
    taken = size = 0
    for record in records:
        taken += 1
        if record is not None:
            rows.append(write(record))
            size += len(record[0])
        if taken == ROWS_AT_ONCE or size >= BYTES_AT_ONCE:
            yield rows
            rows, taken, size = [], 0, 0
    if rows:
        yield rows


# --- a row ---


def _json_row(record: Described) -> str:
    """As nginx writes it, and an `href`, because a name need not be UTF-8."""
    name, directory, size, mtime = record
    about: dict[str, str | int] = {
        "name": name.decode(errors="replace"),
        "type": "directory" if directory else "file",
        "mtime": http_date(_representable(mtime)).decode(),
        "href": _href(name, directory),
    }
    if not directory:
        about["size"] = size
    return _written(about)


_written = JSONEncoder(ensure_ascii=False).encode


def _html_row(record: Described) -> str:
    name, directory, size, mtime = record
    link = f'<tr><th><a href="{_href(name, directory)}"><bdi>{_shown(name)}{"/" * directory}</bdi></a>'
    moment = datetime.fromtimestamp(_representable(mtime), UTC).isoformat()
    time = f"<td><time datetime={moment[:19]}Z>{moment[:10]}<span> {moment[11:16]}</span></time>\n"
    if directory:
        return f"{link}<td>{NO_SIZE}{time}"
    return f'{link}<td title="{size:,} byte{"s" * (size != 1)}">{_for_people(size)}{time}'


def _href(name: bytes, directory: bool) -> str:
    return f"./{''.join([_ENCODED[byte] for byte in name])}{'/' * directory}"


# RFC 3986 section 2.3: the rest could mean something.
_UNRESERVED = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
_ENCODED = [chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in range(256)]


def _shown(name: bytes) -> str:
    text = name.decode(errors="replace")
    return escape(text if text.isprintable() else NOT_TEXT.sub("\ufffd", text))


def _for_people(size: int) -> str:
    """
    >>> _for_people(1_234_567)
    '1.2 MB'
    """
    if size < 1000:
        return f"{size} B"
    amount, units = size / 1000, iter(UNITS)
    unit = next(units)
    while amount >= 999.5:
        amount, unit = amount / 1000, next(units)
    return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:.0f} {unit}"


def _representable(mtime: int) -> int:
    """File systems know years that neither dates of HTTP nor those of HTML can be of."""
    return min(max(mtime, EARLIEST), LATEST)


# --- what is above the rows, and beneath ---

HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Index of {title}</title>
<style>
{style}</style>
</head>
<body>
<header>
<nav aria-label="Breadcrumb"><h1>{crumbs}</h1></nav>
<p>{count}</p>
</header>
<main>
<table>
<thead><tr>{columns}</tr></thead>
{parent}"""
# A crawler need not fetch the same names in six orders.
COLUMN = '<th scope="col"{sorted}><a href="{href}" rel="nofollow">{title}</a></th>'
PARENT = '<tbody><tr><th><a href="../">Parent directory</a><td><td>\n'
EMPTY = '<tbody><tr><td colspan="3">There is nothing here.\n'
TAIL = b"""\
</table>
</main>
</body>
</html>
"""
TITLES = {"name": "Name", "size": "Size", "time": "Modified <span>(UTC)</span>"}


def _head(path: bytes, count: int, order: Order) -> str:
    return HEAD.format(
        title=_shown(b"/" + path),
        style=STYLE,
        crumbs=_crumbs(path),
        count="1 entry" if count == 1 else f"{count:,} entries",
        columns="".join(_column(key, order) for key in KEYS),
        parent=(PARENT if path else "") + ("" if count else EMPTY),
    )


def _crumbs(path: bytes) -> str:
    """The way from the root, each directory a link but the last, which is this one."""
    names = path.split(b"/")[:-1]
    shown = [("Index", len(names))]
    if len(names) > MOST_CRUMBS:
        shown.append(("…", 0))
    nearest = names[-MOST_CRUMBS:]
    shown += [(_shown(name), len(nearest) - n) for n, name in enumerate(nearest, 1)]
    crumbs = [f'<a href="{"../" * up}"><bdi>{name}</bdi></a>' if up else name for name, up in shown[:-1]]
    return " <i>/</i> ".join([*crumbs, f'<bdi aria-current="page">{shown[-1][0]}</bdi>'])


def _column(key: str, order: Order) -> str:
    """Its link sorts by it; once it is sorted by it, the other way round. The largest and the
    newest come first, as that is what one looks for."""
    current = key == order.key
    descending = not order.descending if current else key != "name"
    state = "descending" if order.descending else "ascending"
    target = Order(key, descending)
    href = f"?sort={key}&amp;order={'desc' if descending else 'asc'}"
    return COLUMN.format(
        sorted=f' aria-sort="{state}"' if current else "",
        href="./" if target == Order() else href,
        title=TITLES[key],
    )
