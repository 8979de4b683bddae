"""Preconditions (RFC 9110 section 13) and If-Range (section 13.1.5)."""

import pytest

from server.answer.conditions import Validators, Verdict, judge, range_applies
from server.answer.dates import http_date

MODIFIED = 784111777
NOW = MODIFIED + 100
STRONG = Validators(b'"v1"', MODIFIED)
WEAK = Validators(b'W/"v1"', MODIFIED)
UNTAGGED = Validators(None, MODIFIED)
UNDATED = Validators(b'"v1"', None)
NEITHER = Validators(None, None)
THEN, BEFORE, AFTER = (http_date(MODIFIED + seconds) for seconds in (0, -1, 1))
FUTURE = http_date(MODIFIED + 10**9)
PROCEED, NOT_MODIFIED, FAILED = Verdict.PROCEED, Verdict.NOT_MODIFIED, Verdict.FAILED


@pytest.mark.parametrize(
    ("fields", "validators", "verdict"),
    [
        ({}, STRONG, PROCEED),
        # 13.1.1 If-Match, by strong comparison
        ({b"if-match": b'"v1"'}, STRONG, PROCEED),
        ({b"if-match": b'"v2"'}, STRONG, FAILED),
        ({b"if-match": b'"v2", "v1"'}, STRONG, PROCEED),
        ({b"if-match": b'"v2" ,\t"v3"'}, STRONG, FAILED),
        ({b"if-match": b"*"}, STRONG, PROCEED),
        ({b"if-match": b"*"}, WEAK, PROCEED),
        ({b"if-match": b'W/"v1"'}, STRONG, FAILED),
        ({b"if-match": b'W/"v1"'}, WEAK, FAILED),
        ({b"if-match": b'"v1"'}, WEAK, FAILED),
        ({b"if-match": b""}, STRONG, FAILED),
        ({b"if-match": b"v1"}, STRONG, FAILED),
        ({b"if-match": b'"v2" "v1"'}, STRONG, FAILED),  # no list
        ({b"if-match": b'*, "v1"'}, STRONG, FAILED),
        # 13.1.2 If-None-Match, by weak comparison
        ({b"if-none-match": b'"v1"'}, STRONG, NOT_MODIFIED),
        ({b"if-none-match": b'W/"v1"'}, STRONG, NOT_MODIFIED),
        ({b"if-none-match": b'"v1"'}, WEAK, NOT_MODIFIED),
        ({b"if-none-match": b'W/"v1"'}, WEAK, NOT_MODIFIED),
        ({b"if-none-match": b'"v2"'}, STRONG, PROCEED),
        ({b"if-none-match": b'"v2", W/"v1"'}, STRONG, NOT_MODIFIED),
        ({b"if-none-match": b"*"}, STRONG, NOT_MODIFIED),
        ({b"if-none-match": b" * "}, STRONG, NOT_MODIFIED),
        ({b"if-none-match": b"v1"}, STRONG, PROCEED),
        ({b"if-none-match": b'"V1"'}, STRONG, PROCEED),
        ({b"if-none-match": b'"a,b", "v1"'}, STRONG, NOT_MODIFIED),  # a comma may be in a tag
        ({b"if-none-match": b'"a, "'}, STRONG, PROCEED),
        ({b"if-none-match": b""}, STRONG, PROCEED),
        ({b"if-none-match": b'"v2" "v1"'}, STRONG, PROCEED),  # no list: tags nobody can have meant
        ({b"if-none-match": b'"v1" "v2"'}, STRONG, PROCEED),
        ({b"if-none-match": b'"v1";x'}, STRONG, PROCEED),
        ({b"if-none-match": b'v2, "v1"'}, STRONG, PROCEED),
        ({b"if-none-match": b'*, "v1"'}, STRONG, PROCEED),
        ({b"if-none-match": b'w/"v1"'}, STRONG, PROCEED),  # 8.8.3: W has case
        ({b"if-none-match": b', ,"v2",, "v1" ,'}, STRONG, NOT_MODIFIED),  # 5.6.1.2: empty elements
        ({b"if-none-match": b'"v2","v1"'}, STRONG, NOT_MODIFIED),
        # 13.1.3 If-Modified-Since
        ({b"if-modified-since": THEN}, STRONG, NOT_MODIFIED),
        ({b"if-modified-since": AFTER}, STRONG, NOT_MODIFIED),
        ({b"if-modified-since": BEFORE}, STRONG, PROCEED),
        ({b"if-modified-since": FUTURE}, STRONG, NOT_MODIFIED),
        ({b"if-modified-since": b"garbage"}, STRONG, PROCEED),
        ({b"if-modified-since": b"Sunday, 06-Nov-94 08:49:37 GMT"}, STRONG, NOT_MODIFIED),
        # 13.1.4 If-Unmodified-Since
        ({b"if-unmodified-since": THEN}, STRONG, PROCEED),
        ({b"if-unmodified-since": AFTER}, STRONG, PROCEED),
        ({b"if-unmodified-since": BEFORE}, STRONG, FAILED),
        ({b"if-unmodified-since": b"garbage"}, STRONG, PROCEED),
        # 13.2.2, the order
        ({b"if-match": b'"v1"', b"if-unmodified-since": BEFORE}, STRONG, PROCEED),  # 1 before 2
        ({b"if-match": b'"v2"', b"if-unmodified-since": THEN}, STRONG, FAILED),
        ({b"if-none-match": b'"v2"', b"if-modified-since": THEN}, STRONG, PROCEED),  # 3 before 4
        ({b"if-none-match": b'"v1"', b"if-modified-since": BEFORE}, STRONG, NOT_MODIFIED),
        ({b"if-match": b'"v2"', b"if-none-match": b'"v1"'}, STRONG, FAILED),  # 1 before 3
        ({b"if-match": b'"v1"', b"if-none-match": b'"v1"'}, STRONG, NOT_MODIFIED),
        ({b"if-unmodified-since": BEFORE, b"if-modified-since": THEN}, STRONG, FAILED),  # 2 before 4
        ({b"if-unmodified-since": THEN, b"if-none-match": b'"v1"'}, STRONG, NOT_MODIFIED),
        # what is not known, or kept back, matches nothing and is no reason to refuse
        ({b"if-match": b"*"}, NEITHER, PROCEED),
        ({b"if-match": b'"v1"'}, UNTAGGED, FAILED),
        ({b"if-none-match": b'"v1"'}, UNTAGGED, PROCEED),
        ({b"if-none-match": b"*"}, NEITHER, NOT_MODIFIED),
        ({b"if-none-match": b'"v2"', b"if-modified-since": THEN}, UNTAGGED, PROCEED),
        ({b"if-modified-since": FUTURE}, UNDATED, PROCEED),  # 13.1.3: no modification date available
        ({b"if-unmodified-since": BEFORE}, UNDATED, PROCEED),
        ({b"if-modified-since": THEN}, UNTAGGED, NOT_MODIFIED),
    ],
)
def test_preconditions_are_judged_in_their_order(fields, validators, verdict):
    assert judge(fields, validators, NOW) is verdict


