"""Measured times kept on disk, one file per machine, target, compiler and generator.

A line per measurement is appended at once, so a search that is stopped goes on where it was, and several searches may
share a file. A time is known by what was computed (kind, shapes, attributes; neither weights nor names): equal
layers of any network are measured once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
from functools import cache
from pathlib import Path

import numpy as np

import nodes.lne
from nodes.lne.build import compiler
from nodes.lne.primitive import Primitive, Task
from nodes.lne.target import Target

NAMES = frozenset({"name", "inputs", "output"})


def computed(task: Task, primitive: Primitive) -> str:
    """What is computed and how, as one line: the key of a time."""
    op, graph = task.op, task.graph
    shapes = [graph.maps[name].shape for name in (*op.inputs, op.output)]
    attributes = {
        field.name: _plain(getattr(op, field.name)) for field in dataclasses.fields(op) if field.name not in NAMES
    }
    return json.dumps([type(op).__name__, primitive.name, shapes, attributes], sort_keys=True, default=str)


def _plain(value: object) -> object:
    """Weights by shape; tables of indices by content, for they say how memory is read."""
    if isinstance(value, np.ndarray):
        table = value.dtype.kind in "iu"
        return [value.shape, hashlib.sha256(value.tobytes()).hexdigest()[:16] if table else ""]
    return dataclasses.astuple(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value


class CostCache:
    """Times by key. Of several measurements of the same the least counts: a busy machine only adds time."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._known: dict[str, float] = {}
        if path is not None and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                self._learn(line)

    def _learn(self, line: str) -> None:
        """A line that was cut off while it was written is left out."""
        try:
            key, us = json.loads(line)
            self._known[str(key)] = min(float(us), self._known.get(str(key), float("inf")))
        except (ValueError, TypeError):
            return

    def get(self, key: str) -> float | None:
        """Microseconds; none where it was never measured."""
        return self._known.get(key)

    def add(self, key: str, us: float) -> None:
        """Remember a time, in memory and on disk."""
        if us >= self._known.get(key, float("inf")):
            return
        self._known[key] = us
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([key, round(us, 4)]) + "\n")

    def __len__(self) -> int:
        return len(self._known)


def default_cache(target: Target) -> CostCache:
    """This machine's file for a target, in the user's cache folder."""
    import platformdirs

    told = json.dumps([processor(), target.name, target.flags, _compiler_version(), generator_version()])
    name = f"costs-{target.name}-{hashlib.sha256(told.encode()).hexdigest()[:12]}.jsonl"
    return CostCache(platformdirs.user_cache_path("ossicle") / "lne" / name)


def processor() -> str:
    """The processor's name as Linux gives it, with family, model and stepping."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return os.uname().machine
    wanted = ("vendor_id", "model name", "cpu family", "model\t", "stepping", "CPU part")
    return "; ".join(dict.fromkeys(line for line in lines if line.startswith(wanted)))


@cache
def _compiler_version() -> str:
    done = subprocess.run((*compiler(), "--version"), capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.splitlines()[0] if done.stdout else ""


@cache
def generator_version() -> str:
    """Changes whenever the code that generates code does."""
    folder = Path(nodes.lne.__file__).parent
    files = sorted((*folder.glob("*.py"), *(folder / "primitives").glob("*.py")))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
