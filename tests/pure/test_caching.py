"""How long a cache may keep what nobody has made a rule for."""

import pytest

from server.answer.caching import FOR_EVER, HTML, REST, default_cache_control

FINGERPRINTED = [
    "app.3f9ac1d2.js",
    "assets/index-BX3hDk2Z.js",  # Vite
    "assets/logo-D4f_9aBc.svg",
    "static/js/main.a1b2c3d4.chunk.js",  # webpack
    "_next/static/chunks/pages/index.js",  # Next
    "_app/immutable/entry/start.js",  # SvelteKit
    "css/style.min.0123456789abcdef0123456789abcdef.css",  # Hugo
    "application-908e25f4bf641868d8683022a5b62f54.js",
    "3f9ac1d29be04c77.woff2",
    "assets/javascripts/bundle.83f73b43.min.js",  # MkDocs Material
    "search/x.0a1b2c3d.js.map",
    "assets/index-BSZ-BkeG.js",  # Vite, without a figure
    "base/assets/water-S-mcMz9w.svg",
]
OTHERS = [
    "app.js",
    "style.css",
    "jquery-3.7.1.min.js",  # a version
    "photo-20240501.jpg",  # a date
    "invoice_12345678.pdf",  # a number
    "deadbeef.txt",  # a word
    "assets/facade.png",
    "report-internal.pdf",
    "sw.js",
    "service-worker.js",
    "service-worker.3f9ac1d2.js",  # whoever has the old one must find the new one
    "manifest.3f9ac1d2",
    "download",
    "data-backdrop.json",
    "assets/photo-Mountain.jpg",
    "assets/theme-version2.css",
    "img/logo-BrandNew.svg",  # it may be a name: only in assets/ is it surely a build's
]


@pytest.mark.parametrize("path", FINGERPRINTED)
def test_what_has_a_fingerprint_never_changes(path):
    """RFC 8246."""
    assert default_cache_control(path.encode(), b"text/javascript") == FOR_EVER


@pytest.mark.parametrize("path", OTHERS)
def test_what_has_none_is_asked_about(path):
    assert default_cache_control(path.encode(), b"application/octet-stream") == REST


@pytest.mark.parametrize("path", ["index.html", "app.3f9ac1d2.html"])
def test_a_page_is_asked_about_always(path):
    assert default_cache_control(path.encode(), b"text/html; charset=utf-8") == HTML


def test_a_manifest_is_never_for_ever():
    assert default_cache_control(b"site.3f9ac1d2.webmanifest", b"application/manifest+json") == REST
