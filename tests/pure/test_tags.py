"""Tags and dates of files (RFC 9110 sections 8.8.1 to 8.8.3)."""

import pytest

from aio import Facts, Way
from server.files.tags import MOST_DIGESTS, Digests, is_provisional, validators, wants_digest

MODIFIED = 784111777
NOW = MODIFIED + 1000
DIGEST = bytes(range(16))


def facts(mtime: float = MODIFIED, size: int = 5, ctime_ns: int = 7) -> Facts:
    return Facts(1, 2, ctime_ns, size, int(mtime * 10**9), 0o644, Way.DIRECT, 512, 0)


def test_the_tag_is_of_the_time_to_the_nanosecond_and_of_the_size():
    tags = {
        validators(facts(10**9 + ns / 1e9, size), "mtime", b"", NOW + 10**9).etag
        for size in (1, 2)
        for ns in (0, 1000)
    }
    assert len(tags) == 4


@pytest.mark.parametrize(("age", "weak"), [(0, True), (1.9, True), (2, False), (1000, False), (-5, True)])
def test_a_tag_is_weak_as_long_as_the_file_may_change_unseen(age, weak):
    found = validators(facts(), "mtime", b"", MODIFIED + age)
    assert found.etag.startswith(b"W/") is weak


def test_a_date_that_is_still_to_come_is_not_told():
    """Section 8.8.2.1."""
    assert validators(facts(NOW + 60), "mtime", b"", NOW).modified is None


@pytest.mark.parametrize("etag", ["mtime", "content", "none"])
@pytest.mark.parametrize(("age", "told"), [(0, False), (0.5, False), (1.9, False), (2, True), (1000, True)])
def test_a_date_is_not_told_as_long_as_it_may_be_that_of_two_versions(etag, age, told):
    """Sections 8.8.2.2 and 13.1.5: who gets a date may use it as if it were strong."""
    assert validators(facts(), etag, DIGEST, MODIFIED + age).modified == (MODIFIED if told else None)


@pytest.mark.parametrize(
    ("mtime", "etag", "digest", "age", "provisional"),
    [
        (MODIFIED, "mtime", b"", 1, True),  # weak, and without a date
        (MODIFIED, "mtime", b"", -60, True),
        (MODIFIED, "mtime", b"", 2, False),
        (MODIFIED, "none", b"", 1, True),
        (MODIFIED, "none", b"", 2, False),
        (MODIFIED, "content", b"", 100, True),
        (MODIFIED, "content", DIGEST, 1, True),
        (MODIFIED, "content", DIGEST, 100, False),
        (0, "mtime", b"", NOW, True),
        (0, "mtime", DIGEST, NOW, False),
        (0, "none", b"", NOW, False),
    ],
)
def test_what_may_be_said_better_later_is_provisional(mtime, etag, digest, age, provisional):
    found = facts(mtime)
    assert is_provisional(found, etag, validators(found, etag, digest, mtime + age)) is provisional


@pytest.mark.parametrize("mtime", [0, 1, 315532800, 315532800 + 86400, -5])
def test_a_time_that_every_file_of_a_build_has_is_no_time(mtime):
    """Unix's epoch, and ZIP's: the tag is of the content, and there is none as long as that is
    not known; a date would match that of the next build."""
    found = facts(mtime)
    assert wants_digest(found, "mtime")
    assert validators(found, "mtime", b"", NOW).etag is None
    known = validators(found, "mtime", DIGEST, NOW)
    assert known.etag == b'"000102030405060708090a0b0c0d0e0f"'
    assert known.modified is None


def test_a_site_may_want_all_tags_to_be_of_the_content():
    assert wants_digest(facts(), "content")
    found = validators(facts(), "content", DIGEST, MODIFIED)
    assert found.etag == b'"000102030405060708090a0b0c0d0e0f"'  # strong, however young
    assert validators(facts(), "content", DIGEST, NOW).modified == MODIFIED
    assert validators(facts(), "content", b"", NOW).etag is None


def test_a_site_may_want_no_tags():
    for mtime in (0, MODIFIED):
        assert not wants_digest(facts(mtime), "none")
        assert validators(facts(mtime), "none", DIGEST, NOW).etag is None
    assert validators(facts(), "none", b"", NOW).modified == MODIFIED


def test_digests_are_remembered_by_version_and_not_without_end():
    digests = Digests()
    first = facts().identity
    assert digests.of(first) == b""
    assert digests.begin(first)
    assert not digests.begin(first)
    digests.end(first)
    assert digests.begin(first)
    digests.end(first)
    digests.learn(first, b"")  # it could not be read
    assert not digests.begin(first)
    assert digests.of(first) == b""
    digests.learn(first, DIGEST)
    assert digests.of(first) == DIGEST
    assert digests.of(facts(ctime_ns=8).identity) == b""
    for n in range(MOST_DIGESTS):
        digests.learn(b"%d" % n, DIGEST)
    assert digests.of(first) == b""
    assert digests.of(b"0") == DIGEST
