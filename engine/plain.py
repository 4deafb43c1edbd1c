"""Runs, sweeps, node types, problems and errors as plain values, as the command line and the HTTP API give them."""

from __future__ import annotations

import json
from typing import Any

from engine.errors import OssicleError
from engine.node import NodeSpec, Port
from engine.params import schema
from engine.record import RunRecord
from engine.sweep_record import SUMMARY, SweepRecord


def run_json(record: RunRecord) -> dict[str, Any]:
    """A run: its state, and per node the state, seconds, artifact folders by output port, and why it failed."""
    return {
        "run": record.id,
        "state": record.state,
        "seconds": round(record.seconds, 6),
        "folder": str(record.folder),
        "nodes": {
            name: {
                "state": node.state,
                "seconds": round(node.seconds, 6),
                "outputs": {port: str(path) for port, path in record.artifacts(name).items()},
                **({"error": node.error.to_json()} if node.error is not None else {}),
            }
            for name, node in record.nodes.items()
        },
    }


def sweep_json(record: SweepRecord) -> dict[str, Any]:
    """A sweep: state, points with their runs, and the summary."""
    return {**record.to_json(), "folder": str(record.folder), "summary": _summary_of(record)}


def _summary_of(record: SweepRecord) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads((record.folder / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found


def sweep_row_json(record: SweepRecord) -> dict[str, Any]:
    """A sweep in short: state, values, how many of its points are done."""
    return {
        "sweep": record.id,
        "workflow": record.workflow,
        "state": record.state,
        "over": {name: list(values) for name, values in record.over.items()},
        "points": len(record.points),
        "done": len(record.in_state("done")),
        "started_s": record.started_s,
        "seconds": record.seconds,
        "folder": str(record.folder),
    }


def spec_json(spec: NodeSpec) -> dict[str, Any]:
    """A node type in short: ports, needs, first line of its help."""
    return {
        "id": spec.id,
        "version": spec.version,
        "title": spec.title,
        "category": spec.category,
        "about": spec.about.partition("\n")[0],
        "inputs": [_port_json(port) for port in spec.inputs],
        "outputs": [_port_json(port) for port in spec.outputs],
        "needs": list(spec.needs),
        "package": spec.package,
    }


def spec_details(spec: NodeSpec) -> dict[str, Any]:
    """A node type with all its help and the JSON schema of its parameters."""
    return {
        **spec_json(spec),
        "about": spec.about,
        "replaces": list(spec.replaces),
        "params": schema(spec.params),
    }


def error_json(error: OssicleError) -> dict[str, Any]:
    """An error's three parts, and every problem of an invalid workflow."""
    problems = [vars(problem) for problem in getattr(error, "problems", ())]
    return {"what": error.what, "expected": error.expected, "remedy": error.remedy, "problems": problems}


def _port_json(port: Port) -> dict[str, Any]:
    return {"name": port.name, "type": port.type.kind(), "optional": port.optional, "many": port.many}
