"""The warm runner, as the studio drives it: a child process with pipes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.workflow import to_json


class Child:
    """The runner process and its lines."""

    def __init__(self) -> None:
        command = [sys.executable, "-P", "-m", "engine.cli", "runner"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def until(self, kind: str) -> list[dict[str, Any]]:
        """Events up to and including the first of a kind."""
        found: list[dict[str, Any]] = []
        assert self.process.stdout is not None
        while not found or found[-1]["kind"] != kind:
            found.append(json.loads(self.process.stdout.readline()))
        return found


@pytest.fixture
def child(prefect_server: Path, fakes_path: Path) -> Iterator[Child]:
    child = Child()
    child.until("ready")
    yield child
    child.process.kill()
    child.process.wait()


def order(project: Any, workflow: Any, **more: Any) -> str:
    return json.dumps({"workflow": to_json(workflow), "base": str(project.base), **more})


def test_runs_cancels_refuses_and_ends_with_its_parent(
    child: Child, project: Any, workflow_of: Callable[..., Any]
) -> None:
    quick = workflow_of({"a": ("fake.constant", {"value": 3})})
    child.send(order(project, quick))
    events = child.until("run_finished")
    assert [e["kind"] for e in events if e["node"] == "a"] == ["queued", "started", "finished"]
    assert events[-1]["values"]["state"] == "done"
    assert list((project.home / "runs").glob("*/report.html"))

    slow = workflow_of({"a": ("fake.constant", {}), "z": ("fake.sleep", {"seconds": 60})}, ("a.number -> z.number",))
    child.send(order(project, slow, runner="local"))
    child.until("progress")
    child.send("cancel")
    assert child.until("run_finished")[-1]["values"]["state"] == "cancelled"

    for line in ("not json", '{"nonsense": 1}', '{"file": "/no/such.workflow.json"}'):
        child.send(line)
        refused = child.until("refused")[-1]
        assert refused["what"] and refused["expected"] and refused["remedy"]
    child.send(order(project, workflow_of({"x": ("no.such", {})})))
    assert [p["code"] for p in child.until("refused")[-1]["problems"]] == ["unknown-type"]

    child.send(order(project, slow, runner="local"))
    child.until("started")
    assert child.process.stdin is not None
    child.process.stdin.close()
    assert child.until("run_finished")[-1]["values"]["state"] == "cancelled"
    assert child.process.wait(20) == 0


def test_a_killed_runner_loses_nothing(child: Child, project: Any, workflow_of: Callable[..., Any]) -> None:
    nodes = {"a": ("fake.constant", {}), "z": ("fake.sleep", {"seconds": 60})}
    child.send(order(project, workflow_of(nodes, ("a.number -> z.number",)), runner="local"))
    child.until("progress")
    child.process.kill()
    child.process.wait()
    time.sleep(0.1)
    assert project.store.verify() == ()
    quick = workflow_of({**nodes, "z": ("fake.sleep", {"seconds": 0})}, ("a.number -> z.number",))
    assert {name: node.state for name, node in project.run(quick).nodes.items()} == {"a": "cached", "z": "done"}
