"""Run through Prefect: the only file that imports it.

Cache hits never reach Prefect; what must be executed becomes one task each, handed out by our own ready queue as plain
values (a chained future costs three times as much). Events, artifacts and states are those of every other runner. If
the server is lost half-way, the rest of the run goes on in threads: nothing done is lost.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from prefect import flow, settings, tags, task
from prefect.cache_policies import NO_CACHE
from prefect.context import SettingsContext, TagsContext, get_settings_context
from prefect.states import Cancelled as CancelledState
from prefect.states import Completed, Failed

from engine import server
from engine.errors import OssicleError
from engine.event import Event, Sink, read_lines
from engine.execute import execute
from engine.fault import fault_of
from engine.job import Job, Outcome, cancel_file
from engine.remote import event_file, run_remote
from engine.runner import Request, Stage, drive, in_threads
from engine.schedule import Done, Submit

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State
    from prefect.futures import PrefectFuture
    from prefect.task_runners import TaskRunner

    from engine.record import RunRecord

Scale = Literal["prefect", "dask", "ray"]
TAIL_POLL_S = 0.05
TAG = "ossicle"


@dataclass(frozen=True)
class PrefectRunner:
    """Prefect tasks over the graph.

    Attributes:
        name: where tasks run: "prefect" threads of this process, "dask" or "ray" a cluster.
        address: of the cluster ("tcp://host:8786", "ray://host:10001"); empty makes a local one of two workers.
    """

    name: Scale = "prefect"
    address: str = ""

    def run(self, request: Request, sink: Sink, cancel: threading.Event) -> RunRecord:
        """See `Runner.run`."""
        return drive(request, sink, cancel, self.name, self.around)

    def around(self, stage: Stage, loop: Callable[[Submit], None]) -> None:
        """Run a graph's jobs as tasks of one flow (see `engine.runner.drive`)."""
        task_runner = task_runner_of(self.name, self.address, stage.setting.workers)
        attempt = _Attempt(stage, loop, _here if self.name == "prefect" else _remote)
        lost: Exception | None = None
        try:
            with connected(server.ensure()):
                _run_flow(attempt, task_runner)
                _close_orphans()
        except Exception as error:  # the border to Prefect: a lost server or cluster must not lose the run
            lost = error
        if attempt.error is not None:
            raise attempt.error  # not Prefect's: every runner lets it out
        if lost is not None:
            what = fault_of(lost, stage.setting.store.root).what.splitlines()[0]
            text = f"Prefect is lost ({what}); the run goes on without it"
            stage.sink(Event("log", stage.setting.run, "", {"text": text, "level": "warning"}))
        if not attempt.is_over:
            in_threads(stage, loop)


@dataclass
class _Attempt:
    """One try to run a graph's jobs through Prefect.

    Attributes:
        is_over: the loop came to its end.
        error: what the loop itself raised. A flow only has states, so an error would not get out of it.
    """

    stage: Stage
    loop: Callable[[Submit], None]
    submitter: Callable[[Stage], contextlib.AbstractContextManager[Submit]]
    is_over: bool = False
    error: Exception | None = None


class _LostError(Exception):
    """Prefect, or its cluster, took no more tasks."""


@contextlib.contextmanager
def connected(found: server.Server) -> Iterator[None]:
    """Point Prefect at a server, quietly, for the length of the block."""
    logging.getLogger("prefect").setLevel(logging.CRITICAL)
    os.environ.setdefault("DO_NOT_TRACK", "1")
    profile = get_settings_context().profile
    with server.in_use(), SettingsContext(profile=profile, settings=_settings_for(found)):
        yield


@lru_cache(maxsize=4)
def _settings_for(found: server.Server) -> settings.Settings:
    """Prefect's settings for a server. Making them takes 40 ms, which every run would wait for."""
    own: dict[Any, Any] = {
        settings.PREFECT_HOME: server.server_home() / "prefect",
        settings.PREFECT_API_URL: found.api_url,
        settings.PREFECT_API_AUTH_STRING: found.auth,
        settings.PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: False,
        settings.PREFECT_LOGGING_LEVEL: "CRITICAL",
        settings.PREFECT_LOGGING_TO_API_ENABLED: False,
        # the heartbeat thread sleeps in steps of a second, and the end of a flow waits for it
        settings.PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        settings.PREFECT_CLIENT_MAX_RETRIES: 2,
    }
    return settings.get_current_settings().copy_with_update(updates=own)


