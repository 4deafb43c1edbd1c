"""Run a workflow once per combination of values: ordinary runs on one store, so what points share is computed once.

A sweep's folder is `sweeps/<id>/` in the project's data, its id the digest of the graph, the values and where it ends.
So the same sweep always has the same folder: run again, whether it was finished, stopped or killed, it goes on. A point
whose results are all there keeps its run; another one is run, its finished nodes found and its training resumed.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from engine.artifact import canonical_json
from engine.environment import cores
from engine.errors import OssicleError
from engine.event import Event, Json, Kind, Sink
from engine.execute import installed
from engine.fault import disk_error, fault_of
from engine.job import cancel_file
from engine.library import with_subgraphs
from engine.lock import try_lock
from engine.plan import forecast
from engine.problem import InvalidError
from engine.record import RunRecord
from engine.registry import Registry
from engine.runner import AfterRun, Request, Runner
from engine.runs import home_of, load_run, slug
from engine.sweep_check import all_problems
from engine.sweep_record import (
    EVENTS,
    LOCK,
    RECORD,
    REPORT,
    WORKFLOW,
    Over,
    Point,
    PointState,
    SweepRecord,
    SweepState,
    Values,
    load_sweep,
    points_of,
)
from engine.workflow import Workflow, no_such_node, to_json, to_text, with_values

MOST_ATTEMPTS: Final = 10_000
MOST_SAVED: Final = 500
SAVE_EVERY_S: Final = 1.0
"""The record of a sweep of more points than `MOST_SAVED` is written this often at most: a run that it does not name
yet when the process is killed is found again by its results."""
Finish = Callable[[SweepRecord], None]


@dataclass(frozen=True)
class SweepRequest:
    """What to run, and over what.

    Attributes:
        base: folder of the workflow file.
        over: values by variable or "node.parameter"; the workflow's own sweep unless given.
        to: run every point only up to this node.
        parallel: how many points run at once; they share the processors.
        keep_going: whether a failed point leaves the others alone; if not, it stops them.
        home, registry: as in `Request`.
        after: called with the record of every run (reports).
        finish: called with the sweep's record at its end, before its last event (summary).
    """

    workflow: Workflow
    base: Path
    over: Over | None = None
    to: str | None = None
    parallel: int = 1
    keep_going: bool = True
    home: Path | None = None
    registry: Registry | None = None
    after: tuple[AfterRun, ...] = ()
    finish: tuple[Finish, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A sweep that can be run: what was asked for, checked and filled in."""

    request: SweepRequest
    registry: Registry
    base: Path
    home: Path
    over: Over
    id: str

    @property
    def folder(self) -> Path:
        """The sweep's folder, there or not."""
        return self.home / "sweeps" / self.id

    def workflow(self, values: Values) -> Workflow:
        """The workflow of a point: nothing is left to sweep over."""
        return with_values(self.request.workflow.model_copy(update={"sweep": {}}), values)

    def record(self) -> SweepRecord:
        """The sweep as it was left, or all its points waiting."""
        fresh = SweepRecord(
            folder=self.folder, workflow=self.request.workflow.name, base=self.base, over=self.over,
            points=points_of(self.over), to=self.request.to,
        )  # fmt: skip
        if not (self.folder / RECORD).exists():
            return fresh
        try:
            known = {point.number: point for point in load_sweep(self.folder).points}
        except OssicleError:  # torn by a full disk: the runs are still there to be found by their results
            return fresh
        kept = (known.get(point.number, point) for point in fresh.points)
        return replace(fresh, points=tuple(replace(p, state="waiting", node="", error=None) for p in kept))


def plan_sweep(request: SweepRequest) -> Plan:
    """Check a sweep without running anything.

    Raises:
        InvalidError: every problem of the sweep and of the graph.
        OssicleError: there is no node `to`.
    """
    base = request.base.resolve()
    registry = with_subgraphs(request.registry or installed(), base)
    over = request.workflow.sweep if request.over is None else request.over
    if request.to is not None and request.to not in request.workflow.nodes:
        raise no_such_node(request.workflow, request.to)
    problems = all_problems(request.workflow, registry, over, request.to)
    if problems:
        raise InvalidError(problems)
    return Plan(
        request, registry, base, request.home or home_of(base), over, sweep_id(request.workflow, over, request.to)
    )


