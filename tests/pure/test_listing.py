"""The list of a directory: what asks for it, and that its HTML and its JSON say what lies there."""

import json
import re
from html.parser import HTMLParser
from itertools import product
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.answer.dates import parse_date
from server.answer.listing import (
    KEYS,
    MOST_CRUMBS,
    Order,
    order_of,
    render,
    wants_json,
)
from server.answer.listing_style import STYLE
from server.answer.target import path_of

BROWSER = b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
ORDERS = [Order(key, descending) for key, descending in product(KEYS, (False, True))]
NOON = 1_795_348_800  # 2026-11-22 12:00:00 UTC
NAMES = st.one_of(
    st.binary(min_size=1, max_size=255).map(lambda name: name.translate(None, b"/\0")),
    st.text(st.sampled_from("<>&\"'`:?#%./ \\\n\t;=ab-é文\u202e\ufffe"), min_size=1, max_size=40).map(
        lambda name: name.replace("/", "").encode()
    ),
).filter(lambda name: name not in (b"", b".", b".."))
NASTY = [
    b"a:b", b"javascript:alert(1)", b"http:", b"?x", b"#x", b"%2f", b"%2e%2e", b"%", b"...", b"\\\\host",
    b"..\\x", b" ", b" x ", b"\n", b"\t", b"a&amp;b", b"&lt", b"<bdi><a><script>alert(1)", b"\"onclick='x'",
    b"<!--", b"-->", b"]]>", b"caf\xe9", b"\xff\xfe", b"\xc0\xaf", b"\xed\xa0\x80", b"~", b"-", b"x;y=1",
    b"\x01\x1f\x7f", "文件".encode(), "קובץ.txt".encode(), "\u202efdp.exe".encode(), "\U0001f600".encode(),
]  # fmt: skip


class Page(HTMLParser):
    """A page as its tags, and its links with the text in each."""

    def __init__(self, data):
        super().__init__()
        self.tags, self.links, self.titles, self.text = [], [], [], ""
        self.feed(data.decode())
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, [name for name, _ in attributes]))
        attributes = dict(attributes)
        if tag == "a":
            self.links.append([attributes["href"], ""])
        if tag in ("td", "time"):
            self.titles.append(attributes.get("title", attributes.get("datetime")))

    def handle_endtag(self, tag):
        self.tags.append((tag, None))

    def handle_data(self, data):
        self.text += data
        if self.links:
            self.links[-1][1] += data

    def handle_comment(self, data):
        self.tags.append(("a comment", None))

    def names(self):
        """The links to what is in the directory."""
        return [href for href, _ in self.links if href.startswith("./") and href != "./"]


def html(*records, path=b"", count=None):
    count = len(records) if count is None else count
    return Page(b"".join(render(path, records, count, Order(), json=False)))


def parsed(*records, path=b""):
    return json.loads(b"".join(render(path, records, len(records), Order(), json=True)))


def file(name, size=0, mtime=NOON):
    return (name, False, size, mtime)


# --- what is asked for ---


@pytest.mark.parametrize(
    ("query", "order"),
    [
        (b"", Order("name", False)),
        (b"sort=size", Order("size", False)),
        (b"sort=time&order=desc", Order("time", True)),
        (b"order=desc&sort=time", Order("time", True)),
        (b"order=desc", Order("name", True)),
        (b"sort=size&order=up", Order("size", False)),
        (b"sort=size&sort=time", Order("size", False)),
        (b"sort=colour&order=desc", Order("name", True)),
        (b"xsort=size", Order()),
    ],
)
def test_an_order_is_read_from_the_query(query, order):
    assert order_of(query) == order


@pytest.mark.parametrize("query", [b"SORT=size", b"sort=Size", b"sort", b"=&=&&sort==size", b"sort=\xff\xfe"])
def test_what_is_no_order_is_by_name(query):
    assert order_of(query) == Order("name", False)


@given(st.lists(st.sampled_from([b"sort=", b"order=", b"size", b"desc", b"&", b"=", b"\xff"])), st.binary())
def test_whatever_the_query_is_there_are_six_orders(parts, more):
    assert order_of(b"".join(parts) + more) in ORDERS


