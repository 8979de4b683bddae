"""The keys of the file and the types of their values.

Whatever needs more than a type is checked by those who use it: `sites` and `rules`.
"""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType


class AuthTable(Struct, rename="kebab", forbid_unknown_fields=True):
    file: str
    realm: str


class RuleTable(Struct, rename="kebab", forbid_unknown_fields=True):
    path: str | list[str]
    headers: dict[str, str] = {}
    add_headers: dict[str, str] = {}
    remove_headers: list[str] = []
    cache_control: str | UnsetType = UNSET
    redirect: str | UnsetType = UNSET
    rewrite: str | UnsetType = UNSET
    status: int | UnsetType = UNSET
    force: bool | UnsetType = UNSET
    error_pages: dict[str, str] = {}
    cors: bool | str | list[str] | UnsetType = UNSET
    security: str | UnsetType = UNSET
    auth: AuthTable | UnsetType = UNSET
    allow: str | list[str] | UnsetType = UNSET
    deny: str | list[str] | UnsetType = UNSET
    bandwidth: int | str | UnsetType = UNSET
    download: bool | UnsetType = UNSET


class SiteKeys(Struct, rename="kebab", forbid_unknown_fields=True, kw_only=True):
    """What a site and the top level have in common."""

    root: str | UnsetType = UNSET
    mount: dict[str, str] | UnsetType = UNSET
    clean_urls: bool | UnsetType = UNSET
    spa: bool | UnsetType = UNSET
    listing: bool | UnsetType = UNSET
    dotfiles: bool | UnsetType = UNSET
    etag: str | UnsetType = UNSET
    symlinks: str | UnsetType = UNSET
    types: dict[str, str] = {}
    rule: list[RuleTable] = []


class SiteTable(SiteKeys, rename="kebab", forbid_unknown_fields=True, kw_only=True):
    root: str
    hosts: str | list[str]
    name: str | UnsetType = UNSET


class FileTable(SiteKeys, rename="kebab", forbid_unknown_fields=True, kw_only=True):
    listen: str | list[str] | UnsetType = UNSET
    congestion: str | UnsetType = UNSET
    backend: str | UnsetType = UNSET
    memory: int | str | UnsetType = UNSET
    log: str | UnsetType = UNSET
    verbose: bool | UnsetType = UNSET
    site: list[SiteTable] = []
