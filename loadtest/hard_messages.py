"""Hard cases of targets, messages and methods (RFC 3986, 9112): what leads elsewhere or reads in two ways.

Rule: as in hard_cases, the checks are written from the text of the sections.
"""

from __future__ import annotations

from loadtest.hard_cases import NEXT_BODY, PAGE, SECRET, Case, get, page, raw
from loadtest.verdicts import (
    RIGHT,
    Kind,
    Seen,
    Verdict,
    has_not,
    is_whole,
    leads_to,
    preferring,
    status,
    wrong,
)

WHOLE = is_whole(PAGE)
REFUSED = status(400, closes=True)
HIDDEN = status(400, 403, 404, objection=has_not(SECRET))
CLOSING = ("Connection",)
ANSWERED = Verdict(Kind.CHOICE, "answers the GET and ignores its content")
OF_THE_MOMENT = ("date", "connection", "keep-alive")  # fields that are not of the resource
CHUNKED = "Transfer-Encoding: chunked"


def same_as_get(seen: Seen) -> Verdict:
    if seen.first.body or seen.first.status != 200:
        return wrong(f"{seen.first.status} with {len(seen.first.body)} bytes")
    got, want = (
        {name.lower(): value for name, value in answer.fields if name.lower() not in OF_THE_MOMENT}
        for answer in (seen.first, seen.plain)
    )
    differing = [name for name in got if got[name] != want.get(name)]
    if differing:
        return wrong(f"another {', '.join(differing)}")
    lost = sorted(want.keys() - got.keys())
    return Verdict(Kind.CHOICE, f"without {', '.join(lost)}") if lost else RIGHT


def content_in_get(seen: Seen) -> Verdict:
    """Never may "hello" be taken for the beginning of a request."""
    statuses = [answer.status for answer in seen.answers]
    if statuses == [200, 200] and seen.answers[1].content == NEXT_BODY and not seen.closed:
        return RIGHT
    if len(statuses) == 1 and seen.closed:
        return Verdict(Kind.CHOICE, "closes, so that nothing can be taken for a request")
    return wrong(f"{', '.join(map(str, statuses))}{'' if seen.closed else ', goes on'}")


def overflow(seen: Seen) -> Verdict:
    if len(seen.answers) > 1 or not seen.closed:
        return wrong("goes on behind a chunk without end")
    return RIGHT if seen.first.status >= 400 else ANSWERED


def no_allow(seen: Seen) -> str:
    return "" if seen.first["Allow"] else "does not say what it allows"


def says_close(seen: Seen) -> str:
    said = (seen.first["Connection"] or "").lower()
    return "" if said == "close" else "closes without saying so"


TARGETS = (
    Case(
        "a directory without its slash, `Host: evil.example`",
        "9110 10.2.2: Location is resolved against the request's own target",
        raw("GET /docs HTTP/1.1", host="evil.example"),
        leads_to("evil.example", "/docs", "/docs/"),
        ("Location",),
    ),
    Case(
        "a directory without its slash, `?a=1&b=%2F`",
        "9110 10.2.2, 3986 5.2.2: a Location without the query loses it",
        get("/docs?a=1&b=%2F"),
        leads_to("site.example", "/docs", "/docs/?a=1&b=%2F"),
        ("Location",),
    ),
    Case(
        "`//evil.example`, a directory",
        "3986 4.2: a Location that begins with `//` would lead to another host",
        get("//evil.example"),
        leads_to("site.example", "//evil.example", "/evil.example/", 200, 400, 404),
        ("Location",),
    ),
    Case(
        "`//evil.example/..`",
        "3986 4.2, 5.2.4: must not lead to another host",
        get("//evil.example/.."),
        leads_to("site.example", "//evil.example/..", "/", 200, 400, 403, 404),
        ("Location",),
    ),
    Case(
        "absolute-form, another host in Host",
        "9112 3.2.2: MUST ignore Host in favour of the target",
        raw("GET http://real.example/docs HTTP/1.1", host="other.example"),
        leads_to("real.example", "/docs", "/docs/"),
        ("Location",),
    ),
    Case(
        "`/docs/%2e%2e/page.html`",
        "3986 6.2.2: the same as `/page.html`",
        get("/docs/%2e%2e/page.html"),
        status(200, choice={400: "refuses dot segments", 404: "refuses dot segments"}, objection=WHOLE),
    ),
    Case(
        "`/docs/%2e%2e%2f%2e%2e%2fsecret.txt`",
        "9110 17.3: nothing outside of the root",
        get("/docs/%2e%2e%2f%2e%2e%2fsecret.txt"),
        HIDDEN,
    ),
    Case(
        "`/%c0%ae%c0%ae/secret.txt`, overlong UTF-8",
        "3629 3, 9110 17.3: no other way to write a dot",
        get("/%c0%ae%c0%ae/secret.txt"),
        HIDDEN,
    ),
    Case(
        "`/docs\\..\\..\\secret.txt`",
        "3986 2, 9112 3.2: no character of a URI; 400, or no such file",
        get("/docs\\..\\..\\secret.txt"),
        HIDDEN,
    ),
    Case(
        "`GET *`",
        "9112 3.2.4: the asterisk is for OPTIONS only",
        get("*"),
        status(400, 404),
    ),
    Case(
        "`/page.html%00.txt`",
        "3986 7.3: a NUL must not end the name",
        get("/page.html%00.txt"),
        status(400, 403, 404),
    ),
    Case(
        "`/page.html/`",
        "3986 6.2.3: another resource than `/page.html`; there is none",
        get("/page.html/"),
        status(
            404,
            choice={
                200: "sends the file, and relative links in it break",
                301: "redirects",
                308: "redirects",
            },
            objection=WHOLE,
        ),
        ("Location",),
    ),
    Case(
        "`/.git/config`",
        "9110 17.3: files that are not for everybody",
        get("/.git/config"),
        status(403, 404, choice={200: "leaves it to the configuration"}, objection=is_whole(SECRET)),
    ),
    Case(
        "a target of 20,000 bytes",
        "9112 3: MUST be 414 where it is longer than wanted",
        get("/" + "a" * 20_000),
        status(414, 404),
        ("Connection",),
    ),
)

