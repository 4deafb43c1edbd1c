"""Compile a package's own files into its library, just as its Makefile does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nodes.lne.build import run_compiler
from nodes.lne.cross import compiler_for
from nodes.lne.errors import LneError
from nodes.lne.package.contents import Package
from nodes.lne.target import Target

FLAGS = ("-O3", "-std=gnu11", "-fPIC", "-fno-math-errno", "-Wno-psabi")


def library_name(name: str) -> str:
    """File of the library."""
    return f"lib{name}.so"


def compile_package(package: Package, folder: Path, command: Sequence[str] = ()) -> Path:
    """The shared library of a package whose sources are in `folder`; paths inside it are relative.

    `command` is the compiler's; empty finds one for the package's machine.

    Raises:
        LneError: there is no compiler, or it fails.
    """
    chosen = tuple(command) or compiler_for(package.machine)
    level_flags = {level.name: _flags(level.plan.target, package.machine) for level in package.levels}
    units = sorted(path.stem for path in folder.glob("*.c") if path.stem != "example")
    objects = [f"{unit}.o" for unit in units]

    def translate(unit: str) -> None:
        flags = (*FLAGS, *level_flags.get(unit, ()))
        run_compiler((*chosen, *flags, "-c", f"{unit}.c", "-o", f"{unit}.o"), package.name, folder)

    with ThreadPoolExecutor(min(len(units), len(os.sched_getaffinity(0)))) as pool:
        list(pool.map(translate, units))
    library = library_name(package.name)
    run_compiler((*chosen, "-shared", "-o", library, *objects, "-lm"), package.name, folder)
    for name in objects:
        (folder / name).unlink(missing_ok=True)
    if not (folder / library).is_file():
        raise LneError(
            f"{package.name}: {chosen[0]} made no library.", "a working C compiler", "Check CC and the compiler."
        )
    return folder / library


def _flags(target: Target, machine: Target) -> tuple[str, ...]:
    return target.flags if target.machine in ("", machine.machine) else ()
