"""Builds aio._kernel: cffi's API mode over kernel.h and the C beside it.

kernel.h is the only place where the C interface is written down: cffi reads
the declarations from it too.
"""

from pathlib import Path

from cffi import FFI

HERE = Path(__file__).parent
SOURCES = (
    "service.c",
    "native.c",
    "posix.c",
    "jobs.c",
    "threads.c",
    "walk.c",
    "siblings.c",
    "list.c",
    "digest.c",
    "memory.c",
    "lend.c",
)


def declarations() -> str:
    """kernel.h without what only a C compiler understands."""
    lines = (HERE / "kernel.h").read_text().splitlines()
    return "\n".join(
        line
        for line in lines
        if not line.startswith(("#include", "#if", "#endif")) and line != "#define HEADRACE_KERNEL_H"
    )


ffibuilder = FFI()
ffibuilder.cdef(declarations())
ffibuilder.set_source(
    "aio._kernel",
    '#include "kernel.h"',
    sources=[f"aio/{name}" for name in SOURCES],
    include_dirs=["aio"],
    extra_compile_args=["-std=c11", "-O2", "-Wall", "-Wextra"],
    libraries=["pthread", "rt"],
)

if __name__ == "__main__":
    ffibuilder.compile(verbose=True)
