"""Node discovery: ours all load, broken plugins are rows."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from engine.node import NodeSpec
from engine.params import schema
from engine.registry import GROUP, build_registry, load_registry

REGISTRY = load_registry()
OURS = sorted(id for id in REGISTRY.specs if id.startswith("ossicle."))


def test_our_nodes_load_without_errors() -> None:
    assert [error for error in REGISTRY.errors if error.name.startswith("ossicle")] == []
    assert set(OURS) >= {
        f"ossicle.{name}"
        for name in [
            "ingest",
            "speak",
            "partition",
            "mfcc",
            "log_mel",
            "train",
            "benchmark",
            "quantize",
            "deploy",
            "push",
        ]
    }


@pytest.mark.parametrize("id", OURS)
def test_every_node_is_described(id: str) -> None:
    spec = REGISTRY.specs[id]
    assert len(spec.about.splitlines()[0]) > 10 and spec.category and spec.outputs
    fields = schema(spec.params).get("properties", {})
    assert [name for name, entry in fields.items() if not entry.get("description")] == []
    json.dumps(spec.params.model_validate(_least(spec)).model_dump(mode="json"))


def _least(spec: NodeSpec) -> dict[str, object]:
    """Placeholder values for parameters that have no default."""
    required = schema(spec.params).get("required", [])
    return dict.fromkeys(required, "x")


def test_listing_nodes_imports_nothing_heavy() -> None:
    heavy = ["torch", "prefect", "librosa", "numpy", "h5py", "onnxruntime", "rich", "scipy", "PySide6"]
    code = "import sys; from engine.registry import load_registry; load_registry(); "
    code += f"print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def points(tmp_path: Path, **modules: str) -> list[EntryPoint]:
    for name, text in modules.items():
        (tmp_path / f"{name}.py").write_text(text)
    return [EntryPoint(name, name, GROUP) for name in modules]


GOOD = """
from engine import AudioSet, node
@node("p.same", version=1, category="x")
def same(audio: AudioSet) -> AudioSet:
    'Give it back.'
    return audio
"""


def test_broken_plugins_are_rows_and_the_rest_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    found = build_registry(
        points(
            tmp_path,
            p_raises="1 / 0",
            p_exits="raise SystemExit(3)",
            p_missing="import no_such_module_at_all",
            p_syntax="def",
            p_empty="x = 1",
            p_good=GOOD,
            p_twice=GOOD,
        )
        + [EntryPoint("p_none", "p_no_module", GROUP)]
    )
    assert list(found.specs) == ["p.same"]
    assert {error.name for error in found.errors} == {
        "p_raises", "p_exits", "p_missing", "p_syntax", "p_empty", "p_twice", "p_none",
    }  # fmt: skip
    assert all(error.error and error.remedy for error in found.errors)