@pytest.mark.parametrize(
    ("condition", "validators", "age", "applies"),
    [
        (None, STRONG, 100, True),
        (b'"v1"', STRONG, 100, True),
        (b'"v2"', STRONG, 100, False),
        (b'W/"v1"', STRONG, 100, False),  # 13.1.5: strong comparison
        (b'"v1"', WEAK, 100, False),
        (b'W/"v1"', WEAK, 100, False),
        (THEN, STRONG, 100, True),
        (THEN, STRONG, 0, False),  # 8.8.2.2: within its own second a date is weak
        (BEFORE, STRONG, 100, False),
        (AFTER, STRONG, 100, False),  # exact match, not "since"
        (b"garbage", STRONG, 100, False),
        (b"", STRONG, 100, False),
        (b'"v1", "v2"', STRONG, 100, False),  # not a list
        (b"*", STRONG, 100, False),
        (b'"v1"', UNTAGGED, 100, False),
        (THEN, UNTAGGED, 100, True),
        (THEN, UNDATED, 100, False),
        (b'"v1"', UNDATED, 100, True),
        (b"", NEITHER, 100, False),
    ],
)
def test_a_range_applies_only_to_the_version_that_is_named(condition, validators, age, applies):
    fields = {} if condition is None else {b"if-range": condition}
    assert range_applies(fields, validators, MODIFIED + age) is applies
