"""Devices a network may have to fit, and limits in general (S3 T IV; SEEDS section 12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from nodes.nas.costs import CPI
from nodes.nas.errors import NasError
from nodes.nas.names import DeviceName

KIB: Final = 1024


@dataclass(frozen=True)
class Device:
    """One row of S3's table. `flash_bytes` None: memory cards, as good as without end."""

    title: str
    flash_bytes: int | None
    ram_bytes: int
    milliwatt: float
    mips: float
    """Million instructions per second."""


DEVICES: Final[Mapping[DeviceName, Device]] = MappingProxyType(
    {
        "arduino": Device("Arduino", 32 * KIB, 2 * KIB, 60, 20),
        "uc32": Device("chipKIT uC32", 512 * KIB, 32 * KIB, 181, 124.8),
        "stm32l476rg": Device("STM32L476RG", 1024 * KIB, 128 * KIB, 26, 80),
        "msp432p4111": Device("TI MSP432P4111", 2048 * KIB, 256 * KIB, 23, 58.56),
        "beaglebone_black": Device("BeagleBone Black", None, 524_288 * KIB, 2300, 1607),
        "raspberry_pi_3b_plus": Device("Raspberry Pi 3B+", None, 1_048_576 * KIB, 5500, 2800),
    }
)


@dataclass(frozen=True)
class Limit:
    """What a cost may be at most, and whose limit that is."""

    cost: str
    most: float
    label: str = ""


def limits_of(device: Device, most_ms: float) -> tuple[Limit, ...]:
    """Flash, RAM and instructions that a device allows.

    An inference has to end within `most_ms` at the higher number of cycles per instruction (S3's fit rule asks for less
    than a second per frame of 960 ms, at one instruction per operation).
    """
    instructions = most_ms * 1e3 * device.mips / CPI[1]
    flash = [] if device.flash_bytes is None else [Limit("flash_bytes", device.flash_bytes, device.title)]
    return (
        *flash,
        Limit("ram_bytes", device.ram_bytes, device.title),
        Limit("instructions_estimated", instructions, device.title),
    )


def excess(costs: Mapping[str, float], limits: Sequence[Limit]) -> float:
    """By how much costs pass the limits: the sum of the shares above each; 0 if all are kept."""
    return sum(max(0.0, costs[limit.cost] / limit.most - 1.0) for limit in limits)


def refusal(costs: Mapping[str, float], limits: Sequence[Limit]) -> NasError:
    """The error for a space whose smallest shape, with these costs, passes a limit."""
    passed = [limit for limit in limits if costs[limit.cost] > limit.most]
    told = "; ".join(f"{_said(limit.cost, costs[limit.cost])} of {_said(limit.cost, limit.most)}" for limit in passed)
    whose = next((f" on {limit.label}" for limit in passed if limit.label), "")
    return NasError(
        f"no shape of the search space fits{whose}: the smallest needs {told}",
        "at least one shape within every limit",
        "Allow smaller kernels, fewer channels or fewer blocks, use features with fewer frames, or raise the limit",
    )


def _said(cost: str, value: float) -> str:
    name, unit = UNITS[cost]
    return f"{value:,.0f} {unit} {name}".replace("  ", " ")


UNITS: Final[Mapping[str, tuple[str, str]]] = {
    "flops": ("operations", ""),
    "parameters": ("parameters", ""),
    "ram_bytes": ("RAM", "B"),
    "flash_bytes": ("flash", "B"),
    "latency_us": ("per inference", "µs"),
    "instructions_estimated": ("instructions (estimated)", ""),
}
