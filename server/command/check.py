"""`headrace check`: what was understood of the configuration, and whether it can be served."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from server.answer.rules import Rule
from server.answer.sitefiles import Fault, parse_headers, parse_redirects
from server.config import BadOption, check_directory, unknown_variables
from server.config.arguments import parse_arguments
from server.config.explain import effects, pattern_of, value_of
from server.config.model import SiteConfig
from server.config.options import ETAG, HABITS, LINKS
from server.config.settings import Settings, understand

SITE_FILES = (("_headers", parse_headers), ("_redirects", parse_redirects))


def main(arguments: Sequence[str]) -> int:
    """0, or 2 and a sentence for each thing that keeps a server from starting."""
    for why in unknown_variables(os.environ):
        print(f"headrace: {why}", file=sys.stderr)
    description = "Tells what was understood of the options and the file, and starts nothing."
    try:
        understood = understand(parse_arguments(arguments, "headrace check", description, ""), os.environ)
    except BadOption as error:
        print(f"headrace: {error}", file=sys.stderr)
        return 2
    settings, config = understood.settings, understood.config
    print(f"file: {settings['config'].value or 'none'} ({settings['config'].source})")
    print(f"listening on {', '.join(map(str, config.listen))}")
    bad = [
        f"cannot listen on {address} twice"
        for address, times in Counter(config.listen).items()
        if times > 1 and (address.path or address.port)
    ]
    for site, own in zip(config.sites, understood.sites, strict=True):
        print()
        for line in _site(site, own, site is config.sites[0], bad):
            print(line)
    for why in bad:
        print(f"headrace: {why}", file=sys.stderr)
    return 2 if bad else 0


def _site(site: SiteConfig, settings: Settings, default: bool, bad: list[str]) -> Iterator[str]:
    hosts = [*site.hosts, *["every other host"] * default]
    yield f"site {site.name}: {', '.join(hosts)}"
    for prefix, directory in site.roots.items():
        try:
            check_directory(directory)
        except BadOption as error:
            bad.append(str(error))
            yield f"  /{os.fsdecode(prefix)} would be {error}"
        else:
            yield f"  /{os.fsdecode(prefix)} is {directory}"
    names = [option.name for option in (*HABITS, ETAG, LINKS)]
    yield "  " + ", ".join(f"{name} {value_of(settings[name])}" for name in names)
    for ending, content_type in site.types.items():
        yield f"  .{ending.decode()} is {content_type.decode()}"
    for rule in site.rules:
        yield from _rule(rule)
    yield from _site_files(site.roots[b""], site.hosts)


def _rule(rule: Rule) -> Iterator[str]:
    yield f"  {pattern_of(rule)} ({rule.source})"
    for effect in effects(rule):
        yield f"    {effect}"


def _site_files(root: Path, hosts: Sequence[str]) -> Iterator[str]:
    """What the root brings along itself. A line that is not understood keeps nobody from starting."""
    for name, parse in SITE_FILES:
        try:
            text = Path(root, name).read_bytes()
        except OSError:
            continue
        found = [item for item in parse(text, hosts) if item is not None]
        faults = [item for item in found if isinstance(item, Fault)]
        yield f"  {name}: {len(found) - len(faults)} rules understood, {len(faults)} left out"
        for item in found:
            if isinstance(item, Fault):
                yield f"    left out: {item.source}: {item.why}"
            else:
                yield from (f"  {line}" for line in _rule(item))
