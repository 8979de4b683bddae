"""The sites of the file: the top level is one, and each [[site]]."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from msgspec import UNSET

from server.config.file import Table
from server.config.hosts import parse_host
from server.config.model import SiteConfig
from server.config.options import MOUNT, OPTIONS, ROOT
from server.config.place import Place, shown
from server.config.rules import read_rules
from server.config.schema import FileTable, SiteTable
from server.config.settings import DEFAULT, DEFAULT_SITE, TYPE, Setting, Settings, make_site

ENDING = re.compile(r"[^./\s]+")
CONTENT_TYPE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+([ \t]*;[\x20-\x7e]+)?")


def read_sites(file: Table, top: Settings) -> tuple[tuple[SiteConfig, ...], tuple[Settings, ...]]:
    """All sites with their settings, the default one first.

    The top level is a site of its own, and the default, if it says what is there (a root or a
    mount), or if there is no [[site]]; otherwise the first [[site]] is the default.
    """
    keys = file.keys
    assert isinstance(keys, FileTable)
    rules = read_rules(keys.rule, file.place)
    top = {**top, **_types(keys.types, file.place.key("types"))}
    sites: list[SiteConfig] = []
    settings: list[Settings] = []
    if not keys.site or any(top[option.name].source != DEFAULT for option in (ROOT, MOUNT)):
        sites.append(make_site(DEFAULT_SITE, (), top, rules))
        settings.append(top)
    hosts: dict[str, Place] = {}  # of all sites, and where each stands
    names: dict[str, Place] = {}
    for number, site in enumerate(keys.site):
        table = Table(site, file.place.key("site").item(number))
        own = _inherit(table, top)
        own["hosts"] = _hosts(site, table.place, hosts)
        own["name"] = _name(site, own["hosts"], table.place, names)
        settings.append(own)
        more = read_rules(site.rule, table.place)
        sites.append(make_site(own["name"].value, own["hosts"].value, own, (*rules, *more)))
    return tuple(sites), tuple(settings)


def private_files(file: Table) -> tuple[Path, ...]:
    """The file itself and those of passwords that it names."""
    keys = file.keys
    assert isinstance(keys, FileTable)
    rules = (*keys.rule, *(rule for site in keys.site for rule in site.rule))
    named = (rule.auth.file for rule in rules if rule.auth is not UNSET)
    return (file.place.file, *map(file.place.path, named))


def _inherit(table: Table, top: Settings) -> dict[str, Setting]:
    """What a site says itself, and for the rest what holds for all. What is mounted in another
    site is not there."""
    settings = {**top, MOUNT.name: Setting(MOUNT.name, (), DEFAULT)}
    for option in (ROOT, *OPTIONS):
        said = table.setting(option) if option.site else None
        if said is not None:
            settings[option.name] = said
    return settings | _types(table.keys.types, table.place.key("types"))


def _hosts(site: SiteTable, place: Place, taken: dict[str, Place]) -> Setting:
    at = place.key("hosts")
    hosts = []
    for item, text in at.items(site.hosts):
        host = item.parse(parse_host, text)
        if host in taken:
            raise item.fault(f"{host} is taken by {taken[host].keys}")
        taken[host] = item
        hosts.append(host)
    if not hosts:
        raise at.fault("expected at least one host, found none")
    return Setting("hosts", tuple(hosts), str(at))


def _name(site: SiteTable, hosts: Setting, place: Place, taken: dict[str, Place]) -> Setting:
    if site.name is UNSET:
        return Setting("name", hosts.value[0], hosts.source)
    at = place.key("name")
    if not site.name.strip() or not site.name.isprintable():
        raise at.fault(f"{shown(site.name)} is not a name that can be read")
    if site.name in taken:
        raise at.fault(f"{shown(site.name)} is taken by {taken[site.name].keys}")
    taken[site.name] = at
    return Setting("name", site.name, str(at))


def _types(table: Mapping[str, str], place: Place) -> dict[str, Setting]:
    """Content types by ending: "webp" or ".webp"."""
    types = {}
    for ending, content_type in table.items():
        at = place.key(ending)
        bare = ending.lower().removeprefix(".")
        if not ENDING.fullmatch(bare):
            raise at.fault(f"{shown(ending)} is not the ending of a name behind its last dot, such as webp")
        if not CONTENT_TYPE.fullmatch(content_type):
            raise at.fault(f"{shown(content_type)} is not a content type, such as text/plain; charset=utf-8")
        types[TYPE + bare] = Setting(TYPE + bare, content_type, str(at))
    return types
