"""`deployment.json`: what a folder holds, for people and for `ossicle predict`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nodes.lne.ir import macs
from nodes.lne.package.abi import ABI, DESCRIPTION_FILE
from nodes.lne.package.compile import library_name
from nodes.lne.package.contents import Package
from nodes.lne.plan import Cast, Step
from nodes.lne.program import Program

FORMAT = 1
"""Of deployment.json as a whole, see `nodes.application.bundle`."""
VERIFICATION = ("verified", "front_end_error")
"""What `write_package` finds out about the finished library."""
NETWORK_FILE = "model.onnx"


def describe(package: Package, folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Content of deployment.json for the files in `folder`; `facts` are added, and win but for `engine` and `files`.

    Facts may have an `engine` of their own, which is added to ours (measured times, say).
    """
    library = folder / library_name(package.name)
    engine = {
        "abi": ABI,
        "name": package.name,
        "library": library.name if library.is_file() else None,
        "input_shape": list(package.input_shape),
        "output_shape": list(package.output_shape),
        "workspace_bytes": package.workspace_bytes,
        "levels": [_level(level) for level in package.levels],
    }
    front_end = {} if package.front_end is None else {"front_end": asdict(package.front_end)}
    shape = package.input_shape[1:] if package.front_end is None else package.front_end.shape
    return {
        "format": FORMAT,
        "name": package.name,
        "target": package.levels[0].plan.target.name,
        "labels": list(package.labels),
        **front_end,
        "input_shape": list(shape),
        "precision": _precision(package),
        **{name: value for name, value in facts.items() if name not in ("engine", "files")},
        "engine": {**facts.get("engine", {}), **engine},
        "files": {path.name: _digest(path) for path in sorted(folder.iterdir()) if path.name != DESCRIPTION_FILE},
    }


def write_description(package: Package, folder: Path, facts: Mapping[str, Any]) -> None:
    """Write deployment.json into `folder`; what an earlier one says of the verification is kept."""
    path = folder / DESCRIPTION_FILE
    earlier = json.loads(path.read_text(encoding="utf-8"))["engine"] if path.is_file() else {}
    kept = {name: earlier[name] for name in VERIFICATION if name in earlier}
    told = describe(package, folder, {**facts, "engine": {**kept, **facts.get("engine", {})}})
    text = json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def _precision(package: Package) -> str:
    """float32, or mixed if the best level keeps any map in 8 bits."""
    formats = {buffer.format.dtype for buffer in package.levels[0].plan.buffers}
    return "float32" if formats <= {"f32"} else "mixed"


def _level(level: Program) -> dict[str, Any]:
    plan = level.plan
    return {
        "target": plan.target.name,
        "workspace_bytes": plan.workspace_bytes,
        "weights_bytes": len(level.weights),
        "layers": [_layer(step) for step in plan.steps],
    }


def _layer(step: Step) -> dict[str, Any]:
    op, graph = step.task.op, step.task.graph
    return {
        "name": op.name,
        "operator": type(op).__name__.lower(),
        "primitive": step.primitive.name,
        "inputs": [buffer.format.name for buffer in step.inputs],
        "output": step.output.format.name,
        "shape": list(graph.maps[op.output].shape),
        "macs": 0 if isinstance(op, Cast) else macs(op, graph),
    }


def _digest(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    return {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
