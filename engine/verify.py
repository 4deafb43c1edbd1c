"""Run a finished run again from nothing, and say what came out the same."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.artifact import Receipt
from engine.compare import Comparison, Likeness, Tolerance, compare_artifacts
from engine.event import Sink
from engine.execute import installed
from engine.library import with_subgraphs
from engine.lineage import Change, compare_values, environment_of
from engine.node import NodeSpec
from engine.record import NodeRecord, RunRecord
from engine.registry import Registry
from engine.runner import Request, Runner
from engine.runs import WORKFLOW, store_of
from engine.subgraph import PREFIX, expand
from engine.workflow import Workflow, load, upto

Verdict = Likeness | Literal["not repeated", "missing", "failed"]
BAD: frozenset[Verdict] = frozenset({"different", "missing", "failed"})


@dataclass(frozen=True)
class Finding:
    """One output compared: "not repeated" acts on the outside, "missing" is no longer in the store."""

    node: str
    port: str
    verdict: Verdict
    where: str = ""
    difference: float = 0.0


@dataclass(frozen=True)
class Verification:
    """All findings, and how today's environment differs from the run's."""

    run: str
    tolerance: Tolerance
    findings: tuple[Finding, ...]
    environment: tuple[Change, ...]

    @property
    def verdict(self) -> Likeness:
        """The whole in one word."""
        verdicts = {finding.verdict for finding in self.findings}
        if verdicts & BAD:
            return "different"
        return "within tolerance" if "within tolerance" in verdicts else "identical"


def verify_run(
    record: RunRecord,
    runner: Runner,
    sink: Sink,
    cancel: threading.Event,
    tolerance: Tolerance | None = None,
    registry: Registry | None = None,
) -> Verification:
    """Execute every node of a run again, in an empty store beside the project's, and compare all outputs.

    Nodes whose only outputs are receipts are left out: they would act on the outside once more.

    Raises:
        InvalidError: its workflow is no longer valid (a plugin is gone).
    """
    registry = registry or installed()
    tolerance = tolerance or Tolerance()
    flat = _as_run(record, registry)
    workflow, left_out = _repeatable(flat, registry)
    to = record.to if record.to not in left_out and record.to in flat.nodes else None
    with tempfile.TemporaryDirectory(dir=record.home, prefix="verify-") as folder:
        request = Request(workflow, record.base, home=Path(folder), to=to, registry=registry)
        again = runner.run(request, sink, cancel)
        findings = tuple(f for node in record.nodes.values() for f in _compare_node(record, again, node, tolerance))
        changes = tuple(compare_values("environment", environment_of(record), environment_of(again)))
    return Verification(record.id, tolerance, findings, changes)


def _as_run(record: RunRecord, registry: Registry) -> Workflow:
    """The run's workflow with the sub-graphs of that time drawn out; up to a sub-graph if the run went up to one."""
    workflow, registry = load(record.folder / WORKFLOW), with_subgraphs(registry, record.folder)
    box = workflow.nodes.get(record.to or "")
    if record.to is not None and box is not None and box.type.startswith(PREFIX):
        workflow = upto(workflow, record.to)
    return expand(workflow, registry)


def _repeatable(workflow: Workflow, registry: Registry) -> tuple[Workflow, set[str]]:
    specs = {name: registry.find(node.type) for name, node in workflow.nodes.items()}
    left_out = {name for name, spec in specs.items() if spec is not None and _acts_outside(spec)}
    nodes = {
        name: node.model_copy(update={"mode": "muted"}) if name in left_out else node
        for name, node in workflow.nodes.items()
    }
    return workflow.model_copy(update={"nodes": nodes}), left_out


def _acts_outside(spec: NodeSpec) -> bool:
    return bool(spec.outputs) and all(issubclass(port.type, Receipt) for port in spec.outputs)


def _compare_node(record: RunRecord, again: RunRecord, node: NodeRecord, tolerance: Tolerance) -> Iterator[Finding]:
    second = again.nodes.get(node.node)
    for port, key in sorted(node.outputs.items()):
        if second is None:
            yield Finding(node.node, port, "not repeated")
        elif port not in second.outputs:
            yield Finding(node.node, port, "failed", str(second.error or second.reason or second.state))
        elif second.outputs[port] == key:
            yield Finding(node.node, port, "identical")
        elif not store_of(record.home).is_whole(key):
            yield Finding(node.node, port, "missing", "the run's artifact is no longer in the store")
        else:
            found = _compare(record, again, node.node, port, tolerance)
            yield Finding(node.node, port, found.likeness, found.where, found.difference)


def _compare(record: RunRecord, again: RunRecord, node: str, port: str, tolerance: Tolerance) -> Comparison:
    return compare_artifacts(record.artifacts(node)[port], again.artifacts(node)[port], tolerance)
