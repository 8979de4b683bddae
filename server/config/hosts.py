"""Hosts: the names by which a site is asked for."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from urllib.parse import urlsplit

from server.config.options import BadOption

NAME = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
MOST_BYTES = 253  # of a name (RFC 1035 section 2.3.4, without its length bytes)


def parse_host(text: str) -> str:
    """A name, "*." and a name, an IPv4 address or an IPv6 address in brackets (RFC 3986 section
    3.2.2); in lower case."""
    host = text.lower()
    if _is_host(host):
        return f"[{IPv6Address(host[1:-1])}]" if host.startswith("[") else host
    if host == "*":
        raise BadOption("'*' is not needed: the first site has all hosts that no other site has")
    if "*" in host:
        raise BadOption(f"{text!r}: a wildcard is the whole first label, as in *.example.org")
    meant = _meant(host)
    hint = f" (did you mean {meant}?)" if _is_host(meant) else ""
    raise BadOption(f"{text!r} is not a host, without scheme and port, such as example.org{hint}")


def _is_host(host: str) -> bool:
    if host.startswith("["):
        try:
            IPv6Address(host[1:-1])
        except ValueError:
            return False
        return host.endswith("]")
    return bool(NAME.fullmatch(host)) and len(host) <= MOST_BYTES


def _meant(host: str) -> str:
    """The host in a URL or with a port or in another script."""
    try:
        named = urlsplit(host if "://" in host else f"//{host}").hostname or ""
        named = named.rstrip(".").encode("idna").decode()
        return f"[{IPv6Address(named)}]" if ":" in named else named
    except ValueError:
        return ""
