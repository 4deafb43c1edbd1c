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
        gcc_flags, zig_flags: what the two compilers are told.
        features: what kernels ask for: "dsp" (16-bit SIMD multiply-accumulate, saturation), "clz".
        emulated_as: Unicorn's name of a model that runs it; empty if none does.
    """

    name: str
    gcc_flags: tuple[str, ...]
    zig_flags: tuple[str, ...]
    features: frozenset[str] = frozenset()
    emulated_as: str = ""


def _arm(name: str, core: str, *fpu: str, hard: bool = False, features: str = "") -> Cpu:
    abi = ("-mfloat-abi=hard", *fpu) if hard else ("-mfloat-abi=soft",)
    target = f"thumb-freestanding-eabi{'hf' if hard else ''}"
    return Cpu(
        name,
        (f"-mcpu={core}", "-mthumb", *abi),
        ("-target", target, f"-mcpu={core.replace('-', '_')}"),
        frozenset(features.split()),
        name,
    )


CPUS: Mapping[str, Cpu] = MappingProxyType(
    {
        cpu.name: cpu
        for cpu in (
            _arm("cortex-m0", "cortex-m0"),
            _arm("cortex-m3", "cortex-m3", features="clz"),
            _arm("cortex-m4", "cortex-m4", "-mfpu=fpv4-sp-d16", hard=True, features="clz dsp"),
            _arm("cortex-m7", "cortex-m7", "-mfpu=fpv5-sp-d16", hard=True, features="clz dsp"),
            _arm("cortex-m33", "cortex-m33", "-mfpu=fpv5-sp-d16", hard=True, features="clz dsp"),
        )
    }
)


def find_cpu(name: str) -> Cpu:
    """A processor by name.

    Raises:
        FirmwareError: there is no such processor.
    """
    if name not in CPUS:
        raise FirmwareError(f"There is no processor {name!r}.", f"one of {', '.join(CPUS)}", "Correct the processor.")
    return CPUS[name]