@pytest.mark.parametrize(
    "accept",
    [
        b"application/json", b"application/*",
        b"Application/JSON",  # RFC 9110 section 8.3.1: types are case-insensitive
        # Weights, section 12.4.2.
        b"application/json;q=0.5, text/html;q=0.4", b"text/html;q=0.999 , application/json ; q=1.000",
        b"text/html;q=0, */*", b"text/html;q=0, application/*;q=0.1",
        # Section 12.5.1: the most exact range counts, whatever the weight of the others.
        b"text/*;q=0.9, text/html;q=0.1, application/json;q=0.2", b"text/*;q=0.1, */*;q=0.9",
        # What is named goes before what is not: as clients of an API ask.
        b"application/json, text/plain, */*", b"application/json, */*;q=0.5", b"application/*, */*",
        # A range with a parameter that is not ours is not of ours; what cannot be read says nothing.
        b"application/json;charset=utf-8", b'application/json; charset="UTF-8"; q=0.5, text/html;q=0.1',
        b"text/html;level=1, application/json;q=0.1", b"\xff\x00,,;;q=,application/json",
    ],
)  # fmt: skip
def test_json_is_for_who_prefers_it(accept):
    assert wants_json(accept) is True


@pytest.mark.parametrize(
    "accept",
    [
        None, b"", b"*/*", BROWSER, b"text/html", b"application/*, text/*", b"text/html, */*",
        b"text/plain", b"image/png, application/jsonp, application/json5",
        b"application/json;q=0.4, text/html;q=0.5", b"application/json;q=0.5, text/html;q=0.5",
        b"application/json;q=0", b"application/json;q=0, */*", b"application/json;q=0.000, text/html;q=0",
        b"*/*;q=1, application/json;q=0.2, text/html;q=0.3", b"application/*;q=0.1, */*;q=0.9",
        b"text/html;charset=utf-8, application/json;q=0.9", b"application/json;version=2",
        b"application/json;q=2", b"application/json;q=x", b"application /json", b"json",
    ],
)  # fmt: skip
def test_html_is_for_everybody_else(accept):
    assert wants_json(accept) is False


@given(st.binary())
def test_no_accept_field_is_too_strange(accept):
    assert wants_json(accept) in (True, False)


# --- names ---


def assert_leads_to(href, name, directory):
    for page in ("http://host/", "http://host/a/b%20c/?sort=size"):
        parts = urlsplit(urljoin(page, href))
        expected = unquote_to_bytes(urlsplit(page).path) + name + b"/" * directory
        assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("http", "host", "", "")
        assert unquote_to_bytes(parts.path) == expected
        assert b"/" + path_of(parts.path.encode()) == expected  # as we understand it ourselves


@given(NAMES, st.booleans())
def test_every_link_leads_to_the_name_that_it_is_of(name, directory):
    (href,) = html((name, directory, 0, NOON)).names()
    assert_leads_to(href, name, directory)
    (about,) = parsed((name, directory, 0, NOON))
    assert_leads_to(about["href"], name, directory)


@pytest.mark.parametrize("name", NASTY)
def test_a_link_holds_nothing_that_has_a_meaning_in_a_url_or_in_html(name):
    (href,) = html(file(name)).names()
    assert re.fullmatch(r"\./([A-Za-z0-9._~-]|%[0-9A-F]{2})+", href)
    assert_leads_to(href, name, False)


PLAIN = file(b"x")


@given(NAMES, st.booleans())
def test_no_name_breaks_out_of_its_place(name, directory):
    plain, strange = html((b"x", directory, 0, NOON)), html((name, directory, 0, NOON))
    assert strange.tags == plain.tags
    plain, strange = html(PLAIN, path=b"x/y/"), html(PLAIN, path=name + b"/" + name + b"/")
    assert strange.tags == plain.tags


