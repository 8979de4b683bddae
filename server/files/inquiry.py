"""One request's search through a site: asks its files, one place after the other."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from server.answer.found import Found, Inventory, Place, Result, Selection
from server.answer.search import Steps, failure, search
from server.answer.wishes import Wishes
from server.files.entry import Entry, Waiter
from server.files.site import Site


class Inquiry:
    """Ask proceed() until it has a result; if it has none, the waiter is told when to go on."""

    __slots__ = (
        "_consulted", "_entries", "_found", "_path", "_place", "_refused", "_site", "_steps", "_target",
        "_waiter", "_wishes", "entry", "result",
    )  # fmt: skip

    def __init__(
        self,
        site: Site,
        path: bytes,
        target: bytes,
        wishes: Wishes,
        waiter: Waiter,
        refused: HTTPStatus | None = None,
    ) -> None:
        """`refused`: why the client may not have it, so that only what is said of that is searched for."""
        self._site = site
        self._path = path
        self._target = target
        self._wishes = wishes
        self._waiter = waiter
        self._refused = refused
        self._restart()

    def _restart(self) -> None:
        self._steps = self._begin()  # by the site's rules of now
        self._entries: dict[Place, Entry] = {}
        self._consulted: list[tuple[Entry, Found]] = []
        self._place: Place | None = None  # that is being looked at
        self._found: Entry | None = None  # there, meanwhile
        self.result: Result | None = None
        self.entry: Entry | None = None  # whose bytes are to be sent
        self._go_on(None)

    def _begin(self) -> Steps:
        site = self._site
        if self._refused is not None:
            return failure(self._refused, self._path, self._wishes, site)
        return search(self._path, self._target, self._wishes, site.habits, site)

    @property
    def consulted(self) -> Iterable[tuple[Entry, Found]]:
        """All that were asked about, and what they were then."""
        return self._consulted

    def found(self, entry: Entry) -> None:
        self._found = entry

    def proceed(self) -> Result | None:
        while self.result is None:
            assert self._place is not None
            entry, self._found = self._found, None
            if entry is None or entry.gone:
                entry, at_once = self._site.find(self._place, self._waiter)
                if not at_once:
                    self._entries[self._place] = entry
                    return None
            self._entries[self._place] = entry
            self._go_on(entry)
        if self.entry is not None and self.entry.gone:  # while others were waited for
            self._restart()
            return self.proceed()
        return self.result

    def abandon(self) -> None:
        """Nobody wants to know any more."""
        if self.result is None and self._place in self._entries:
            self._entries[self._place].abandon(self._waiter)

    def _go_on(self, entry: Entry | None) -> None:
        if entry is None:
            step = next(self._steps)
        else:
            assert entry.found is not None
            self._consulted.append((entry, entry.found))
            step = self._steps.send(entry.found)
        if isinstance(step, Selection):
            self.result = step
            self.entry = self._entries[step.sent[0]]
        elif isinstance(step, (bytes, Inventory)):
            self._place = step
        else:
            self.result = step
