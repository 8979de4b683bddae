"""What the tests of all directories share."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from loadtest import disks

MEGABYTES = 64  # of a fresh file system; what needs more makes its own


@pytest.fixture(scope="session")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """The root of a file system of a kind, made once for all tests; "here" is that of pytest's own."""
    with ExitStack() as stack:

        @cache
        def root(kind: str) -> Path:
            if kind == "here":
                return tmp_path_factory.mktemp("here")
            return stack.enter_context(disks.filesystem(kind, MEGABYTES))

        def or_skip(kind: str) -> Path:
            if kind != "here" and (why := disks.missing(kind)):
                pytest.skip(why)
            return root(kind)

        yield or_skip


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes seconds and tells nothing new in a second run")