@given(st.lists(st.tuples(NAMES, st.booleans(), st.integers(0, 2**64 - 1), st.integers(-(2**63), 2**63 - 1))))
def test_json_parses_and_says_everything(records):
    listed = parsed(*records)
    assert [entry["name"] for entry in listed] == [name.decode(errors="replace") for name, *_ in records]
    assert [entry["type"] for entry in listed] == ["directory" if record[1] else "file" for record in records]
    assert [entry.get("size") for entry in listed] == [None if r[1] else r[2] for r in records]
    for entry, (*_, mtime) in zip(listed, records, strict=True):
        assert set(entry) <= {"name", "type", "mtime", "href", "size"}
        if 0 <= mtime < 253_402_300_800:
            assert parse_date(entry["mtime"].encode(), NOON) == mtime


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"a b", "a b"),
        (b"a&amp;<b>\"'", "a&amp;<b>\"'"),
        ("文件".encode(), "文件"),
        (b"caf\xe9", "caf\ufffd"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"a\nb\x01\x7f", "a\ufffdb\ufffd\ufffd"),
        ("\x85\ufdd0\ufffe\U0010ffff".encode(), "\ufffd" * 4),
        ("\u202efdp.exe\u2066".encode(), "\ufffdfdp.exe\ufffd"),
        ("a\u3000b\u200d".encode(), "a\u3000b\u200d"),
    ],
)
def test_a_name_is_shown_as_it_is_or_with_replacement_characters(name, shown):
    page = html(file(name))
    assert page.links[-1][1].split("0 B")[0] == shown
    assert ("bdi", []) in page.tags
    assert html((name, True, 0, NOON)).links[-1][1].startswith(shown + "/")


# --- the other columns ---


@pytest.mark.parametrize(
    ("size", "shown", "exact"),
    [
        (0, "0 B", "0 bytes"),
        (1, "1 B", "1 byte"),
        (999, "999 B", "999 bytes"),
        (1000, "1.0 kB", "1,000 bytes"),
        (9_949, "9.9 kB", "9,949 bytes"),
        (9_951, "10 kB", "9,951 bytes"),
        (999_499, "999 kB", "999,499 bytes"),
        (999_500, "1.0 MB", "999,500 bytes"),
        (1_234_567, "1.2 MB", "1,234,567 bytes"),
        (2**30, "1.1 GB", "1,073,741,824 bytes"),
        (999_500_000_000_000, "1.0 PB", "999,500,000,000,000 bytes"),
        (2**64 - 1, "18 EB", "18,446,744,073,709,551,615 bytes"),
    ],
)
def test_a_size_is_for_people_and_its_title_is_exact(size, shown, exact):
    page = html(file(b"x", size))
    assert page.titles[0] == exact
    assert page.links[-1][1].startswith("x" + shown + "20")


@pytest.mark.parametrize(
    ("mtime", "machine", "shown"),
    [
        (0, "1970-01-01T00:00:00Z", "1970-01-01 00:00"),
        (-1, "1969-12-31T23:59:59Z", "1969-12-31 23:59"),
        (NOON + 59, "2026-11-22T12:00:59Z", "2026-11-22 12:00"),
        (253_402_300_799, "9999-12-31T23:59:59Z", "9999-12-31 23:59"),
        (2**63 - 1, "9999-12-31T23:59:59Z", "9999-12-31 23:59"),  # as far as both formats go
        (-(2**63), "0001-01-01T00:00:00Z", "0001-01-01 00:00"),
    ],
)
def test_a_time_is_utc_to_the_minute_and_exact_for_machines(mtime, machine, shown):
    page = html(file(b"x", mtime=mtime))
    assert page.titles[-1] == machine
    assert page.links[-1][1].strip() == "x0 B" + shown


def test_json_is_as_nginx_writes_it_with_a_link():
    assert parsed((b"a b", True, 4096, NOON), file(b"c", 5)) == [
        {"name": "a b", "type": "directory", "mtime": "Sun, 22 Nov 2026 12:00:00 GMT", "href": "./a%20b/"},
        {"name": "c", "type": "file", "mtime": "Sun, 22 Nov 2026 12:00:00 GMT", "href": "./c", "size": 5},
    ]
    assert parsed() == []


# --- what is around the rows ---


