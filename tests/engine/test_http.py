"""The HTTP API: nothing without the token, the same runs and errors as the command line."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from engine import AudioMeta, AudioSet, Context, NodeSpec, Params, node
from engine import execute as execute_module
from engine.audio import AudioWriter
from engine.event import Event
from engine.http import create_app
from engine.registry import Registry
from engine.runner import LocalRunner

TOKEN = "t0ken"
GATE = threading.Event()


class WaitParams(Params):
    waits: bool = False
    """Whether to stay until cancelled."""


@node("h.source", version=1, category="T")
def source(params: WaitParams, ctx: Context) -> AudioSet:
    """Make an empty set, at once or never."""
    while params.waits:
        GATE.wait(0.02)
        ctx.progress(0.5, "waiting")
    folder = ctx.folder()
    with AudioWriter(folder):
        return AudioSet(folder, AudioMeta(rate_hz=1, classes=()))


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    specs: dict[str, NodeSpec] = {source.id: source}
    execute_module.installed.cache_clear()
    monkeypatch.setattr("engine.execute.load_registry", lambda: Registry(specs))
    (tmp_path / "a.workflow.json").write_text(json.dumps({"nodes": {"source-1": {"type": "h.source"}}}))
    client = TestClient(create_app(tmp_path, TOKEN, LocalRunner()), headers={"Authorization": f"Bearer {TOKEN}"})
    yield client
    execute_module.installed.cache_clear()


def follow(client: TestClient, run: str) -> list[Event]:
    return [Event.from_line(line) for line in client.get(f"/runs/{run}/events").text.splitlines()]


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Basic dDBrZW4=", "Bearer tökén"])
@pytest.mark.parametrize("path", ["/nodes", "/runs", "/runs/x/events"])
def test_nothing_without_the_token(client: TestClient, path: str, header: str) -> None:
    assert client.get(path, headers={"Authorization": header.encode()}).status_code == 401


def test_a_run_from_order_to_outputs(client: TestClient) -> None:
    run = client.post("/runs", json={"file": "a.workflow.json"}).raise_for_status().json()["run"]
    kinds = [event.kind for event in follow(client, run)]
    assert kinds[0] == "run_started" and kinds[-1] == "run_finished" and "finished" in kinds
    found = client.get(f"/runs/{run}").json()
    assert found["state"] == "done" and Path(found["nodes"]["source-1"]["outputs"]["audio"]).is_dir()
    assert [entry["run"] for entry in client.get("/runs").json()] == [run]


def test_cancel_stops_a_run(client: TestClient) -> None:
    order = {"workflow": {"nodes": {"source-1": {"type": "h.source"}}}, "set": {"source-1.waits": True}}
    run = client.post("/runs", json=order).raise_for_status().json()["run"]
    client.post(f"/runs/{run}/cancel").raise_for_status()
    assert follow(client, run)[-1].values["state"] == "cancelled"


WRONG: dict[str, dict[str, Any]] = {
    "missing file": {"file": "none.workflow.json"},
    "outside": {"file": "../../etc/passwd"},
    "absolute": {"file": "/etc/passwd"},
    "unknown node": {"workflow": {"nodes": {"x-1": {"type": "no.such"}}}},
    "no workflow": {"workflow": {"nodes": 3}},
    "no such variable": {"workflow": {}, "set": {"seed": 1}},
    "unknown field": {"wrokflow": {}},
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_orders_are_told_and_run_nothing(client: TestClient, name: str) -> None:
    answer = client.post("/runs", json=WRONG[name])
    assert answer.status_code == 422
    assert client.get("/runs").json() == []


def test_problems_come_as_data(client: TestClient) -> None:
    body = client.post("/validate", json={"workflow": {"nodes": {"x-1": {"type": "no.such"}}}}).json()
    assert [(p["code"], p["node"]) for p in body["problems"]] == [("unknown-type", "x-1")]


def test_nodes_are_described(client: TestClient) -> None:
    (entry,) = client.get("/nodes").json()
    assert entry["id"] == "h.source" and entry["params"]["properties"]["waits"]["description"]


def test_served_by_the_command_on_loopback_only(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "engine.cli", "serve", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            told = json.loads(server.stdout.readline())
            header = {"Authorization": f"Bearer {told['token']}"}
            assert told["address"].startswith("http://127.0.0.1:")
            assert httpx.get(f"{told['address']}/runs").status_code == 401
            assert httpx.get(f"{told['address']}/runs", headers=header).json() == []
            port = int(told["address"].rsplit(":", 1)[1])
            own = socket.gethostbyname(socket.gethostname())
            if not own.startswith("127."):
                with pytest.raises(OSError):
                    socket.create_connection((own, port), timeout=2)
        finally:
            server.terminate()
