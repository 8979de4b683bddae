"""Which root a path belongs to."""

from __future__ import annotations

from server.files.docroot import Docroot, Entry, Waiter

INDEX = b"index.html"


class Site:
    """Roots by the prefix of the path under which they are seen; the longest prefix wins."""

    def __init__(self, roots: dict[bytes, Docroot]) -> None:
        self._main = roots[b""]
        self._mounts = sorted(
            ((prefix + b"/", docroot) for prefix, docroot in roots.items() if prefix),
            key=lambda mount: len(mount[0]),
            reverse=True,
        )
        self.docroots = list(roots.values())

    def find(self, path: bytes, waiter: Waiter) -> tuple[Entry, bool]:
        """As Docroot.find(); for a directory, its index."""
        docroot = self._main
        for prefix, mounted in self._mounts:
            if path.startswith(prefix):
                docroot, path = mounted, path[len(prefix) :]
                break
            if path == prefix[:-1]:  # the directory itself, without its slash
                return mounted.find(b".", waiter)
        if not path or path[-1] == 0x2F:
            path += INDEX
        return docroot.find(path, waiter)
