"""Nodes inside a sub-graph ("outer--inner") are shown on the one box that stands for them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Final

from engine.node import NodeSpec
from engine.registry import Registry
from engine.subgraph import SEPARATOR, SubgraphSpec, inner_ends, outer_of, split_end
from studio.run.state import NEVER, NodeState

FINAL: Final = frozenset({"done", "cached", "failed", "skipped", "cancelled", "interrupted"})
LOUDEST: Final = (
    "running", "failed", "attention", "interrupted", "cancelled", "queued", "stale", "never", "skipped", "done",
    "cached",
)  # fmt: skip
"""Of several inner nodes the box shows the state that stands first here."""


def members(nodes: Iterable[str], known: Container[str]) -> dict[str, list[str]]:
    """The boxes and the nodes that each of them shows, in order.

    Args:
        known: nodes of the workflow as it is edited; one of them may have the separator in its own name.
    """
    found: dict[str, list[str]] = {}
    for node in nodes:
        found.setdefault(outer_of(node, known), []).append(node)
    return found


def box_state(
    outer: str, inner: Iterable[str], states: Mapping[str, NodeState], outputs: Mapping[str, Path]
) -> NodeState:
    """The state of one box from those of the nodes it shows.

    Args:
        outputs: artifact folders by the box's own ports, if it stands for a sub-graph.
    """
    found = {node: states.get(node, NEVER) for node in inner}
    return found[outer] if list(found) == [outer] else _together(found, outputs)


def _together(found: Mapping[str, NodeState], outputs: Mapping[str, Path]) -> NodeState:
    states = found.values()
    rank = {name: place for place, name in enumerate(LOUDEST)}
    node, loudest = min(found.items(), key=lambda item: rank.get(item[1].state, len(rank)))
    name = node.partition(SEPARATOR)[2]
    left = [state.left_s for state in states if state.left_s is not None]
    return NodeState(
        loudest.state,
        sum(1.0 if state.state in FINAL else state.fraction for state in states) / max(len(found), 1),
        f"{name}: {loudest.text}" if loudest.text else name if loudest.state == "running" else "",
        sum(state.seconds for state in states),
        sum(left) if left else None,
        f"{name}: {loudest.why}" if loudest.why else "",
        loudest.error,
        dict(outputs),
    )


def box_outputs(
    box: str, spec: NodeSpec | None, states: Mapping[str, NodeState], registry: Registry
) -> dict[str, Path]:
    """Artifact folders by the ports that a sub-graph's box has, from the inner nodes that the ports lead to."""
    if not isinstance(spec, SubgraphSpec):
        return {}
    found = {port.name: _artifact(box, port.name, spec, states, registry) for port in spec.outputs}
    return {port: path for port, path in found.items() if path is not None}


def _artifact(
    node: str, port: str, spec: NodeSpec | None, states: Mapping[str, NodeState], registry: Registry
) -> Path | None:
    if not isinstance(spec, SubgraphSpec):
        return states.get(node, NEVER).outputs.get(port)
    inside = split_end(spec.inside.interface.outputs.get(port, "."))[0]
    deeper = spec.inside.nodes.get(inside)
    for inner, name in inner_ends(node, port, spec, is_output=True):
        return _artifact(inner, name, registry.find(deeper.type) if deeper is not None else None, states, registry)
    return None
