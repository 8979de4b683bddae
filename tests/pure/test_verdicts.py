"""What is remembered of verdicts gives the same verdicts: whatever was seen before, in whatever order."""

from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.wire import verdicts
from server.wire.heads import Refusal, verdict
from server.wire.verdicts import Verdicts

METHODS = (b"GET", b"HEAD", b"POST", b"OPTIONS", b"CONNECT", b"get")
TARGETS = (b"/", b"/a?b=%20", b"*", b"http://other.example/a", b"other.example:80", b"/a#b", b"//x")
VERSIONS = (b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"http/1.1")
LINES = [b" ".join(parts) for parts in product(METHODS, TARGETS, VERSIONS)]
HOST = b"Host: a.example\r\n"
BLOCKS = [
    block + b"\r\n"
    for block in (
        b"",  # no Host: in order only in HTTP/1.0
        HOST,
        HOST * 2,
        b"Host: a/b\r\n",
        b"Host:\r\n",
        HOST + b"Accept: */*\r\nCookie: a=b\r\n",
        HOST + b"Connection: close\r\n",
        HOST + b"Connection: Keep-Alive\r\n",
        HOST + b"Connection: close, keep-alive\r\n",
        HOST + b"Connection: upgrade\r\nUpgrade: h2c\r\n",
        HOST + b"Content-Length: 0\r\n",
        HOST + b"Content-Length: 5\r\n",
        HOST + b"Transfer-Encoding: chunked\r\n",
        HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        HOST + b"Expect: 100-continue\r\n",
        HOST + b"Expect: something\r\n",
        HOST + b"Trailer: x\r\nTE: trailers\r\n",
        HOST + b"X: folded\r\n over\r\n",
        HOST + b"X : blank before the colon\r\n",
        HOST + b"X: bare\nLF\r\n",
        b"X: before\r\n" + HOST,
        HOST + b"X: 1\r\n" * 100,
    )
]


def heads() -> list[bytes]:
    return [line + b"\r\n" + block for line, block in product(LINES, BLOCKS)]


def test_each_line_above_every_block_gives_the_verdict_of_h11():
    known = Verdicts()
    expected = {head: verdict(head) for head in heads()}
    for _ in range(3):  # glimpsed, learnt, remembered
        for head in heads():
            assert known.judge(head) == expected[head]
    assert known.judged < 3 * len(heads())
    assert known.remembered > 0


def test_what_is_remembered_is_plain():
    known = Verdicts()
    for head in heads() * 2:
        known.judge(head)
    assert {line.split()[0] for line in known._lines.known} == {b"GET", b"HEAD"}
    assert {line.split()[2] for line in known._lines.known} == {b"HTTP/1.1"}
    assert {meaning.host for meaning in known._meanings.known.values()} == {b"a.example"}
    told = (b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"trailer", b"te")
    assert known._kinds.known
    assert not any(line.lower().startswith(name) for line in known._kinds.known for name in told)


@pytest.mark.parametrize(
    "smuggled",
    [
        # Both look like a whole request without a body to whoever counts h11's events.
        b"GET / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.example\n\nGET /second HTTP/1.1\r\nHost: a.example\r\n\r\n",
    ],
)
def test_what_hides_a_second_message_is_judged_each_time(smuggled):
    known = Verdicts()
    plain = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
    for _ in range(4):
        assert known.judge(plain) == verdict(plain)
        assert known.judge(smuggled) == verdict(smuggled)


LINE = st.one_of(
    st.sampled_from(LINES),
    st.builds(lambda target: b"GET " + target + b" HTTP/1.1", st.binary(max_size=12)),
)
FIELD = st.one_of(
    st.sampled_from(
        [b"Host: a.example", b"host: b", b"Accept: */*", b"Connection: close", b"Content-Length: 0"]
    ),
    st.binary(max_size=12),
    st.builds(
        lambda name, value: name + b": " + value,
        st.sampled_from([b"X", b"TE", b"Expect"]),
        st.binary(max_size=8),
    ),
)
BLOCK = st.one_of(
    st.sampled_from(BLOCKS),
    st.lists(FIELD, max_size=4).map(lambda fields: b"".join(field + b"\r\n" for field in fields) + b"\r\n"),
)


@given(st.lists(LINE, min_size=1, max_size=4), st.lists(BLOCK, min_size=1, max_size=4), st.data())
def test_lines_and_blocks_recombined_at_random_give_the_verdict_of_h11(lines, blocks, data):
    known = Verdicts()
    picks = st.tuples(st.sampled_from(lines), st.sampled_from(blocks))
    for line, block in data.draw(st.lists(picks, max_size=20)):
        head = line + b"\r\n" + block
        assert known.judge(head) == verdict(head)