MESSAGES = (
    Case(
        "HTTP/1.1 without Host",
        "9112 3.2: MUST be 400",
        raw("GET /page.html HTTP/1.1", host=None),
        status(400),
        CLOSING,
    ),
    Case(
        "two Hosts",
        "9112 3.2: MUST be 400",
        page("Host: other.example"),
        status(400),
        CLOSING,
    ),
    Case(
        "`Host: user@site.example`",
        "9112 3.2, 9110 7.2: not a host; MUST be 400",
        raw("GET /page.html HTTP/1.1", host="user@site.example"),
        status(400),
        CLOSING,
    ),
    Case(
        "`Host: site.example other.example`",
        "9112 3.2, 9110 7.2: not a host; MUST be 400",
        raw("GET /page.html HTTP/1.1", host="site.example other.example"),
        status(400),
        CLOSING,
    ),
    Case(
        "Content-Length and Transfer-Encoding",
        "9112 6.1: reject, or use the chunks; MUST close in either case",
        page("Content-Length: 5", CHUNKED, body="0\r\n\r\n"),
        status(400, 200, 413, closes=True, objection=WHOLE),
        CLOSING,
    ),
    Case(
        "two Content-Lengths that differ",
        "9112 6.3: MUST be 400, and close",
        page("Content-Length: 5", "Content-Length: 0", body="hello"),
        REFUSED,
        CLOSING,
    ),
    Case(
        "`Content-Length: +5`",
        "9110 8.6, 9112 6.3: not a length; MUST be 400, and close",
        page("Content-Length: +5", body="hello"),
        REFUSED,
        CLOSING,
    ),
    Case(
        "Transfer-Encoding in HTTP/1.0",
        "9112 6.1: the framing is faulty; MUST close",
        raw("GET /page.html HTTP/1.0", CHUNKED, "Connection: keep-alive", body="0\r\n\r\n"),
        status(400, 200, 413, 501, closes=True, objection=WHOLE),
        CLOSING,
    ),
    Case(
        "`Transfer-Encoding: xchunked`",
        "9112 6.1, 6.3: 501 or 400, and close",
        page("Transfer-Encoding: xchunked", body="0\r\n\r\n"),
        status(501, 400, closes=True),
        CLOSING,
    ),
    Case(
        "a chunk size beyond 64 bits",
        "9112 7.1: MUST prevent overflows",
        page(CHUNKED, body="10000000000000005\r\nhello\r\n0\r\n\r\n"),
        overflow,
        CLOSING,
    ),
    Case(
        "GET with content, and a request behind it",
        "9110 9.3.1, 9112 6.3: the content is no request; may be refused",
        page("Content-Length: 5", body="hello") + get("/next.txt"),
        content_in_get,
        CLOSING,
    ),
    Case(
        "a folded field: the matching tag is on the second line",
        "9112 5.2: MUST be 400, or read as a blank (so 304)",
        page('If-None-Match: "other",\r\n <etag>'),
        status(400, 304),
        CLOSING,
    ),
    Case(
        "a bare CR in a value, the matching tag behind it",
        "9112 2.2: MUST be invalid, or read as a blank (so 304)",
        page('If-None-Match: "other",\r<etag>'),
        status(400, 304),
        CLOSING,
    ),
    Case(
        "a NUL in a value, the matching tag behind it",
        "9110 5.5: MUST be rejected, or read as a blank (so 304)",
        page('If-None-Match: "other",\0<etag>'),
        status(400, 304),
        CLOSING,
    ),
    Case(
        "lines that end in a bare LF",
        "9112 2.2: MAY be recognized",
        page().replace(b"\r\n", b"\n"),
        status(400, 200, objection=WHOLE),
        CLOSING,
    ),
    Case(
        "a blank before the colon",
        "9112 5.1: MUST be 400",
        page("Range : bytes=0-9"),
        status(400),
        CLOSING,
    ),
    Case(
        "empty lines before the request",
        "9112 2.2: SHOULD ignore at least one",
        b"\r\n" + page(),
        status(200, choice={400: "takes it for a request"}, objection=WHOLE),
    ),
    Case(
        "100 fields of 400 bytes",
        "9110 5.4: MUST be a 4xx where it is more than wanted (6585 5: 431)",
        page(*(f"X-{n}: {'a' * 400}" for n in range(100))),
        status(431, 400, 413, 200, objection=WHOLE),
        CLOSING,
    ),
    Case(
        "`Connection: close`",
        "9112 9.6: MUST close, SHOULD say so",
        page("Connection: close"),
        preferring(status(200, closes=True, objection=WHOLE), says_close),
        CLOSING,
    ),
    Case(
        "`Connection: keep-alive, Close`",
        "9112 9.3, 9110 7.6.1: close, in any case, beats keep-alive",
        page("Connection: keep-alive, Close"),
        preferring(status(200, closes=True, objection=WHOLE), says_close),
        CLOSING,
    ),
    Case(
        "HTTP/1.2",
        "9110 6.2: SHOULD be processed as HTTP/1.1",
        raw("GET /page.html HTTP/1.2"),
        status(200, choice={400: "refuses it", 505: "refuses it"}, objection=WHOLE),
    ),
    Case(
        "HTTP/2.0 in a request line",
        "9110 15.6.6: 505",
        raw("GET /page.html HTTP/2.0"),
        status(505, choice={400: "does not take it for a version"}),
        CLOSING,
    ),
    Case(
        "`GET /page.html` without a version",
        "9112 3: not a request line; SHOULD be 400",
        b"GET /page.html\r\n\r\n",
        status(400, choice={0: "answers as HTTP/0.9 did", 505: "takes it for HTTP/0.9"}),
    ),
)

