"""`headrace healthcheck [URL]`: whether a server answers. For images that have no curl."""

from __future__ import annotations

import argparse
import http.client
import os
import socket
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

from server.config import DEFAULT_LISTEN, BadOption, parse_address
from server.wire.address import Address

TIMEOUT_SECONDS = 3
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def main(arguments: Sequence[str]) -> int:
    """0 if the server answers with anything but a 5xx, else 1 and a sentence."""
    parser = argparse.ArgumentParser(
        prog="headrace healthcheck", description="Asks whether a server answers."
    )
    parser.add_argument("url", nargs="?", help="default: the first address of HEADRACE_LISTEN")
    url = parser.parse_args(arguments).url
    try:
        status = _ask(url) if url else _ask_listener(os.environ.get("HEADRACE_LISTEN", DEFAULT_LISTEN))
    except (OSError, http.client.HTTPException, ValueError, BadOption) as error:
        print(f"headrace: no answer: {error}", file=sys.stderr)
        return 1
    if status >= http.client.INTERNAL_SERVER_ERROR:
        print(f"headrace: answered with {status}", file=sys.stderr)
        return 1
    return 0


def _ask(url: str) -> int:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"{url!r} is not an http URL")
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=TIMEOUT_SECONDS)
    return _head(connection, parts.path or "/")


def _ask_listener(listen: str) -> int:
    address = parse_address((listen.split() or [""])[0])
    if address.path:
        return _head(_UnixConnection(address), "/")
    host = ANYWHERE.get(address.host, address.host)
    return _head(http.client.HTTPConnection(host, address.port, timeout=TIMEOUT_SECONDS), "/")


def _head(connection: http.client.HTTPConnection, path: str) -> int:
    try:
        connection.request("HEAD", path)
        return connection.getresponse().status
    finally:
        connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, address: Address) -> None:
        super().__init__("localhost", timeout=TIMEOUT_SECONDS)
        self._path = address.path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_SECONDS)
        self.sock.connect(self._path)
