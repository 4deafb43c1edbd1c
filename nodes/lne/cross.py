"""Code for a machine that is not this one: a compiler for it, and a run under an emulator.

The check needs no C library of the other machine: the program is linked with a start of its own, which reads the input,
runs the network twice and writes the output.
"""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nodes.lne.build import ALIGN_BYTES, FLAGS, compiler, run_compiler, write_sources
from nodes.lne.errors import LneError
from nodes.lne.program import Program
from nodes.lne.target import Target

LONGEST_S = 300


def is_foreign(target: Target) -> bool:
    """Whether a target's code is for another kind of machine."""
    return target.machine not in ("", platform.machine())


def compiler_for(target: Target) -> tuple[str, ...]:
    """A compiler for a target: this machine's own, a cross gcc of the target's triple, or the one in `ziglang`.

    Raises:
        LneError: there is none.
    """
    if not is_foreign(target):
        return compiler()
    cross_gcc = f"{target.triple or f'{target.machine}-linux-gnu'}-gcc"
    found = shutil.which(cross_gcc)
    if found:
        return (found,)
    if not target.triple or importlib.util.find_spec("ziglang") is None:
        raise LneError(
            f"there is no compiler for {target.name} on this machine.",
            f"{cross_gcc}, or the package ziglang for a target with a triple",
            "Run pip install 'ossicle[firmware]'.",
        )
    return sys.executable, "-m", "ziglang", "cc", "-target", target.triple


def emulator(target: Target) -> tuple[str, ...]:
    """The command before a program's name that runs it here; empty where none is needed.

    Raises:
        LneError: there is no emulator.
    """
    if not is_foreign(target):
        return ()
    names = (f"qemu-{target.machine}-static", f"qemu-{target.machine}")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        raise LneError(
            f"code for {target.name} cannot be run on this machine.",
            names[0],
            "Install qemu-user-static, or run the code on the machine it is for.",
        )
    return (found,)


def can_emulate(target: Target) -> bool:
    """Whether `run_abroad` can run a target's code."""
    try:
        return target.machine in STARTS and bool(compiler_for(target)) and bool(emulator(target))
    except LneError:
        return False


def run_abroad(program: Program, folder: Path, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compile a program for its machine and run it here, twice; the second output, in ONNX's shape.

    Raises:
        LneError: no compiler, no emulator, or one that fails.
    """
    graph, target = program.plan.graph, program.plan.target
    command = (*emulator(target), str(build_abroad(program, folder)))
    source = np.ascontiguousarray(values, np.float32).tobytes()
    done = subprocess.run(command, input=source, capture_output=True, timeout=LONGEST_S, check=False)
    size = int(np.prod(graph.result_shape))
    if done.returncode or len(done.stdout) != 4 * size:
        raise LneError(
            f"{program.name}: its code for {target.name} ended with {done.returncode} after {len(done.stdout)} bytes.",
            f"{size} values",
            "Report this network; meanwhile choose another target.",
        )
    return np.frombuffer(done.stdout, np.float32).reshape(graph.result_shape)


def build_abroad(program: Program, folder: Path) -> Path:
    """An executable that needs no C library, with its sources beside it.

    Raises:
        LneError: no compiler, or one that fails.
    """
    graph, target = program.plan.graph, program.plan.target
    if target.machine not in STARTS:
        raise LneError(f"there is no start for {target.name}.", f"one of {', '.join(STARTS)}", "Choose one of these.")
    command = compiler_for(target)
    source, stub = write_sources(program, folder)
    start = folder / f"{program.name}_start.c"
    start.write_text(
        STARTS[target.machine].format(
            name=program.name,
            inputs=int(np.prod(graph.source_shape)),
            outputs=int(np.prod(graph.result_shape)),
            workspace=program.plan.workspace_bytes,
            align=ALIGN_BYTES,
        )
    )
    objects = []
    for file, flags in ((source, (*FLAGS, *target.flags)), (stub, ()), (start, ("-O2", "-ffreestanding"))):
        objects.append(str(file.with_suffix(".o")))
        run_compiler((*command, *flags, "-c", str(file), "-o", objects[-1]), program.name)
    path = folder / f"{program.name}_{target.name}"
    run_compiler((*command, "-nostdlib", "-static", *objects, "-o", str(path)), program.name)
    return path


STARTS: Mapping[str, str] = MappingProxyType(
    {
        "aarch64": """#include <stddef.h>

void {name}_prepare(void *workspace);
void {name}_run(void *workspace, const float *input, float *output);

/* What the compiler may call by itself. */
void *memcpy(void *restrict to, const void *restrict from, size_t size) {{
  char *a = to;
  const char *b = from;
  while (size--) *a++ = *b++;
  return to;
}}
void *memset(void *to, int value, size_t size) {{
  char *a = to;
  while (size--) *a++ = (char)value;
  return to;
}}
float fmaxf(float a, float b) {{ return a > b || b != b ? a : b; }}
float fminf(float a, float b) {{ return a < b || b != b ? a : b; }}
long lrintf(float x) {{
  long n;
  __asm__("fcvtns %0, %s1" : "=r"(n) : "w"(x));
  return n;
}}

static long call(long number, long a, const void *b, long c) {{
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register const void *x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
  return x0;
}}

static float input[{inputs}], output[{outputs}];
static unsigned char workspace[{workspace}] __attribute__((aligned({align})));

void _start(void) {{
  enum {{ READ = 63, WRITE = 64, EXIT = 93 }};
  char *place = (char *)input;
  for (long left = sizeof input; left > 0;) {{
    long size = call(READ, 0, place, left);
    if (size <= 0) call(EXIT, 2, 0, 0);
    place += size;
    left -= size;
  }}
  {name}_prepare(workspace);
  {name}_run(workspace, input, output);
  {name}_run(workspace, input, output);
  place = (char *)output;
  for (long left = sizeof output; left > 0;) {{
    long size = call(WRITE, 1, place, left);
    if (size <= 0) call(EXIT, 3, 0, 0);
    place += size;
    left -= size;
  }}
  call(EXIT, 0, 0, 0);
}}
""",
    }
)
"""The start of a program by machine (Linux's calls), with what the compiler may call of the C library."""
