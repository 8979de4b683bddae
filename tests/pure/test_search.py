"""Where is looked for what a path names, and what is made of what is found there."""

from http import HTTPStatus
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.answer.conditions import Validators
from server.answer.found import Directory, Inventory, Missing, Redirect, Representation, Selection
from server.answer.listing import order_of
from server.answer.search import Habits, failure, hidden, search
from server.answer.target import BadTarget, path_of
from server.answer.wishes import Wishes

NAVIGATION = {b"sec-fetch-dest": b"document"}
ASSET = {b"sec-fetch-dest": b"script"}
OLD_BROWSER = {b"accept": b"text/html,application/xhtml+xml,*/*;q=0.8"}
CURL = {b"accept": b"*/*"}


def file(*codings: bytes) -> Representation:
    return Representation(10, Validators(b'"x"', None), b"text/html", b"no-cache", codings)


FILE = file()
FORBIDDEN = Missing(HTTPStatus.FORBIDDEN)
SITE = {
    b"index.html": FILE,
    b"about.html": FILE,
    b"both": Directory(),
    b"both.html": FILE,
    b"docs": Directory(),
    b"docs/index.html": FILE,
    b"docs/404.html": FILE,
    b"docs/deep": Directory(),
    b"docs/deep/page.html": FILE,
    b"bare": Directory(),
    b"bare.d": Directory(),
    b"odd": Directory(),
    b"odd/index.html": Directory(),
    b"404.html": FILE,
    b"secret": FORBIDDEN,
    b"app.js": file(b"br", b"gzip"),
    b"app.js.br": FILE,
    b"lone.js": file(b"zstd"),  # whose sidecar has gone meanwhile
    b"a b?": Directory(),
}


class Rules:
    """Detours by path and whether they are forced; error pages by status."""

    def __init__(self, detours=(), pages=()):
        self.detours = dict(detours)
        self.pages = dict(pages)

    @property
    def leads(self):
        return self.detours != {}

    def detour(self, path, *, force):
        return self.detours.get((path, force))

    def error_page(self, path, status):
        return self.pages.get(status)


def drive(steps, site=SITE):
    """The result, and the places that were looked at."""
    asked = []
    step = next(steps)
    while isinstance(step, bytes | Inventory):
        asked.append(step)
        step = steps.send(site.get(step, Missing(HTTPStatus.NOT_FOUND)))
    return step, asked


def find(target, fields=(), habits=None, rules=None, site=SITE):
    steps = search(path_of(target), target, Wishes.of(dict(fields)), habits or Habits(), rules or Rules())
    return drive(steps, site)[0]


@pytest.mark.parametrize(
    ("target", "place"),
    [
        (b"/", b"index.html"),
        (b"/index.html", b"index.html"),
        (b"/about", b"about.html"),
        (b"/about.html", b"about.html"),
        (b"/both", b"both.html"),  # as Next exports it: the page beside its directory
        (b"/docs/", b"docs/index.html"),
        (b"/docs/deep/page", b"docs/deep/page.html"),
        (b"/docs/index", b"docs/index.html"),
    ],
)
def test_a_path_leads_to_its_file_its_page_or_its_index(target, place):
    found = find(target)
    assert (found.status, found.sent) == (200, (place, SITE[place]))