def warm_up() -> None:
    """Run one flow of one task, so that the first real one is as fast as the next."""

    @flow(name="warm-up", validate_parameters=False, persist_result=False)
    def nothing() -> None:
        task(name="warm-up", cache_policy=NO_CACHE)(lambda: None).submit().wait()

    with connected(server.ensure()):
        nothing()


def bare_tasks(count: int) -> float:
    """Seconds that Prefect alone needs for so many no-op tasks, called as we call ours; for comparison."""

    @flow(name="bare", validate_parameters=False, persist_result=False)
    def submit_all() -> None:
        same = task(name="same", cache_policy=NO_CACHE, persist_result=False)(_same)
        for number in range(count):
            same.submit(number).wait()

    with connected(server.ensure()):
        start = time.perf_counter()
        submit_all()
        return time.perf_counter() - start


def _same(number: int) -> int:
    return number


def task_runner_of(name: Scale, address: str, workers: int) -> TaskRunner[Any]:
    """Threads, or a cluster outside this process.

    Raises:
        OssicleError: the package for that cluster is not installed.
    """
    return _TASK_RUNNERS[name](address, workers)


def _threads(_address: str, workers: int) -> TaskRunner[Any]:
    from prefect.task_runners import ThreadPoolTaskRunner

    return ThreadPoolTaskRunner(max_workers=workers)


def _dask(address: str, workers: int) -> TaskRunner[Any]:
    try:
        from prefect_dask.task_runners import DaskTaskRunner
    except ImportError as error:
        raise _not_installed("Dask", "dask") from error
    own = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
    runner: TaskRunner[Any] = DaskTaskRunner(address=address) if address else DaskTaskRunner(cluster_kwargs=own)
    return runner


def _ray(address: str, workers: int) -> TaskRunner[Any]:
    try:
        from prefect_ray.task_runners import RayTaskRunner
    except ImportError as error:
        raise _not_installed("Ray", "ray") from error
    own = {"num_cpus": workers}
    runner: TaskRunner[Any] = RayTaskRunner(address=address) if address else RayTaskRunner(init_kwargs=own)
    return runner


_TASK_RUNNERS: dict[Scale, Callable[[str, int], TaskRunner[Any]]] = {"prefect": _threads, "dask": _dask, "ray": _ray}


def _not_installed(what: str, extra: str) -> OssicleError:
    return OssicleError(
        f"{what} is not installed", f"the package prefect-{extra}", f"Run `pip install 'ossicle[{extra}]'`"
    )


# ---- the flow


# Prefect pickles the flow along with each task that goes to another process, so the flow must not hold the run itself.
_attempts: dict[str, _Attempt] = {}


def _run_flow(attempt: _Attempt, task_runner: TaskRunner[Any]) -> None:
    run, name = attempt.stage.setting.run, attempt.stage.request.workflow.name
    declare = flow(
        name=name, flow_run_name=run, task_runner=task_runner, validate_parameters=False, persist_result=False
    )
    _attempts[run] = attempt
    try:
        with tags(TAG, f"pid:{os.getpid()}", f"host:{socket.gethostname()}"):
            state = declare(run_graph)(run, return_state=True)
    finally:
        del _attempts[run]
    if not attempt.is_over:
        raise _LostError(state.message or f"its flow ended {state.name}")


def run_graph(run: str) -> State[Any]:
    """The flow: hand out all jobs of a run as tasks."""
    attempt = _attempts[run]
    # the tags find the run again; on tasks, each would cost a request for a slot of its concurrency limit
    with TagsContext(current_tags=set()), attempt.submitter(attempt.stage) as submit:
        try:
            attempt.loop(_guarded(submit))
        except _LostError:
            raise
        except Exception as error:
            attempt.error = error
            raise
    attempt.is_over = True
    return CancelledState() if attempt.stage.is_cancelled() else Completed()


def _guarded(submit: Submit) -> Submit:
    """`submit`, its errors told apart from those of the loop."""

    def guarded(job: Job, done: Done) -> None:
        try:
            submit(job, done)
        except Exception as error:
            raise _LostError(f"{type(error).__name__}: {error}") from error

    return guarded


