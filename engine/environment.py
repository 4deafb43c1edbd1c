"""What a run ran on: Python, packages, system, processor, threads."""

from __future__ import annotations

import functools
import os
import platform
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from engine.bench import machine

INFO = re.compile(r"^(?P<name>.+?)-(?P<version>[^-]+)\.(dist-info|egg-info)$")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def environment() -> dict[str, object]:
    """A snapshot of this process's environment, as plain values."""
    return {
        "python": sys.version.split()[0],
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "machine": {name: value for name, value in machine().items() if name != "python"},
        "memory_bytes": _memory_bytes(),
        "threads": {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ},
        "packages": dict(packages()),
    }


@functools.cache
def packages() -> Mapping[str, str]:
    """Installed distributions and versions, from the names of their metadata folders: reading each takes 0.1 s."""
    folders = [Path(entry) for entry in sys.path if entry]
    names = [path.name for folder in reversed(folders) if folder.is_dir() for path in folder.iterdir()]
    found = [match for name in names if (match := INFO.match(name)) is not None]
    return dict(sorted((match["name"].replace("_", "-").lower(), match["version"]) for match in found))


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