@pytest.mark.parametrize(
    ("target", "location"),
    [
        (b"/docs", b"./docs/"),
        (b"/docs?q=1&r", b"./docs/?q=1&r"),
        (b"/docs/deep", b"./deep/"),
        # RFC 3986 section 5.2: not relative to what is not the path that was meant
        (b"//docs/deep", b"/docs/deep/"),
        (b"/docs//deep", b"/docs/deep/"),
        (b"/docs%2Fdeep", b"/docs/deep/"),
        (b"/docs%2F%2Fdeep", b"/docs/deep/"),
        (b"/./docs", b"/docs/"),
        (b"/about/../docs?q", b"/docs/?q"),
        (b"/x//../docs", b"/docs/"),
        (b"/x/%2E%2e/docs", b"/docs/"),
        (b"/x%2f..%2fdocs", b"/docs/"),
        (b"/do%63s", b"./docs/"),
        (b"/about//", b"/about"),
        (b"//about//", b"/about"),
        (b"//about/", b"/about"),
        (b"/about/%2e/", b"/about"),
        (b"/about/.", b"/about"),
        (b"/about%2F?x", b"/about?x"),
        (b"/docs/deep/page%2F", b"/docs/deep/page"),
        (b"/docs%2Fdeep/page/", b"../page"),
        (b"/a%20b%3F", b"./a%20b%3F/"),
        (b"/about/", b"../about"),
        (b"/docs/deep/page/?x", b"../page?x"),
        (b"/x/../about/", b"/about"),
        (b"/docs/deep%2Fpage/", b"/docs/deep/page"),
        (b"/about/.?x", b"/about?x"),
        (b"/docs%2Fdeep?x", b"/docs/deep/?x"),
    ],
)
def test_a_directory_gets_its_slash_and_a_page_loses_it_by_a_relative_redirect(target, location):
    found = find(target)
    assert found == Redirect(location, HTTPStatus.MOVED_PERMANENTLY)
    for prefix in (b"",) if location.startswith(b"/") else (b"", b"/behind/a/proxy"):
        base = b"http://host" + prefix + target
        to = urlsplit(urljoin(base.decode(), location.decode()))
        assert path_of(to.path.encode()).rstrip(b"/") == path_of(prefix + target).rstrip(b"/")


@given(st.text(alphabet="/\\.%2fa:@?", max_size=12))
def test_a_redirect_never_names_another_host(rest):
    """As browsers read it: a backslash is a slash to them (WHATWG URL, relative slash state)."""
    target = b"/" + rest.encode()

    class Everywhere(dict):
        def get(self, place, default=None):
            return Missing(HTTPStatus.NOT_FOUND) if place.endswith(b".html") else Directory()

    try:
        found = find(target, site=Everywhere())
    except BadTarget:
        return
    if isinstance(found, Redirect):
        seen = found.location.replace(b"\\", b"/")
        assert seen.startswith((b"./", b"../", b"/"))
        assert not seen.startswith(b"//")


@pytest.mark.parametrize("target", [b"/none", b"/odd/", b"/bare/", b"/docs/none", b"/about.html/x"])
def test_what_is_nowhere_gets_the_nearest_404_page(target):
    found = find(target)
    expected = b"docs/404.html" if target.startswith(b"/docs/") else b"404.html"
    assert (found.status, found.place) == (404, expected)


def test_a_404_page_is_looked_for_upward_and_not_for_ever():
    asked = drive(failure(HTTPStatus.NOT_FOUND, b"a/b/c", Wishes(), Rules()), {})[1]
    assert asked == [b"a/b/404.html", b"a/404.html", b"404.html"]
    deep = b"/".join([b"d"] * 4000)
    result, asked = drive(failure(HTTPStatus.NOT_FOUND, deep, Wishes(), Rules()), {})
    assert result == Missing(HTTPStatus.NOT_FOUND)
    assert len(asked) == 9


def test_what_may_not_be_seen_is_403_and_has_no_clean_url():
    site = {**SITE, b"secret.html": FILE}
    assert find(b"/secret", site=site) == FORBIDDEN


def test_without_clean_urls_a_path_is_a_file_and_nothing_else():
    plain = Habits(clean_urls=False)
    assert find(b"/about", habits=plain).status == 404
    assert find(b"/about/", habits=plain).status == 404
    assert find(b"/both", habits=plain).location == b"./both/"


@pytest.mark.parametrize(
    ("path", "dotfiles", "is_hidden"),
    [
        (b"", False, False),
        (b"a.b/c.d", False, False),
        (b".env", False, True),
        (b"a/.b/c", False, True),
        (b"a/b/.c", False, True),
        (b".well-known/acme-challenge/x", False, False),
        (b".well-known/.x", False, True),
        (b".env", True, False),
        (b".git/config", False, True),
        (b".git/config", True, True),
        (b"sub/.git/HEAD", True, True),
        (b".svn/entries", True, True),
        (b"repo.git/HEAD", False, False),
        (b".gitignore", True, False),
        (b"...", False, True),
        (b"_headers", True, True),
        (b"_redirects", False, True),
        (b"headrace.toml", False, True),
        (b"sub/_headers", False, False),
    ],
)
def test_names_with_a_dot_are_hidden_but_for_well_known_and_git_always(path, dotfiles, is_hidden):
    assert hidden(path, dotfiles) is is_hidden


