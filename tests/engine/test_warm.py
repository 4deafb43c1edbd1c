"""The warm runner, as the studio drives it: a child process with pipes."""

from __future__ import annotations

import io
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import warm
from engine.pulse import ServerWatch, Voice
from engine.server import Status
from engine.warm import serve
from engine.workflow import to_json


class Child:
    """The runner process and its lines."""

    def __init__(self, **environment: str) -> None:
        command = [sys.executable, "-P", "-m", "engine.cli", "runner"]
        self.heard: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )

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
            self.heard.append(found[-1])
        return found

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def child(prefect_server: Path, fakes_path: Path) -> Iterator[Child]:
    child = Child()
    child.until("ready")
    yield child
    child.end()


@pytest.fixture
def local_child(fakes_path: Path) -> Iterator[Child]:
    """A runner that touches no Prefect."""
    child = Child(OSSICLE_RUNNER="local")
    yield child
    child.end()


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


def test_tells_of_itself_and_of_the_server(child: Child) -> None:
    beat = child.until("alive")[-1]
    assert beat["peak_bytes"] >= beat["rss_bytes"] > 10_000_000 and beat["cpu_s"] > 0
    again = child.until("alive")[-1]
    assert again["cpu_s"] >= beat["cpu_s"]
    assert [line["state"] for line in child.heard if line["kind"] == "server"] == ["healthy"]
    assert all(line["node"] == "" and line["run"] == "" for line in child.heard)


def test_answers_name_their_orders(local_child: Child, project: Any, workflow_of: Callable[..., Any]) -> None:
    local_child.until("ready")
    assert [line["state"] for line in local_child.heard if line["kind"] == "server"] == ["off"]
    quick = workflow_of({"a": ("fake.constant", {"value": 3})})
    local_child.send(order(project, quick, id="one"))
    local_child.send(order(project, workflow_of({"x": ("no.such", {})}), id="two"))
    local_child.send(json.dumps({"id": "three", "nonsense": 1}))
    local_child.send("not json")
    told = []
    while told.count(("answered", "")) < 1:
        told += [(line["kind"], line["id"]) for line in local_child.until("answered") if "id" in line]
    assert told == [
        ("accepted", "one"), ("answered", "one"), ("accepted", "two"), ("refused", "two"), ("answered", "two"),
        ("refused", "three"), ("answered", "three"), ("refused", ""), ("answered", ""),
    ]  # fmt: skip
    (record,) = (project.home / "runs").glob("*/record.json")
    assert json.loads(record.read_text())["runner"] == "local"


def test_a_runner_goes_on_without_what_cannot_be_had() -> None:
    """What cannot be imported or reached is told; the runner stays, and no heartbeat comes once nobody listens."""
    lines, events = io.StringIO('{"id": "x", "file": "/no/such.workflow.json"}\n'), io.StringIO()

    def no_prefect() -> None:
        raise ImportError("no prefect")

    assert serve(lines, events, ("no_such_module",), no_prefect, beat_s=60.0) == 0
    told = [json.loads(line) for line in events.getvalue().splitlines()]
    troubles = [line["what"] for line in told if line["kind"] == "trouble"]
    assert "no_such_module cannot be imported" in troubles[0] and "no prefect" in troubles[1]
    assert [line["kind"] for line in told if line.get("id") == "x"] == ["accepted", "refused", "answered"]


def test_lines_of_many_threads_are_never_torn() -> None:
    class Slow(io.StringIO):
        def write(self, text: str) -> int:
            return sum(io.StringIO.write(self, letter) for letter in text)

    stream = Slow()
    voice = Voice(stream)
    threads = [threading.Thread(target=lambda n=n: [voice.say("x", n=n) for _ in range(50)]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(json.loads(line)["n"] for line in stream.getvalue().splitlines()) == sorted([*range(4)] * 50)


def test_a_busy_server_stays_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    states = iter(["starting", "starting", "healthy", "starting", "stopped", "starting", "healthy"])
    monkeypatch.setattr("engine.server.status", lambda: Status(next(states)))
    stream, warmed = io.StringIO(), []
    watch = ServerWatch(Voice(stream), lambda: warmed.append(1))
    for _ in range(7):
        watch.look()
    told = [json.loads(line)["state"] for line in stream.getvalue().splitlines()]
    assert told == ["starting", "healthy", "stopped", "starting", "healthy"]
    assert warmed == [1]


def test_a_deaf_node_does_not_outlive_the_parent_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr(warm, "ORPHAN_S", 0.01)
    monkeypatch.setattr(warm.os, "_exit", codes.append)
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    warm._listen(io.StringIO('{"id": "x"}\n'), waiting, threading.Event())
    order = waiting.get()
    assert order.cancel.is_set() and waiting.get() is None and codes == [130]
    ended = threading.Event()
    ended.set()
    warm._listen(io.StringIO(""), waiting, ended)
    assert codes == [130]
