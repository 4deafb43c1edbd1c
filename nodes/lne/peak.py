"""The machine's limits, measured: how many operations a core can do at best, for 32-bit floats and for bytes.

A loop of independent multiply-adds on registers, compiled for the target; nothing that computes can be faster, only
compute less (transforms), or with narrower numbers.
"""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nodes.lne.build import compiler
from nodes.lne.errors import LneError
from nodes.lne.target import Target, can_run

ROUNDS = 60
LOOPS = 20_000
SUMS = {16: 10, 32: 16}
"""Independent sums by registers: enough to hide the latency, few enough to stay in registers."""
BYTE_LANES = 4
"""Products per 32-bit lane of a byte instruction."""

_SOURCE = """#include <stdint.h>
typedef float f{float_vector};
float floats(float s, int loops) {{
  f zero = {{0}}, x = s * 0.999f - zero, y = s * 1e-3f - zero, {float_sums};
  for (int k = 0; k < loops; k++) {{
    {float_steps}
    __asm__ volatile("" ::: "memory");
  }}
  f t = {total};
  return t{float_first};
}}
{bytes_source}
"""
_BYTES = """#include <immintrin.h>
typedef int32_t i __attribute__((vector_size(64)));
int bytes(int s, int loops) {{
  i zero = {{0}}, x = 0x01010101 * s - zero, y = s - zero, {byte_sums};
  for (int k = 0; k < loops; k++) {{
    {byte_steps}
    __asm__ volatile("" ::: "memory");
  }}
  i t = {total};
  return t[0];
}}
"""


@dataclass(frozen=True)
class Peak:
    """Operations of one core in 1e9 per second; a multiply-add counts as two. `int8` is 0 without an instruction."""

    fp32: float
    int8: float = 0.0


def measure_peak(target: Target) -> Peak:
    """Measure the limits of this machine by a target's instructions; about a tenth of a second.

    Raises:
        LneError: the machine cannot run the target, or there is no compiler.
    """
    if not can_run(target):
        raise LneError(f"this machine cannot run {target.name}.", "a target it can run", "Choose native.")
    sums, has_bytes = SUMS[target.registers], "vnni" in target.features
    with tempfile.TemporaryDirectory(prefix="ossicle-peak-") as folder:
        library = _compiled(target, sums, has_bytes, Path(folder))
    library.floats.argtypes, library.floats.restype = [ctypes.c_float, ctypes.c_int], ctypes.c_float
    fp32 = 2 * target.vector * sums * LOOPS / _least_s(lambda: library.floats(1.0, LOOPS)) / 1e9
    if not has_bytes:
        return Peak(fp32)
    return Peak(fp32, 2 * BYTE_LANES * 16 * sums * LOOPS / _least_s(lambda: library.bytes(1, LOOPS)) / 1e9)


def _compiled(target: Target, sums: int, has_bytes: bool, folder: Path) -> ctypes.CDLL:
    names = [f"a{number}" for number in range(sums)]
    steps = {
        "float_vector": f" __attribute__((vector_size({4 * target.vector})))" if target.vector > 1 else "",
        "float_first": "[0]" if target.vector > 1 else "",
        "float_sums": ", ".join(f"{name} = {number}.0f - zero" for number, name in enumerate(names)),
        "float_steps": " ".join(f"{name} = {name} * x + y;" for name in names),
        "byte_sums": ", ".join(f"{name} = {number} - zero" for number, name in enumerate(names)),
        "byte_steps": " ".join(
            f"{name} = (i)_mm512_dpbusd_epi32((__m512i){name}, (__m512i)x, (__m512i)y);" for name in names
        ),
        "total": " + ".join(names),
    }
    source, library = folder / "peak.c", folder / "libpeak.so"
    source.write_text(_SOURCE.format(**steps, bytes_source=_BYTES.format(**steps) if has_bytes else ""))
    flags = ("-O2", "-std=gnu11", "-ffp-contract=fast", "-fPIC", "-shared", *target.flags)
    done = subprocess.run(
        (*compiler(), *flags, str(source), "-o", str(library)), capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        raise LneError(f"the peak could not be compiled: {done.stderr[:200]}.", "a working C compiler", "Check CC.")
    return ctypes.CDLL(str(library))


def _least_s(call: Callable[[], object]) -> float:
    least = float("inf")
    for _ in range(ROUNDS):
        start_s = time.perf_counter()
        call()
        least = min(least, time.perf_counter() - start_s)
    return least
