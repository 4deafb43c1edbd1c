"""The ready queue of one run: cache hits first, then jobs; early cut-off, skipping, cancelling and healing.

Not thread-safe by itself: all methods run in the thread that drives the run; workers only put outcomes into a queue.
"""

from __future__ import annotations

import heapq
import queue
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.event import Event, Json, Kind, Sink
from engine.execute import closing_values
from engine.fault import Fault, fault_of
from engine.job import Job, Outcome
from engine.key import recipe_of
from engine.plan import inputs_of, sources_of, why_run
from engine.record import NodeRecord, NodeState
from engine.steps import Step
from engine.store import Store

Done = Callable[[Outcome], None]
Submit = Callable[[Job, Done], None]
MOST_REPAIRS = 3
FINAL: frozenset[NodeState] = frozenset({"done", "cached", "failed", "skipped", "cancelled"})


@dataclass(frozen=True)
class Setting:
    """What all jobs of a run share.

    Attributes:
        old: the nodes as the last run left them, to say what changed.
        cores: processors to share between jobs that run at once.
        workers: how many jobs run at once at most.
    """

    run: str
    base: Path
    folder: Path
    store: Store
    force: frozenset[str] = frozenset()
    old: Mapping[str, NodeRecord] = field(default_factory=dict)
    cores: int = 1
    workers: int = 1


