"""The law of imports and of calls, read from the source: downward only, and files only through aio."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent
MOST_LINES = 400
NOT_FOR_ANSWERS = (
    "os",
    "io",
    "pathlib",
    "socket",
    "select",
    "selectors",
    "time",
    "mmap",
    "logging",
    "threading",
)

# A module may import from rooms further up in this list, and from its own.
ROOMS = (
    ("answer",),
    ("loop",),
    ("observe",),
    ("files",),
    ("wire",),
    ("config",),
    ("process",),
    ("command",),
    ("cli",),
    ("__main__",),
)
RANK = {room: rank for rank, rooms in enumerate(ROOMS) for room in rooms}

ON_FILES = {
    "os": (
        "open", "stat", "lstat", "fstat", "statvfs", "read", "pread", "preadv", "readv", "sendfile", "splice",
        "copy_file_range", "scandir", "listdir", "walk", "access", "readlink", "lseek", "truncate",
        "ftruncate", "fsync", "posix_fadvise", "unlink", "rename", "replace", "mkdir", "link",
    ),
    "mmap": ("mmap",),
    "io": ("open",),
}  # fmt: skip
ON_PATHS = (
    "read_text", "read_bytes", "write_text", "write_bytes", "open", "exists", "is_file", "is_dir",
    "is_symlink", "stat", "lstat", "iterdir", "glob", "rglob", "resolve", "readlink", "samefile",
    "unlink", "touch",
)  # fmt: skip
ALLOWED_ON_FILES = {
    ("server/config/directory.py", "os.open"): "the roots, before the loop begins",
    ("server/config/directory.py", "os.path"): "where the configuration lies, before the loop begins",
    ("server/config/file.py", "Path.read_bytes"): "the configuration, before the loop begins",
    ("server/config/settings.py", "Path.exists"): "the configuration, before the loop begins",
    ("server/process/memory.py", "Path.read_text"): "/proc and /sys, before the loop begins",
    ("server/wire/address.py", "os.stat"): "the name of a UNIX socket, before the loop begins",
    ("server/wire/address.py", "os.unlink"): "the name of a UNIX socket, at the beginning and the end",
}


def sources(*directories: str) -> list[Path]:
    return sorted(path for directory in directories for path in (CHECKOUT / directory).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(CHECKOUT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes(), str(path))


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Modules that are imported, wherever in the source, each with what is taken from it."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: a relative import"
            yield from ((node.module or "", alias.name) for alias in node.names)


def imports_package(path: Path, package: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for module, _ in imports(path))


def rooms_imported(path: Path) -> set[str]:
    """Rooms of server/ that a module imports from."""
    rooms = set()
    for module, taken in imports(path):
        if module == "server":
            rooms.add(taken)
        elif module.startswith("server."):
            rooms.add(module.split(".")[1])
    return rooms


def room_of(path: Path) -> str:
    return Path(path.relative_to(CHECKOUT / "server").parts[0]).stem


SERVER = [path for path in sources("server") if path != CHECKOUT / "server/__init__.py"]
# What the command does besides serving never runs in a process that serves.
SERVING = [path for path in SERVER if room_of(path) != "command"]
ALL = sources("aio", "server")


@pytest.mark.parametrize("path", sources("aio"), ids=name_of)
def test_aio_knows_nothing_of_the_server_nor_of_http(path):
    for package in ("server", "h11", "http", "socket", "asyncio"):
        assert not imports_package(path, package), package


@pytest.mark.parametrize("path", sources("server/answer"), ids=name_of)
def test_answers_are_decided_without_the_world(path):
    for package in NOT_FOR_ANSWERS:
        assert not imports_package(path, package), package
    assert not imports_package(path, "aio")
    assert rooms_imported(path) <= {"answer"}


@pytest.mark.parametrize("path", SERVER, ids=name_of)
def test_imports_go_downward_only(path):
    room = room_of(path)
    for imported in rooms_imported(path) - {room}:
        assert RANK[imported] < RANK[room], f"{room} imports {imported}"


def test_every_room_of_the_server_has_its_place_in_the_order():
    assert {room_of(path) for path in SERVER} == set(RANK)


@pytest.mark.parametrize("path", SERVING, ids=name_of)
def test_who_serves_does_not_carry_the_other_commands(path):
    assert "command" not in rooms_imported(path)


def test_only_heads_knows_h11():
    knowing = {name_of(path) for path in ALL if imports_package(path, "h11")}
    assert knowing == {"server/wire/head.py", "server/wire/heads.py"}


def test_only_the_loop_calls_epoll():
    calls = ("epoll", "poll", "select", "kqueue", "DefaultSelector", "EpollSelector")
    callers = {
        name_of(path)
        for path in (*sources("aio"), *SERVING)
        for module, taken in (*imports(path), *attributes(path))
        if module in ("select", "selectors") and taken in calls
    }
    assert callers == {"server/loop.py"}


def attributes(path: Path) -> Iterator[tuple[str, str]]:
    """Where a name is taken from a module, or from anything else that has a name: owner and attribute."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute):
            yield node.value.id if isinstance(node.value, ast.Name) else "", node.attr


def calls_on_files(path: Path) -> Iterator[str]:
    """Uses of what opens, reads or asks about files; by name, so that the same call under another name
    that is imported counts too."""
    for module, taken in imports(path):
        if taken in ON_FILES.get(module, ()):
            yield f"{module}.{taken}"
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
            yield "open"
    for owner, attribute in attributes(path):
        if attribute in ON_FILES.get(owner, ()):
            yield f"{owner}.{attribute}"
        elif (owner, attribute) == ("os", "path"):
            yield "os.path"
        elif attribute in ON_PATHS and owner != "self" and uses_paths(path):
            yield f"Path.{attribute}"


def uses_paths(path: Path) -> bool:
    return ("pathlib", "Path") in imports(path)


def test_nobody_but_aio_touches_a_file():
    seen = {(name_of(path), call) for path in SERVING for call in calls_on_files(path)}
    assert seen == set(ALLOWED_ON_FILES)  # and no permission is left that nobody needs


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_every_module_says_what_it_is(path):
    docstring = ast.get_docstring(tree(path))
    assert docstring
    assert docstring.splitlines()[0].endswith((".", ":", "?")), "the first line is a sentence"


@pytest.mark.parametrize(
    "path", [p for p in sorted((CHECKOUT / "aio").glob("*.[ch]")) if p.stem != "_kernel"], ids=name_of
)
def test_every_file_of_c_says_what_it_is(path):
    assert path.read_text().startswith("/*")


def test_no_file_is_too_long_to_be_read():
    written = [
        path
        for path in (*ALL, *(CHECKOUT / "aio").glob("*.[ch]"))
        if path.name != "_kernel.c"  # what the compiler is given
    ]
    long = {
        name_of(path): lines for path in written if (lines := len(path.read_text().splitlines())) > MOST_LINES
    }
    assert not long
