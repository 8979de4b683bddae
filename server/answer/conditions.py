"""Preconditions, in the order of RFC 9110 section 13.2.2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from server.answer.dates import parse_date

TAG: Final = rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
ENTITY_TAG: Final = re.compile(TAG)
# Section 5.6.1.2: a list, whose elements may be empty.
ENTITY_TAGS: Final = re.compile(rb"(?:[ \t]*,)*[ \t]*" + TAG + rb"[ \t]*(?:,[ \t]*(?:" + TAG + rb"[ \t]*)?)*")


class Validators:
    """What tells one version of a representation from another; None: that is not known, or kept
    back. Never changed."""

    __slots__ = ("etag", "modified")

    def __init__(self, etag: bytes | None, modified: int | None) -> None:
        self.etag = etag
        self.modified = modified  # seconds since the epoch


class Verdict(Enum):
    PROCEED = auto()
    NOT_MODIFIED = auto()
    FAILED = auto()


# Bound once, as the statuses are.
PROCEED: Final = Verdict.PROCEED
NOT_MODIFIED: Final = Verdict.NOT_MODIFIED
FAILED: Final = Verdict.FAILED


def judge(fields: Mapping[bytes, bytes], validators: Validators, now: int) -> Verdict:
    """Whether a GET or HEAD is to be answered, with 304, with 412, or as if unconditional."""
    modified = validators.modified
    if (match := fields.get(b"if-match")) is not None:
        if not _listed(match, validators.etag, weakly=False):
            return FAILED
    elif (since := fields.get(b"if-unmodified-since")) is not None and modified is not None:
        date = parse_date(since, now)
        if date is not None and modified > date:
            return FAILED
    if (none := fields.get(b"if-none-match")) is not None:
        if _listed(none, validators.etag, weakly=True):
            return NOT_MODIFIED
    elif (since := fields.get(b"if-modified-since")) is not None and modified is not None:
        date = parse_date(since, now)
        if date is not None and modified <= date:
            return NOT_MODIFIED
    return PROCEED


def range_applies(fields: Mapping[bytes, bytes], validators: Validators, now: int) -> bool:
    """If-Range (section 13.1.5): by strong comparison of a tag, or by the exact date, if that
    date is old enough to be a strong validator (section 8.8.2.2)."""
    condition = fields.get(b"if-range")
    if condition is None:
        return True
    if ENTITY_TAG.fullmatch(condition):
        return condition == validators.etag and not condition.startswith(b"W/")
    modified = validators.modified
    return modified is not None and parse_date(condition, now) == modified and now - modified >= 1


def _listed(header: bytes, etag: bytes | None, *, weakly: bool) -> bool:
    """What is neither `*` nor a list of tags lists none: If-Match fails, If-None-Match does not."""
    if header.strip() == b"*":
        return True
    if etag is None or not ENTITY_TAGS.fullmatch(header):
        return False
    tags = ENTITY_TAG.findall(header)
    if weakly:
        return etag.removeprefix(b"W/") in [tag.removeprefix(b"W/") for tag in tags]
    return etag in tags and not etag.startswith(b"W/")
