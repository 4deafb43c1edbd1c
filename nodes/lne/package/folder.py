"""Write a package's folder: whole and verified, or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nodes.lne.cross import can_emulate, is_foreign, run_abroad
from nodes.lne.errors import LneError
from nodes.lne.package.abi import DESCRIPTION_FILE
from nodes.lne.package.code import blobs, sources
from nodes.lne.package.compile import compile_package
from nodes.lne.package.contents import Package
from nodes.lne.package.description import NETWORK_FILE, write_description
from nodes.lne.package.library import Library, open_package_library
from nodes.lne.reference import evaluate
from nodes.lne.target import can_run

Floats = NDArray[np.float32]
FLOAT_TOLERANCE = 1e-4
"""Largest error allowed, as a share of the outputs' range; integer layers need more."""
MOST_EMULATED = 2
"""Inputs on which code for another machine is run: an emulator takes its time."""
_TRIES = 100
_OCCUPIED = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)


@dataclass(frozen=True)
class Check:
    """One input, and what must come out."""

    values: Floats
    wanted: Floats


@dataclass(frozen=True)
class Order:
    """How a package is to be written.

    Attributes:
        facts: more for deployment.json (labels, precision, measured times, ...).
        network: bytes of model.onnx, kept beside the sources so that onnxruntime can serve; may be empty.
        compiles: whether the library is built; without it there is nothing to verify.
        compiler: command line; empty finds one.
        checks: inputs and wanted outputs; none takes seeded noise and the float64 reference.
        tolerance: largest error allowed, as a share of the wanted outputs' range.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    network: bytes = b""
    compiles: bool = True
    compiler: Sequence[str] = ()
    checks: Sequence[Check] = ()
    tolerance: float = FLOAT_TOLERANCE


def write_package(folder: Path, package: Package, order: Order | None = None) -> Path:
    """Write a package as `folder`, which is new, empty, or holds an older deployment of the same name.

    Everything is made in a folder beside it and moved there in one step, so that it is whole or not there.

    Raises:
        LneError: no compiler, one that fails, a library that fails verification, or a folder of something else.
    """
    with _staged(folder.absolute().parent, package, order or Order()) as staged:
        for _ in range(_TRIES):
            if _moved(staged, folder):
                return folder
            _clear(folder, package.name)
    raise LneError(f"{folder} is being written by somebody else.", "a folder of its own", "Choose another folder.")


def write_below(parent: Path, package: Package, order: Order | None = None) -> Path:
    """Write a package into a new folder below `parent`: its name, with a number if that is taken. Returns the folder.

    Any number of writers may do so at once.

    Raises:
        LneError: as `write_package`.
    """
    with _staged(parent.absolute(), package, order or Order()) as staged:
        names = (package.name if turn == 1 else f"{package.name}_{turn}" for turn in count(1))
        return next(parent / name for name in names if _moved(staged, parent / name))


@contextmanager
def _staged(parent: Path, package: Package, order: Order) -> Iterator[Path]:
    """A finished, verified folder; removed if it was not moved away."""
    parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=f".{package.name}-", dir=parent))
    try:
        staged.chmod(0o755)
        for name, text in sources(package).items():
            (staged / name).write_text(text, encoding="utf-8")
        for name, data in blobs(package).items():
            (staged / name).write_bytes(data)
        if order.network:
            (staged / NETWORK_FILE).write_bytes(order.network)
        verified = _built(package, staged, order) if order.compiles else {}
        write_description(package, staged, _with_engine(order.facts, verified))
        yield staged
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _with_engine(facts: Mapping[str, Any], verified: Mapping[str, Any]) -> dict[str, Any]:
    return {**facts, "engine": {**facts.get("engine", {}), **verified}}


def _moved(staged: Path, folder: Path) -> bool:
    """Whether the folder could be moved: over nothing, or over an empty folder."""
    try:
        staged.rename(folder)
    except OSError as error:
        if error.errno not in _OCCUPIED:
            raise
        return False
    return True


def _clear(folder: Path, name: str) -> None:
    """Remove an older deployment of the same name; another writer may do so at the same time.

    Raises:
        LneError: it is something else.
    """
    if not _is_ours(folder, name):
        raise LneError(
            f"{folder} holds something else than a deployment of {name}.",
            "a folder that is new or empty",
            "Choose another folder, or empty this one.",
        )
    old = Path(tempfile.mkdtemp(prefix=f".{name}-old-", dir=folder.absolute().parent))
    with suppress(FileNotFoundError):  # another writer was faster
        folder.replace(old)
    shutil.rmtree(old, ignore_errors=True)


def _is_ours(folder: Path, name: str) -> bool:
    """Whether a folder is a deployment of this name, or was replaced while it was looked at."""
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return True
    except NotADirectoryError:
        return False
    try:
        with os.scandir(place) as entries:
            has_all = {f"{name}.h", DESCRIPTION_FILE} <= {entry.name for entry in entries}
        return has_all or not folder.exists() or not os.path.samestat(folder.stat(), os.fstat(place))
    finally:
        os.close(place)


def _built(package: Package, folder: Path, order: Order) -> dict[str, Any]:
    """Compile and verify; what is told of it."""
    path = compile_package(package, folder, order.compiler)
    checks = order.checks or (_noise(package),)
    told: dict[str, Any] = {"verified": []}
    if is_foreign(package.machine):
        errors = _emulated(package, checks)
    else:
        shapes = package.input_shape, package.output_shape
        library = open_package_library(path, package.name, *shapes, package.workspace_bytes, package.front_end)
        if package.front_end is not None:
            told["front_end_error"] = _small(_front_end_error(library), FLOAT_TOLERANCE, package.name, "the front end")
        runnable = [level.plan.target for level in package.levels if can_run(level.plan.target)]
        errors = ((target.name, len(checks), _error(library, target.name, checks)) for target in runnable)
    for level, inputs, error in errors:
        _small(error, order.tolerance, package.name, f"the code for {level}")
        told["verified"].append({"level": level, "error": error, "inputs": inputs})
    return told


def _emulated(package: Package, checks: Sequence[Check]) -> Iterator[tuple[str, int, float]]:
    """Level, inputs and error of code for another machine, under an emulator where there is one."""
    able = [level for level in package.levels if is_foreign(level.plan.target) and can_emulate(level.plan.target)]
    wanted = np.stack([check.wanted.reshape(package.output_shape) for check in checks[:MOST_EMULATED]])
    for level in able:
        with tempfile.TemporaryDirectory(prefix="ossicle-emulated-") as place:
            found = [run_abroad(level, Path(place), check.values) for check in checks[:MOST_EMULATED]]
        yield level.plan.target.name, len(found), _off(np.stack(found).reshape(wanted.shape), wanted)


def _small(error: float, limit: float, name: str, what: str) -> float:
    """The error, if it is within its limit; a NaN is not.

    Raises:
        LneError: it is not.
    """
    if not error <= limit:
        raise LneError(
            f"{name}: {what} is off by {error:.3g} of the values' range.",
            f"at most {limit:g}",
            "Report this network; meanwhile run it with onnxruntime.",
        )
    return error


def _front_end_error(library: Library) -> float:
    """Largest difference of a feature from Python's, as a share of the largest one, on fading noise."""
    from nodes.dsp.frontend import compute  # brings scipy

    front_end = library.front_end
    assert front_end is not None
    noise = np.random.default_rng(0).uniform(-1.0, 1.0, front_end.clip_samples)
    samples = (noise * np.geomspace(0.5, 1e-3, front_end.clip_samples)).astype(np.float32)
    wanted = compute(front_end, samples[None])[0]
    found = library.features(samples).reshape(wanted.shape)
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def _noise(package: Package) -> Check:
    graph = package.levels[0].plan.graph
    values = np.random.default_rng(0).standard_normal(graph.source_shape).astype(np.float32)
    return Check(
        values, evaluate(graph, values.astype(np.float64))[graph.result].reshape(graph.result_shape).astype(np.float32)
    )


def _error(library: Library, level: str, checks: Sequence[Check]) -> float:
    """Largest error of a level, as a share of the range of all wanted outputs."""
    library.use(level)
    wanted = np.stack([check.wanted.reshape(library.output_shape) for check in checks])
    return _off(np.stack([library(check.values) for check in checks]), wanted)


def _off(found: Floats, wanted: Floats) -> float:
    spread = float(wanted.max() - wanted.min()) if wanted.size > 1 else float(np.abs(wanted).max())
    return float(np.abs(found - wanted).max()) / (spread or 1.0)
