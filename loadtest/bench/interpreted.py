"""Headrace as it is written, with nothing of it translated to C, and without one of its measures.

python -m loadtest.bench.interpreted MEASURE [what headrace takes]
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ExtensionFileLoader, FileFinder, SourceFileLoader
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent
OURS = (str(CHECKOUT / "aio"), str(CHECKOUT / "server"))
CFFI_SUFFIX = ".abi3.so"


def _finder(path: str) -> FileFinder:
    if not path.startswith(OURS):
        raise ImportError  # somebody else's
    return FileFinder(path, (ExtensionFileLoader, [CFFI_SUFFIX]), (SourceFileLoader, [".py"]))


def main() -> None:
    sys.path_hooks.insert(0, _finder)
    sys.path_importer_cache.clear()
    importlib.import_module("loadtest.bench.without").main()


if __name__ == "__main__":
    main()
