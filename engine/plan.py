"""Before a run: its steps, and per node whether the result is there, stale (and why), or unknown yet. Runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from engine.errors import OssicleError
from engine.key import Recipe, changes, recipe_of
from engine.library import with_subgraphs
from engine.record import NodeRecord
from engine.registry import Registry
from engine.runs import last_nodes, store_of
from engine.steps import Source, Step
from engine.store import Store
from engine.subgraph import expansion, leaf_of
from engine.validate import check, require
from engine.workflow import Workflow, no_such_node, upto

Freshness = Literal["never run", "cached", "stale", "unknown", "failing"]
Outputs = Mapping[str, str]


@dataclass(frozen=True)
class Forecast:
    """What a run would find at one node.

    Attributes:
        state: "cached": the result is there. "stale": it would be executed, `why` says why. "unknown": that shows only
            once the nodes before it ran. "failing": its cache key cannot be taken, `why` says why.
        outputs: content keys by port of a cached node.
    """

    node: str
    state: Freshness
    why: str = ""
    outputs: Outputs = field(default_factory=dict)


def steps_of(workflow: Workflow, registry: Registry, to: str | None, force: frozenset[str]) -> tuple[Step, ...]:
    """The steps of a run in order.

    Raises:
        InvalidError: the workflow has problems.
        OssicleError: `to` or a node of `force` does not exist.
    """
    for name in sorted(force):
        if name not in workflow.nodes:
            raise no_such_node(workflow, name)
    if to is not None and to not in workflow.nodes:
        workflow = expansion(workflow, registry).workflow  # it may be a node inside a sub-graph
    part = workflow if to is None else upto(workflow, to)
    return require(check(part, registry))


def forced(workflow: Workflow, registry: Registry, force: frozenset[str]) -> frozenset[str]:
    """The steps that are to be executed anyway: of a sub-graph, all."""
    return expansion(workflow, registry).expanded(force) if force else force


def inputs_of(step: Step, outputs: Mapping[str, Outputs]) -> dict[str, tuple[str, ...]]:
    """Content keys by input port, wires in a fixed order (the same inside a sub-graph and drawn out)."""
    return {
        port: tuple(outputs[node][output] for node, output in sorted(wires, key=_rank))
        for port, wires in sorted(step.wires.items())
    }


def _rank(source: Source) -> tuple[str, str, str]:
    node, output = source
    return leaf_of(node), node, output


def sources_of(step: Step) -> set[str]:
    """Nodes that a step takes something from."""
    return {node for wires in step.wires.values() for node, _ in wires}


LOST: Mapping[str, str] = {"failed": "failed last time", "cancelled": "was cancelled", "running": "was interrupted"}


def why_run(old: NodeRecord | None, new: Recipe, store: Store) -> str:
    """In words, why a node without a usable result has to be executed."""
    if old is not None and old.recipe is not None and (words := changes(old.recipe, new)):
        return "; ".join(words)
    result = store.result(new.key)
    if result is None:
        return "never run" if old is None else LOST.get(old.state, "its result was removed")
    broken = [port for port, key in sorted(result.outputs.items()) if not store.is_whole(key)]
    return f"stored artifact {', '.join(broken)} is damaged or missing"


def forecast(
    workflow: Workflow,
    registry: Registry,
    base: Path,
    home: Path,
    to: str | None = None,
    force: frozenset[str] = frozenset(),
) -> dict[str, Forecast]:
    """What a run would do at each node, in running order, without running anything.

    Raises:
        InvalidError: the workflow has problems.
    """
    registry = with_subgraphs(registry, base)
    steps = steps_of(workflow, registry, to, force)
    force = forced(workflow, registry, force)
    store = store_of(home)
    old = last_nodes(home, workflow.name, base, [step.node for step in steps])
    found: dict[str, Forecast] = {}
    for step in steps:
        found[step.node] = _forecast_step(step, found, base, store, old.get(step.node), step.node in force)
    return found


def _forecast_step(
    step: Step, before: Mapping[str, Forecast], base: Path, store: Store, old: NodeRecord | None, is_forced: bool
) -> Forecast:
    open_ends = sorted(name for name in sources_of(step) if before[name].state != "cached")
    if open_ends:
        waiting = f"after {', '.join(open_ends)}"
        return Forecast(step.node, "never run" if old is None else "unknown", waiting)
    try:
        recipe = recipe_of(step.spec, step.params, inputs_of(step, {n: f.outputs for n, f in before.items()}), base)
    except (OssicleError, OSError) as error:
        return Forecast(step.node, "failing", str(error))
    hit = store.find(recipe.key)
    if hit is not None:
        state: Freshness = "stale" if is_forced else "cached"
        return Forecast(step.node, state, "forced" if is_forced else "", {} if is_forced else hit.outputs)
    why = why_run(old, recipe, store)
    return Forecast(step.node, "never run" if why == "never run" else "stale", why)
