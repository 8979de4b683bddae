"""A worker: the place where all parts are made and joined."""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import signal
import socket
import time
from pathlib import Path

from aio import BLOCK, Disk, InLoopDisk, Links, Means, Service
from server.answer.search import RESERVED, with_compressed
from server.config import Config, SiteConfig, names_beneath, open_directory
from server.files.changes import Changes
from server.files.content import Contents
from server.files.docroot import Docroot
from server.files.root import Root
from server.files.site import Site, Sites
from server.files.tags import Digests
from server.files.terms import Terms
from server.loop import Loop
from server.observe.access import LineLog
from server.observe.journal import Journal
from server.process.memory import SMALL_FILES, default_budget, limit
from server.process.signals import Signals
from server.wire.address import SocketName, address_of
from server.wire.credit import Credit
from server.wire.passwords import Passwords
from server.wire.server import Server

MOST_REMEMBERED = 65_536  # blocks that are gone, and may be in the page cache: 200 bytes for each
FILES_SHARE = 4  # of all descriptors, a disk's files may take one in so many
DRAIN_SECONDS = 30.0
GARBAGE_OBJECTS = 10_000  # made since the last collection, to make another one worth its while
PREPARE_SECONDS = 2.0
LEAVE_SECONDS = 1.0  # for the disk service's threads

MEANS = {
    "auto": Means(),
    "linux-aio": Means(cached=False, settle_ns=0),
    "threads": Means(native=False, cached=False),
    "posix-aio": Means(native=False, cached=False, posix=True),
}


