"""Comparison number by number, in every format an artifact may hold."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from engine.artifact import Report, ReportMeta
from engine.compare import Comparison, Tolerance, compare_artifacts
from engine.store import Store

TOLERANCE = Tolerance(relative=1e-3, absolute=1e-6)
Writer = Callable[[Path, Any], None]


def write_h5(path: Path, values: Any) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("group/values", data=values)


def write_safetensors(path: Path, values: Any) -> None:
    from safetensors.numpy import save_file

    save_file({"group/values": values}, path)


def write_onnx(path: Path, values: Any) -> None:
    import onnx
    from onnx import helper, numpy_helper

    graph = helper.make_graph([], "g", [], [], [numpy_helper.from_array(values, "group/values")])
    onnx.save(helper.make_model(graph), path)


WRITERS: dict[str, Writer] = {
    "v.h5": write_h5,
    "v.npz": lambda path, values: np.savez(path, **{"group/values": values}),
    "v.npy": lambda path, values: np.save(path, values),
    "v.safetensors": write_safetensors,
    "v.onnx": write_onnx,
    "v.json": lambda path, values: path.write_text(json.dumps({"values": values.tolist()})) and None,
}


@pytest.fixture
def sealed(tmp_path: Path) -> Callable[..., Path]:
    """Seals a file written by a writer into an artifact of its own; returns its folder."""
    store = Store(tmp_path / "store")

    def seal(name: str, writer: Writer, values: Any, **meta: Any) -> Path:
        folder = store.work("0" * 64) / "report"
        folder.mkdir()
        writer(folder / name, values)
        return store.path(store.seal(Report(folder, ReportMeta(title="t", **meta))))

    return seal


BASE = np.linspace(1, 2, 12, dtype=np.float32).reshape(3, 4)


def changed(by: float) -> Any:
    values = BASE.copy()
    values[1, 2] += by
    return values


@pytest.mark.parametrize("name", WRITERS)
def test_numbers_are_compared_within_the_tolerance(sealed: Callable[..., Path], name: str) -> None:
    a = sealed(name, WRITERS[name], BASE)
    assert compare_artifacts(a, sealed(name, WRITERS[name], BASE), TOLERANCE) == Comparison("identical")
    close = compare_artifacts(a, sealed(name, WRITERS[name], changed(1e-4)), TOLERANCE)
    assert close.likeness == "within tolerance"
    far = compare_artifacts(a, sealed(name, WRITERS[name], changed(0.5)), TOLERANCE)
    assert far.likeness == "different"
    assert far.difference == pytest.approx(0.5, rel=1e-6)
    assert ("[1,2]" if name != "v.json" else "[1][2]") in far.where


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "v.json"])
def test_other_shapes_types_and_integers_differ(sealed: Callable[..., Path], name: str) -> None:
    a = sealed(name, WRITERS[name], BASE)
    assert "shape or type" in compare_artifacts(a, sealed(name, WRITERS[name], BASE[:2]), TOLERANCE).where
    assert "shape or type" in compare_artifacts(a, sealed(name, WRITERS[name], BASE.astype("f8")), TOLERANCE).where
    whole = np.arange(1000, 1005)
    other = compare_artifacts(sealed(name, WRITERS[name], whole), sealed(name, WRITERS[name], whole + 1), TOLERANCE)
    assert other.likeness == "different"


def test_nan_equals_nan_and_infinity_itself_only(sealed: Callable[..., Path]) -> None:
    strange = np.array([np.nan, np.inf, 1.0])
    a = sealed("v.npy", WRITERS["v.npy"], strange)
    one = compare_artifacts(a, sealed("v.npy", WRITERS["v.npy"], np.array([np.nan, np.inf, 1.0 + 1e-5])), TOLERANCE)
    assert one.likeness == "within tolerance"
    for other in ([0.0, np.inf, 1.0], [np.nan, -np.inf, 1.0], [np.nan, np.inf, np.nan]):
        found = compare_artifacts(a, sealed("v.npy", WRITERS["v.npy"], np.array(other)), TOLERANCE)
        assert found.likeness == "different"


def test_large_arrays_are_compared_in_blocks(sealed: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    import engine.compare

    monkeypatch.setattr(engine.compare, "BLOCK_VALUES", 8)
    values = np.zeros((100, 4), np.float32)
    other = values.copy()
    other[77, 3] = 1
    found = compare_artifacts(sealed("v.h5", write_h5, values), sealed("v.h5", write_h5, other), TOLERANCE)
    assert found == Comparison("different", "v.h5:group/values[77,3]", 1.0)


def test_measured_times_are_left_out(sealed: Callable[..., Path]) -> None:
    def write(path: Path, values: Any) -> None:
        path.write_text(json.dumps(values))

    a = sealed("v.json", write, {"latency_us": 1.0, "layers": [{"ms": 3.0, "name": "conv"}], "accuracy": 0.9})
    b = sealed("v.json", write, {"latency_us": 9.0, "layers": [{"ms": 4.0, "name": "conv"}], "accuracy": 0.9})
    c = sealed("v.json", write, {"latency_us": 1.0, "layers": [{"ms": 3.0, "name": "relu"}], "accuracy": 0.9})
    assert compare_artifacts(a, b, TOLERANCE).likeness == "identical"
    assert compare_artifacts(a, c, TOLERANCE).where == "v.json.layers[0].name"


def test_metadata_counts_but_its_words_do_not(sealed: Callable[..., Path]) -> None:
    a = sealed("v.npy", WRITERS["v.npy"], BASE, metrics={"accuracy": 0.9}, about="90 % in 3 s")
    b = sealed("v.npy", WRITERS["v.npy"], BASE, metrics={"accuracy": 0.9}, about="90 % in 4 s")
    c = sealed("v.npy", WRITERS["v.npy"], BASE, metrics={"accuracy": 0.8})
    assert compare_artifacts(a, b, TOLERANCE).likeness == "identical"
    assert compare_artifacts(a, c, TOLERANCE) == Comparison("different", "meta.metrics.accuracy", pytest.approx(0.1))


def test_other_files_differ(sealed: Callable[..., Path]) -> None:
    def write(path: Path, text: str) -> None:
        path.write_text(text)

    a = sealed("v.txt", write, "a")
    assert compare_artifacts(a, sealed("v.txt", write, "b"), TOLERANCE).where == "v.txt: other bytes"
    assert "only in the" in compare_artifacts(a, sealed("w.txt", write, "a"), TOLERANCE).where
