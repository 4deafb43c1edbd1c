"""What is Prefect's own: states on the server, a server that dies, runs of dead processes, missing scale-out."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine import server
from engine.errors import OssicleError
from engine.job import Job, Outcome
from engine.runner import Stage
from engine.schedule import Done, Schedule, Submit

CACHED = """
import sys, threading
from pathlib import Path
from engine.event import Event
from engine.runner import Request
from engine.select import choose
from engine.workflow import load
path = Path(sys.argv[1])
record = choose("auto").run(Request(load(path), path.parent), lambda event: None, threading.Event())
print(record.state, {node.state for node in record.nodes.values()}, "prefect" in sys.modules)
"""


@pytest.fixture
def prefect_project(project: Any, prefect_server: Path) -> Any:
    from engine.flow import PrefectRunner

    project.runner = PrefectRunner()
    return project


def rows(kind: str) -> list[dict[str, Any]]:
    found = server.ensure()
    answer = httpx.post(f"{found.api_url}/{kind}/filter", json={"limit": 200}, auth=(server.USER, found.token))
    return list(answer.raise_for_status().json())


def states_when_written(kind: str, wanted: set[str]) -> dict[str, str]:
    """States by name once the server has written all that is wanted (it records task runs in batches)."""
    end_s = time.monotonic() + 30
    while True:
        found = {row["name"]: row["state_type"] for row in rows(kind)}
        if wanted <= {name for name, state in found.items() if state not in ("RUNNING", "PENDING")}:
            return found
        assert time.monotonic() < end_s, (wanted, found)
        time.sleep(0.3)


def test_the_server_knows_flows_and_tasks(prefect_project: Any, workflow_of: Callable[..., Any]) -> None:
    nodes = {"good-one": ("fake.constant", {"value": 77}), "bad-one": ("fake.fail", {"how": "boom"})}
    record = prefect_project.run(workflow_of(nodes, ("good-one.number -> bad-one.number",)), run_id="known-run")
    assert record.state == "failed"
    tasks = states_when_written("task_runs", {"good-one", "bad-one"})
    assert (tasks["good-one"], tasks["bad-one"]) == ("COMPLETED", "FAILED")
    assert states_when_written("flow_runs", {"known-run"})["known-run"] == "COMPLETED"


def test_a_cancelled_run_is_cancelled_on_the_server(prefect_project: Any, workflow_of: Callable[..., Any]) -> None:
    cancel = threading.Event()
    threading.Timer(1.0, cancel.set).start()
    nodes = {"a": ("fake.constant", {}), "z": ("fake.sleep", {"seconds": 60})}
    workflow = workflow_of(nodes, ("a.number -> z.number",))
    assert prefect_project.run(workflow, cancel, run_id="stopped-run").state == "cancelled"
    assert states_when_written("flow_runs", {"stopped-run"})["stopped-run"] == "CANCELLED"


def test_a_cached_graph_never_imports_prefect(
    prefect_project: Any, workflow_of: Callable[..., Any], tmp_path: Path
) -> None:
    from engine.workflow import save

    workflow = workflow_of({"a": ("fake.constant", {}), "n": ("fake.negate", {})}, ("a.number -> n.number",))
    save(workflow, tmp_path / "w.workflow.json")
    command = [sys.executable, "-P", "-c", CACHED, str(tmp_path / "w.workflow.json")]
    outputs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() for _ in range(2)]
    assert outputs == ["done {'done'} True", "done {'cached'} False"]


def test_a_server_killed_mid_run_loses_nothing(
    project: Any, workflow_of: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory, monkeypatch: Any
) -> None:
    from engine.flow import PrefectRunner

    monkeypatch.setenv("OSSICLE_SERVER_HOME", str(tmp_path_factory.mktemp("mortal")))
    pid = server.ensure().pid
    project.runner = PrefectRunner()
    names = [f"z{number}" for number in range(4)]
    nodes = {"a": ("fake.constant", {}), **{f"z{n}": ("fake.sleep", {"seconds": 0.3 + n / 100}) for n in range(4)}}
    links = [f"{source}.number -> {target}.number" for source, target in zip(["a", *names], names, strict=False)]

    def kill() -> None:
        while not (project.base / "z0.sleeping").exists():
            time.sleep(0.005)
        os.killpg(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    record = project.run(workflow_of(nodes, tuple(links)))
    killer.join()
    assert record.state == "done"
    assert sorted(project.executed()) == sorted(nodes)
    told = [str(event.values["text"]) for event in project.events if event.kind == "log" and not event.node]
    assert any("Prefect is lost" in text for text in told)
    assert project.store.verify() == ()


def test_an_error_of_the_engine_gets_out_of_the_flow(
    prefect_project: Any, workflow_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does from every other runner; a flow alone would make a state of it."""

    def broken(_schedule: Schedule, _outcome: Outcome) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(Schedule, "_take", broken)
    with pytest.raises(RuntimeError, match="planted"):
        prefect_project.run(workflow_of({"a": ("fake.constant", {})}))


def test_when_tasks_are_refused_the_run_goes_on_without_prefect(
    prefect_project: Any, workflow_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine import flow

    @contextlib.contextmanager
    def refusing(_stage: Stage) -> Iterator[Submit]:
        def submit(_job: Job, _done: Done) -> None:
            raise ConnectionError("the cluster is gone")

        yield submit

    monkeypatch.setattr(flow, "_here", refusing)
    workflow = workflow_of({"a": ("fake.constant", {}), "n": ("fake.negate", {})}, ("a.number -> n.number",))
    record = prefect_project.run(workflow)
    assert {name: node.state for name, node in record.nodes.items()} == {"a": "done", "n": "done"}
    logs = [str(event.values["text"]) for event in prefect_project.events if event.kind == "log"]
    assert len(logs) == 1 and "the cluster is gone" in logs[0]


def test_the_flow_has_tags_and_its_tasks_have_none(prefect_project: Any, workflow_of: Callable[..., Any]) -> None:
    """Prefect asks the server for a slot before each tagged task."""
    prefect_project.run(workflow_of({"untagged": ("fake.constant", {"value": 5})}), run_id="tagged-run")
    states_when_written("task_runs", {"untagged"})
    assert [row["tags"] for row in rows("task_runs") if row["name"] == "untagged"] == [[]]
    assert f"pid:{os.getpid()}" in next(row["tags"] for row in rows("flow_runs") if row["name"] == "tagged-run")


def test_runs_of_dead_processes_are_set_to_crashed(prefect_project: Any, workflow_of: Callable[..., Any]) -> None:
    import socket

    from prefect import flow, get_client
    from prefect.states import Running

    from engine.flow import TAG, close_orphans, connected

    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    with connected(server.ensure()):
        tags = [TAG, f"pid:{child.pid}", f"host:{socket.gethostname()}"]
        with get_client(sync_client=True) as client:
            run = client.create_flow_run(flow(name="lost")(lambda: None), name="lost", tags=tags, state=Running())
        assert close_orphans() >= 1
        with get_client(sync_client=True) as client:
            assert client.read_flow_run(run.id).state_name == "Crashed"


def test_missing_ray_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.flow import task_runner_of

    monkeypatch.setitem(sys.modules, "prefect_ray.task_runners", None)
    with pytest.raises(OssicleError, match=r"pip install 'ossicle\[ray\]'"):
        task_runner_of("ray", "", 2)
