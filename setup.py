"""What pyproject.toml cannot say: the C that cffi builds, and the Python that mypyc translates to C."""

import sys
from pathlib import Path

from mypyc.build import mypycify
from setuptools import Extension, setup

# What a request passes through, in whole packages.
TRANSLATED = ("aio", "server/answer", "server/files", "server/observe", "server/wire")
# Of these, what is for the start, for rules, lists and passwords: there is nothing to be had by it.
INTERPRETED = {
    "aio/_build.py",
    "server/answer/detour.py",
    "server/answer/listing.py",
    "server/answer/listing_style.py",
    "server/answer/pattern.py",
    "server/answer/sitefiles.py",
    "server/files/inventory.py",
    "server/files/sitefiles.py",
    "server/wire/passwords.py",
}


def translated() -> list[str]:
    modules = [path.as_posix() for package in TRANSLATED for path in sorted(Path(package).glob("*.py"))]
    return [
        "server/loop.py",
        *(name for name in modules if name not in INTERPRETED and not name.endswith("__init__.py")),
    ]


def extensions() -> list[Extension]:
    made = mypycify(["--follow-imports=silent", *translated()], opt_level="2", group_name="headrace")
    for extension in made:  # what is called from within need not go through a table
        extension.extra_compile_args.append("-fvisibility=hidden")
    return made


# An installer runs this file also to ask what there is, and need not wait for an answer.
builds = {"build", "build_ext", "bdist_wheel", "editable_wheel", "install"}.intersection(sys.argv)
setup(cffi_modules=["aio/_build.py:ffibuilder"], ext_modules=extensions() if builds else [])
