"""What is kept about a run: its state, and per node recipe, outputs, seconds, error; and what sweeps share with it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine.errors import OssicleError
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


@dataclass(frozen=True, kw_only=True)
class Record:
    """What runs and sweeps have in common.

    Attributes:
        folder: `runs/<id>` or `sweeps/<id>` in the project's data.
        workflow: the workflow's name.
        base: folder of the workflow file.
        to: the node at which it ends, if not the whole workflow is run.
        seconds: time taken; by a sweep, in the present or last go at it.
    """

    folder: Path
    workflow: str
    base: Path
    to: str | None = None
    state: RunState = "running"
    started_s: float = 0.0
    seconds: float = 0.0

    @property
    def id(self) -> str:
        """Name of its folder."""
        return self.folder.name

    @property
    def home(self) -> Path:
        """The project's data folder."""
        return self.folder.parent.parent

    def head_json(self) -> dict[str, Any]:
        """These facts as plain values, as its file holds them; the folder may be moved."""
        return {
            "workflow": self.workflow,
            "state": self.state,
            "to": self.to,
            "base": str(self.base),
            "started_s": self.started_s,
            "seconds": self.seconds,
        }

    @staticmethod
    def head_of(folder: Path, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Read back what `head_json` wrote: arguments of a record in that folder."""
        facts = {name: raw[name] for name in ("workflow", "state", "to", "started_s", "seconds")}
        return {"folder": folder, "base": Path(raw["base"]), **facts}


def the_one(found: Sequence[Path], name: str, every: Sequence[Path], home: Path, kind: str) -> Path:
    """The only folder that a name means.

    Args:
        every: where near names are looked for if none fits.
        kind: "run" or "sweep".

    Raises:
        OssicleError: none or several fit; names near ones.
    """
    if len(found) == 1:
        return found[0]
    names = [folder.name for folder in found or every]
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.3) or names[:3]
    problem = f"several {kind}s fit" if found else f"there is no {kind}"
    raise OssicleError(
        f"{problem} {name!r} in {home}", f"one of {', '.join(near) or '(none yet)'}", f"`ossicle {kind}s` lists all"
    )


@dataclass(frozen=True, kw_only=True)
class RunRecord(Record):
    """One run.

    Attributes:
        runner: which runner executed it.
    """

    runner: str
    nodes: Mapping[str, NodeRecord] = field(default_factory=dict)
    pinned: bool = False

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
            **self.head_json(),
            "runner": self.runner,
            "folder": str(self.folder),
            "nodes": {
                name: {**node.to_json(), "artifacts": {port: str(path) for port, path in self.artifacts(name).items()}}
                for name, node in self.nodes.items()
            },
        }

    @staticmethod
    def from_json(folder: Path, raw: Mapping[str, Any]) -> RunRecord:
        """Read back what `to_json` wrote; the folder may have been moved since."""
        nodes = {name: NodeRecord.from_json(name, node) for name, node in raw["nodes"].items()}
        return RunRecord(**Record.head_of(folder, raw), runner=raw["runner"], nodes=nodes)
