"""Directories to serve, looked at once before the loop begins."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from server.config.options import BadOption


def check_directory(directory: Path) -> None:
    """Raises BadOption if it could not be served now."""
    os.close(_opened(directory, os.O_RDONLY))


def open_directory(directory: Path) -> int:
    """A descriptor to look up paths from; raises BadOption."""
    return _opened(directory, os.O_PATH)


def names_beneath(directory: Path, files: Iterable[Path]) -> frozenset[bytes]:
    """What those of the files that lie in it are called there: by their paths, and where links lead."""
    names = set()
    for form in (os.path.abspath, os.path.realpath):
        for file in files:
            name = os.path.relpath(form(file), form(directory))
            if name != os.pardir and not name.startswith(os.pardir + os.sep):
                names.add(os.fsencode(name))
    return frozenset(names)


def _opened(directory: Path, how: int) -> int:
    try:
        return os.open(directory, how | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise BadOption(f"{directory}: there is no such directory") from None
    except NotADirectoryError:
        raise BadOption(f"{directory}: this is not a directory") from None
    except PermissionError:
        raise BadOption(f"{directory}: this directory cannot be read") from None
    except OSError as error:
        raise BadOption(f"{directory}: {error.strerror}") from None