def sweep_id(workflow: Workflow, over: Over, to: str | None) -> str:
    """Name of a sweep's folder: the workflow's, the variables', and a digest of all that makes its points."""
    first = points_of({name: values[:1] for name, values in over.items()})[0].values
    raw = to_json(with_values(workflow, first))
    graph = {key: raw[key] for key in ("nodes", "links", "variables")}
    asked = [[name, list(values)] for name, values in over.items()]
    digest = hashlib.sha256(canonical_json([graph, asked, to]).encode()).hexdigest()
    return f"{slug(workflow.name)}-{slug('-'.join(over))}-{digest[:8]}"


def run_sweep(request: SweepRequest, runner: Runner, sink: Sink, cancel: threading.Event) -> SweepRecord:
    """Run every point that is not done yet; the record at the end.

    `sink` hears the events of the sweep and of all runs, one at a time.

    Raises:
        InvalidError: the sweep or the graph has problems; nothing was run.
        OssicleError: another process is at this sweep, or the project's data folder cannot be written.
    """
    plan = plan_sweep(request)
    try:
        plan.folder.mkdir(parents=True, exist_ok=True)
        held = try_lock(plan.folder / LOCK)
    except OSError as error:
        raise disk_error(error, plan.home) or error from error
    if held is None:
        raise OssicleError(
            f"the sweep {plan.id} is being run by another process", "one process at a time",
            "Wait for its end, or stop it; `ossicle sweeps` shows how far it is",
        )  # fmt: skip
    with held:
        return _drive(plan, runner, sink, cancel)


def _drive(plan: Plan, runner: Runner, sink: Sink, cancel: threading.Event) -> SweepRecord:
    start = time.perf_counter()
    (plan.folder / WORKFLOW).write_text(to_text(_as_swept(plan)), encoding="utf-8")
    (plan.folder / EVENTS).write_text("", encoding="utf-8")
    cancel_file(plan.folder).unlink(missing_ok=True)
    record = replace(plan.record(), started_s=time.time())
    going = _Going(plan, runner, sink, cancel, record)
    going.save()
    going.tell("sweep_started", {"points": len(record.points), "over": {k: list(v) for k, v in plan.over.items()},
                                 "workflow": record.workflow, "folder": str(plan.folder)})  # fmt: skip
    going.run_all()
    ended = replace(going.record, state=going.state(), seconds=round(time.perf_counter() - start, 6))
    going.record = ended
    going.save()
    for finish in plan.request.finish:
        going.finish(finish)
    failed: list[Json] = [point.number for point in ended.in_state("failed")]
    going.tell("sweep_finished", {"state": ended.state, "seconds": ended.seconds, "done": len(ended.in_state("done")),
                                  "failed": failed, "report": str(plan.folder / REPORT)})  # fmt: skip
    return ended


def _as_swept(plan: Plan) -> Workflow:
    return plan.request.workflow.model_copy(update={"sweep": {name: list(v) for name, v in plan.over.items()}})


