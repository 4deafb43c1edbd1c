"""How much memory there is, and whether the kernel has ended processes for want of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

VMSTAT: Final = Path("/proc/vmstat")
LIMITS: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
VICTIM: Final = "600"
"""oom_score_adj of the runner: when memory runs out, the kernel ends it and not the window."""


def limit_bytes() -> int:
    """Memory of this machine, or of the container that we live in."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in LIMITS:
        text = _text(path)
        found += [int(text)] if text.isdigit() and int(text) > 0 else []
    return min(found)


def oom_kills() -> int | None:
    """How many processes the kernel has ended since it started because memory ran out; None if it does not say."""
    for line in _text(VMSTAT).splitlines():
        name, _, count = line.partition(" ")
        if name == "oom_kill":
            return int(count)
    return None


def offer_as_victim(pid: int) -> None:
    """Make a process the one the kernel ends first when memory runs out (where there is such a setting)."""
    try:
        Path(f"/proc/{pid}/oom_score_adj").write_text(VICTIM, encoding="ascii")
    except OSError:
        return


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