def test_what_is_hidden_is_404_and_is_not_even_looked_for():
    site = {**SITE, b".env": FILE}
    result, asked = drive(search(b".env", b"/.env", Wishes(), Habits(), Rules()), site)
    assert (result.status, result.place) == (404, b"404.html")
    assert asked == [b"404.html"]


# --- single-page apps ---


@pytest.mark.parametrize("fields", [NAVIGATION, OLD_BROWSER, {b"sec-fetch-dest": b"iframe"}])
def test_in_an_app_a_navigation_to_nowhere_gets_the_index(fields):
    found = find(b"/users/7", fields, Habits(spa=True))
    assert (found.status, found.place, found.fallback) == (200, b"index.html", True)
    assert set(found.vary) >= {b"Sec-Fetch-Dest", b"Accept"}


@pytest.mark.parametrize("fields", [ASSET, CURL, {}, {b"sec-fetch-dest": b"empty", b"accept": b"text/html"}])
def test_in_an_app_a_missing_part_stays_missing(fields):
    found = find(b"/assets/gone.js", fields, Habits(spa=True))
    assert (found.status, found.place, found.fallback) == (404, b"404.html", False)
    assert set(found.vary) >= {b"Sec-Fetch-Dest", b"Accept"}


def test_an_app_serves_what_there_is():
    found = find(b"/about", NAVIGATION, Habits(spa=True))
    assert (found.place, found.fallback) == (b"about.html", False)


def test_no_app_no_fallback():
    assert find(b"/users/7", NAVIGATION).status == 404


# --- listings ---


def test_a_directory_without_an_index_is_listed_where_that_is_wanted():
    place = Inventory(b"bare/", order_of(b""), False)
    listed = file()
    found = find(b"/bare/", habits=Habits(listing=True), site={**SITE, place: listed})
    assert (found.place, found.vary) == (place, (b"Accept",))


def test_the_order_and_the_form_of_a_list_are_asked_for():
    place = Inventory(b"bare/", order_of(b"sort=size&order=desc"), True)
    found = find(
        b"/bare/?sort=size&order=desc",
        {b"accept": b"application/json"},
        Habits(listing=True),
        site={**SITE, place: file()},
    )
    assert found.place == place


def test_an_index_goes_before_the_list():
    found = find(b"/docs/", habits=Habits(listing=True))
    assert found.place == b"docs/index.html"


# --- content codings (RFC 9110 section 12.5.3) ---


@pytest.mark.parametrize(
    ("accept", "coding", "place"),
    [
        (None, b"", b"app.js"),
        (b"br", b"br", b"app.js.br"),
        (b"gzip, br", b"br", b"app.js.br"),
        (b"gzip", b"", b"app.js"),  # its sidecar has gone meanwhile
        (b"zstd", b"", b"app.js"),  # there is none
        (b"br;q=0", b"", b"app.js"),
        (b"identity", b"", b"app.js"),
    ],
)
def test_the_best_variant_that_is_there_is_sent(accept, coding, place):
    found = find(b"/app.js", {} if accept is None else {b"accept-encoding": accept})
    assert (found.coding, found.sent[0], found.path) == (coding, place, b"app.js")
    assert found.vary == (b"Accept-Encoding",)


def test_where_nothing_acceptable_is_there_it_is_406():
    for target in (b"/lone.js", b"/about"):
        found = find(target, {b"accept-encoding": b"zstd, identity;q=0"})
        assert found.status == 406


def test_what_has_no_variants_does_not_vary():
    assert find(b"/about", {b"accept-encoding": b"br"}).vary == ()


# --- rules ---


