"""What the HTTP API does: runs and sweeps of one folder of workflows, started in threads of this process or elsewhere.

Names come from outside: only workflow files below the folder, its project's runs and sweeps, and the files that lie in
an artifact can be reached.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from engine import workflow as wf
from engine.artifact import load
from engine.errors import OssicleError
from engine.event import Event, Sink
from engine.job import cancel_file
from engine.record import RunRecord
from engine.runner import Request, Runner
from engine.runs import find_run, home_of
from engine.sweep import SweepRequest, run_sweep
from engine.sweep_record import SweepRecord, find_sweep
from engine.sweep_summary import write_summary

OPEN_STATES: Final = ("running",)
FIRST: Final = ("run_started", "sweep_started")
Work = Callable[[Sink, threading.Event], object]


class Order(BaseModel):
    """A workflow file below the served folder, or a workflow itself, and its values."""

    model_config = ConfigDict(extra="forbid")
    file: str = ""
    workflow: dict[str, JsonValue] | None = None
    set: dict[str, JsonValue] = {}
    to: str | None = None


class RunOrder(Order):
    """What a client wants to run once."""

    force: list[str] = []


class SweepOrder(Order):
    """What a client wants to run once per combination of values; over the file's own values unless given."""

    over: dict[str, list[JsonValue]] = {}
    parallel: int = Field(default=1, ge=1)
    keep_going: bool = True


@dataclass
class Desk:
    """The served folder, and the runs and sweeps started here by their ids."""

    root: Path
    runner: Runner
    threads: dict[str, threading.Thread] = field(default_factory=dict)
    cancels: dict[str, threading.Event] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The project's data folder."""
        return home_of(self.root)

    def workflow_of(self, order: Order) -> wf.Workflow:
        """The ordered workflow with its values set.

        Raises:
            OssicleError: no such file below the folder, or not a workflow.
        """
        found = wf.load(self._inside(order.file)) if order.file else wf.parse(order.workflow or {})
        return wf.with_values(found, order.set)

    def _inside(self, name: str) -> Path:
        path = (self.root / name).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise OssicleError(f"{name} lies outside the served folder", f"a file below {self.root}", "Move it there")
        return path

    # ---- starting and stopping

    def start(self, order: RunOrder) -> str:
        """Check a workflow and run it in a thread; the run's id.

        Raises:
            OssicleError: the workflow has problems; nothing runs.
        """
        request = Request(self.workflow_of(order), self.root, to=order.to, force=frozenset(order.force))
        return self._begin(lambda sink, cancel: self.runner.run(request, sink, cancel))

    def start_sweep(self, order: SweepOrder) -> str:
        """Check a sweep and run its points in a thread; the sweep's id. One that was stopped goes on.

        Raises:
            OssicleError: the sweep or the workflow has problems, or somebody is at it; nothing runs.
        """
        request = SweepRequest(
            self.workflow_of(order), self.root, order.over or None, order.to, order.parallel, order.keep_going,
            finish=(write_summary,),
        )  # fmt: skip
        return self._begin(lambda sink, cancel: run_sweep(request, self.runner, sink, cancel))

    def _begin(self, work: Work) -> str:
        """Start a thread and wait for its first event, which tells the id."""
        cancel, first = threading.Event(), queue.SimpleQueue[Event | Exception]()

        def hear(event: Event) -> None:
            if event.kind in FIRST:
                first.put(event)

        def run() -> None:
            try:
                work(hear, cancel)
            except Exception as error:  # told to who ordered it, if it has not begun
                first.put(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        if isinstance(started := first.get(), Exception):
            raise started
        name = started.run or str(started.values["sweep"])
        self.threads[name], self.cancels[name] = thread, cancel
        return name

    def cancel(self, name: str) -> str:
        """Ask a run to stop, wherever it was started; its id."""
        record = self.run(name)
        if record.id in self.cancels:
            self.cancels[record.id].set()
        elif record.state in OPEN_STATES:
            cancel_file(record.folder).touch()
        return record.id

    def cancel_sweep(self, name: str) -> str:
        """Ask a sweep to stop, wherever it was started: no point begins any more, those that run stop; its id."""
        record = self.sweep(name)
        if record.id in self.cancels:
            self.cancels[record.id].set()
        elif record.state in OPEN_STATES:
            cancel_file(record.folder).touch()
            for point in record.in_state("running"):
                cancel_file(record.run_folder(point)).touch()
        return record.id

    # ---- looking

    def run(self, name: str) -> RunRecord:
        """A run of this project; a path is no name.

        Raises:
            OssicleError: none or several fit.
        """
        return find_run(self.home, _plain(name))

    def sweep(self, name: str) -> SweepRecord:
        """A sweep of this project; a path is no name.

        Raises:
            OssicleError: none or several fit.
        """
        return find_sweep(self.home, _plain(name))

    def is_open(self, record: RunRecord | SweepRecord) -> bool:
        """Whether more events may come."""
        if record.id in self.threads:
            return self.threads[record.id].is_alive()
        find = self.run if isinstance(record, RunRecord) else self.sweep
        return find(record.id).state in OPEN_STATES

    def artifacts(self, name: str) -> list[dict[str, Any]]:
        """What a run left at its outputs: node, port, content key, kind, metadata, and its files with their sizes."""
        return [
            {"node": node, "port": port, "key": folder.name, **_contents(folder)}
            for node, port, folder in self._ends(name)
        ]

    def artifact_file(self, name: str, node: str, port: str, path: str) -> Path:
        """A file of an artifact by its name as `artifacts` lists it.

        Raises:
            OssicleError: there is no such output, or no such file at it.
        """
        ends = {(at, out): folder for at, out, folder in self._ends(name)}
        if (node, port) not in ends:
            known = ", ".join(f"{at}.{out}" for at, out in ends) or "none"
            raise OssicleError(f"the run has no artifact at {node}.{port}", f"one of: {known}", "GET …/artifacts")
        files = _files(ends[node, port])
        if path not in files:
            known = ", ".join(files) or "none: it was collected as garbage"
            raise OssicleError(f"{node}.{port} has no file {path!r}", f"one of: {known}", "GET …/artifacts")
        return files[path]

    def _ends(self, name: str) -> Iterator[tuple[str, str, Path]]:
        record = self.run(name)
        for node in record.nodes:
            for port, folder in record.artifacts(node).items():
                yield node, port, folder


def _plain(name: str) -> str:
    if "/" in name or "\\" in name or name in (".", ".."):
        raise OssicleError(f"{name!r} is no name", "the id of a run or a sweep", "GET /runs and /sweeps list them")
    return name


def _files(folder: Path) -> dict[str, Path]:
    """Regular files below a folder by their relative names; links lead nowhere."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    return {path.relative_to(folder).as_posix(): path for path in found}


def _contents(folder: Path) -> dict[str, Any]:
    files = [{"name": name, "bytes": path.stat().st_size} for name, path in _files(folder).items()]
    try:
        artifact = load(folder)
    except (OssicleError, OSError, ValueError):  # collected as garbage, or damaged
        return {"kind": "", "meta": None, "files": files}
    return {"kind": artifact.kind(), "meta": json.loads(artifact.meta.model_dump_json()), "files": files}
