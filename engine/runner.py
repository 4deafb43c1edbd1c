"""Run a workflow: what every runner shares (`drive`), and the runner that needs nothing but threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from engine.environment import cores
from engine.event import Event, Json, Kind, Sink
from engine.execute import execute, installed
from engine.fault import disk_error, fault_of
from engine.job import Job
from engine.library import keep, with_subgraphs
from engine.plan import forced, steps_of
from engine.record import RunRecord, RunState
from engine.registry import Registry
from engine.runs import RunFolder, create_run, home_of, last_nodes, store_of
from engine.schedule import Done, Schedule, Setting, Submit
from engine.workflow import Workflow

CANCEL_POLL_S = 0.2
AfterRun = Callable[[RunRecord], None]


@dataclass(frozen=True)
class Request:
    """What to run.

    Attributes:
        base: folder of the workflow file: relative paths start there, project data lies there.
        home: the project's data folder, if not the usual one.
        to: run only this node and what it needs.
        force: nodes to execute even if their results are known.
        registry: node types; the installation's unless given.
        run_id: name of the run; a new one unless given.
        workers: how many nodes run at once at most; one per processor unless given.
        cores: processors that nodes running at once share; all unless given.
        after: called with the finished record, before the run's last event (reports).
    """

    workflow: Workflow
    base: Path
    home: Path | None = None
    to: str | None = None
    force: frozenset[str] = frozenset()
    registry: Registry | None = None
    run_id: str = ""
    workers: int | None = None
    cores: int | None = None
    after: tuple[AfterRun, ...] = ()


class Runner(Protocol):
    """Something that can run a workflow. All runners give equal artifacts and the same events per node."""

    @property
    def name(self) -> str:
        """What run records call it."""

    def run(self, request: Request, sink: Sink, cancel: threading.Event) -> RunRecord:
        """Run to the end and return the record; `sink` hears every event, one at a time.

        Raises:
            InvalidError: the workflow has problems; nothing was run.
            OssicleError: the project's data folder cannot be written, or a named node does not exist.
        """


@dataclass(frozen=True)
class Stage:
    """What a runner gets to do its part: where to run `loop`, and what jobs need in this process."""

    request: Request
    setting: Setting
    sink: Sink
    is_cancelled: Callable[[], bool]


Around = Callable[[Stage, Callable[[Submit], None]], None]
"""Called only if something must be executed: `around(stage, loop)` calls `loop(submit)` wherever its jobs can run."""


@dataclass(frozen=True)
class LocalRunner:
    """Threads of this process over the graph."""

    name: str = "local"

    def run(self, request: Request, sink: Sink, cancel: threading.Event) -> RunRecord:
        """See `Runner.run`."""
        return drive(request, sink, cancel, self.name, in_threads)


def in_threads(stage: Stage, loop: Callable[[Submit], None]) -> None:
    """Run `loop` with jobs in a pool of threads."""
    with ThreadPoolExecutor(stage.setting.workers, thread_name_prefix="node") as pool:

        def work(job: Job, done: Done) -> None:
            done(execute(job, stage.sink, stage.is_cancelled, stage.request.registry))

        def submit(job: Job, done: Done) -> None:
            pool.submit(work, job, done)

        loop(submit)


def drive(request: Request, sink: Sink, cancel: threading.Event, name: str, around: Around) -> RunRecord:
    """Run a workflow: check, make the run folder, take cache hits, execute the rest in `around`, write the record.

    Raises:
        InvalidError, OssicleError: see `Runner.run`.
    """
    base = request.base.resolve()
    registry = with_subgraphs(request.registry or installed(), base)
    steps = steps_of(request.workflow, registry, request.to, request.force)
    force = forced(request.workflow, registry, request.force)
    request = replace(request, registry=registry, base=base, force=force)
    home = request.home or home_of(request.base)
    old = last_nodes(home, request.workflow.name, request.base, [step.node for step in steps])
    try:
        folder = create_run(home, request.workflow, request.run_id)
    except OSError as error:
        raise disk_error(error, home) or error from error
    try:
        processors = request.cores or cores()
        setting = Setting(
            folder.path.name, request.base, folder.path, store_of(home), request.force, old, processors,
            request.workers or processors,
        )  # fmt: skip
        is_cancelled = _cancel_check(cancel, folder)
        stage = Stage(request, setting, folder.sink(sink), is_cancelled)
        return _drive(stage, Schedule(steps, setting, stage.sink, is_cancelled), folder, name, around)
    finally:
        folder.close()


def _drive(stage: Stage, schedule: Schedule, folder: RunFolder, name: str, around: Around) -> RunRecord:
    request = stage.request
    start = time.perf_counter()
    record = RunRecord(
        folder=folder.path,
        workflow=request.workflow.name,
        base=request.base,
        runner=name,
        started_s=time.time(),
        to=request.to,
    )
    _write(folder, replace(record, nodes=schedule.records), request)
    _tell(
        stage, "run_started", {"workflow": record.workflow, "nodes": list(schedule.steps), "folder": str(folder.path)}
    )
    schedule.settle()
    if schedule.is_open:
        around(stage, schedule.loop)
    schedule.close()
    record = replace(
        record,
        nodes=dict(schedule.records),
        state=_state(schedule),
        seconds=round(time.perf_counter() - start, 6),
    )
    _write(folder, record)
    for report in request.after:
        _report(report, record, stage)
    _tell(stage, "run_finished", {"state": record.state, "seconds": record.seconds})
    return record


def _write(folder: RunFolder, record: RunRecord, request: Request | None = None) -> None:
    """Write the record; with the request also the sub-graphs as they are now."""
    try:
        if request is not None and request.registry is not None:
            keep(request.workflow, request.registry, folder.path)
        folder.write_record(record)
        folder.link_outputs(record)
    except OSError as error:
        told = disk_error(error, record.home)
        raise told or error from error


def _state(schedule: Schedule) -> RunState:
    states = {record.state for record in schedule.records.values()}
    return "failed" if "failed" in states else "cancelled" if "cancelled" in states else "done"


def _report(report: AfterRun, record: RunRecord, stage: Stage) -> None:
    try:
        report(record)
    except Exception as error:  # a report that fails must not take the run's results with it
        fault = fault_of(error, record.folder)
        _tell(stage, "log", {"text": f"no report: {fault}", "level": "warning"})


def _tell(stage: Stage, kind: Kind, values: dict[str, Json]) -> None:
    stage.sink(Event(kind, stage.setting.run, "", values))


def _cancel_check(cancel: threading.Event, folder: RunFolder) -> Callable[[], bool]:
    """Asks the event every time and the file `cancel` a few times a second; once yes, always yes."""
    asked_s = 0.0

    def check() -> bool:
        nonlocal asked_s
        if cancel.is_set():
            return True
        if time.monotonic() - asked_s > CANCEL_POLL_S:
            asked_s = time.monotonic()
            if folder.is_cancelled():
                cancel.set()
        return cancel.is_set()

    return check
