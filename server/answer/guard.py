"""Who may have it: addresses, and names with passwords in the Basic scheme (RFC 7617).

Whether a password is right is not decided here: that takes a tenth of a second on purpose.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple

Network = IPv4Network | IPv6Network

MOST_CREDENTIALS: Final = 1024  # bytes of base64: bcrypt looks at 72 bytes of a password

# Modular crypt format: version, cost, 22 characters of salt and 31 of hash.
_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_SCHEMES = (
    ("$apr1$", "MD5"),
    ("$1$", "MD5"),
    ("{SHA}", "SHA-1"),
    ("{SSHA}", "SHA-1"),
    ("$5$", "SHA-256"),
    ("$6$", "SHA-512"),
    ("$2", "a damaged bcrypt hash"),
)
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*={0,2}")  # binascii's own strictness varies with its version
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


class Realm(NamedTuple):
    """A space that is protected by one set of names and passwords (RFC 9110 section 11.5)."""

    name: str
    users: Mapping[bytes, bytes]  # bcrypt hash by user


class BadLine(ValueError):
    """A line of a password file that cannot be used; its message says which, and what to do."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(f"line {number}: {why}")
        self.number = number  # from 1
        self.why = why


def parse_htpasswd(text: str) -> dict[bytes, bytes]:
    """bcrypt hashes by user, from lines of `user:hash` as `htpasswd -B` writes them.

    Names that are not in UTF-8 are given with surrogates for their bytes (PEP 383).

    Empty lines and those that begin with `#` say nothing. Raises BadLine for hashes of any
    other kind: they are broken in hours, and are not checked by anything in here.
    """
    users: dict[bytes, bytes] = {}
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        user, colon, hashed = line.partition(":")
        if not colon or not user:
            raise BadLine(number, "expected user:hash, as `htpasswd -B` writes it")
        if not _BCRYPT.fullmatch(hashed):
            found = next((name for begin, name in _SCHEMES if hashed.startswith(begin)), "plain text or DES")
            raise BadLine(
                number,
                f"the password of {user!r} is not hashed with bcrypt but is {found};"
                f" make it anew with: htpasswd -B FILE {user}",
            )
        name = user.encode(errors="surrogateescape")
        if name in users:
            raise BadLine(number, f"the user {user!r} is there twice")
        users[name] = hashed.encode()
    return users


def credentials(fields: Mapping[bytes, bytes]) -> tuple[bytes, bytes] | None:
    """User and password of an Authorization field in the Basic scheme, as the bytes that were sent
    (UTF-8, if the client has read our challenge); None if there is none that can be read.

    >>> credentials({b"authorization": b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="})
    (b'Aladdin', b'open sesame')
    """
    scheme, _, encoded = fields.get(b"authorization", b"").partition(b" ")
    encoded = encoded.strip(b" ")
    if scheme.lower() != b"basic" or len(encoded) > MOST_CREDENTIALS:
        return None
    if len(encoded) % 4 or not _BASE64.fullmatch(encoded):
        return None
    decoded = binascii.a2b_base64(encoded)
    # RFC 7617 section 2: a user has no colon, a password may; neither has control characters.
    user, colon, password = decoded.partition(b":")
    return (user, password) if colon and not _CONTROL.search(decoded) else None


def challenge(realm: Realm) -> bytes:
    r"""The value of WWW-Authenticate (RFC 7617 section 2; quoted-string: RFC 9110 section 5.6.4).

    >>> challenge(Realm('the "inner" circle', {}))
    b'Basic realm="the \\"inner\\" circle", charset="UTF-8"'
    """
    name = re.sub(rb"[\x00-\x1f\x7f]", b" ", realm.name.encode())
    return b'Basic realm="%s", charset="UTF-8"' % re.sub(rb'(["\\])', rb"\\\1", name)


def admits(peer: str, allow: Sequence[Network], deny: Sequence[Network]) -> bool:
    """Whether a client at this address may come in: it is in no denied network and, if any are
    allowed, in one of those.

    A client at a UNIX socket has no address, "": no network denies it, and no network allows it,
    so that a list of who may come in lets nobody else in by another door.
    """
    if not allow and not deny:
        return True
    if not peer:
        return not allow
    address = _address(peer)
    if any(address in network for network in deny):
        return False
    return not allow or any(address in network for network in allow)


def _address(peer: str) -> IPv4Address | IPv6Address:
    """An IPv4 client of an IPv6 socket is at ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2)."""
    address = ip_address(peer.partition("%")[0])  # without the zone (RFC 4007 section 11)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
