"""Events of runs, folded into states and metric rows. The same for a live run and for one that is replayed.

Nodes that are no part of a run keep the result that an earlier one left them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from engine.event import Event
from engine.fault import Fault
from engine.workflow import Workflow
from studio.run.rows import Row, Rows
from studio.run.state import NEVER, NodeState

CLOSED: Final = frozenset({"done", "cached", "failed", "skipped", "cancelled"})
SILENT: Final = frozenset({"progress", "metric"})
"""Kinds of events that are no line of the log."""


class Fold:
    """What is known of a run so far.

    Attributes:
        names: the nodes of the run.
        folder: the run's folder.
        state: "running", or how it ended: done, failed, cancelled, interrupted.
        nodes: state by node id as the engine names it (with the nodes inside sub-graphs).
        began: when a running node started, in seconds since the epoch.
        because: the failed node for which a node was skipped.
        dirty, dirty_rows: nodes with news since they were last cleared.
        odd: events that made no sense and were left out.
        workflow: what was run, if whoever folds knows it.
    """

    def __init__(self) -> None:
        self.dirty: set[str] = set()
        self.dirty_rows: set[str] = set()
        self.odd = 0
        self.workflow: Workflow | None = None
        self.run_id = ""
        self.folder: Path | None = None
        self.names: frozenset[str] = frozenset()
        self.state = ""
        self.started_s = 0.0
        self.seconds = 0.0
        self.nodes: dict[str, NodeState] = {}
        self.began: dict[str, float] = {}
        self.because: dict[str, str] = {}
        self.metrics: dict[str, Rows] = {}
        self._before: tuple[Mapping[str, NodeState], Mapping[str, Rows]] = ({}, {})

    def take_all(self, events: Iterable[Event]) -> Fold:
        """Take many events."""
        for event in events:
            self.take(event)
        return self

    def take(self, event: Event) -> bool:
        """Take one event; whether it made sense. Events of other runs are none of ours."""
        change = _CHANGES.get(event.kind)
        if change is None or (event.kind != "run_started" and event.run != self.run_id):
            return change is not None
        try:
            change(self, event)
        except (TypeError, ValueError, KeyError, AttributeError):
            self.odd += 1
            return False
        return True

    def end(self, state: str = "interrupted") -> None:
        """The run ended without saying so: what ran was interrupted, what waited was never reached."""
        self.state = state
        for name, found in list(self.nodes.items()):
            if found.state == "running":
                self._set(name, replace(found, state="interrupted", why="the runner ended", left_s=None))
            elif found.state not in CLOSED:
                self._set(name, replace(found, state="never"))
        self.began.clear()

    @property
    def is_open(self) -> bool:
        """Whether the run has begun and not ended."""
        return self.state == "running"

    @property
    def done(self) -> int:
        """How many nodes have ended one way or another."""
        return sum(self.nodes[name].state in CLOSED for name in self.names)

    def rows(self, node: str) -> list[Row]:
        """Metric rows of a node."""
        return list(self.metrics[node].rows) if node in self.metrics else []

    # ---- one change each

    def _set(self, node: str, state: NodeState) -> None:
        self.nodes[node] = state
        self.dirty.add(node)

    def _change(self, event: Event, **values: Any) -> None:
        self._set(event.node, replace(self.nodes.get(event.node, NEVER), **values))

    def run_started(self, event: Event) -> None:
        """A new run: its nodes begin anew, the others keep their results."""
        names, folder = [str(name) for name in _list(event.values["nodes"])], Path(str(event.values["folder"]))
        self.names = frozenset(names)
        self.dirty |= {*self.nodes, *names}
        self.dirty_rows |= self.metrics.keys() & self.names
        self._before = (self.nodes, self.metrics)
        kept = {name: state for name, state in self.nodes.items() if state.state in ("done", "cached")}
        self.nodes = {**kept, **{name: NodeState("queued") for name in names}}
        self.metrics = {name: rows for name, rows in self.metrics.items() if name not in self.names}
        self.run_id, self.folder, self.state, self.seconds = event.run, folder, "running", 0.0
        self.started_s, self.began, self.because = event.time_s, {}, {}

    def run_finished(self, event: Event) -> None:
        """The run told how it ended."""
        self.state, self.seconds = str(event.values["state"]), float(event.values["seconds"])  # type: ignore[arg-type]

    def queued(self, event: Event) -> None:
        """A node's inputs are there; it waits for its turn."""
        self._set(event.node, NodeState("queued", why=str(event.values.get("reason", ""))))

    def started(self, event: Event) -> None:
        """A node began."""
        self.began[event.node] = event.time_s
        self._change(event, state="running", fraction=0.0, text="")

    def progress(self, event: Event) -> None:
        """A node told how far it is."""
        fraction = min(max(float(event.values["fraction"]), 0.0), 1.0)  # type: ignore[arg-type]
        text = str(event.values.get("text", ""))
        old = self.nodes.get(event.node, NEVER)
        if old.state == "running":
            self._set(event.node, NodeState("running", fraction, text, old.seconds, old.left_s, old.why))

    def metric(self, event: Event) -> None:
        """A row for the live plots; what is no number in it is left out."""
        row = {name: value for name, value in event.values.items() if type(value) in (float, int)}
        rows = self.metrics.get(event.node)
        if rows is None:
            rows = self.metrics[event.node] = Rows()
        rows.add(row)  # type: ignore[arg-type]
        self.dirty_rows.add(event.node)

    def closed(self, event: Event) -> None:
        """A node has its result, computed or found."""
        outputs = event.values.get("outputs", {})
        paths = {str(port): self._artifact(str(key)) for port, key in dict(outputs).items()}  # type: ignore[arg-type]
        state = "cached" if event.kind == "cached" else "done"
        if state == "cached" and event.node not in self.metrics:
            self._keep_rows(event.node, paths)
        seconds = float(event.values.get("seconds", 0.0))  # type: ignore[arg-type]
        self.began.pop(event.node, None)
        self._change(event, state=state, fraction=1.0, text="", seconds=seconds, left_s=None, outputs=paths)

    def _keep_rows(self, node: str, outputs: Mapping[str, Path]) -> None:
        """The rows of the run that made a result are still the rows of that result."""
        nodes, metrics = self._before
        if node in metrics and nodes.get(node, NEVER).outputs == outputs:
            self.metrics[node] = metrics[node]
            self.dirty_rows.add(node)

    def failed(self, event: Event) -> None:
        """A node failed; its three parts."""
        values = event.values
        fault = Fault(*(str(values.get(name, "")) for name in ("what", "expected", "remedy", "traceback")))
        seconds = float(values.get("seconds", 0.0))  # type: ignore[arg-type]
        self.began.pop(event.node, None)
        self._change(event, state="failed", text="", seconds=seconds, left_s=None, error=fault, why=fault.what)

    def skipped(self, event: Event) -> None:
        """A node before it failed."""
        failed = str(event.values.get("because", ""))
        self.because[event.node] = failed
        self._change(event, state="skipped", why=f"{failed} failed" if failed else "")

    def cancelled(self, event: Event) -> None:
        """The person stopped the run."""
        began = self.began.pop(event.node, None)
        seconds = max(event.time_s - began, 0.0) if began is not None else 0.0
        self._change(event, state="cancelled", seconds=seconds, left_s=None, why="the run was stopped")

    def nothing(self, _event: Event) -> None:
        """A line of the log."""

    def _artifact(self, key: str) -> Path:
        """Folder of an artifact in the store of the run's project."""
        home = self.folder.parent.parent if self.folder is not None else Path()
        return home / "store" / "objects" / key[:2] / key


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(value)
    return value


_CHANGES: Final[Mapping[str, Callable[[Fold, Event], None]]] = {
    "run_started": Fold.run_started,
    "run_finished": Fold.run_finished,
    "queued": Fold.queued,
    "started": Fold.started,
    "progress": Fold.progress,
    "metric": Fold.metric,
    "cached": Fold.closed,
    "finished": Fold.closed,
    "failed": Fold.failed,
    "skipped": Fold.skipped,
    "cancelled": Fold.cancelled,
    "log": Fold.nothing,
}


def event_of(line: Mapping[str, Any]) -> Event | None:
    """A parsed line as an event; None if it is none."""
    kind, run, node, values = line.get("kind"), line.get("run"), line.get("node"), line.get("values")
    time_s = line.get("time_s")
    if (
        not isinstance(kind, str)
        or kind not in _CHANGES
        or not isinstance(values, dict)
        or type(time_s) not in (float, int)
    ):
        return None
    return Event(kind, str(run), str(node), values, float(time_s))  # type: ignore[arg-type]
