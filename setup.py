"""Only what pyproject.toml cannot say: the C extension that cffi builds, and that one wheel for
each architecture serves Python 3.11 and everything after it (the stable ABI)."""

from setuptools import setup

setup(
    cffi_modules=["aio/_build.py:ffibuilder"],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
