"""The other names under which a file can be had, and guards that hold under all of them."""

from ipaddress import ip_network

import pytest

from server.answer.names import other_names
from server.answer.pattern import Pattern
from server.answer.rules import Rule, Rulebook


@pytest.mark.parametrize(
    ("path", "names"),
    [
        (b"/", []),
        (b"/a", []),
        (b"/style.css", []),
        (b"/a/", [b"/a"]),
        (b"/a.html", [b"/a"]),
        (b"/index.html", [b"/index", b"/"]),
        (b"/a/index.html", [b"/a/index", b"/a/", b"/a"]),
        (b"/a/index", [b"/a/", b"/a"]),
        (b"/report.html.gz", [b"/report.html", b"/report"]),
        (b"/doc.pdf.br", [b"/doc.pdf"]),
        (b"/doc.pdf.zst", [b"/doc.pdf"]),
        (b"/a/index.html.gz", [b"/a/index.html", b"/a/index", b"/a/", b"/a"]),
        (b"/a.html/", [b"/a.html"]),
        (b"/a/.html", []),
        (b"/a/.gz", []),
        (b"/windex", []),
    ],
)
def test_a_page_an_index_and_a_compressed_file_have_shorter_names(path, names):
    assert list(other_names(path)) == names


GUARDED = [  # the path of a rule; that which is asked for, and the file that it is
    ("/admin", "/admin.html", "/admin.html"),
    ("/admin.html", "/admin", "/admin.html"),
    ("/admin", "/admin/", "/admin/"),
    ("/secret", "/secret/", "/secret/index.html"),
    ("/secret", "/secret/index", "/secret/index.html"),
    ("/secret", "/secret/index.html", "/secret/index.html"),
    ("/secret/", "/secret", "/secret"),
    ("/secret/index.html", "/secret/", "/secret/index.html"),
    ("/secret/index.html", "/secret/index", "/secret/index.html"),
    ("/secret/index", "/secret/", "/secret/index.html"),
    ("/report.html", "/report.html.gz", "/report.html.gz"),
    ("/report", "/report.html.br", "/report.html.br"),
    ("*.pdf", "/doc.pdf.zst", "/doc.pdf.zst"),
    ("*.html", "/about", "/about.html"),
    ("/private/a.html", "/elsewhere", "/private/a.html"),
    ("/private/a", "/elsewhere", "/private/a.html"),
]
OPEN = [
    ("*.html", "/style.css", "/style.css"),
    ("/secret", "/secret/other.html", "/secret/other.html"),
    ("/report.html.gz", "/report.html", "/report.html"),
    ("/admin", "/administration", "/administration.html"),
]


@pytest.mark.parametrize(
    ("text", "path", "file_path", "guarded"),
    [(*case, guarded) for cases, guarded in ((GUARDED, True), (OPEN, False)) for case in cases],
)
def test_no_other_name_leads_around_a_guard(text, path, file_path, guarded):
    net = (ip_network("192.0.2.0/24"),)
    header = ((b"X-A", b"1"),)
    for wish in ({"deny": net}, {"allow": net}, {"closed": True}):
        rule = Rule(Pattern.of_glob(text), "test", set_headers=header, **wish)
        found = Rulebook([rule]).treat(path.encode(), file_path.encode())
        assert bool(found.deny or found.allow or found.closed) is guarded
        # What it says of headers is for the names that were used.
        used = any(rule.pattern.match(name.encode()) is not None for name in (path, file_path))
        assert (found.set_headers == header) is used
