"""Sites by host; in each, which root a path belongs to and which rules."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final

from server.answer.found import Inventory, Place
from server.answer.rules import Rule, Rulebook, Treatment
from server.answer.search import Habits
from server.files.changes import Changes
from server.files.docroot import Docroot
from server.files.entry import Client, Entry, Waiter
from server.files.sitefiles import SiteFiles
from server.loop import Loop

MOST_PATHS: Final = 16_384  # whose rules are remembered
MOST_HOSTS: Final = 1024  # names that were asked for
LONG_BYTES: Final = 256  # what is longer is worked out each time: anybody can ask for any number of such
RULES_SECONDS: Final = 2.0  # how long answers wait for the rules of a new version
UNKNOWN: Final = -1


class Site:
    """Roots by the prefix of the path under which they are seen, the longest prefix first; and
    rules, those of the configuration before those that lie in the root."""

    def __init__(
        self,
        roots: dict[bytes, Docroot],
        habits: Habits,
        rules: Sequence[Rule],
        loop: Loop,
        report: Callable[[str], None],
        changes: Changes,
        hosts: Sequence[str] = (),
    ) -> None:
        self._main = roots[b""]
        self._mounts = sorted(
            ((prefix + b"/", docroot) for prefix, docroot in roots.items() if prefix),
            key=lambda mount: len(mount[0]),
            reverse=True,
        )
        self.docroots = list(roots.values())
        self.habits = habits
        self._own_rules = tuple(rules)
        self.edition = 0  # of all rules: another one as soon as any of them is another
        self._follow(self._own_rules)
        self.version = UNKNOWN  # of the root whose rules are known
        self._waiting: dict[Client, None] = {}
        self._waiting_until = 0.0
        self._loop = loop
        self._changes = changes
        self._files = SiteFiles(self._main, loop, self._learn, report, hosts)
        loop.every_second(self._end_waiting)

    def find(self, place: Place, waiter: Waiter) -> tuple[Entry, bool]:
        """As Docroot.find()."""
        inventory = None
        path = place
        if isinstance(path, Inventory):
            inventory, path = path, path.path
        docroot = self._main
        for prefix, mounted in self._mounts:
            if path.startswith(prefix):
                docroot, path = mounted, path[len(prefix) :]
                break
            if path == prefix[:-1]:  # the directory itself, without its slash
                docroot, path = mounted, b"."
                break
        if inventory is not None:
            path = path.rstrip(b"/") or b"."
        return docroot.find(path, waiter, inventory)

    @property
    def ready(self) -> bool:
        """Whether the rules in the root are known, those of the directory that it is now: no
        answer is of the files of one version and the rules of another."""
        return self.version == self._main.version

    def await_rules(self, client: Client) -> bool:
        """Whether it is worth to wait for them: the client is told. They come within milliseconds
        of a new version; from a disk that does not answer nothing else comes either."""
        if self.version == UNKNOWN:
            return False  # the start has waited for them
        if not self._waiting_until:
            self._waiting_until = self._loop.now + RULES_SECONDS
            self._files.look()
        if self._loop.now >= self._waiting_until:
            return False
        self._waiting[client] = None
        return True

    def leave(self, client: Client) -> None:
        self._waiting.pop(client, None)

    # --- rules, each question answered once for a path ---

    @property
    def leads(self) -> bool:
        """Whether there is a detour for any path."""
        return self._rulebook.leads

    def detour(self, path: bytes, *, force: bool) -> tuple[bytes, int] | None:
        work_out = self._detour if len(path) <= LONG_BYTES else self._rulebook.detour
        return work_out(path, force=force)

    def error_page(self, path: bytes, status: int) -> bytes | None:
        return self.treatment(path, path).error_pages.get(status)

    @property
    def treatment_of_all(self) -> Treatment | None:
        """What the rules want, if that is the same for every path."""
        return self._rulebook.treatment

    def treatment(self, path: bytes, file_path: bytes) -> Treatment:
        """What the rules want for this path. Both have a leading slash."""
        if self._rulebook.treatment is not None:
            return self._rulebook.treatment
        work_out = self._treat if len(path) + len(file_path) <= 2 * LONG_BYTES else self._rulebook.treat
        return work_out(path, file_path)

    def _learn(self, rules: Sequence[Rule], version: int) -> None:
        """The rules in the root are these by now."""
        self._follow((*self._own_rules, *rules))
        self.version = version
        self._changes.note()
        self._waiting_until = 0.0
        self._wake()

    def _end_waiting(self) -> None:
        if self._waiting_until and self._loop.now >= self._waiting_until:
            self._wake()

    def _wake(self) -> None:
        told = list(self._waiting)
        self._waiting.clear()
        for client in told:
            client.wake()

    def _follow(self, rules: Sequence[Rule]) -> None:
        self._rulebook = rulebook = Rulebook(rules)
        self.edition += 1
        self._treat = lru_cache(MOST_PATHS)(rulebook.treat)
        self._detour = lru_cache(MOST_PATHS)(rulebook.detour)


class Sites:
    """The sites by the hosts that they are for; the first is for all other hosts."""

    def __init__(self, sites: Sequence[tuple[Sequence[str], Site]]) -> None:
        self.default = sites[0][1]
        self.all = [site for _, site in sites]
        self._by_name = {host.encode(): site for hosts, site in sites for host in hosts}
        self._known: OrderedDict[bytes, Site] = OrderedDict()

    def for_host(self, host: bytes) -> Site:
        """The site for a Host field, port and all (RFC 9110 section 7.2)."""
        if not self._by_name or len(host) > LONG_BYTES:
            return self.default
        site = self._known.get(host)
        if site is None:
            site = self._known[host] = self._search(host)
            if len(self._known) > MOST_HOSTS:
                self._known.popitem(last=False)
        return site

    def _search(self, host: bytes) -> Site:
        name = host.lower()
        if name.startswith(b"["):
            name = _shortest(name.partition(b"]")[0][1:])
        else:
            name = name.partition(b":")[0].rstrip(b".")
        if name in self._by_name:
            return self._by_name[name]
        while b"." in name:  # the longest wildcard first
            name = name.partition(b".")[2]
            if b"*." + name in self._by_name:
                return self._by_name[b"*." + name]
        return self.default


def _shortest(address: bytes) -> bytes:
    """An IPv6 address as the configuration has it, for there are several ways to write one."""
    try:
        return b"[%b]" % str(IPv6Address(address.decode("ascii"))).encode()
    except ValueError:
        return address
