"""Compile generated code and call it from Python."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nodes.lne.errors import LneError
from nodes.lne.program import Program

Floats = NDArray[np.float32]
LONGEST_S = 600
ALIGN_BYTES = 64
FLAGS = ("-O3", "-std=gnu11", "-Wno-psabi")
_STUB = """.section .rodata
.globl {name}_weights
.balign 64
{name}_weights:
.incbin "{file}"
.section .note.GNU-stack,"",%progbits
"""


def compiler() -> tuple[str, ...]:
    """The C compiler: the environment's CC, else cc, gcc or clang.

    Raises:
        LneError: there is none.
    """
    named = os.environ.get("CC", "")
    found = next((path for name in (named, "cc", "gcc", "clang") if name and (path := shutil.which(name))), None)
    if found is None:
        raise LneError(
            f"there is no C compiler{f' {named!r}' if named else ''}.",
            "cc, gcc or clang, or one named by CC",
            "Install gcc, or run the network with onnxruntime.",
        )
    return (found,)


def compile_program(program: Program, folder: Path, *, profile: bool = False, command: Sequence[str] = ()) -> Path:
    """A shared library of a program, with its sources beside it.

    Raises:
        LneError: the compiler fails; its first complaint is in the message.
    """
    source, stub = write_sources(program, folder)
    library = folder / f"lib{program.name}.so"
    flags = (*FLAGS, "-fPIC", "-shared", *program.plan.target.flags)
    defines = ("-DLNE_PROFILE",) if profile else ()
    files = (str(source), str(stub), "-lm", "-o", str(library))
    run_compiler((*(command or compiler()), *flags, *defines, *files), program.name)
    return library


def write_sources(program: Program, folder: Path) -> tuple[Path, Path]:
    """Its C file, and an assembler file that holds its weights."""
    folder.mkdir(parents=True, exist_ok=True)
    source, stub, weights = (folder / f"{program.name}{ending}" for ending in (".c", "_weights.s", "_weights.bin"))
    source.write_text(program.source)
    weights.write_bytes(program.weights or bytes(ALIGN_BYTES))
    stub.write_text(_STUB.format(name=program.name, file=weights))
    return source, stub


def run_compiler(command: Sequence[str], name: str, folder: Path | None = None) -> None:
    """Run a compiler's command line, in a folder where one is given.

    Raises:
        LneError: it cannot be run or fails; its first complaint is in the message.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, check=False, cwd=folder)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LneError(
            f"{name}: {command[0]} could not be run: {error}.", "a working C compiler", "Check CC and the compiler."
        ) from error
    if done.returncode:
        said = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip()[:200])
        raise LneError(
            f"{name}: {Path(command[0]).name} failed: {said}.",
            "a compiler that knows the target's instructions",
            "Check CC, or choose a plainer target.",
        )


@dataclass
class Runner:
    """A compiled network in this process, with a workspace of its own."""

    program: Program
    library: ctypes.CDLL
    workspace: NDArray[np.uint8]
    start: int

    def __call__(self, values: Floats) -> Floats:
        """The network's output for one input, in ONNX's shapes."""
        source = np.ascontiguousarray(values, np.float32)
        result = np.empty(self.program.plan.graph.result_shape, np.float32)
        self._function("run")(self.start, source.ctypes.data, result.ctypes.data)
        return result

    def profile(self, values: Floats) -> NDArray[np.uint64]:
        """Clock ticks before each layer and after the last; the library must be compiled for it."""
        source = np.ascontiguousarray(values, np.float32)
        result = np.empty(self.program.plan.graph.result_shape, np.float32)
        marks = np.zeros(len(self.program.layers) + 1, np.uint64)
        self._function("profile")(self.start, source.ctypes.data, result.ctypes.data, marks.ctypes.data)
        return marks

    def _function(self, name: str) -> ctypes._NamedFuncPointer:
        function: ctypes._NamedFuncPointer = getattr(self.library, f"{self.program.name}_{name}")
        function.argtypes = [ctypes.c_void_p] * (4 if name == "profile" else 3)
        function.restype = None
        return function


def open_library(program: Program, path: Path) -> Runner:
    """Load a compiled program. The file is copied first: a library that is loaded cannot be replaced safely."""
    with tempfile.NamedTemporaryFile(suffix=".so", delete=False) as copy:
        copy.write(path.read_bytes())
    library = ctypes.CDLL(copy.name)
    Path(copy.name).unlink()
    workspace = np.zeros(program.plan.workspace_bytes + ALIGN_BYTES, np.uint8)
    start = -(-workspace.ctypes.data // ALIGN_BYTES) * ALIGN_BYTES
    prepare = getattr(library, f"{program.name}_prepare")
    prepare.argtypes, prepare.restype = [ctypes.c_void_p], None
    prepare(start)
    return Runner(program, library, workspace, start)