class Schedule:
    """State of the graph during one run. `settle` takes all cache hits; `loop` executes what remains."""

    def __init__(self, steps: Iterable[Step], setting: Setting, sink: Sink, is_cancelled: Callable[[], bool]) -> None:
        self.steps = {step.node: step for step in steps}
        self.setting, self.sink, self.is_cancelled = setting, sink, is_cancelled
        self.records = {name: NodeRecord(name, step.spec.id) for name, step in self.steps.items()}
        self._rank = {name: rank for rank, name in enumerate(self.steps)}
        self._waiting = {name: sources_of(step) for name, step in self.steps.items()}
        self._followers: dict[str, list[str]] = {name: [] for name in self.steps}
        for name, sources in self._waiting.items():
            for source in sources:
                self._followers[source].append(name)
        self._ready = [(self._rank[name], name) for name, sources in self._waiting.items() if not sources]
        heapq.heapify(self._ready)
        self._pending: deque[Job] = deque()
        self._running: dict[str, Job] = {}
        self._repairs: dict[str, int] = {}
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()

    # ---- driving

    @property
    def is_open(self) -> bool:
        """Whether something is left to execute."""
        return bool(self._pending or self._running)

    def settle(self) -> None:
        """Resolve every ready node: a known result is taken at once, anything else becomes a pending job."""
        while self._ready and not self.is_cancelled():
            self._resolve(heapq.heappop(self._ready)[1])

    def loop(self, submit: Submit) -> None:
        """Hand out jobs until all is done. `submit` must not block; it calls `done` once per job, from any thread.

        May be called again with another `submit` if one broke down: what was in flight is handed out anew, and outcomes
        that still arrive from the first time are taken if they are the first for their node.
        """
        self._pending.extendleft(reversed(self._running.values()))
        self._running.clear()
        while self.is_open:
            self._hand_out(submit, self._outcomes.put)
            if self._running:
                self._take(self._outcomes.get())
            self.settle()

    def close(self) -> None:
        """After the loop: what was never started is cancelled."""
        for name, record in self.records.items():
            if record.state not in FINAL:
                self._finish(name, "cancelled", {})

    def _hand_out(self, submit: Submit, done: Done) -> None:
        while self._pending and not self.is_cancelled():
            job = self._pending.popleft()
            busy = min(self.setting.workers, len(self._running) + len(self._pending) + 1)
            job = replace(job, threads=max(1, self.setting.cores // busy))
            self._running[job.node] = job
            self.records[job.node] = replace(self.records[job.node], state="running")
            submit(job, done)
        if self.is_cancelled():
            self._pending.clear()

    # ---- one node

    def _resolve(self, name: str) -> None:
        step, setting = self.steps[name], self.setting
        if self._waiting[name] or self.records[name].state != "waiting":
            return None  # one of its sources is made anew: it becomes ready again after that
        try:
            outputs = {source: self.records[source].outputs for source in sources_of(step)}
            recipe = recipe_of(step.spec, step.params, inputs_of(step, outputs), setting.base)
            is_forced = name in setting.force and name not in self._repairs
            hit = None if is_forced else setting.store.find(recipe.key)
        except Exception as error:  # a plugin's fingerprint may raise anything: its node fails, the run goes on
            fault = fault_of(error, setting.store.root)
            self._tell("failed", name, closing_values(Outcome(name, "failed", error=fault), ""))
            return self._fail(name, fault)
        self.records[name] = replace(self.records[name], recipe=recipe)
        if hit is not None:
            outcome = Outcome(name, "cached", hit.outputs)
            self._tell("cached", name, closing_values(outcome, recipe.key))
            return self._succeed(outcome)
        why = "forced" if is_forced else why_run(setting.old.get(name), recipe, setting.store)
        self.records[name] = replace(self.records[name], state="queued", reason=why)
        self._tell("queued", name, {"reason": why})
        job = Job(name, recipe, setting.run, str(setting.store.root), str(setting.base), str(setting.folder))
        return self._pending.append(replace(job, force=is_forced))

    def _take(self, outcome: Outcome) -> None:
        if self._running.pop(outcome.node, None) is None:
            return  # a second answer for the same job, from a runner that broke down
        if outcome.state == "damaged":
            self._repair(outcome)
        elif outcome.state == "failed" and outcome.error is not None:
            self._fail(outcome.node, outcome.error, outcome.seconds)
        elif outcome.state == "cancelled":
            self._finish(outcome.node, "cancelled", {}, told=True)
        else:
            self._succeed(outcome)

    def _succeed(self, outcome: Outcome) -> None:
        state: NodeState = "cached" if outcome.state == "cached" else "done"
        self.records[outcome.node] = replace(
            self.records[outcome.node], state=state, outputs=outcome.outputs, seconds=outcome.seconds
        )
        for name in self._followers[outcome.node]:
            self._waiting[name].discard(outcome.node)
            if not self._waiting[name] and self.records[name].state == "waiting":
                self._push(name)

    def _push(self, name: str) -> None:
        heapq.heappush(self._ready, (self._rank[name], name))

    def _fail(self, name: str, fault: Fault, seconds: float = 0.0) -> None:
        self.records[name] = replace(self.records[name], state="failed", error=fault, seconds=seconds)
        self._skip_followers(name)

    def _skip_followers(self, failed: str) -> None:
        todo = list(self._followers[failed])
        while todo:
            name = todo.pop(0)
            if self.records[name].state == "waiting":
                self._finish(name, "skipped", {"because": failed}, reason=f"{failed} failed")
                todo += self._followers[name]

    def _finish(
        self, name: str, state: NodeState, values: dict[str, Json], reason: str = "", told: bool = False
    ) -> None:
        self.records[name] = replace(self.records[name], state=state, reason=reason or self.records[name].reason)
        if not told:
            self._tell("skipped" if state == "skipped" else "cancelled", name, values)

    # ---- healing

    def _repair(self, outcome: Outcome) -> None:
        """Send the producers of damaged inputs back to work; the node itself waits for them."""
        self.records[outcome.node] = replace(self.records[outcome.node], state="waiting")
        for source in sorted(sources_of(self.steps[outcome.node])):
            if self.records[source].state not in ("done", "cached"):
                self._waiting[outcome.node].add(source)  # being made anew already, for another node
            for what in self._damages_of(source, outcome):
                if self._repairs.get(source, 0) >= MOST_REPAIRS:
                    return self._give_up(outcome.node, source, what)
                self._redo(source, what)
        if not self._waiting[outcome.node]:
            self._push(outcome.node)
        return None

    def _damages_of(self, source: str, outcome: Outcome) -> list[str]:
        """What is wrong with a source's outputs and not yet made good, at most one thing."""
        keys = set(self.records[source].outputs.values()) & outcome.damaged.keys()
        return [outcome.damaged[key] for key in sorted(keys) if not self.setting.store.is_whole(key)][:1]

    def _redo(self, source: str, what: str) -> None:
        text = f"stored artifact of {source} is damaged ({what}): making it anew"
        self._tell("log", source, {"text": text, "level": "warning"})
        self._repairs[source] = self._repairs.get(source, 0) + 1
        self.records[source] = replace(self.records[source], state="waiting", outputs={})
        for name in self._followers[source]:
            if self.records[name].state == "waiting":
                self._waiting[name].add(source)
        self._push(source)

    def _give_up(self, node: str, source: str, what: str) -> None:
        fault = Fault(
            f"the artifact of {source} was damaged {MOST_REPAIRS + 1} times in this run ({what})",
            "a disk that keeps what is written",
            "Check the disk, or set OSSICLE_HOME to a folder on another one",
        )
        self._tell("failed", node, closing_values(Outcome(node, "failed", error=fault), ""))
        self._fail(node, fault)

    def _tell(self, kind: Kind, node: str, values: dict[str, Json]) -> None:
        self.sink(Event(kind, self.setting.run, node, values))
