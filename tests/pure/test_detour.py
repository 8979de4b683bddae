"""Redirects and rewrites: where they lead, and which are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.answer.detour import BadDetour, make_detour
from server.answer.pattern import Pattern
from server.answer.rules import Rule, Rulebook
from server.answer.target import path_of


def leads(source: bytes, to: bytes, path: bytes, status: int = 301):
    pattern = Pattern.of_splat(source)
    book = Rulebook([Rule(pattern, "test", detour=make_detour(pattern, to, status, force=True))])
    found = book.detour(path, force=True)
    assert book.detour(path, force=False) is None
    return found and found[0]


@pytest.mark.parametrize(
    ("source", "to", "path", "expected"),
    [
        (b"/a", b"/b", b"/a", b"/b"),
        (b"/a", b"/b", b"/c", None),
        (b"/old/*", b"/new/:splat", b"/old/x/y", b"/new/x/y"),
        (b"/old/*", b"/new/:splat", b"/old", b"/new/"),
        (b"/:y/:m", b"/posts/:m-:y", b"/24/05", b"/posts/05-24"),
        (b"/a", b"https://example.org:8443/x?y=1#z", b"/a", b"https://example.org:8443/x?y=1#z"),
        (b"/a/*", b"https://example.org/:splat", b"/a/b c", b"https://example.org/b%20c"),
        (b"/a", "/café".encode(), b"/a", b"/caf%C3%A9"),
        (b"/talk", b"/wiki/Talk:page", b"/talk", b"/wiki/Talk:page"),
        # What is captured stays a part of the path.
        (b"/a/*", b"/b/:splat", b"/a/x?y#z", b"/b/x%3Fy%23z"),
        (b"/a/*", b"/b/:splat", b"/a/x\r\nSet-Cookie: y", b"/b/x%0D%0ASet-Cookie:%20y"),
        (b"/a/*", b"/b/:splat", b"/a/100%", b"/b/100%25"),
        # It never leads to another host.
        (b"/a/*", b"/:splat", b"/a//evil.example", b"/evil.example"),
        (b"/a/*", b"/:splat", b"/a/\\evil.example", b"/%5Cevil.example"),
        # Nor to itself.
        (b"/a/*", b"/a/b?v=1", b"/a/b", None),
        (b"/a/*", b"/a/b#c", b"/a/b", None),
        (b"/a", b"/a/?v=1", b"/a", b"/a/?v=1"),
        (b"/a/*", b"/a/b", b"/a/b", None),
        (b"/*", b"/en/:splat", b"/x", b"/en/x"),
        (b"/*", b"/en/:splat", b"/en/x", None),
    ],
)
def test_a_redirect_leads_to_the_filled_in_target(source, to, path, expected):
    assert leads(source, to, path) == expected


@pytest.mark.parametrize(
    ("source", "to", "path", "expected"),
    [
        (b"/app/*", b"/app/index.html", b"/app/x", b"/app/index.html"),
        (b"/app/*", b"/app/index.html", b"/app/index.html", None),
        (b"/i/*", b"/images/:splat", b"/i/a b?.png", b"/images/a b?.png"),  # a path, not a target
        (b"/i", b"/caf%C3%A9.html", b"/i", "/café.html".encode()),
    ],
)
def test_a_rewrite_leads_to_a_decoded_path(source, to, path, expected):
    assert leads(source, to, path, 200) == expected


@pytest.mark.parametrize(
    ("source", "to", "status"),
    [
        (b"/a", b"b", 301),
        (b"/a", b"", 301),
        (b"/a", b"//evil.example", 301),
        (b"/a", b"/\\evil.example", 301),
        (b"/a", b"ftp://example.org/", 301),
        (b"/a", b"https:///x", 301),
        (b"/a", b"https://user@example.org/", 301),
        (b"/a", b"/b c", 301),
        (b"/a", b"/b\r\nX: y", 301),
        (b"/go/:host", b"https://:host/x", 301),  # whoever asks does not choose the host
        (b"/*", b"https://example.org:splat", 301),
        (b"/*", b"https://:splat", 301),
        (b"/a", b"https://example.org/", 200),
        (b"/a", b"/b?c", 200),
        (b"/a", b"/b", 304),
        (b"/a", b"/b", 299),
        (b"/a", b"/b", 419),  # no status that is known
        (b"/a", b"/a", 301),
        (b"/a", b"/%61", 301),
        (b"/loop", b"/loop?v=1", 301),
        (b"/loop", b"/loop#there", 301),
        (b"/loop", b"/loop?v=1#there", 302),
        (b"/x/*", b"/x/:splat?v=1", 301),
        (b"/x/*", b"/x/:splat#there", 301),
        (b"/:a/:b", b"/:b/:a", 301),
        (b"/x/*", b"/x/:splat", 301),
        (b"/x", b"/y/:splat", 301),  # there is none
        (b"/:y", b"/:x", 301),
    ],
)
def test_what_cannot_be_a_detour_is_refused(source, to, status):
    with pytest.raises(BadDetour):
        make_detour(Pattern.of_splat(source), to, status, force=True)


def test_the_first_rule_that_matches_counts_whatever_its_form():
    rules = [
        Rule(
            Pattern.of_splat(source),
            "test",
            detour=make_detour(Pattern.of_splat(source), to, 301, force=False),
        )
        for source, to in ((b"/a/*", b"/one"), (b"/a/b", b"/two"), (b"/*", b"/three"), (b"/z", b"/four"))
    ]
    assert Rulebook(rules).detour(b"/a/b", force=False) == (b"/one", 301)
    assert Rulebook(rules[::-1]).detour(b"/a/b", force=False) == (b"/three", 301)
    assert Rulebook(rules[1:2] + rules[:1]).detour(b"/a/b", force=False) == (b"/two", 301)


ONWARD = make_detour(Pattern.of_splat(b"/a/*"), b"/:splat", 301, force=True)


@given(st.binary(max_size=30))
def test_whatever_is_captured_the_location_is_a_path_on_this_host(rest):
    location = ONWARD.target(b"/a/", {b"splat": rest})
    assert location is not None
    assert location.startswith(b"/")
    assert location[1:2] not in (b"/", b"\\")
    assert all(0x20 < byte < 0x7F for byte in location)


@given(st.lists(st.binary(min_size=1).filter(lambda name: not set(name) & set(b"/.\0")), max_size=4))
def test_what_is_captured_arrives_as_it_was(names):
    rest = b"/".join(names)
    location = ONWARD.target(b"/a/", {b"splat": rest})
    assert location is not None
    assert path_of(location) == rest
