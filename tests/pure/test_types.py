"""Content types (RFC 9110 section 8.3)."""

import re

import pytest

from server.answer.types import _BY_ENDING, DEFAULT, content_type

MEDIA_TYPE = re.compile(rb"[a-z]+/[a-z0-9.+-]+(?:; charset=utf-8)?")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (b"index.html", b"text/html; charset=utf-8"),
        (b"a/b.c/STYLE.CSS", b"text/css; charset=utf-8"),
        (b"app.js", b"text/javascript; charset=utf-8"),
        (b"app.mjs", b"text/javascript; charset=utf-8"),
        (b"data.json", b"application/json"),
        (b"module.wasm", b"application/wasm"),
        (b"logo.svg", b"image/svg+xml"),
        (b"photo.jpeg", b"image/jpeg"),
        (b"photo.avif", b"image/avif"),
        (b"font.woff2", b"font/woff2"),
        (b"film.mp4", b"video/mp4"),
        (b"README", b"text/plain; charset=utf-8"),
        (b"nameless", DEFAULT),
        (b"", DEFAULT),
        (b"v1.2/nameless", DEFAULT),  # the ending of a directory is not the file's
        (b"archive.tar.gz", b"application/gzip"),
        (b"x.unheard-of", DEFAULT),
        (b"trailing.", DEFAULT),
        (b"a.tsv", b"text/tab-separated-values; charset=utf-8"),
        (b"a.jsonl", b"application/jsonl"),
        (b"a.ndjson", b"application/x-ndjson"),
        (b"a.heif", b"image/heif"),
        (b"a.heic", b"image/heic"),
        (b"a.3gp", b"video/3gpp"),
        (b"a.aiff", b"audio/aiff"),
        (b"a.kml", b"application/vnd.google-earth.kml+xml"),
        (b"a.gpx", b"application/gpx+xml"),
        (b"a.dmg", b"application/x-apple-diskimage"),
        (b"a-1.0-py3-none-any.whl", b"application/zip"),
        (b"a.ipynb", b"application/x-ipynb+json"),
        (b"a.pem", b"text/plain; charset=utf-8"),
        (b"a.crt", b"text/plain; charset=utf-8"),
        (b"a.srt", b"text/plain; charset=utf-8"),
        (b"a.m4b", b"audio/mp4"),
        (b"a.svgz", DEFAULT),
        (b"\xff.png", b"image/png"),
        (b".html", DEFAULT),  # a name that begins with a dot, and has no ending
        (b"a/.html", DEFAULT),
        (b"..html", DEFAULT),
        (b"a/..html", DEFAULT),
        (b".a.html", b"text/html; charset=utf-8"),
        (b"a..html", b"text/html; charset=utf-8"),
    ],
)
def test_the_ending_of_a_name_tells_its_type(path, kind):
    assert content_type(path) == kind


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (b"site.webmanifest", b"application/manifest+json"),  # W3C Web Application Manifest, appendix B
        (b"data.jsonld", b"application/ld+json"),  # JSON-LD 1.1, appendix C
        (b"README.md", b"text/markdown; charset=utf-8"),  # RFC 7763
        (b"notes.markdown", b"text/markdown; charset=utf-8"),
    ],
)
def test_what_sites_of_today_are_made_of_has_a_type(path, kind):
    assert content_type(path) == kind


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (b"a.html", b"x/own"),
        (b"a.HTML", b"x/own"),
        (b"a.new", b"x/new"),
        (b".new", DEFAULT),
        (b"a.png", b"image/png"),
    ],
)
def test_the_types_of_a_site_go_before_ours(path, kind):
    assert content_type(path, {b"html": b"x/own", b"new": b"x/new"}) == kind


def test_every_type_is_written_as_a_type_is():
    for ending, kind in _BY_ENDING.items():
        assert MEDIA_TYPE.fullmatch(kind), ending
        assert ending == ending.lower()
    assert MEDIA_TYPE.fullmatch(DEFAULT)


def test_all_text_says_how_it_is_encoded():
    for kind in _BY_ENDING.values():
        assert not kind.startswith(b"text/") or kind.endswith(b"; charset=utf-8"), kind
