"""Reason phrases as RFC 9110 section 15 has them, whatever Python's version knows."""

from http import HTTPStatus
from typing import Final

NEWER: Final = {413: b"Content Too Large", 414: b"URI Too Long", 416: b"Range Not Satisfiable"}


def phrase(status: HTTPStatus) -> bytes:
    return NEWER.get(status.value) or status.phrase.encode()
