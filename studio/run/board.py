"""What every box shows: the live run on top, under it what the last run left as far as it still holds. No Qt."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from engine.fault import Fault
from engine.registry import Registry
from engine.subgraph import outer_of
from engine.workflow import Workflow
from studio.run import inner
from studio.run.estimate import left_s, total_s
from studio.run.fold import CLOSED, Fold
from studio.run.plan import Plan, overlay
from studio.run.rows import Row
from studio.run.state import NEVER, NodeState
from studio.run.view import Phase, RunView

Nodes = frozenset[str]


class Board:
    """States by box of the workflow. Every change gives back the boxes that look different now.

    Attributes:
        workflow: the workflow as it is edited.
        registry: its node types.
        fold: the present or last run.
        plan: what a run would do, as of the last look.
        states: what is shown.
    """

    def __init__(self, registry: Registry) -> None:
        self.workflow, self.registry = Workflow(), registry
        self.fold, self.plan = Fold(), Plan()
        self.states: dict[str, NodeState] = {}
        self._live: dict[str, NodeState] = {}
        self._resting: dict[str, NodeState] = {}

    # ---- changes

    def open(self, workflow: Workflow) -> Nodes:
        """Another document: forget everything."""
        self.fold, self.plan, self._live, self._resting = Fold(), Plan(), {}, {}
        return self.edit(workflow)

    def edit(self, workflow: Workflow) -> Nodes:
        """The workflow was edited; boxes that are gone have no state."""
        self.workflow = workflow
        return self._update(self.states.keys() | workflow.nodes.keys())

    def queue(self, nodes: Iterable[str]) -> Nodes:
        """Show nodes as queued before the runner has said anything."""
        self._live = {name: NodeState("queued", outputs=self._shown(name).outputs) for name in nodes}
        return self._update(self.workflow.nodes)

    def begin(self, ran: Workflow) -> None:
        """The run has begun: from now on it tells all."""
        self._live, self.fold.workflow = {}, ran

    def refresh(self, nodes: Iterable[str]) -> Nodes:
        """Take the states of nodes of the run over into their boxes."""
        boxes = self.boxes(nodes)
        for box, names in inner.members(self.fold.nodes, self.workflow.nodes).items():
            if box in boxes:
                self._live[box] = self._box(box, names, {name: self.live_state(name) for name in names})
        return self._update(boxes)

    def take_news(self) -> tuple[Nodes, Nodes]:
        """What the run told since the last time: boxes that look different, nodes with new metric rows."""
        fold = self.fold
        dirty, rows, fold.dirty, fold.dirty_rows = fold.dirty, fold.dirty_rows, set(), set()
        return (self.refresh(dirty) if dirty else frozenset()), self.boxes(rows)

    def rest(self) -> Nodes:
        """Nothing came of the order: show what was there before."""
        self._live = {}
        return self._update(self.workflow.nodes)

    def take_plan(self, plan: Plan, is_active: bool) -> Nodes:
        """A new plan; what is live stays live while a run goes on."""
        self.plan = plan
        self._resting = self._by_box(overlay(plan, self.fold.nodes, self.fold.workflow))
        if not is_active:
            self._live = {}
        return self._update(self.workflow.nodes)

    def replay(self, fold: Fold) -> Nodes:
        """Show another run as it was."""
        self.fold = fold
        fold.dirty, fold.dirty_rows = set(), set()
        self._live = self._by_box(fold.nodes)
        return self._update(self.workflow.nodes)

    def _update(self, nodes: Iterable[str]) -> Nodes:
        changed = set()
        for name in list(nodes):
            new = self._shown(name)
            if self.states.get(name, NEVER) != new:
                changed.add(name)
            if name in self.workflow.nodes:
                self.states[name] = new
            else:
                self.states.pop(name, None)
        return frozenset(changed)

    def _by_box(self, states: Mapping[str, NodeState]) -> dict[str, NodeState]:
        groups = inner.members(states, self.workflow.nodes)
        return {box: self._box(box, names, states) for box, names in groups.items()}

    def _box(self, box: str, names: list[str], states: Mapping[str, NodeState]) -> NodeState:
        node = self.workflow.nodes.get(box)
        spec = self.registry.find(node.type) if node is not None else None
        return inner.box_state(box, names, states, inner.box_outputs(box, spec, states, self.registry))

    def _shown(self, name: str) -> NodeState:
        if name not in self.workflow.nodes:
            return NEVER
        return self._live.get(name) or self._resting.get(name, NEVER)

    # ---- what is known

    def view(self, phase: Phase, is_on: bool) -> RunView:
        """The run as a whole; what is about the runner is left out.

        Args:
            is_on: whether the run of this phase has begun.
        """
        fold = self.fold
        seconds = max(time.time() - fold.started_s, 0.0) if is_on else 0.0 if phase != "idle" else fold.seconds
        return RunView(
            phase, fold.run_id, "" if fold.is_open else fold.state, fold.started_s, seconds,
            self.left_s() if is_on else None, fold.done, len(fold.names), folder=fold.folder,
        )  # fmt: skip

    def failures(self) -> list[tuple[str, Fault]]:
        """Nodes of the run that failed, and why."""
        found = ((name, self.fold.nodes[name]) for name in self.fold.nodes if name in self.fold.names)
        return [(name, state.error) for name, state in found if state.state == "failed" and state.error is not None]

    def running(self) -> list[str]:
        """Nodes that run now."""
        return [name for name, state in self.fold.nodes.items() if state.state == "running"]

    def live_state(self, name: str) -> NodeState:
        """A node of the run, with its time so far and left."""
        state, began = self.fold.nodes[name], self.fold.began.get(name)
        if state.state != "running" or began is None:
            return state
        elapsed = max(time.time() - began, 0.0)
        return replace(state, seconds=elapsed, left_s=left_s(elapsed, state.fraction, self.plan.expected.get(name)))

    def left_s(self) -> float | None:
        """Seconds that the run still needs, as far as is known."""
        nodes = {name: self.fold.nodes[name] for name in self.fold.names}
        open_nodes = {name: state for name, state in nodes.items() if state.state not in CLOSED}
        return total_s(
            [
                self.live_state(name).left_s if state.state == "running" else self.plan.expected.get(name)
                for name, state in open_nodes.items()
            ]
        )

    def rows(self, node: str) -> Sequence[Row]:
        """Metric rows of a node; of the liveliest one inside a sub-graph."""
        metrics = self.fold.metrics
        if node in metrics:
            return metrics[node].rows
        inside = [name for name in metrics if outer_of(name, self.workflow.nodes) == node]
        return max((metrics[name].rows for name in inside), key=len, default=())

    def boxes(self, nodes: Iterable[str]) -> Nodes:
        """The boxes that show nodes."""
        return frozenset(outer_of(name, self.workflow.nodes) for name in nodes)

    def todo(self, part: Workflow, force: Iterable[str]) -> list[str]:
        """Boxes of a part of the workflow that an order will probably execute."""
        plan = self.plan
        known = self.boxes(plan.forecasts) | plan.notes.keys()
        new = {name for name, node in part.nodes.items() if name not in known and node.mode == "active"}
        wanted = self.boxes(plan.todo) | set(force) | new
        return [name for name in part.nodes if name in wanted]
