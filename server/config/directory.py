"""Directories to serve, looked at once before the loop begins."""

from __future__ import annotations

import os
from pathlib import Path

from server.config.options import BadOption


def check_directory(directory: Path) -> None:
    """Raises BadOption if it could not be served now."""
    os.close(_opened(directory, os.O_RDONLY))


def open_directory(directory: Path) -> int:
    """A descriptor to look up paths from; raises BadOption."""
    return _opened(directory, os.O_PATH)


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
