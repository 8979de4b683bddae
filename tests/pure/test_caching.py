"""How long a cache may keep what nobody has made a rule for."""

import pytest

from server.answer.caching import FOR_EVER, HTML, REST, default_cache_control

FINGERPRINTED = [
    "app.3f9ac1d2.js",
    "assets/index-BX3hDk2Z.js",  # Vite
    "index-BxYz12_a.css",
    "assets/logo-D4f_9aBc.svg",
    "base/assets/water-S-mcMz9w.svg",
    "assets/vendor-C0fQ3w7t.js",
    "assets/inter-B8x2_Zk9.woff2",
    "chunks/dep-c9aB4-Xz.mjs",
    "static/js/main.a1b2c3d4.chunk.js",  # webpack
    "static/js/main.a1b2c3d4.chunk.js.map",
    "static/media/logo.6ce24c58023cc2f8fd88fe9d219db6c6.svg",
    "_next/static/chunks/pages/index.js",  # Next
    "_next/static/media/a34f9d1faa5f3315-s.p.woff2",
    "_app/immutable/entry/start.js",  # SvelteKit
    "css/style.min.0123456789abcdef0123456789abcdef.css",  # Hugo
    "css/main.min." + "7f3b" * 32 + ".css",  # Hugo, sha512
    "application-908e25f4bf641868d8683022a5b62f54.js",  # Sprockets
    "3f9ac1d29be04c77.woff2",
    "assets/javascripts/bundle.83f73b43.min.js",  # MkDocs Material
    "search/x.0a1b2c3d.js.map",
    "main-5UZ2DXCQ.js",  # esbuild, Angular
    "chunk-7XK3QZ2M.js",
    "styles-5IN6RT4O.css",
    "media/logo-A2B3C4DE.png",
    "index.b5c7e2f1.css",  # Parcel
    "admin/base.4d7e8b21f0a3.css",  # Django, twelve digits of MD5
    "_astro/hoisted.D9x2aB1c.js",  # Astro
]
OTHERS = [
    "app.js",
    "style.css",
    "jquery-3.7.1.min.js",  # a version
    "photo-20240501.jpg",  # a date
    "photo_20240501a.jpg",
    "photo-2024dec1.jpg",  # hexadecimal digits
    "photo-1feb2024.jpg",
    "invoice_12345678.pdf",  # a number
    "deadbeef.txt",  # a word
    "backup.deadbeef1.zip",
    "img/cafe-deadbeef.png",
    "assets/facade.png",
    "report-internal.pdf",
    "sw.js",
    "sw.3f9ac1d2.js",
    "service-worker.js",
    "service-worker.3f9ac1d2.js",  # whoever has the old one must find the new one
    "manifest.3f9ac1d2",
    "download",
    "data-backdrop.json",
    "assets/photo-Mountain.jpg",
    "assets/theme-version2.css",
    "img/logo-BrandNew.svg",
    "newsletter-June2024.pdf",
    "assets/header-June2024.jpg",
    "assets/header-Sept2024.png",
    "assets/chart-Q3Report.svg",
    "assets/chart-Q1Q2Plan.svg",
    "assets/logo-DarkMode.svg",
    "assets/team-JohnDoe1.jpg",
    "assets/hero-MyPhoto1.png",
    "assets/js/lunr-fooBarBz.js",
    "assets/guide-userGuide.pdf",
    "assets/phone-iPhone15.png",
    "assets/app-iOS17App.png",
    "assets/os-Win10Pro.webp",
    "assets/show-S01E02HD.mp4",
    "assets/setup-K8sSetup.svg",
    "assets/poster-2024Q3V2.png",
    "assets/sales-B2BSales.png",
    "assets/icon-ICONS2XL.png",
    "assets/lib-VERSION2.js",
    "assets/index-BSZ-BkeG.js",  # Vite's, without a figure: it could be a name
    "doc-550e8400-e29b-41d4-a716-446655440000.pdf",
    "icon-550e8400-e29b-41d4-a716-a7b6c5d4e3f2.svg",  # of a thing, whose picture may change
    "d41d8cd98f00b204e9800998ecf8427e.pdf",  # of what, nobody knows
    "fonts/Roboto-Bold700I.woff2",
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