METHODS = (
    Case(
        "HEAD",
        "9110 9.3.2: SHOULD send the fields that GET gets",
        raw("HEAD /page.html HTTP/1.1"),
        same_as_get,
        ("Content-Length", "ETag"),
    ),
    Case(
        "POST to a file",
        "9110 15.5.6: 405, MUST say Allow",
        raw("POST /page.html HTTP/1.1", "Content-Length: 5", body="hello"),
        status(405, choice={200: "answers it as a GET", 501: "knows no POST"}, objection=WHOLE),
        ("Allow",),
    ),
    Case(
        "an unknown method",
        "9110 9.1: SHOULD be 501",
        raw("BREW /page.html HTTP/1.1"),
        status(501, choice={405: "takes it for known", 400: "takes it for no request"}),
        ("Allow",),
    ),
    Case(
        "`get`",
        "9110 9.1: methods are case-sensitive, so unknown; SHOULD be 501",
        raw("get /page.html HTTP/1.1"),
        status(501, choice={405: "takes it for known", 400: "takes it for no request"}),
        ("Allow",),
    ),
    Case(
        "OPTIONS *",
        "9112 3.2.4, 9110 9.3.7: the server as a whole; SHOULD say what it can do",
        raw("OPTIONS * HTTP/1.1"),
        preferring(
            status(
                200,
                204,
                choice={400: "takes it for no request", 405: "knows no OPTIONS", 501: "knows no OPTIONS"},
            ),
            no_allow,
        ),
        ("Allow",),
    ),
    Case(
        "TRACE",
        "9110 9.1, 9.3.8: optional; 405 or 501",
        raw("TRACE /page.html HTTP/1.1"),
        status(405, 501, choice={200: "is served"}),
        ("Allow",),
    ),
    Case(
        "Expect: 100-continue, no content",
        "9110 10.1.1: there is nothing to wait for",
        page("Expect: 100-continue"),
        status(200, objection=WHOLE),
    ),
    Case(
        "Expect: 200-ok",
        "9110 10.1.1: MAY be 417",
        page("Expect: 200-ok"),
        status(417, 200, objection=WHOLE),
        CLOSING,
    ),
)

CASES = (*TARGETS, *MESSAGES, *METHODS)
