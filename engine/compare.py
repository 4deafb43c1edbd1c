"""Are two artifacts the same? By digest, else number by number within a tolerance, and where they differ most."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from engine.artifact import read_description

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Likeness = Literal["identical", "within tolerance", "different"]
MEASURED = re.compile(r"(^|_)(latency|seconds|time|us|ms|ns|s)(_|$)|(^|_)per_s$")
"""JSON names of measured times: they differ in every run and are left out."""
BLOCK_VALUES = 1 << 22


@dataclass(frozen=True)
class Tolerance:
    """Numbers a and b agree if |a - b| <= absolute + relative * |b|."""

    relative: float = 1e-5
    absolute: float = 1e-6

    def __str__(self) -> str:
        return f"relative {self.relative:g}, absolute {self.absolute:g}"


@dataclass(frozen=True)
class Comparison:
    """How alike two artifacts are; `where` and `difference` name the worst place (0 unless numbers)."""

    likeness: Likeness
    where: str = ""
    difference: float = 0.0


SAME = Comparison("identical")
ORDER: tuple[Likeness, ...] = ("identical", "within tolerance", "different")


def worst(found: list[Comparison]) -> Comparison:
    """The least alike of several; among equals the one with the largest difference."""
    return max(found, key=lambda c: (ORDER.index(c.likeness), c.difference), default=SAME)


def compare_artifacts(a: Path, b: Path, tolerance: Tolerance) -> Comparison:
    """Compare two artifact folders: type, metadata, and file by file."""
    ours, theirs = read_description(a), read_description(b)
    if ours == theirs:
        return SAME
    if ours["kind"] != theirs["kind"]:
        return Comparison("different", f"type {ours['kind']} -> {theirs['kind']}")
    found = [_compare_json("meta", ours["meta"], theirs["meta"], tolerance)]
    for name in sorted(ours["files"].keys() | theirs["files"].keys()):
        if ours["files"].get(name) != theirs["files"].get(name):
            found.append(_compare_files(name, a / name, b / name, tolerance))
    return worst(found)


def _compare_files(name: str, a: Path, b: Path, tolerance: Tolerance) -> Comparison:
    if not (a.is_file() and b.is_file()):
        return Comparison("different", f"{name} is only in {'the first' if a.is_file() else 'the second'}")
    if a.suffix == ".json":
        return _compare_json(name, json.loads(a.read_bytes()), json.loads(b.read_bytes()), tolerance)
    reader = READERS.get(a.suffix)
    if reader is None:
        return Comparison("different", f"{name}: other bytes")
    with reader(a) as ours, reader(b) as theirs:
        return worst(list(_compare_arrays(name, ours, theirs, tolerance)))


# ---- JSON


def _compare_json(where: str, a: Any, b: Any, tolerance: Tolerance) -> Comparison:
    return worst(list(_json_differences(where, a, b, tolerance)))


def _json_differences(where: str, a: Any, b: Any, tolerance: Tolerance) -> Iterator[Comparison]:
    if isinstance(a, dict) and isinstance(b, dict):
        for name in sorted(a.keys() | b.keys()):
            if name != "about" and not MEASURED.search(name):
                yield from _json_differences(f"{where}.{name}", a.get(name), b.get(name), tolerance)
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for row, (ours, theirs) in enumerate(zip(a, b, strict=True)):
            yield from _json_differences(f"{where}[{row}]", ours, theirs, tolerance)
    elif isinstance(a, float) and isinstance(b, int | float) and a != b:
        yield _judge(where, abs(a - b), abs(a - b) <= tolerance.absolute + tolerance.relative * abs(b))
    elif a != b:
        yield Comparison("different", where)


def _judge(where: str, difference: float, is_close: bool) -> Comparison:
    return Comparison("within tolerance" if is_close else "different", where, difference)


# ---- arrays


def _compare_arrays(
    name: str, ours: Mapping[str, Any], theirs: Mapping[str, Any], tolerance: Tolerance
) -> Iterator[Comparison]:
    for key in sorted(ours.keys() | theirs.keys()):
        where = f"{name}:{key}"
        if key not in ours or key not in theirs:
            yield Comparison("different", f"{where} is only in one")
        elif (ours[key].shape, ours[key].dtype) != (theirs[key].shape, theirs[key].dtype):
            yield Comparison("different", f"{where} has another shape or type")
        else:
            yield from _compare_blocks(where, ours[key], theirs[key], tolerance)


def _compare_blocks(where: str, a: Any, b: Any, tolerance: Tolerance) -> Iterator[Comparison]:
    """Compare along the first axis, some megabytes at a time."""
    rows = a.shape[0] if a.ndim else 1
    step = max(1, BLOCK_VALUES // max(1, a.size // max(1, rows)))
    for first in range(0, rows, step):
        part = slice(first, first + step) if a.ndim else ()
        yield _compare_values(where, first, a[part], b[part], tolerance)


def _compare_values(where: str, first: int, a: NDArray[Any], b: NDArray[Any], tolerance: Tolerance) -> Comparison:
    import numpy as np

    if np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
        return SAME
    if a.dtype.kind != "f":
        return Comparison("different", f"{where}[{_place(np.asarray(a != b), first)}]")
    wide_a, wide_b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    with np.errstate(invalid="ignore"):  # inf - inf is NaN here, and settled below
        distance = np.nan_to_num(np.abs(wide_a - wide_b), nan=np.inf, posinf=np.inf)
    distance[(wide_a == wide_b) | (np.isnan(wide_a) & np.isnan(wide_b))] = 0.0
    limit = tolerance.absolute + tolerance.relative * np.where(np.isfinite(wide_b), np.abs(wide_b), 0.0)
    excess = np.where(distance == 0.0, -1.0, distance - limit)
    place = _place(excess == np.max(excess), first)
    return _judge(f"{where}[{place}]", float(distance.max()), bool(np.all(excess <= 0)))


def _place(mask: NDArray[np.bool_], first: int) -> str:
    """Index of the first true value, its first axis counted from `first`."""
    import numpy as np

    index = [int(i) for i in np.argwhere(mask)[0]]
    return ",".join(str(i + first * (axis == 0)) for axis, i in enumerate(index))


@contextmanager
def _read_h5(path: Path) -> Iterator[Mapping[str, Any]]:
    import h5py

    from engine.audio import open_h5

    with open_h5(path) as file:
        found: dict[str, Any] = {}
        file.visititems(lambda name, entry: found.update({name: entry}) if isinstance(entry, h5py.Dataset) else None)
        yield found


@contextmanager
def _read_npz(path: Path) -> Iterator[Mapping[str, Any]]:
    import numpy as np

    with np.load(path, allow_pickle=False) as file:
        yield {name: file[name] for name in file.files}


@contextmanager
def _read_npy(path: Path) -> Iterator[Mapping[str, Any]]:
    import numpy as np

    yield {"array": np.load(path, allow_pickle=False, mmap_mode="r")}


@contextmanager
def _read_safetensors(path: Path) -> Iterator[Mapping[str, Any]]:
    from safetensors.numpy import load_file

    yield load_file(path)


@contextmanager
def _read_onnx(path: Path) -> Iterator[Mapping[str, Any]]:
    """Weights by name, and the graph without them as one array of bytes."""
    import numpy as np
    import onnx
    from onnx.numpy_helper import to_array

    model = onnx.load(path)
    weights = {tensor.name: to_array(tensor) for tensor in model.graph.initializer}
    del model.graph.initializer[:]
    yield {**weights, "(graph)": np.frombuffer(model.SerializeToString(deterministic=True), np.uint8)}


READERS: Mapping[str, Callable[[Path], Any]] = {
    ".h5": _read_h5,
    ".npz": _read_npz,
    ".npy": _read_npy,
    ".safetensors": _read_safetensors,
    ".onnx": _read_onnx,
}