@contextlib.contextmanager
def _here(stage: Stage) -> Iterator[Submit]:
    """Tasks in threads of this process: events and outcomes go straight to the run."""

    def submit(job: Job, done: Done) -> None:
        answered = threading.Event()

        def work() -> State[Any]:
            outcome = execute(job, stage.sink, stage.is_cancelled, stage.request.registry)
            answered.set()
            done(outcome)
            return state_of(outcome)

        def on_end(future: PrefectFuture[Any]) -> None:
            if not answered.is_set():
                done(_lost(job, future, stage))

        _as_task(job, work).submit().add_done_callback(on_end)

    yield submit


def _as_task(job: Job, function: Callable[..., Any]) -> Any:
    return task(name=job.node, task_run_name=job.node, cache_policy=NO_CACHE, persist_result=False)(function)


def state_of(outcome: Outcome) -> State[Any]:
    """What Prefect shows for a node."""
    if outcome.state == "failed":
        return Failed(message=str(outcome.error))
    return CancelledState() if outcome.state == "cancelled" else Completed(name=outcome.state.capitalize())


def _lost(job: Job, future: PrefectFuture[Any], stage: Stage) -> Outcome:
    """The outcome of a task that ended without telling ours: the node failed because its worker did."""
    message = future.state.message or "no reason given"
    error = OssicleError(
        f"the task of {job.node} ended without a result ({message})", "a worker that stays alive", "Run again"
    )
    fault = fault_of(error, Path(job.store))
    stage.sink(Event("failed", job.run, job.node, {**fault.to_json()}))
    return Outcome(job.node, "failed", error=fault)


# ---- tasks in other processes


@dataclass
class _Remote:
    """Jobs in other processes: follows their event files while they run."""

    stage: Stage
    guard: threading.Lock = field(default_factory=threading.Lock)
    followed: dict[str, tuple[Path, int]] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)

    def submit(self, job: Job, done: Done) -> None:
        path = event_file(job)
        with self.guard:
            self.followed[job.node] = (path, path.stat().st_size if path.exists() else 0)

        future = _as_task(job, run_remote).submit(job.to_json())

        def wait() -> None:
            future.wait()
            self.forward(job.node)
            done(self._outcome(job, future))

        threading.Thread(target=wait, name=f"wait for {job.node}", daemon=True).start()

    def _outcome(self, job: Job, future: PrefectFuture[Any]) -> Outcome:
        try:
            return Outcome.from_json(future.result(raise_on_failure=True))
        except Exception:  # a worker that died
            return _lost(job, future, self.stage)

    def follow(self) -> None:
        """Until stopped: hand on new events, and tell the workers when the run is cancelled."""
        while not self.stopped.wait(TAIL_POLL_S):
            if self.stage.is_cancelled():
                cancel_file(self.stage.setting.folder).touch()
            for node in list(self.followed):
                self.forward(node)

    def forward(self, node: str) -> None:
        """Hand on what a job has told since the last time."""
        with self.guard:
            path, position = self.followed[node]
            events, position = read_lines(path, position)
            self.followed[node] = (path, position)
            # a listener that is gone is noticed by the thread that drives the run, when it next tells something
            with contextlib.suppress(Exception):
                for event in events:
                    self.stage.sink(event)


@contextlib.contextmanager
def _remote(stage: Stage) -> Iterator[Submit]:
    remote = _Remote(stage)
    thread = threading.Thread(target=remote.follow, name="events", daemon=True)
    thread.start()
    try:
        yield remote.submit
    finally:
        remote.stopped.set()
        thread.join()


# ---- flow runs whose runner died


_closed_orphans = threading.Event()


def _close_orphans() -> None:
    """Once per process: what the server takes for running although its process is gone is set to Crashed."""
    if not _closed_orphans.is_set():
        _closed_orphans.set()
        close_orphans()


def close_orphans() -> int:
    """Set flow runs of dead processes of this machine to Crashed; how many there were."""
    from prefect import get_client
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.states import Crashed

    wanted = FlowRunFilter.model_validate(
        {"state": {"type": {"any_": ["RUNNING", "PENDING"]}}, "tags": {"all_": [TAG, f"host:{socket.gethostname()}"]}}
    )
    closed = 0
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=wanted):
            pid = next((int(tag[4:]) for tag in run.tags if tag.startswith("pid:")), 0)
            if not server.is_alive(pid):
                client.set_flow_run_state(run.id, Crashed(message="its process ended"), force=True)
                closed += 1
    return closed