@dataclass
class _Going:
    """A sweep that is being run. Points may end in several threads: `guard` keeps record and events in order."""

    plan: Plan
    runner: Runner
    sink: Sink
    cancel: threading.Event
    record: SweepRecord
    guard: threading.RLock = field(default_factory=threading.RLock)
    saved_s: float = 0.0

    def run_all(self) -> None:
        """Every point in order, several at once if asked for."""
        parallel = max(1, min(self.plan.request.parallel, len(self.record.points)))
        if parallel == 1:
            for point in self.record.points:
                self.run_point(point)
            return
        with ThreadPoolExecutor(parallel, thread_name_prefix="point") as pool:
            futures = [pool.submit(self.run_point, point) for point in self.record.points]
            try:
                for future in wait(futures).done:
                    future.result()
            except BaseException:
                self.cancel.set()
                raise

    def state(self) -> SweepState:
        """How the whole ended."""
        if self.record.in_state("failed"):
            return "failed"
        return "done" if len(self.record.in_state("done")) == len(self.record.points) else "cancelled"

    def run_point(self, point: Point) -> None:
        """Run one point unless the sweep was stopped, or its results are all there."""
        if cancel_file(self.plan.folder).exists():
            self.cancel.set()
        if self.cancel.is_set():
            return
        workflow = self.plan.workflow(point.values)
        if (kept := self.kept(point, workflow)) is not None:
            self.end(kept)
            return
        point = replace(point, state="running", run=self.new_run(point), seconds=0.0, nodes={})
        self.note(point, "point_started")
        try:
            ended = _after(point, self.runner.run(self.request(point, workflow), self.hear, self.cancel))
        except Exception as error:  # the point border: a point that cannot be run is listed, the others go on
            ended = replace(point, state="failed", error=fault_of(error, self.plan.home))
        self.end(ended)

    def request(self, point: Point, workflow: Workflow) -> Request:
        asked = self.plan.request
        share = max(1, cores() // max(1, min(asked.parallel, len(self.record.points))))
        return Request(
            workflow, self.plan.base, self.plan.home, asked.to, registry=asked.registry, run_id=point.run, cores=share,
            after=asked.after,
        )  # fmt: skip

    def kept(self, point: Point, workflow: Workflow) -> Point | None:
        """The point as done if its last run still holds: every result is there and is what a run would find."""
        if not point.run:
            return None
        try:
            old = load_run(self.record.run_folder(point))
            found = forecast(workflow, self.plan.registry, self.plan.base, self.plan.home, self.plan.request.to)
        except OssicleError:
            return None
        known = {name: dict(node.outputs) for name, node in old.nodes.items()}
        if old.state != "done" or known != {name: dict(item.outputs) for name, item in found.items()}:
            return None
        is_there = all(item.state == "cached" for item in found.values())
        return replace(point, state="done", nodes={"cached": len(found)}) if is_there else None

    def new_run(self, point: Point) -> str:
        """A name for the point's run that tells the sweep and the point: "demo-seed-1a2b3c4d-p03"."""
        stem = f"{self.record.id}-p{point.number:0{len(str(len(self.record.points)))}d}"
        names = (stem if attempt == 1 else f"{stem}-{attempt}" for attempt in range(1, MOST_ATTEMPTS))
        return next(name for name in names if not (self.plan.home / "runs" / name).exists())

    def end(self, point: Point) -> None:
        """A point has come to an end."""
        self.note(point, "point_finished")
        if point.state == "failed" and not self.plan.request.keep_going:
            self.cancel.set()

    def note(self, point: Point, kind: Kind) -> None:
        with self.guard:
            self.record = self.record.with_point(point)
            if len(self.record.points) <= MOST_SAVED or time.monotonic() - self.saved_s > SAVE_EVERY_S:
                self.save()
            values = {key: value for key, value in point.to_json().items() if value not in ("", None)}
            self.tell(kind, {**values, "points": len(self.record.points)})

    def save(self) -> None:
        """Write sweep.json.

        Raises:
            OssicleError: the disk is full.
        """
        self.saved_s = time.monotonic()
        try:
            self.record.save()
        except OSError as error:
            raise disk_error(error, self.plan.home) or error from error

    def finish(self, finish: Finish) -> None:
        try:
            finish(self.record)
        except Exception as error:  # a summary that fails must not take the runs with it
            fault = fault_of(error, self.plan.home)
            self.tell_event(Event("log", "", "", {"text": f"no summary: {fault}", "level": "warning"}))

    def tell(self, kind: Kind, values: Mapping[str, Json]) -> None:
        event = Event(kind, "", "", {"sweep": self.record.id, **values})
        with self.guard, suppress(OSError), (self.plan.folder / EVENTS).open("a", encoding="utf-8") as file:
            file.write(event.to_line() + "\n")  # a full disk ends the file early; the sink still hears everything
        self.tell_event(event)

    def tell_event(self, event: Event) -> None:
        with self.guard:
            self.sink(event)

    def hear(self, event: Event) -> None:
        """Events of the runs; several runs may speak at once."""
        self.tell_event(event)


_STATES: Mapping[str, PointState] = {"done": "done", "cancelled": "cancelled"}


def _after(point: Point, run: RunRecord) -> Point:
    """A point after its run."""
    counts = Counter[str](node.state for node in run.nodes.values())
    first = next((node for node in run.nodes.values() if node.error is not None), None)
    return replace(
        point,
        state=_STATES.get(run.state, "failed"),
        seconds=run.seconds,
        nodes=dict(counts),
        node=first.node if first is not None else "",
        error=first.error if first is not None else None,
    )
