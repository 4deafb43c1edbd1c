"""What is kept about a run: its state, and per node the recipe, outputs, seconds and error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine.fault import Fault
from engine.key import Recipe

RunState = Literal["running", "done", "failed", "cancelled", "interrupted"]
NodeState = Literal["waiting", "queued", "running", "done", "cached", "failed", "skipped", "cancelled"]


@dataclass(frozen=True)
class NodeRecord:
    """One node of a run.

    Attributes:
        recipe: what its result depends on; None if it never got that far.
        outputs: content keys by output port.
        reason: why it was executed or skipped, in words.
    """

    node: str
    type: str
    state: NodeState = "waiting"
    seconds: float = 0.0
    recipe: Recipe | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    error: Fault | None = None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values for files."""
        return {
            "type": self.type,
            "state": self.state,
            "seconds": self.seconds,
            "cache_key": self.recipe.key if self.recipe else "",
            "recipe": self.recipe.to_json() if self.recipe else None,
            "outputs": dict(self.outputs),
            "error": self.error.to_json() if self.error else None,
            "reason": self.reason,
        }

    @staticmethod
    def from_json(node: str, raw: Mapping[str, Any]) -> NodeRecord:
        """Read back what `to_json` wrote."""
        return NodeRecord(
            node,
            raw["type"],
            raw["state"],
            raw["seconds"],
            Recipe.from_json(raw["recipe"]) if raw["recipe"] else None,
            raw["outputs"],
            Fault.from_json(raw["error"]) if raw["error"] else None,
            raw["reason"],
        )


@dataclass(frozen=True)
class RunRecord:
    """One run.

    Attributes:
        folder: `runs/<id>` in the project's data.
        workflow: the workflow's name.
        base: folder of the workflow file.
        runner: which runner executed it.
        to: the node at which it ended, if not the whole workflow was run.
    """

    folder: Path
    workflow: str
    base: Path
    runner: str
    state: RunState
    started_s: float
    seconds: float = 0.0
    nodes: Mapping[str, NodeRecord] = field(default_factory=dict)
    to: str | None = None
    pinned: bool = False

    @property
    def id(self) -> str:
        """Name of the run's folder."""
        return self.folder.name

    @property
    def home(self) -> Path:
        """The project's data folder."""
        return self.folder.parent.parent

    @property
    def store_root(self) -> Path:
        """Root of the store that holds its artifacts."""
        return self.home / "store"

    def artifacts(self, node: str) -> dict[str, Path]:
        """Artifact folder by output port of one node."""
        found = self.nodes[node].outputs
        return {port: self.store_root / "objects" / key[:2] / key for port, key in found.items()}

    def to_json(self) -> dict[str, Any]:
        """Plain values: what record.json holds and `ossicle run --json` prints."""
        return {
            "run": self.id,
            "workflow": self.workflow,
            "state": self.state,
            "runner": self.runner,
            "to": self.to,
            "base": str(self.base),
            "folder": str(self.folder),
            "started_s": self.started_s,
            "seconds": self.seconds,
            "nodes": {
                name: {**node.to_json(), "artifacts": {port: str(path) for port, path in self.artifacts(name).items()}}
                for name, node in self.nodes.items()
            },
        }

    @staticmethod
    def from_json(folder: Path, raw: Mapping[str, Any]) -> RunRecord:
        """Read back what `to_json` wrote; the folder may have been moved since."""
        return RunRecord(
            folder,
            raw["workflow"],
            Path(raw["base"]),
            raw["runner"],
            raw["state"],
            raw["started_s"],
            raw["seconds"],
            {name: NodeRecord.from_json(name, node) for name, node in raw["nodes"].items()},
            raw["to"],
        )