def test_a_forced_detour_goes_before_the_files_and_another_one_after():
    rules = Rules({(b"/about", True): (b"/docs/", 302), (b"/gone", False): (b"https://x.example/y", 301)})
    assert find(b"/about?q", rules=rules) == Redirect(b"/docs/?q", HTTPStatus.FOUND, by_rule=True)
    assert find(b"/gone", rules=rules).location == b"https://x.example/y"
    late = Rules({(b"/about", False): (b"/docs/", 302)})
    assert find(b"/about", rules=late).place == b"about.html"


def test_a_detour_keeps_its_own_query_and_its_fragment():
    rules = Rules({(b"/a", True): (b"/b?x=1", 301), (b"/c", True): (b"/d#part", 301)})
    assert find(b"/a?y=2", rules=rules).location == b"/b?x=1"
    assert find(b"/c?y=2", rules=rules).location == b"/d?y=2#part"


def test_a_rewrite_serves_another_file_under_the_path_that_was_asked_for():
    rules = Rules({(b"/app/x", False): (b"/docs/index.html", 200)})
    found = find(b"/app/x", rules=rules)
    assert (found.status, found.place, found.fallback) == (200, b"docs/index.html", True)
    forced = Rules({(b"/about", True): (b"/docs/", 200)})
    assert find(b"/about", rules=forced).place == b"docs/index.html"


def test_a_rewrite_to_nowhere_is_404():
    rules = Rules({(b"/x", False): (b"/none", 200)})
    assert find(b"/x", rules=rules).status == 404


def test_a_detour_may_be_a_page_with_a_status():
    rules = Rules({(b"/old", True): (b"/about.html", 410)})
    found = find(b"/old", rules=rules)
    assert (found.status, found.place) == (410, b"about.html")


def test_a_rule_names_the_page_for_a_status():
    rules = Rules(pages={404: b"/about.html", 403: b"/docs/index.html", 500: b"/none.html"})
    assert find(b"/none", rules=rules).place == b"about.html"
    found = find(b"/secret", rules=rules)
    assert (found.status, found.place) == (403, b"docs/index.html")
    result = drive(failure(HTTPStatus.INTERNAL_SERVER_ERROR, b"x", Wishes(), rules))[0]
    assert result == Missing(HTTPStatus.INTERNAL_SERVER_ERROR)


@given(
    st.binary(max_size=20).map(lambda raw: raw.replace(b"?", b"").replace(b"#", b"")),
    st.sampled_from([Habits(), Habits(spa=True), Habits(clean_urls=False)]),
)
def test_every_search_ends_after_a_few_places(raw, habits):
    target = b"/" + b"".join(b"%%%02x" % byte for byte in raw)
    try:
        path = path_of(target)
    except BadTarget:
        return
    result, asked = drive(search(path, target, Wishes.of(NAVIGATION), habits, Rules()), {})
    assert isinstance(result, Missing | Selection)
    assert len(asked) <= 16
    assert all(not place.startswith(b"/") for place in asked)
    assert unquote_to_bytes(target)


@pytest.mark.parametrize(
    ("target", "to", "location"),
    [
        (b"/x/dir", b"/docs", b"/docs/"),
        (b"/x/docs", b"/docs", b"/docs/"),  # its last name is the same, and still it is another
        (b"/x/y/z?q", b"/about/", b"/about?q"),
        (b"/x/about/", b"/about/", b"/about"),
        (b"/docs", b"/docs/deep", b"/docs/deep/"),
    ],
)
def test_behind_a_rewrite_a_redirect_does_not_depend_on_what_was_asked_for(target, to, location):
    rules = Rules({(b"/" + path_of(target), True): (to, 200)})
    assert find(target, rules=rules) == Redirect(location, HTTPStatus.MOVED_PERMANENTLY)


def test_a_page_of_a_rule_that_does_not_exist_is_the_nearest_404_instead():
    rules = Rules(pages={404: b"/nowhere.html", 403: b"/nowhere.html"})
    assert find(b"/docs/none", rules=rules).sent[0] == b"docs/404.html"
    assert find(b"/secret", rules=rules) == FORBIDDEN
    assert find(b"/docs/none", rules=Rules(pages={404: b"/about.html"})).sent[0] == b"about.html"
