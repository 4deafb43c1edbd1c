"""Processors firmware is generated for, as a table. A new processor is a new row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from nodes.firmware.errors import FirmwareError


@dataclass(frozen=True)
class Cpu:
    """A processor as compilers and kernels see it.

    Attributes:
        gcc_flags, zig_flags: what the two compilers are told; empty for one that does not compile for it.
        features: what kernels ask for: "dsp" (16-bit SIMD multiply-accumulate, saturation), "clz".
        emulated_as: Unicorn's name of a model that runs it; empty if its family has one model only.
    """

    name: str
    gcc_flags: tuple[str, ...]
    zig_flags: tuple[str, ...]
    features: frozenset[str] = frozenset()
    emulated_as: str = ""


def _arm(name: str, *fpu: str, features: str = "", emulated_as: str = "", core: str = "") -> Cpu:
    core = core or name
    simd = "+dsp" if "dsp" in features else ""
    abi = ("-mfloat-abi=hard", *fpu) if fpu else ("-mfloat-abi=soft",)
    return Cpu(
        name,
        (f"-mcpu={core}", "-mthumb", *abi),
        ("-target", f"thumb-freestanding-eabi{'hf' if fpu else ''}", f"-mcpu={core.replace('-', '_')}{simd}"),
        frozenset(features.split()),
        emulated_as or name,
    )


_RISCV = ("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+m+a+c", "-msmall-data-limit=0")
CPUS: Mapping[str, Cpu] = MappingProxyType(
    {
        cpu.name: cpu
        for cpu in (
            _arm("cortex-m0"),
            _arm("cortex-m0plus", emulated_as="cortex-m0"),
            _arm("cortex-m3", features="clz"),
            _arm("cortex-m4", "-mfpu=fpv4-sp-d16", features="clz dsp"),
            _arm("cortex-m7", "-mfpu=fpv5-sp-d16", features="clz dsp"),
            _arm("cortex-m23", emulated_as="cortex-m33"),
            _arm("cortex-m33", "-mfpu=fpv5-sp-d16", features="clz dsp"),
            _arm("cortex-m55", "-mfpu=fpv5-sp-d16", features="clz dsp", emulated_as="cortex-m33", core="cortex-m33"),
            Cpu("rv32imac", (), _RISCV),
        )
    }
)
"""The M55 gets what the M33 understands, which it runs too: without its vectors. RISC-V is Zig's: GCC is Arm's here."""


def find_cpu(name: str) -> Cpu:
    """A processor by name.

    Raises:
        FirmwareError: there is no such processor.
    """
    if name not in CPUS:
        raise FirmwareError(f"There is no processor {name!r}.", f"one of {', '.join(CPUS)}", "Correct the processor.")
    return CPUS[name]
