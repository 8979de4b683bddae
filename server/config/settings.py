"""Settings: what the command line, the environment, the file and the defaults say together.

The command line beats the environment, that beats the file, and that the default. In the
environment several values are separated by blanks. All three set what holds for every site; what
a [[site]] of the file says for itself beats it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from server.answer.rules import Rule
from server.answer.search import Habits
from server.config.arguments import parse_arguments
from server.config.model import Config, SiteConfig
from server.config.options import CONFIG, OPTIONS, PREFIX, ROOT, BadOption, Option, nearest

if TYPE_CHECKING:
    from server.config.file import Table

DEFAULT_FILE = Path("headrace.toml")
DEFAULT = "default"
DEFAULT_SITE = "default"
TYPE = "types."  # and an ending: the setting of its content type


class Setting(NamedTuple):
    """A value, and where it comes from: "--spa", "HEADRACE_SPA", "headrace.toml: spa", "default"."""

    name: str
    value: Any  # of the type that its option's parser returns, a tuple of these if it is repeated
    source: str


Settings = Mapping[str, Setting]  # by name


class Understood(NamedTuple):
    """The configuration and what it was made from: what holds for all, and each site's own."""

    config: Config
    settings: Settings
    sites: tuple[Settings, ...]


def read_config(arguments: Sequence[str], environment: Mapping[str, str]) -> Config:
    return understand(parse_arguments(arguments), environment).config


def understand(given: Mapping[str, list[str]], environment: Mapping[str, str]) -> Understood:
    """Raises BadOption for the first value that cannot be understood."""
    config = _from_texts(CONFIG, given, environment) or _default_file()
    table = None
    if config.value:
        # Whoever has no file does not pay for reading it: tomllib and msgspec take longer to import
        # than all the rest of a start.
        from server.config.file import read_file

        table = read_file(Path(config.value))
    top = {option.name: _setting(option, given, environment, table) for option in (ROOT, *OPTIONS)}
    top[CONFIG.name] = config
    if table is None:
        sites: tuple[SiteConfig, ...] = (make_site(DEFAULT_SITE, (), top),)
        settings: tuple[Settings, ...] = (top,)
        private: tuple[Path, ...] = ()
    else:
        from server.config.sites import private_files, read_sites

        sites, settings = read_sites(table, top)
        private = private_files(table)
    names = ("listen", "congestion", "backend", "memory", "log", "verbose")
    values = {name: top[name].value for name in names}
    return Understood(Config(sites=sites, private=private, **values), top, settings)


def unknown_variables(environment: Mapping[str, str]) -> Iterator[str]:
    """What was probably meant for us and means nothing, one sentence for each."""
    known = [option.variable.removeprefix(PREFIX) for option in (ROOT, *OPTIONS)]
    for name in sorted(environment):
        bare = name.removeprefix(PREFIX)
        if bare != name and bare not in known:
            yield f"{name}: there is no such variable{nearest(bare, known, PREFIX)}"


def make_site(
    name: str, hosts: tuple[str, ...], settings: Settings, rules: tuple[Rule, ...] = ()
) -> SiteConfig:
    values = {name: setting.value for name, setting in settings.items()}
    return SiteConfig(
        name=name,
        hosts=hosts,
        roots={b"": values["root"], **dict(values["mount"])},
        habits=Habits(
            clean_urls=values["clean-urls"],
            spa=values["spa"],
            listing=values["listing"],
            dotfiles=values["dotfiles"],
        ),
        etag=values["etag"],
        symlinks=values["symlinks"],
        rules=rules,
        types={
            name.removeprefix(TYPE).encode(): value.encode()
            for name, value in values.items()
            if name.startswith(TYPE)
        },
    )


def _setting(
    option: Option, given: Mapping[str, list[str]], environment: Mapping[str, str], table: Table | None
) -> Setting:
    said = _from_texts(option, given, environment)
    if said is None and table is not None:
        said = table.setting(option)
    if said is None:
        texts = [option.default] if option.default else []
        said = Setting(option.name, _parsed(option, texts, DEFAULT), DEFAULT)
    return said


def _from_texts(
    option: Option, given: Mapping[str, list[str]], environment: Mapping[str, str]
) -> Setting | None:
    """What the command line says, or else the environment."""
    if option.name in given:
        texts, source = given[option.name], "ROOT" if option is ROOT else option.flag
    elif option.variable in environment:
        text, source = environment[option.variable], option.variable
        texts = (text.split() or [""]) if option.repeated else [text.strip()]
    else:
        return None
    return Setting(option.name, _parsed(option, texts, source), source)


def _parsed(option: Option, texts: Sequence[str], source: str) -> object:
    try:
        parsed = [option.parse(text) for text in texts]
    except BadOption as error:
        raise BadOption(f"{source}: {error}") from None
    if option.repeated:
        return tuple(parsed)
    return parsed[-1] if parsed else None


def _default_file() -> Setting:
    if DEFAULT_FILE.exists():
        return Setting(CONFIG.name, str(DEFAULT_FILE), "found here")
    return Setting(CONFIG.name, "", DEFAULT)
