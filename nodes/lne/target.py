"""Machines code is generated for, as a table. A new machine is a new row."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from nodes.lne.errors import LneError


@dataclass(frozen=True)
class Target:
    """A machine as the generator sees it.

    Attributes:
        vector: floats of one vector register; 1 for plain C.
        registers: vector registers.
        flags: of the C compiler, beside -O3.
        features: instruction sets that primitives ask for.
        triple: for a cross compiler; empty on the machine itself.
        needs: flags of /proc/cpuinfo the machine must have to run it.
    """

    name: str
    vector: int
    registers: int
    flags: tuple[str, ...]
    features: frozenset[str] = frozenset()
    triple: str = ""
    machine: str = ""
    needs: frozenset[str] = frozenset()

    def vectors(self, channels: int) -> tuple[int, ...]:
        """Widths of the vectors that hold so many channels: whole ones, then a half one if the rest fits in it."""
        if self.vector == 1:
            return (1,) * channels
        whole, rest = divmod(channels, self.vector)
        half = self.vector // 2
        last = () if rest == 0 else (half,) if rest <= half and self.vector > 4 else (self.vector,)
        return (self.vector,) * whole + last

    def padded(self, channels: int) -> int:
        """Channels stored for so many."""
        return sum(self.vectors(channels))


_AVX2 = frozenset({"avx2", "fma"})
_AVX512 = frozenset({"avx512f", "avx512bw", "avx512vl", "avx512dq"})
TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        target.name: target
        for target in (
            Target("c", 1, 16, ()),
            Target("x86-64", 4, 16, ("-march=x86-64",), frozenset({"sse2"}), machine="x86_64"),
            Target("avx2", 8, 16, ("-march=haswell",), _AVX2, machine="x86_64", needs=_AVX2),
            Target(
                "avx512",
                16,
                32,
                ("-march=skylake-avx512", "-mprefer-vector-width=512"),
                _AVX2 | _AVX512,
                machine="x86_64",
                needs=_AVX2 | _AVX512,
            ),
            Target(
                "vnni",
                16,
                32,
                ("-march=icelake-server", "-mprefer-vector-width=512"),
                _AVX2 | _AVX512 | {"vnni"},
                machine="x86_64",
                needs=_AVX2 | _AVX512 | {"avx512_vnni"},
            ),
            Target("aarch64", 4, 32, (), frozenset({"neon"}), "aarch64-linux-gnu", "aarch64"),
            Target(
                "aarch64-dot",
                4,
                32,
                ("-mcpu=generic+dotprod",),
                frozenset({"neon", "dotprod"}),
                "aarch64-linux-gnu",
                "aarch64",
                frozenset({"asimddp"}),
            ),
        )
    }
)


def find_target(name: str) -> Target:
    """A target by name; "native" is the best this machine can run.

    Raises:
        LneError: there is no such target.
    """
    if name == "native":
        return native()
    if name not in TARGETS:
        raise LneError(f"there is no target {name!r}.", f"native or one of {', '.join(TARGETS)}", "Correct the target.")
    return TARGETS[name]


def native() -> Target:
    """The last target in the table that this machine can run."""
    return [target for target in TARGETS.values() if can_run(target)][-1]


def can_run(target: Target) -> bool:
    """Whether this machine can run a target's code itself."""
    return target.machine in ("", platform.machine()) and target.needs <= cpu_flags()


def cpu_flags() -> frozenset[str]:
    """Instruction sets of this machine, in Linux's words; none where it does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    found = next((line for line in lines if line.startswith(("flags", "Features"))), ":")
    return frozenset(found.split(":", 1)[1].split())
