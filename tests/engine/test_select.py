"""Which runner is taken: Prefect only if its server is up and something must be executed; mistakes in words."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import select, server
from engine.errors import OssicleError
from engine.event import Event
from engine.registry import Registry
from engine.runner import LocalRunner, Request
from engine.select import AutoRunner, choose
from engine.server import Status
from engine.workflow import Workflow


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No server is there; starts are noted instead of made."""
    calls: list[str] = []

    def status() -> Status:
        calls.append("status")
        return Status("stopped")

    def start() -> Status:
        calls.append("start")
        return Status("starting")

    monkeypatch.setattr(server, "status", status)
    monkeypatch.setattr(server, "start_in_background", start)
    return calls


def run(workflow: Workflow, base: Path, registry: Registry) -> tuple[str, list[Event]]:
    events: list[Event] = []
    record = AutoRunner().run(Request(workflow, base, registry=registry), events.append, threading.Event())
    return record.state, events


def test_without_a_server_it_runs_here_says_so_and_starts_one(
    tmp_path: Path, fakes: Registry, started: list[str], workflow_of: Callable[..., Workflow]
) -> None:
    workflow = workflow_of({"a": ("fake.constant", {})})
    state, events = run(workflow, tmp_path, fakes)
    logs = [str(event.values["text"]) for event in events if event.kind == "log"]
    assert state == "done" and started == ["status", "start"]
    assert logs == ["this run is local; the Prefect server is starting for the next one"]


def test_a_cached_graph_does_not_even_look_for_the_server(
    tmp_path: Path, fakes: Registry, started: list[str], workflow_of: Callable[..., Workflow]
) -> None:
    workflow = workflow_of({"a": ("fake.constant", {}), "b": ("fake.negate", {})}, ("a.number -> b.number",))
    run(workflow, tmp_path, fakes)
    started.clear()
    state, events = run(workflow, tmp_path, fakes)
    assert state == "done" and not started
    assert [event.kind for event in events] == ["run_started", "cached", "cached", "run_finished"]


def test_a_server_that_cannot_be_started_does_not_stop_the_run(
    tmp_path: Path,
    fakes: Registry,
    started: list[str],
    monkeypatch: pytest.MonkeyPatch,
    workflow_of: Callable[..., Workflow],
) -> None:
    def refuse() -> Status:
        raise OssicleError("its folder is read-only", "a folder", "Make one")

    monkeypatch.setattr(server, "start_in_background", refuse)
    state, events = run(workflow_of({"a": ("fake.constant", {})}), tmp_path, fakes)
    assert state == "done" and any("its folder is read-only" in str(event.values.get("text")) for event in events)


def test_with_a_healthy_server_prefect_runs_it(
    tmp_path: Path, fakes: Registry, prefect_server: Path, workflow_of: Callable[..., Workflow]
) -> None:
    state, events = run(workflow_of({"a": ("fake.constant", {})}), tmp_path, fakes)
    assert state == "done" and not [event for event in events if event.kind == "log"]
    assert "engine.flow" in sys.modules


def test_names_and_addresses() -> None:
    assert isinstance(choose("local"), LocalRunner) and isinstance(choose("auto"), AutoRunner)
    assert [choose(name).name for name in ("prefect", "dask")] == ["prefect", "dask"]  # type: ignore[arg-type]
    with pytest.raises(OssicleError, match="--runner dask or ray"):
        choose("local", "tcp://here:8786")


def test_choosing_imports_no_prefect() -> None:
    program = "import sys; from engine.select import choose; choose('auto'); sys.exit('prefect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    assert select.CLUSTERS == ("dask", "ray")
