"""Where an artifact came from: every step back to the source files, with what each step was told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import Qt, Signal

from engine.artifact import Artifact, load
from engine.errors import OssicleError
from engine.evidence import plain
from engine.key import Recipe
from engine.lineage import Origin, lineage, lineage_in_run
from engine.runs import load_run, run_folders
from engine.store import open_store
from studio.views.parts import ElidedLabel, LoadedCard
from studio.views.table import Table
from studio.views.viewer import Scene, viewer

LOOK_BACK: Final = 12
MOST_FILES: Final = 3
DIGEST: Final = 16
SOURCES: Final = ("source", "words", "address", "url", "path", "file", "folder")
"""Parameters by which source nodes are told where to read."""


@dataclass(frozen=True)
class Step:
    """One artifact on the way, and the node that made it ("" if the run is not known)."""

    node: str
    type: str
    kind: str
    about: str
    settings: str
    sources: str
    content_key: str
    path: Path
    depth: int


@dataclass(frozen=True)
class Descent:
    """All steps, the artifact itself first; and what could not be told."""

    steps: tuple[Step, ...]
    run: str = ""
    files: tuple[str, ...] = ()
    """Payload files of the artifact itself."""


def read_lineage(artifact: Artifact, scene: Scene) -> Descent:
    """The way back, from the newest run that has the artifact; else from the store's results.

    Raises:
        OssicleError: the artifact lies in no store, or nothing is known about it.
    """
    root = store_root(artifact.path)
    run, origins = _origins(root, artifact.path.name)
    steps = sorted(_steps(origins, root), key=lambda step: step.depth)
    files = tuple(sorted(path.name for path in artifact.path.iterdir() if path.is_file()))
    return Descent(tuple(steps), run, files)


def store_root(path: Path) -> Path:
    """The store that an artifact's folder lies in.

    Raises:
        OssicleError: it lies in none.
    """
    root = path.parent.parent.parent
    if path.parent.parent.name != "objects" or not (root / "results").is_dir():
        raise OssicleError(
            f"{path} lies in no store", "an artifact that a run has made", "Run the workflow, then look again"
        )
    return root


def _origins(root: Path, key: str) -> tuple[str, tuple[Origin, ...]]:
    for folder in run_folders(root.parent)[:LOOK_BACK]:
        try:
            return folder.name, lineage_in_run(load_run(folder), key)
        except OssicleError:
            continue
    return "", lineage(open_store(root), key)


def _steps(origins: Sequence[Origin], root: Path) -> Iterator[Step]:
    depth = _depths(origins)
    for origin in origins:
        path = root / "objects" / origin.content_key[:2] / origin.content_key
        kind, about = _described(path)
        yield Step(
            origin.node,
            origin.recipe.type,
            kind,
            about,
            settings_of(origin.recipe.params),
            sources_of(origin.recipe) if origin.is_source else "",
            origin.content_key,
            path,
            depth[origin.content_key],
        )


def _depths(origins: Sequence[Origin]) -> dict[str, int]:
    """Steps from the artifact itself, the longest way."""
    depth = {origins[0].content_key: 0} if origins else {}
    by_key = {origin.content_key: origin for origin in origins}
    for _ in origins:  # a path is never longer than there are steps
        before = dict(depth)
        for key, steps in before.items():
            for source in by_key[key].inputs:
                if source in by_key:
                    depth[source] = max(depth.get(source, 0), steps + 1)
        if depth == before:
            break
    return {key: depth.get(key, 0) for key in by_key}


def _described(path: Path) -> tuple[str, str]:
    try:
        found = load(path)
    except OssicleError:
        return "no longer stored", ""
    return found.kind(), found.meta.about


def settings_of(params: Mapping[str, Any]) -> str:
    """Parameters in one line; what is empty is left out."""
    return ", ".join(f"{name} {plain(value)}" for name, value in params.items() if value not in (None, "", [], ()))


def sources_of(recipe: Recipe) -> str:
    """What a source node read: where, and the digest of what it found there."""
    where = next((plain(recipe.params[name]) for name in SOURCES if recipe.params.get(name)), "")
    found = recipe.fingerprint
    items = found.items() if isinstance(found, dict) else (("content", found),) if found is not None else ()
    told = [f"{name} {plain(value)[:DIGEST]}" for name, value in list(items)[:MOST_FILES]]
    more = [f"{len(items) - MOST_FILES:,} more"] if len(items) > MOST_FILES else []
    return " · ".join(filter(None, (where, *told, *more)))


@viewer(Artifact, "Origin")
class LineageCard(LoadedCard):
    """The steps as a table. `node_chosen(str)` tells the node of the step that was clicked."""

    title = "Origin"
    reader = staticmethod(read_lineage)
    node_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.steps: tuple[Step, ...] = ()
        self.table = Table("Steps from this result back to its sources", is_sortable=False)
        self.table.source.tips = self._tip
        self.table.chosen.connect(self._choose)
        self.foot = ElidedLabel()
        self.foot.setObjectName("mute")
        self.foot.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.inner.addWidget(self.table, 1)
        self.inner.addWidget(self.foot)

    def show_data(self, data: Descent) -> None:
        """Show the way back."""
        self.steps = data.steps
        count = len(data.steps)
        self.subtitle.setText(f"{count} step{'s' if count != 1 else ''}" + (f" · {data.run}" if data.run else ""))
        self.table.fill(("step", "result", "about", "settings"), [_cells(step) for step in data.steps])
        sources = [step.sources for step in data.steps if step.sources]
        self.foot.setText("from " + "; ".join(sources) if sources else "")
        self.foot.setVisible(bool(sources))

    def _tip(self, row: int) -> str:
        step = self.steps[row]
        told = (f"{step.node or step.type} ({step.type})", step.about, step.settings, step.sources, step.content_key)
        return "\n".join(filter(None, told))

    def _choose(self, row: int) -> None:
        if row < len(self.steps) and self.steps[row].node:
            self.node_chosen.emit(self.steps[row].node)

    def table_rows(self) -> list[Sequence[object]]:
        """The steps as a table."""
        head = ("node", "type", "kind", "about", "settings", "sources", "content key")
        rows = [(s.node, s.type, s.kind, s.about, s.settings, s.sources, s.content_key) for s in self.steps]
        return [head, *rows]


def _cells(step: Step) -> tuple[object, ...]:
    arrow = "  " * min(step.depth, 6) + ("← " if step.depth else "")
    return (f"{arrow}{step.node or step.type.removeprefix('ossicle.')}", step.kind, step.about, step.settings)
