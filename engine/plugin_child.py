"""Run in a child process by `engine.plugin`: import entry points and describe their nodes on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from importlib.metadata import EntryPoint
from typing import Any

from pydantic import ValidationError

from engine.node import NodeSpec
from engine.params import canonical, schema
from engine.registry import GROUP, specs_of


def main(targets: Sequence[str], old: Mapping[str, Any]) -> dict[str, Any]:
    """Nodes, errors and imported modules of some entry points, as plain values."""
    specs: list[NodeSpec] = []
    errors: list[dict[str, str]] = []
    for target in targets:
        try:
            specs += specs_of(EntryPoint("plugin", target, GROUP).load())
        except (Exception, SystemExit) as error:  # the plugin border: whatever it raises is what we came to see
            errors.append({"target": target, "error": f"{type(error).__name__}: {error}"})
    modules = sorted({name.partition(".")[0] for name in sys.modules})
    return {"nodes": [describe(spec, old.get(spec.id, ())) for spec in specs], "errors": errors, "modules": modules}


def describe(spec: NodeSpec, old: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One node: what it declares, and what goes wrong with its schema and its older parameters."""
    own = spec.params.model_fields
    described = schema(spec.params).get("properties", {}) if own else {}
    return {
        "id": spec.id,
        "version": spec.version,
        "about": spec.about,
        "inputs": [port.name for port in spec.inputs],
        "outputs": [port.name for port in spec.outputs],
        "undescribed": [name for name in own if not described.get(name, {}).get("description")],
        "schema_errors": list(_schema_errors(spec)),
        "has_upgrade": spec.upgrade is not None,
        "old_params": len(old),
        "upgrade_errors": [error for entry in old for error in _upgrade_errors(spec, entry)],
    }


def _schema_errors(spec: NodeSpec) -> Iterator[str]:
    if any(field.is_required() for field in spec.params.model_fields.values()):
        return
    try:
        values = json.loads(json.dumps(canonical(spec.params()), allow_nan=False))
        if spec.params.model_validate(values) != spec.params():
            yield "the defaults change when they are saved and read again"
    except (ValidationError, ValueError, TypeError) as error:
        yield f"the defaults cannot be saved and read again ({_line(error)})"


def _upgrade_errors(spec: NodeSpec, entry: Mapping[str, Any]) -> Iterator[str]:
    """Old parameters must upgrade, be valid, and stay as they are when saved and read again."""
    try:
        version, raw = int(entry["version"]), dict(entry["params"])
        raised = spec.upgrade(raw, version) if spec.upgrade is not None else raw
        params = spec.params.model_validate(raised)
        if spec.params.model_validate(json.loads(json.dumps(canonical(params)))) != params:
            yield f"parameters of version {version} change when they are saved and read again"
    except Exception as error:  # the plugin border: `upgrade` is the plugin's code
        yield f"{dict(entry)} cannot be upgraded ({type(error).__name__}: {_line(error)})"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


if __name__ == "__main__":
    _given = json.loads(sys.stdin.read() or "{}")
    with redirect_stdout(sys.stderr):
        _found = main(sys.argv[1:], _given)
    sys.stdout.write(json.dumps(_found) + "\n")
