"""Benchmarks: what one prints, found through the entry-point group `ossicle.benches`."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """One measured figure. `aim` is in words (">= 6"), `met` is None where there is nothing to meet."""

    name: str
    value: float
    unit: str
    aim: str = ""
    met: bool | None = None
    peers: Mapping[str, float] = field(default_factory=dict)


def at_least(name: str, value: float, unit: str, least: float, peers: Mapping[str, float] | None = None) -> Row:
    """A row whose aim is a lower bound."""
    return Row(name, value, unit, f">= {least:g}", value >= least, peers or {})


def at_most(name: str, value: float, unit: str, most: float, peers: Mapping[str, float] | None = None) -> Row:
    """A row whose aim is an upper bound."""
    return Row(name, value, unit, f"<= {most:g}", value <= most, peers or {})


@dataclass(frozen=True)
class BenchResult:
    """What `ossicle bench NAME --json` prints as one object."""

    name: str
    machine: Mapping[str, str | int]
    rows: tuple[Row, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values, ready for json.dumps."""
        return asdict(self)


Bench = Callable[[Mapping[str, str]], BenchResult]


def machine() -> dict[str, str | int]:
    """The processor, cores, system and Python a figure was measured on."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "system": platform.system(),
        "python": platform.python_version(),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
