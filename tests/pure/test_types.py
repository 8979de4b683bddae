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
        (b"\xff.png", b"image/png"),
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


def test_every_type_is_written_as_a_type_is():
    for ending, kind in _BY_ENDING.items():
        assert MEDIA_TYPE.fullmatch(kind), ending
        assert ending == ending.lower()
    assert MEDIA_TYPE.fullmatch(DEFAULT)


def test_all_text_says_how_it_is_encoded():
    for kind in _BY_ENDING.values():
        assert not kind.startswith(b"text/") or kind.endswith(b"; charset=utf-8"), kind