@pytest.mark.parametrize("path", [b"", b"a/", b"a/b c/", b"a/<&>/\xff/d/"])
def test_the_way_to_a_directory_is_links_to_those_above(path):
    page = html(PLAIN, path=path)
    depth, root = path.count(b"/"), "http://host/prefix/"
    targets = [urljoin(root + "x/" * depth, href) for href, _ in page.links[:depth]]
    assert targets == [root + "x/" * above for above in range(depth)]
    names = ["Index", *path.decode(errors="replace").split("/")[:-1]]
    lines = page.text.split("\n")
    assert " / ".join(names) in lines
    assert "/".join(["Index of ", *names[1:], ""]) in lines
    assert page.tags.count(("bdi", ["aria-current"])) == 1


def test_of_a_long_way_only_the_nearest_are_links():
    path = b"a/" * 2000
    data = b"".join(render(path, [], 0, Order(), json=False))
    crumbs = [href for href, _ in Page(data).links if set(href) == set("./")][:-1]
    assert crumbs == ["../" * 2000, *("../" * up for up in range(MOST_CRUMBS - 1, 0, -1))]
    assert "Index / … / a / a".encode() in re.sub(rb"<.*?>", b"", data)
    assert len(data) < 30_000


@pytest.mark.parametrize(("path", "times"), [(b"", 0), (b"a/", 1), (b"a/b/", 1)])
def test_the_directory_above_is_linked_to_except_from_the_root(path, times):
    texts = [text.strip() for href, text in html(PLAIN, path=path).links if href == "../"]
    assert texts.count("Parent directory") == times


@pytest.mark.parametrize(("count", "said"), [(0, "0 entries"), (1, "1 entry"), (123456, "123,456 entries")])
def test_it_says_how_many_there_are(count, said):
    page = html(*([PLAIN] * min(count, 3)), count=count)
    assert said in page.text.split("\n")
    assert ("There is nothing here." in page.text) is (count == 0)


@pytest.mark.parametrize("order", ORDERS)
def test_the_titles_of_columns_lead_to_the_other_orders(order):
    data = b"".join(render(b"a/", [PLAIN], 1, order, json=False)).decode()
    (titles,) = re.findall(r"<thead>.*?</thead>", data, re.DOTALL)
    states = re.findall(r'<th scope="col"(?: aria-sort="(\w+)")?>', titles)
    state = "descending" if order.descending else "ascending"
    assert states == [state if key == order.key else "" for key in KEYS]
    targets = [urlsplit(urljoin("http://host/a/?x", href)) for href, _ in Page(titles.encode()).links]
    assert {target.path for target in targets} == {"/a/"}
    assert [order_of(target.query.encode()) for target in targets] == [
        Order(key, not order.descending if key == order.key else key != "name") for key in KEYS
    ]
    assert [target.query for target in targets if order_of(target.query.encode()) == Order()] in ([], [""])


def test_it_works_without_script_and_asks_for_nothing_else():
    page = html(*(file(name) for name in NASTY), path=b"a/")
    assert {tag for tag, _ in page.tags} == {
        "html", "head", "meta", "title", "style", "body", "header", "nav", "h1", "i", "p", "main",
        "table", "thead", "tbody", "tr", "th", "td", "a", "bdi", "time", "span",
    }  # fmt: skip
    assert not re.search(r"url\(|@import|https?:", page.text.replace("http:", "", 1))  # a name is http:
    assert all(not name.startswith("on") for _, names in page.tags for name in names or ())


def colours(of_scheme):
    return {
        name: [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        for name, digits in re.findall(r"--(\w+): #(\w{6})", of_scheme)
    }


def luminance(colour):
    """As WCAG 2.2 defines it."""
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    return sum(part * share for part, share in zip(parts, (0.2126, 0.7152, 0.0722), strict=True))


@pytest.mark.parametrize("behind", ["paper", "raised"])
@pytest.mark.parametrize("text", ["ink", "soft", "water"])
@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_what_is_behind_it(dark, text, behind):
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    palette = colours(STYLE.split("@media (prefers-color-scheme: dark)")[dark])
    darker, brighter = sorted(luminance(palette[name]) for name in (text, behind))
    assert (brighter + 0.05) / (darker + 0.05) >= 4.5
