"""`headrace config`: all values, and where each comes from."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

from server.config import BadOption
from server.config.arguments import parse_arguments
from server.config.explain import effects, pattern_of, value_of
from server.config.model import SiteConfig
from server.config.options import OPTIONS
from server.config.settings import Settings, Understood, understand

PURPOSE = "Prints all values and where each comes from."
FOR_ALL = frozenset(option.name for option in OPTIONS if not option.site)

Row = tuple[str, str, str]


def main(arguments: Sequence[str]) -> int:
    """0, or 2 and a sentence if they cannot be understood."""
    try:
        given = parse_arguments(arguments, "headrace config", PURPOSE, "")
        understood = understand(given, os.environ)
    except BadOption as error:
        print(f"headrace: {error}", file=sys.stderr)
        return 2
    rows = list(_rows(understood))
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for name, value, source in rows:
        print(f"{name:<{widths[0]}}  {value:<{widths[1]}}  {source}")
    return 0


def _rows(understood: Understood) -> Iterator[Row]:
    """What holds for all, then each site; the top level is a site too, if it serves anything."""
    yield from _settings("", understood.settings)
    first = len(understood.config.sites) - sum(bool(site.hosts) for site in understood.config.sites)
    for number, (site, settings) in enumerate(zip(understood.config.sites, understood.sites, strict=True)):
        prefix = f"site[{number - first}]." if site.hosts else ""
        if prefix:
            yield from _settings(prefix, {n: s for n, s in settings.items() if n not in FOR_ALL})
        yield from _rules(site, prefix)


def _settings(prefix: str, settings: Settings) -> Iterator[Row]:
    for name, setting in settings.items():
        yield prefix + name, value_of(setting) or "-", setting.source


def _rules(site: SiteConfig, prefix: str) -> Iterator[Row]:
    for number, rule in enumerate(site.rules):
        yield f"{prefix}rule[{number}]", f"{pattern_of(rule)}: {'; '.join(effects(rule))}", rule.source
