"""Rules add up: what those that match a path say together."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.answer.detour import Detour
from server.answer.guard import Realm
from server.answer.pattern import Pattern
from server.answer.rules import Rule, Rulebook, check_header, check_removal

ALL = "/**"


def treat(*rules, path=b"/d/a.css", file_path=None):
    book = Rulebook([Rule(Pattern.of_glob(text), "test", **wishes) for text, wishes in rules])
    return book.treat(path, file_path or path)


def test_a_path_without_rules_is_left_alone():
    found = treat(("/other", {"download": True}))
    assert found.set_headers == found.add_headers == ()
    assert (found.cors, found.realm, found.bandwidth) == (None,) * 3
    assert found.download is False


def test_headers_of_several_rules_are_merged_by_name_and_the_later_value_counts():
    found = treat(
        (ALL, {"set_headers": ((b"X-A", b"1"), (b"X-B", b"1"))}),
        ("/d/", {"set_headers": ((b"x-a", b"2"),)}),
        ("*.css", {"add_headers": ((b"Link", b"<a>"),)}),
        ("*.js", {"set_headers": ((b"X-C", b"3"),)}),
        (ALL, {"add_headers": ((b"Link", b"<b>"),)}),
    )
    assert dict(found.set_headers) == {b"x-a": b"2", b"X-B": b"1"}
    assert found.add_headers == ((b"Link", b"<a>"), (b"Link", b"<b>"))


def test_a_header_is_removed_until_a_later_rule_sets_it_again():
    removed = (ALL, {"remove_headers": (b"x-a",)})
    then_set = ("/d/", {"set_headers": ((b"X-A", b"2"),)})
    first_set = (ALL, {"set_headers": ((b"X-A", b"1"),)})
    assert treat(first_set, removed).set_headers == ()
    assert treat(first_set, removed).remove_headers == {b"x-a"}
    assert treat(first_set, removed, then_set).set_headers == ((b"X-A", b"2"),)
    assert treat(first_set, removed, then_set).remove_headers == frozenset()


def test_headers_of_one_name_in_a_headers_file_make_one_field():
    found = treat(
        (ALL, {"join_headers": ((b"X-A", b"1"), (b"x-a", b"2"))}),
        ("/d/", {"join_headers": ((b"X-A", b"3"),)}),
    )
    assert [value for _, value in found.set_headers] == [b"1, 2, 3"]


PRESET = {"security": ((b"X-Frame-Options", b"DENY"), (b"Referrer-Policy", b"no-referrer"))}


def test_a_preset_gives_way_to_any_header_of_its_name_in_its_rule_and_in_later_ones():
    kept = (b"Referrer-Policy", b"no-referrer")
    words = {"set_headers": ((b"x-frame-options", b"SAMEORIGIN"),)}
    assert set(treat((ALL, PRESET | words)).set_headers) == {(b"x-frame-options", b"SAMEORIGIN"), kept}
    assert set(treat((ALL, PRESET), ("/d/", words)).set_headers) == {
        (b"x-frame-options", b"SAMEORIGIN"),
        kept,
    }
    added = (ALL, {"add_headers": ((b"X-Frame-Options", b"SAMEORIGIN"),)})
    assert treat((ALL, PRESET), added).set_headers == (kept,)


A, B = (b"X-A", b"1"), (b"x-a", b"2")
FRAMES, CACHED = (b"X-Frame-Options", b"DENY"), (b"Cache-Control", b"max-age=2")
LATER = [  # an earlier and a later rule; what is removed, set and added in the end
    ({"remove_headers": (b"x-frame-options",)}, PRESET, set(), {*PRESET["security"]}, ()),
    ({"set_headers": ((b"X-Frame-Options", b"X"),)}, PRESET, set(), {*PRESET["security"]}, ()),
    (PRESET, {"remove_headers": (b"x-frame-options",)}, {b"x-frame-options"}, {PRESET["security"][1]}, ()),
    ({"remove_headers": (b"cache-control",)}, {"cache_control": b"max-age=2"}, set(), {CACHED}, ()),
    ({"set_headers": ((b"Cache-Control", b"x"),)}, {"cache_control": b"max-age=2"}, set(), {CACHED}, ()),
    ({"cache_control": b"x"}, {"set_headers": (CACHED,)}, set(), {CACHED}, ()),
    ({"cache_control": b"x"}, {"remove_headers": (b"cache-control",)}, {b"cache-control"}, set(), ()),
    ({"add_headers": (A,)}, {"set_headers": (B,)}, set(), {B}, ()),
    ({"add_headers": (A,)}, {"remove_headers": (b"x-a",)}, {b"x-a"}, set(), ()),
    ({"remove_headers": (b"x-a",)}, {"add_headers": (A,)}, {b"x-a"}, set(), (A,)),
    ({"set_headers": (A,)}, {"add_headers": (B,)}, set(), {A}, (B,)),
    ({"remove_headers": (b"access-control-allow-origin",)}, {"cors": (b"*",)}, set(), set(), ()),
]


@pytest.mark.parametrize(("earlier", "later", "removed", "put", "added"), LATER)
def test_what_a_later_rule_says_of_a_header_beats_what_an_earlier_one_has_said(
    earlier, later, removed, put, added
):
    found = treat((ALL, earlier), ("/d/", later))
    assert (found.remove_headers, set(found.set_headers), found.add_headers) == (removed, put, added)


NAMED = {"set_headers": ((b"Content-Disposition", b"inline"),)}
SAVED = {"download": True}


@pytest.mark.parametrize(
    ("rules", "download"),
    [
        (((ALL, SAVED | NAMED),), False),
        (((ALL, SAVED), (ALL, NAMED)), False),
        (((ALL, NAMED), (ALL, SAVED)), True),
        (((ALL, SAVED), (ALL, {"remove_headers": (b"content-disposition",)})), False),
    ],
)
def test_a_content_disposition_in_words_beats_download_unless_that_comes_later(rules, download):
    assert treat(*rules).download is download


def test_who_is_kept_out_adds_up_and_who_is_let_in_is_said_anew():
    one, other = (ip_network("192.0.2.0/24"),), (ip_network("::1"),)
    assert treat((ALL, {"deny": one}), ("/d/", {"deny": other}), (ALL, {"deny": one})).deny == (*one, *other)
    assert treat((ALL, {"allow": one, "deny": one}), ("/d/", {"allow": other})).allow == other


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("cors", (b"*",), ()),
        ("realm", Realm("one", {b"a": b"x"}), Realm("other", {b"b": b"y"})),
        ("bandwidth", 1000, 2000),
        ("download", True, False),
        ("allow", (ip_network("192.0.2.0/24"),), (ip_network("::1"),)),
    ],
)
def test_where_only_one_value_can_hold_it_is_that_of_the_last_rule(name, one, other):
    assert getattr(treat((ALL, {name: one}), ("/d/", {name: other})), name) == other
    assert getattr(treat((ALL, {name: one}), ("/e/", {name: other})), name) == one


def test_pages_of_errors_are_merged_by_status():
    found = treat(
        (ALL, {"error_pages": {404: b"/a.html", 403: b"/b.html"}}),
        ("/d/", {"error_pages": {404: b"/c.html"}}),
    )
    assert found.error_pages == {404: b"/c.html", 403: b"/b.html"}


def test_a_rule_counts_for_what_was_asked_for_and_for_the_file_that_is_sent():
    realm = Realm("r", {b"a": b"x"})
    guarded = ("/private/", {"realm": realm})
    assert treat(guarded, path=b"/x", file_path=b"/private/x.html").realm is realm
    assert treat(guarded, path=b"/private/x", file_path=b"/x.html").realm is realm
    assert treat(guarded, path=b"/x", file_path=b"/x.html").realm is None


def test_it_is_known_when_no_rule_is_for_any_path():
    nothing = Rulebook([])
    assert nothing.treatment is nothing.treat(b"/a", b"/b")
    assert not nothing.leads
    some = Rulebook([Rule(Pattern.of_glob("/a"), "test", cache_control=b"no-store")])
    assert (some.treatment, some.leads) == (None, False)
    leading = Rulebook([Rule(Pattern.of_glob("/a"), "test", detour=Detour(b"/b", 301, False))])
    assert leading.treatment is leading.treat(b"/a", b"/a")
    assert leading.leads


def test_paths_for_which_the_same_rules_hold_are_treated_by_the_same_object():
    book = Rulebook([Rule(Pattern.of_glob("/a/"), "test", cache_control=b"no-store")])
    assert book.treat(b"/a/1", b"/a/1") is book.treat(b"/a/2", b"/a/2")
    assert book.treat(b"/b", b"/b") is not book.treat(b"/a/1", b"/a/1")


TEXTS = ["/a", "/a/b", "/a/", "/**", "*.x", "/:n/b", "/b", "/{a,b}/b", "/a*"]


@given(
    st.lists(st.sampled_from(TEXTS), max_size=8),
    st.sampled_from([b"/a", b"/a/b", b"/b/b", b"/b", b"/a/c.x", b"/", b"/ab"]),
)
def test_no_rule_is_overlooked_by_what_its_paths_begin_with(texts, path):
    """The index finds exactly those that match one by one, in their order."""
    rules = [
        Rule(Pattern.of_glob(text), "test", add_headers=((b"X", b"%d" % n),)) for n, text in enumerate(texts)
    ]
    expected = [b"%d" % n for n, rule in enumerate(rules) if rule.pattern.match(path) is not None]
    assert [value for _, value in Rulebook(rules).treat(path, path).add_headers] == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"", b"x"), (b"X Y", b"x"), (b"X:", b"x"), (b"X\r\nY", b"x"), (b"\xff", b"x"),
        (b"X", b"a\r\nY: b"), (b"X", b"a\0"), (b"X", b" a"), (b"X", b"a "), (b"X", b"a\x7f"),
        (b"Content-Length", b"5"), (b"transfer-encoding", b"chunked"), (b"Date", b"now"),
        (b"Connection", b"close"), (b"Content-Range", b"bytes */5"), (b"Content-Encoding", b"gzip"),
        (b"ETag", b'"x"'),
    ],
)  # fmt: skip
def test_what_would_break_a_message_is_no_header_of_a_rule(name, value):
    """RFC 9110 sections 5.1 and 5.5; what frames a message is the server's."""
    assert check_header(name, value)


@pytest.mark.parametrize("value", [b"", b"a", b"a b\tc", b'"x"; y', "ü".encode()])
def test_a_header_of_a_rule_may_have_any_other_value(value):
    assert check_header(b"X-Name", value) is None


@pytest.mark.parametrize("name", [b"", b"a b", b"Content-Length", b"date", b"Vary", b"\0"])
def test_what_an_answer_needs_cannot_be_removed(name):
    assert check_removal(name)


@pytest.mark.parametrize("name", [b"ETag", b"Last-Modified", b"X-Content-Type-Options", b"Server"])
def test_other_headers_can_be_removed(name):
    assert check_removal(name) is None
