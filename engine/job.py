"""What is handed to whoever executes one node, and what comes back. Plain frozen data that survives pickle and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine.fault import Fault
from engine.key import Recipe

State = Literal["done", "cached", "failed", "cancelled", "damaged"]


@dataclass(frozen=True)
class Job:
    """One node to execute.

    Attributes:
        node: id of the node.
        recipe: type, parameters, inputs: all that decides the result.
        run: id of the run.
        store: root folder of the store.
        base: folder of the workflow file.
        folder: folder of the run; a file `cancel` in it asks everybody who works for the run to stop.
        threads: how many threads the node may use.
        force: execute even if the result is known.
    """

    node: str
    recipe: Recipe
    run: str
    store: str
    base: str
    folder: str = ""
    threads: int = 1
    force: bool = False

    @property
    def cache_key(self) -> str:
        """The recipe's key."""
        return self.recipe.key

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars_of(self), "recipe": self.recipe.to_json()}

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> Job:
        """Read back what `to_json` wrote."""
        return Job(**{**raw, "recipe": Recipe.from_json(raw["recipe"])})


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        state: "damaged": nothing ran, since the stored inputs named in `damaged` were found damaged and evicted.
        outputs: content keys by output port.
        error: why it failed.
        damaged: content key and finding of each damaged input.
    """

    node: str
    state: State
    outputs: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    error: Fault | None = None
    damaged: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars_of(self), "error": self.error.to_json() if self.error else None}

    @staticmethod
    def from_json(raw: Mapping[str, Any]) -> Outcome:
        """Read back what `to_json` wrote."""
        return Outcome(**{**raw, "error": Fault.from_json(raw["error"]) if raw["error"] else None})


def vars_of(value: Job | Outcome) -> dict[str, Any]:
    """The fields by name, without what was computed from them."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def cancel_file(folder: Path) -> Path:
    """The file in a run's folder whose presence asks the run to stop."""
    return folder / "cancel"
