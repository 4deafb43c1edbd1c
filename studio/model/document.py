"""The open workflow: what it is now, how it got there, what is selected, and whether the file holds it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from engine import subgraph
from engine.errors import OssicleError
from engine.library import base_of, file_of, used, with_subgraphs
from engine.library import load_any as load_any
from engine.registry import Registry
from engine.resource import user_folder
from engine.validate import Checked, Memo, check
from engine.workflow import Link, Workflow, save

Change = Callable[[Workflow], Workflow]
MOST_STEPS = 1000
"""Undo steps kept; workflows share what did not change, so a step is small."""
MOST_KEPT = 400_000
"""Nodes in all undo steps together: each step has a table of positions of its own. Never fewer than LEAST_STEPS."""
LEAST_STEPS = 100
MERGE_S = 1.5
"""Edits of the same thing within this time are one undo step (a slider dragged, a text typed)."""


@dataclass(frozen=True)
class Step:
    """One undoable edit."""

    text: str
    before: Workflow
    after: Workflow
    merge: str = ""
    time_s: float = 0.0


@dataclass(frozen=True)
class Selection:
    """What is selected: nodes, links, and marks (notes and frames) by id."""

    nodes: frozenset[str] = frozenset()
    links: frozenset[Link] = frozenset()
    marks: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is selected."""
        return not (self.nodes or self.links or self.marks)

    @property
    def node(self) -> str:
        """The one selected node, or ""."""
        return next(iter(self.nodes)) if len(self.nodes) == 1 else ""


@dataclass
class _History:
    done: list[Step] = field(default_factory=list)
    undone: list[Step] = field(default_factory=list)


