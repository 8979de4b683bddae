"""Content codings: which of those that lie beside a file is sent (RFC 9110 section 12.5.3)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

IDENTITY: Final = b"identity"
ANY: Final = b"*"
# A coding, or a range of media types, and its weight.
ELEMENT: Final = re.compile(
    rb"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z/-]+)(?:[ \t]*;[ \t]*[qQ]=([01](?:\.\d{0,3})?))?[ \t]*"
)
ALIASES: Final = {b"x-gzip": b"gzip"}  # section 8.4.1.3
MOST_ELEMENTS: Final = 64


class Coding(NamedTuple):
    name: bytes
    ending: bytes  # of the file that lies beside the original


CODINGS: Final = (Coding(b"zstd", b".zst"), Coding(b"br", b".br"), Coding(b"gzip", b".gz"))  # the best first


def preferred(accept_encoding: bytes) -> list[bytes]:
    """The codings that are acceptable, identity among them, the best first.

    Whoever does not ask for a coding gets the file as it is. At equal weight a coding goes before
    identity, and our order decides.
    """
    weights = weights_of(accept_encoding)
    others = weights.get(ANY)
    choices: list[tuple[float, bytes]] = []
    for coding in CODINGS:
        weight = weights.get(coding.name, others or 0.0)
        if weight > 0:
            choices.append((weight, coding.name))
    # Identity is acceptable unless it is excluded, by name or by *;q=0; and whoever does not name
    # it prefers what he names.
    weight = weights.get(IDENTITY, 0.0005 if others is None else min(others, 0.0005))
    if weight > 0:
        choices.append((weight, IDENTITY))
    return [name for _, name in sorted(choices, key=lambda choice: -choice[0])]


def weights_of(field: bytes) -> dict[bytes, float]:
    """The weight of each name in an Accept-Encoding or Accept field (RFC 9110 section 12.4.2). An
    element that cannot be read says nothing."""
    weights: dict[bytes, float] = {}
    for element in field.split(b",", MOST_ELEMENTS)[:MOST_ELEMENTS]:
        match = ELEMENT.fullmatch(element)
        if match is None:
            continue
        name = match[1].lower()
        weight = 1.0 if match[2] is None else float(match[2])
        if weight <= 1:
            weights.setdefault(ALIASES.get(name, name), weight)
    return weights