SEPARATELY = [
    b"Host: a.example",
    b"Host: b.example",
    b"host:a.example ",
    b"Host: a/b",
    b"Accept: */*",
    b"accept: text/html",
    b"Cookie: a=b",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Content-Length: 0",
    b"Content-Length: 5",
    b"Transfer-Encoding: chunked",
    b"Expect: 100-continue",
    b" folded",
    b"X : blank",
    b"X:",
    b"no colon",
    b"Range: bytes=0-1",
    b'If-None-Match: "a"',
    b"If-Modified-Since: Wed, 18 Nov 2026 00:00:00 GMT",
    b"Accept-Encoding: br",
    b"Sec-Fetch-Dest: document",
    b"Referer: x",
    b"User-Agent: y",
    b"Origin: https://c.example",
]
SOME_LINES = st.lists(
    st.one_of(
        st.sampled_from(SEPARATELY), st.builds(lambda value: b"X-New: " + value, st.binary(max_size=6))
    ),
    max_size=8,
)


@given(st.lists(SOME_LINES, min_size=1, max_size=30), st.data())
def test_lines_recombined_at_random_give_the_verdict_of_h11(blocks, data):
    known = Verdicts()
    for text in SEPARATELY * 2:  # each line has been seen in a head that was in order, if it can be in one
        head = b"GET / HTTP/1.1\r\nHost: a.example\r\n" + text + b"\r\nX: y\r\n\r\n"
        assert known.judge(head) == verdict(head)
    for lines in blocks:
        line = data.draw(st.sampled_from([b"GET / HTTP/1.1", b"HEAD /x HTTP/1.1", b"GET / HTTP/1.0"]))
        head = b"\r\n".join((line, *lines, b"", b""))
        assert known.judge(head) == verdict(head)


def test_known_lines_in_a_new_order_are_not_judged_again():
    known = Verdicts()
    fields = [b"Host: a.example", b"Accept: */*", b"User-Agent: x", b"Cookie: a=b"]
    for _ in range(2):
        known.judge(b"\r\n".join((b"GET / HTTP/1.1", *fields, b"", b"")))
    judged = known.judged
    for order in permutations(fields):
        head = b"\r\n".join((b"GET / HTTP/1.1", *order, b"", b""))
        assert known.judge(head) == verdict(head)
    for number in range(50):  # a target and a cookie of its own
        line, cookie = b"GET /?%d HTTP/1.1" % number, b"Cookie: a=%d" % number
        head = b"\r\n".join((line, *fields[:3], cookie, b"", b""))
        assert known.judge(head) == verdict(head)
    assert known.judged == judged
    assert known.put_together > 50


def test_more_or_less_than_one_head_is_not_known():
    known = Verdicts()
    head = b"GET / HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\n\r\n"
    for _ in range(5):
        known.judge(head)
    assert known.recall(head) is not None
    others = [head[:end] for end in range(len(head))]
    others += [head + more for more in (b"\r\n", b"G", head)] + [b"\r\n" + head]
    assert not any(map(known.recall, others))


def test_what_is_remembered_of_meanings_has_an_end_of_bytes_too():
    known = Verdicts()
    for number in range(600):
        fields = [b"Accept: text/x-%d-%d-" % (number, line) + b"x" * 450 for line in range(30)]
        head = b"\r\n".join((b"GET / HTTP/1.1", b"Host: a.example", *fields, b"", b""))
        for _ in range(5):
            known.judge(head)
    alive = {kind for kinds in known._meanings.known for kind in kinds if kind and kind.field}
    assert 0 < sum(len(kind.field.value) for kind in alive) < verdicts.MOST_TABLE_BYTES


def test_what_is_of_no_account_makes_no_new_meaning():
    known = Verdicts()
    for number in range(100):
        fields = [b"Host: a.example", b"Cookie: a=%d" % number, b"X-%d: b" % number, b"Accept: */*"]
        for _ in range(6):
            known.judge(b"\r\n".join((b"GET /%d HTTP/1.1" % number, *fields, b"", b"")))
    assert len(known._meanings.known) == 1
    assert known.remembered > 300


def test_two_hosts_are_two_hosts_though_each_has_been_seen():
    known = Verdicts()
    hosts = (b"Host: a.example", b"Host: b.example")
    for host in hosts * 2:
        known.judge(b"\r\n".join((b"GET / HTTP/1.1", host, b"Accept: */*", b"", b"")))
    head = b"\r\n".join((b"GET / HTTP/1.1", *hosts, b"Accept: */*", b"", b""))
    for _ in range(3):
        assert isinstance(known.judge(head), Refusal)


def test_there_is_an_end_of_what_is_remembered_of_one_part(monkeypatch):
    monkeypatch.setattr(verdicts, "LONGEST_LINE", 100)
    known = Verdicts()
    long = b"x" * 101
    for _ in range(3):
        known.judge(b"GET /" + long + b" HTTP/1.1\r\nHost: a\r\nX: " + long + b"\r\n\r\n")
    for table in (known._lines, known._kinds):
        assert not any(len(part) > 100 for part in table.known)
