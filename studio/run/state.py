"""What a node is doing, as the canvas, the panels and the status bar show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.fault import Fault


@dataclass(frozen=True)
class NodeState:
    """One node in the present or last run.

    Attributes:
        state: a key of `engine.theme.STATES`.
        fraction: progress, 0 to 1, while running.
        text: what it is doing ("epoch 13 of 20").
        seconds: time taken, or so far.
        left_s: estimated time left; None if unknown.
        why: why it is stale, was executed or skipped.
        outputs: artifact folder by output port.
    """

    state: str = "never"
    fraction: float = 0.0
    text: str = ""
    seconds: float = 0.0
    left_s: float | None = None
    why: str = ""
    error: Fault | None = None
    outputs: Mapping[str, Path] = field(default_factory=dict)


NEVER = NodeState()


def reason_of(state: NodeState) -> str:
    """Why a node is in its state, in words; of a finished one, why it had to be executed."""
    if state.state not in ("done", "running"):
        return state.why
    return f"executed: {state.why}" if state.why and state.why != "never run" else ""