class Document(QObject):
    """One workflow with undo, selection and file. Views listen; only `edit`, `undo` and `redo` change it.

    Signals:
        changed(old, new): the workflow is another one now (edit, undo, redo, open).
        selection_changed(Selection)
        saved_changed(bool): whether the file holds what is shown.
        path_changed(Path | None)
        file_agrees(): the file and the document were just made equal (opened, saved, taken over).
        registry_changed()
    """

    changed = Signal(object, object)
    selection_changed = Signal(object)
    saved_changed = Signal(bool)
    path_changed = Signal(object)
    file_agrees = Signal()
    registry_changed = Signal()

    def __init__(self, registry: Registry, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.registry = registry
        self.workflow = Workflow()
        self.path: Path | None = None
        self.unsaved_base = Path.home() / "Ossicle"
        self.selection = Selection()
        self._saved = self.workflow
        self._history = _History()
        self._checked: tuple[Workflow, Registry, Checked] | None = None
        self._memo: Memo = {}

    @property
    def base(self) -> Path:
        """Folder that relative paths start from and where `.ossicle` lies; for a sub-graph, that of its workflows."""
        return base_of(self.path) if self.path is not None else self.unsaved_base

    @property
    def is_saved(self) -> bool:
        """Whether the file (or an untouched new document) holds what is shown."""
        return self.workflow is self._saved or self.workflow == self._saved

    @property
    def checked(self) -> Checked:
        """All problems and runnable steps of the workflow as it is now."""
        known = self._checked
        if known is None or known[0] is not self.workflow or known[1] is not self.registry:
            known = self._checked = (
                self.workflow, self.registry, check(self.workflow, self.registry, self._memo),
            )  # fmt: skip
        return known[2]

    # ---- edits

    def edit(self, text: str, change: Change, merge: str = "") -> None:
        """Apply `change`; one undo step named `text`. Edits with the same `merge` in quick succession become one.

        Raises:
            OssicleError: what `change` raises; then nothing has changed.
        """
        before = self.workflow
        after = change(before)
        if after is before or after == before:
            return
        step = Step(text, before, after, merge, time.monotonic())
        done = self._history.done
        last = done[-1] if done else None
        if last is not None and merge and last.merge == merge and step.time_s - last.time_s < MERGE_S:
            done[-1] = Step(last.text, last.before, after, merge, step.time_s)
        else:
            done.append(step)
            del done[: -most_steps(after)]
        self._history.undone.clear()
        self._become(after)

    def undo(self) -> None:
        """Take the last edit back."""
        if self._history.done:
            step = self._history.done.pop()
            self._history.undone.append(step)
            self._become(step.before)

    def redo(self) -> None:
        """Make the last undone edit again."""
        if self._history.undone:
            step = self._history.undone.pop()
            self._history.done.append(step)
            self._become(step.after)

    @property
    def undo_text(self) -> str:
        """What undo would take back, or ""."""
        return self._history.done[-1].text if self._history.done else ""

    @property
    def redo_text(self) -> str:
        """What redo would make again, or ""."""
        return self._history.undone[-1].text if self._history.undone else ""

    def _become(self, workflow: Workflow) -> None:
        old, was_saved = self.workflow, self.is_saved
        self.workflow = workflow
        self._prune_selection()
        self.changed.emit(old, workflow)
        if self.is_saved != was_saved:
            self.saved_changed.emit(self.is_saved)

    # ---- selection

    def select(self, nodes: Iterable[str] = (), links: Iterable[Link] = (), marks: Iterable[str] = ()) -> None:
        """Select exactly these; unknown ones are left out."""
        known_links, known_marks = set(self.workflow.links), marks_of(self.workflow)
        chosen = Selection(
            frozenset(name for name in nodes if name in self.workflow.nodes),
            frozenset(link for link in links if link in known_links),
            frozenset(name for name in marks if name in known_marks),
        )
        if chosen != self.selection:
            self.selection = chosen
            self.selection_changed.emit(chosen)

    def _prune_selection(self) -> None:
        if not self.selection.is_empty:
            self.select(self.selection.nodes, self.selection.links, self.selection.marks)

    # ---- file

    def show(self, workflow: Workflow, path: Path | None = None, *, is_saved: bool = True) -> None:
        """Take another workflow in: no undo steps, nothing selected."""
        old, self.workflow, self._history = self.workflow, workflow, _History()
        self._memo.clear()
        self._saved = workflow if is_saved else Workflow(name="")
        self._set_path(path)
        before, self.registry = self.registry, with_subgraphs(self.registry, self.base)
        self.select()
        self.changed.emit(old, workflow)
        self.saved_changed.emit(self.is_saved)
        if is_saved:
            self.file_agrees.emit()
        if self.registry is not before:
            self.registry_changed.emit()

    def open(self, path: Path) -> None:
        """Open a workflow file, or the file of a sub-graph; nothing is run.

        Raises:
            OssicleError: missing, unreadable or not a workflow; then the open document stays.
        """
        self.show(load_any(path), path.resolve())

    def save(self, path: Path | None = None) -> None:
        """Write the file atomically; to `path` from now on, if given.

        Raises:
            OSError: the file cannot be written; nothing is lost.
            OssicleError: another folder, which has other sub-graphs of the same names.
            ValueError: the document has no file yet and none is given.
        """
        target = path.resolve() if path is not None else self.path
        if target is None:
            raise ValueError("a new document needs a file")
        bring(self.workflow, self.registry, base_of(target))
        save(self.workflow, target)
        self._saved = self.workflow
        self._set_path(target)
        self.saved_changed.emit(True)
        self.file_agrees.emit()
        self.look_for_subgraphs()

    def work_in(self, folder: Path) -> None:
        """Where a document without a file works: its relative paths, runs and sub-graphs."""
        self.unsaved_base = folder
        if self.path is None:
            self.path_changed.emit(None)
            self.look_for_subgraphs()

    def note_saved(self) -> None:
        """The file holds what is shown (somebody else wrote it, and it was taken over)."""
        self._saved = self.workflow
        self.saved_changed.emit(True)
        self.file_agrees.emit()

    def _set_path(self, path: Path | None) -> None:
        if path != self.path:
            self.path = path
            self.path_changed.emit(path)

    def look_for_subgraphs(self) -> None:
        """Take in sub-graph files that came, changed or went."""
        found = with_subgraphs(self.registry, self.base)
        if found is not self.registry:
            self.set_registry(found)

    def set_registry(self, registry: Registry) -> None:
        """Use other node types (a plugin came, a sub-graph was saved)."""
        self.registry = registry
        self.registry_changed.emit()


def most_steps(workflow: Workflow) -> int:
    """How many undo steps are kept of a graph of that size."""
    return max(LEAST_STEPS, min(MOST_STEPS, MOST_KEPT // (len(workflow.nodes) + 1)))


def bring(workflow: Workflow, registry: Registry, folder: Path) -> None:
    """Copy the sub-graphs that a workflow uses beside the place where it is saved, unless they are there.

    Raises:
        OssicleError: there are others of the same names; nothing is copied.
        OSError: the folder cannot be written.
    """
    lacking: dict[Path, Workflow] = {}
    for name, spec in used(workflow, registry).items():
        target = file_of(folder, name)
        if target == spec.path or spec.path.parent == user_folder():
            continue
        if not target.exists():
            lacking[target] = spec.inside
        elif subgraph.load(target) != spec.inside:
            raise OssicleError(
                f"{folder} has another sub-graph {name}", f"the same file as {spec.path}",
                "Save into another folder, or rename one of the two",
            )  # fmt: skip
    for target, inside in lacking.items():
        save(inside, target)


def marks_of(workflow: Workflow) -> set[str]:
    """Ids of notes and frames."""
    return {
        name for group in ("notes", "frames") if isinstance(found := workflow.layout.get(group), dict) for name in found
    }
