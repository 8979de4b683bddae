"""Only what pyproject.toml cannot say: the C extension that cffi builds."""

from setuptools import setup

setup(cffi_modules=["aio/_build.py:ffibuilder"])
