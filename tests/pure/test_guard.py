"""Who may have it."""

from base64 import b64encode
from ipaddress import ip_network

import pytest

from server.answer.guard import (
    MOST_CREDENTIALS,
    BadLine,
    Realm,
    admits,
    challenge,
    credentials,
    parse_htpasswd,
)

HASH = "$2y$05$4wzmJtLw3cXhwkSfJJ4eO.1MHjA7uYAm6ZSFrxeBcs28wnpb0JoSu"


def basic(decoded: bytes, scheme: bytes = b"Basic ") -> dict[bytes, bytes]:
    return {b"authorization": scheme + b64encode(decoded)}


@pytest.mark.parametrize("version", ["2a", "2b", "2y"])
def test_hashes_of_bcrypt_are_read(version):
    hashed = HASH.replace("2y", version)
    assert parse_htpasswd(f"ada:{hashed}\n") == {b"ada": hashed.encode()}


def test_empty_lines_and_comments_say_nothing_and_lines_may_end_as_on_windows():
    text = f"# people\r\n\r\nada:{HASH}\r\n  bob:{HASH}  "
    assert parse_htpasswd(text) == {b"ada": HASH.encode(), b"bob": HASH.encode()}


def test_a_name_may_be_in_any_encoding():
    latin = "b\udcf6b"  # as surrogateescape reads it
    assert list(parse_htpasswd(f"jürgen:{HASH}\n{latin}:{HASH}")) == ["jürgen".encode(), b"b\xf6b"]


@pytest.mark.parametrize(
    ("hashed", "kind"),
    [
        ("$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/", "MD5"),
        ("$1$abcdefgh$irWbblnpmw.5z7wgBnprh0", "MD5"),
        ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "SHA-1"),
        ("$5$salt$hash", "SHA-256"),
        ("$6$salt$hash", "SHA-512"),
        ("rqXexS6ZhobKA", "plain text or DES"),
        ("", "plain text or DES"),
        (HASH[:-1], "a damaged bcrypt hash"),
        (HASH + "x", "a damaged bcrypt hash"),
        (HASH.replace("$05$", "$03$"), "a damaged bcrypt hash"),
        (HASH.replace("$05$", "$32$"), "a damaged bcrypt hash"),
    ],
)
def test_any_other_hash_is_refused_with_its_line_its_user_and_the_remedy(hashed, kind):
    with pytest.raises(BadLine) as caught:
        parse_htpasswd(f"# people\nada:{HASH}\nbob:{hashed}\n")
    assert caught.value.number == 3
    assert str(caught.value) == (
        f"line 3: the password of 'bob' is not hashed with bcrypt but is {kind};"
        " make it anew with: htpasswd -B FILE bob"
    )


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("ada", "expected user:hash"),
        (f":{HASH}", "expected user:hash"),
        (f"bob:{HASH}\nbob:{HASH}", "the user 'bob' is there twice"),
    ],
)
def test_a_line_that_says_nothing_clear_is_refused(line, why):
    with pytest.raises(BadLine, match=why):
        parse_htpasswd(line)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # RFC 7617 section 2, and its example in UTF-8 (section 2.1)
        (basic(b"Aladdin:open sesame"), (b"Aladdin", b"open sesame")),
        ({b"authorization": b"Basic dGVzdDoxMjPCow=="}, (b"test", "123£".encode())),
        (basic(b"test:123\xa3"), (b"test", b"123\xa3")),  # latin-1: as sent
        (basic(b"ada:a:b"), (b"ada", b"a:b")),  # the first colon
        (basic(b":"), (b"", b"")),
        (basic(b"a:b", b"bAsIc "), (b"a", b"b")),  # RFC 9110 section 11.1
        (basic(b"a:b", b"Basic   "), (b"a", b"b")),  # 1*SP (RFC 9110 section 11.4)
        (basic(b"a:b", b"Basic"), None),
        (basic(b"a:b", b"Bearer "), None),
        (basic(b"no colon"), None),
        (basic(b"a:b\n"), None),  # no control characters (RFC 7617 section 2)
        (basic(b"a\x00:b"), None),
        ({b"authorization": b"Basic YTpi!"}, None),
        ({b"authorization": b"Basic YT pi"}, None),
        ({b"authorization": b"Basic YTpiYw="}, None),  # padding that is missing
        ({b"authorization": b"Basic YTpi===="}, None),
        ({b"authorization": b"Basic"}, None),
        ({b"authorization": b""}, None),
        ({}, None),
    ],
)
def test_credentials_are_those_of_the_basic_scheme_as_they_were_sent(fields, expected):
    assert credentials(fields) == expected


def test_credentials_are_bounded():
    most = MOST_CREDENTIALS // 4 * 3
    assert credentials(basic(b"a:" + b"b" * (most - 2))) == (b"a", b"b" * (most - 2))
    assert credentials(basic(b"a:" + b"b" * (most - 1))) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Staff", b'Basic realm="Staff", charset="UTF-8"'),
        ('a "b" \\c', b'Basic realm="a \\"b\\" \\\\c", charset="UTF-8"'),  # RFC 9110 section 5.6.4
        ("Büro", b'Basic realm="B\xc3\xbcro", charset="UTF-8"'),
        ("a\r\nSet-Cookie: b", b'Basic realm="a  Set-Cookie: b", charset="UTF-8"'),
    ],
)
def test_a_challenge_names_the_realm_as_a_quoted_string(name, expected):
    assert challenge(Realm(name, {})) == expected


LAN, HOST, SIX = "192.0.2.0/24", "192.0.2.7/32", "2001:db8::/32"


@pytest.mark.parametrize(
    ("peer", "allow", "deny", "expected"),
    [
        ("198.51.100.1", (), (), True),
        ("192.0.2.1", (LAN,), (), True),
        ("198.51.100.1", (LAN,), (), False),
        ("192.0.2.1", (), (LAN,), False),
        ("198.51.100.1", (), (LAN,), True),
        ("192.0.2.7", (LAN,), (HOST,), False),  # who is denied is not let in by another list
        ("192.0.2.8", (LAN,), (HOST,), True),
        ("192.0.2.7", (HOST,), (LAN,), False),
        ("::ffff:192.0.2.1", (LAN,), (), True),  # RFC 4291 section 2.5.5.2
        ("::ffff:192.0.2.1", (), (LAN,), False),
        ("2001:db8::1", (SIX,), (), True),
        ("2001:db9::1", (LAN, SIX), (), False),
        ("fe80::1%eth0", ("fe80::/10",), (), True),  # RFC 4007 section 11
        ("", (), (), True),
        ("", (), (LAN, "0.0.0.0/0", "::/0"), True),  # a UNIX socket: no address that could be denied
        ("", ("0.0.0.0/0", "::/0"), (), False),  # nor allowed
    ],
)
def test_who_is_denied_or_not_among_those_allowed_is_not_let_in(peer, allow, deny, expected):
    networks = [tuple(map(ip_network, texts)) for texts in (allow, deny)]
    assert admits(peer, *networks) is expected
