"""Nodes inside a sub-graph ("outer--inner") are shown on the one box that stands for them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Final

from studio.run.state import NEVER, NodeState

SEPARATOR: Final = "--"
FINAL: Final = frozenset({"done", "cached", "failed", "skipped", "cancelled", "interrupted"})
LOUDEST: Final = (
    "running", "failed", "attention", "interrupted", "cancelled", "queued", "stale", "never", "skipped", "done",
    "cached",
)  # fmt: skip
"""Of several inner nodes the box shows the state that stands first here."""


def outer_of(node: str, known: Container[str]) -> str:
    """The box that shows a node: itself, or the sub-graph that it is part of.

    Args:
        known: nodes of the workflow as it is edited; one of them may have the separator in its own name.
    """
    return node if node in known else node.partition(SEPARATOR)[0]


def members(nodes: Iterable[str], known: Container[str]) -> dict[str, list[str]]:
    """The boxes and the nodes that each of them shows, in order."""
    found: dict[str, list[str]] = {}
    for node in nodes:
        found.setdefault(outer_of(node, known), []).append(node)
    return found


def shown(states: Mapping[str, NodeState], known: Container[str]) -> dict[str, NodeState]:
    """States by box."""
    return {outer: box_state(outer, inner, states) for outer, inner in members(states, known).items()}


def box_state(outer: str, inner: Iterable[str], states: Mapping[str, NodeState]) -> NodeState:
    """The state of one box from those of the nodes it shows."""
    found = {node: states.get(node, NEVER) for node in inner}
    return found[outer] if list(found) == [outer] else _together(found)


def _together(found: Mapping[str, NodeState]) -> NodeState:
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
        {
            f"{node.partition(SEPARATOR)[2]}.{port}": path
            for node, s in found.items()
            for port, path in s.outputs.items()
        },
    )
