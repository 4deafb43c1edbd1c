"""Resident memory of this process, and its peak since a mark (Linux; elsewhere the peak of the whole process)."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_STATUS: Final = Path("/proc/self/status")
_MARK: Final = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Mark:
    """Where counting began."""

    resident_bytes: int


def mark() -> Mark:
    """Start counting: the peak is reset to what is resident now, where the system can do that."""
    try:
        _MARK.write_text("5", encoding="ascii")  # proc(5): resets the peak resident set size
    except OSError:
        return Mark(peak_bytes())
    return Mark(_field_bytes("VmRSS"))


def growth_bytes(since: Mark) -> int:
    """How far the peak rose above the mark."""
    return max(0, peak_bytes() - since.resident_bytes)


def peak_bytes() -> int:
    """Peak resident memory."""
    if _STATUS.exists():
        return _field_bytes("VmHWM")
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _field_bytes(name: str) -> int:
    lines = _STATUS.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