class Worker:
    """One process's loop, its sockets, its disks."""

    def __init__(self, config: Config, listeners: list[socket.socket]) -> None:
        self.config = config
        self.journal = Journal(2)
        self.addresses = [address_of(sock) for sock in listeners]
        self._socket_names = [SocketName(address.path) for address in self.addresses]
        self.loop = Loop()
        budget = config.memory or default_budget()
        self.service = Service(
            max(8, budget * (SMALL_FILES - 1) // SMALL_FILES // BLOCK),
            remembered=min(MOST_REMEMBERED, limit() // BLOCK),
            report=self.journal.notice,
        )
        # Before Linux 6.5 splice(2) to a UNIX socket waits for its reader to come back from a recv(2).
        self.service.lends &= all(sock.family != socket.AF_UNIX for sock in listeners)
        self.contents = Contents(budget // SMALL_FILES)
        self.disks: list[Disk] = []
        self.digests = Digests()
        self.changes = Changes()
        self.sites = Sites([(site.hosts, self._site(site)) for site in config.sites])
        realms = [rule.realm for site in config.sites for rule in site.rules if rule.realm is not None]
        self.passwords = Passwords(self.loop, realms)
        self.log_journal: Journal | None = None
        access_log = None
        if config.log != "none":
            self.log_journal = Journal(1)
            access_log = LineLog(self.log_journal, self.loop, config.log)
        self.server = Server(
            self.loop,
            self.sites,
            self.changes,
            self.passwords,
            Credit(self.loop, budget),
            listeners,
            self.journal.notice,
            access_log,
        )
        self.loop.watch(self.service.eventfd, select.EPOLLIN, lambda _: self.service.reap())
        self.loop.before_sending(self.service.pass_on)
        self.loop.before_waiting(self.service.flush)
        self.loop.every_second(self._mind_the_drain)
        self.loop.every_second(self._tidy_when_idle)
        self._drain_ends = 0.0
        self.garbage = 0  # objects that only the collector could free: there should be none
        self._signals = Signals(
            self.loop,
            {
                signal.SIGTERM: self.drain,
                signal.SIGQUIT: self.drain,
                signal.SIGINT: self.loop.stop,
                signal.SIGUSR1: self.report_state,
            },
        )

    def prepare(self) -> None:
        """Waits until the rules in the roots are known; not for a disk that does not answer."""
        deadline = time.monotonic() + PREPARE_SECONDS
        while not all(site.ready for site in self.sites.all) and time.monotonic() < deadline:
            self.loop.turn()
            if self.server.draining:
                return
        self.server.listen()

    def run(self) -> int:
        """Serves until it is told to stop; the exit status."""
        if not self.server.draining:  # it may have been told to stop before it began
            self.loop.run()
        self.server.close_listeners()
        self.server.drop_all()
        self.garbage += gc.collect()
        if self.config.verbose:
            self.report_state()
        self._signals.close()
        for name in self._socket_names:
            name.remove()
        self.passwords.close()
        asleep = self.service.close(LEAVE_SECONDS)
        if asleep:
            self.journal.notice(f"left while {asleep} calls to a disk had not come back")
        for journal in filter(None, (self.log_journal, self.journal)):
            journal.close(LEAVE_SECONDS)
        if asleep:
            # Threads in the kernel cannot be joined; exit() would touch what they may touch.
            os._exit(0)
        return 0

    def drain(self) -> None:
        self._drain_ends = self.loop.now + DRAIN_SECONDS
        self.server.drain()

    def state(self) -> dict[str, object]:
        """What can be seen of it from outside."""
        turns = self.loop.turns
        return {
            "connections": self.server.connections,
            "accepted": self.server.accepted,
            "broken_off": self.server.broken_off,
            "generous": len(self.server.credit),
            "faults": self.server.faults,
            "slots": self.service.arena.census()._asdict(),
            "hits": self.service.arena.hits,
            "evictions": self.service.arena.evictions,
            "taken_back": self.service.taken_back,
            "disks": [
                {
                    "root": disk.name,
                    "native": disk.native,
                    "native_reads": disk.reads.native_reads,
                    "thread_reads": disk.reads.thread_reads,
                    "cached_reads": disk.reads.cached_reads,
                    "reads_in_flight": disk.reads.in_flight,
                    "slots_reading": disk.reads.slots_in_flight,
                    "read_quota": disk.reads.quota,
                    "read_depth": disk.reads.depth.limit,
                    "slot_quota": disk.reads.slot_quota,
                    "jobs_in_flight": disk.jobs_in_flight,
                    "job_quota": disk.job_quota,
                    "waiting": disk.waiting,
                }
                for disk in self.disks
            ],
            "heads_remembered": self.server.verdicts.remembered,
            "heads_put_together": self.server.verdicts.put_together,
            "heads_judged": self.server.verdicts.judged,
            "replies_recalled": self.server.recall.hits,
            "entries": sum(docroot.entries for docroot in self._docroots),
            "open_files": sum(docroot.open_files for docroot in self._docroots),
            "small_file_bytes": self.contents.held,
            "small_files_admitted": self.contents.admitted,
            "siblings_spared": self.service.siblings_spared,
            "turns": {
                "count": turns.count,
                "longest_cpu_us": turns.longest_cpu_ns // 1000,
                "longest_wall_us": turns.longest_wall_ns // 1000,
                "cpu_histogram": turns.cpu,
                "wall_histogram": turns.wall,
            },
            "garbage": self.garbage,
            "log_lines_dropped": self.log_journal.dropped if self.log_journal else 0,
            "counters": dict(self.service.counters),
        }

    def report_state(self) -> None:
        self.journal.notice(f"state {json.dumps(self.state())}")

    @property
    def _docroots(self) -> list[Docroot]:
        return [docroot for site in self.sites.all for docroot in site.docroots]

    def _site(self, site: SiteConfig) -> Site:
        roots = {prefix: self._docroot(site, prefix, path) for prefix, path in site.roots.items()}
        return Site(roots, site.habits, site.rules, self.loop, self.journal.notice, self.changes, site.hosts)

    def _docroot(self, site: SiteConfig, prefix: bytes, path: Path) -> Docroot:
        private = names_beneath(path, self.config.private)
        if prefix:
            private |= frozenset(RESERVED)  # they are for a root of its own
        terms = Terms(
            site.etag,
            Links[site.symlinks.upper()],
            prefix + b"/" if prefix else b"",
            site.habits.dotfiles,
            site.types,
            with_compressed(private),
        )
        return Docroot(
            Root(open_directory(path), str(path), self._disk(str(path)), self.changes),
            lambda inner: self._disk(f"{path}/{os.fsdecode(inner)}"),
            self.contents,
            self.digests,
            terms,
            self.loop,
            self.changes,
        )

    def _disk(self, name: str) -> Disk:
        backend = self.config.backend
        most = max(16, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // FILES_SHARE)
        if backend in MEANS:
            disk = Disk(self.service, name, MEANS[backend], most_files=most)
        else:
            disk = InLoopDisk(self.service, name, sendfile=backend == "sendfile", most_files=most)
        self.disks.append(disk)
        return disk

    def _tidy_when_idle(self) -> None:
        """Serving leaves no reference cycles behind, so the collector only ever costs time: 130 ms
        at 10,000 connections, for nothing. It runs when nobody is there to wait for it."""
        if not self.server.connections and gc.get_count()[0] > GARBAGE_OBJECTS:
            self.garbage += gc.collect()

    def _mind_the_drain(self) -> None:
        if self.server.draining and self.loop.now >= self._drain_ends:
            self.loop.stop()


def raise_descriptor_limit() -> None:
    """The soft limit is for programs that use select(2); we may have the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
