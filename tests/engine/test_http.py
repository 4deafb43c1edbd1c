"""The HTTP API: nothing without the token, the same runs and errors as the command line."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from engine import AudioMeta, AudioSet, Context, NodeSpec, Params, node
from engine import execute as execute_module
from engine.audio import AudioWriter
from engine.desk import Desk
from engine.errors import OssicleError
from engine.event import Event
from engine.http import create_app
from engine.registry import Registry
from engine.runner import LocalRunner

TOKEN = "t0ken"
GATE = threading.Event()


class WaitParams(Params):
    waits: bool = False
    """Whether to stay until cancelled."""
    number: int = 0
    """Makes no difference."""


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
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    specs: dict[str, NodeSpec] = {source.id: source}
    execute_module.installed.cache_clear()
    monkeypatch.setattr("engine.execute.load_registry", lambda: Registry(specs))
    (tmp_path / "a.workflow.json").write_text(json.dumps({"nodes": {"source-1": {"type": "h.source"}}}))
    client = TestClient(create_app(tmp_path, TOKEN, LocalRunner()), headers={"Authorization": f"Bearer {TOKEN}"})
    yield client
    execute_module.installed.cache_clear()


def follow(client: TestClient, run: str, what: str = "runs") -> list[Event]:
    return [Event.from_line(line) for line in client.get(f"/{what}/{run}/events").text.splitlines()]


@pytest.mark.parametrize("header", ["", "Bearer wrong", "Basic dDBrZW4=", "Bearer tökén"])
@pytest.mark.parametrize("path", ["/nodes", "/runs", "/runs/x/events", "/runs/x/artifacts/a/b/c", "/sweeps"])
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


SWEEP = {"file": "a.workflow.json", "over": {"source-1.number": [1, 2, 3]}}


def test_a_sweep_from_order_to_results(client: TestClient) -> None:
    sweep = client.post("/sweeps", json=SWEEP).raise_for_status().json()["sweep"]
    told = follow(client, sweep, "sweeps")
    points = ["point_started", "point_finished"] * 3
    assert [event.kind for event in told] == ["sweep_started", *points, "sweep_finished"]
    found = client.get(f"/sweeps/{sweep}").raise_for_status().json()
    assert found["state"] == "done" and [point["state"] for point in found["points"]] == ["done"] * 3
    assert found["summary"]["sweep"] == sweep
    (row,) = client.get("/sweeps").json()
    assert (row["sweep"], row["points"], row["done"]) == (sweep, 3, 3)
    runs = {point["run"] for point in found["points"]}
    assert runs == {entry["run"] for entry in client.get("/runs").json()}
    assert follow(client, runs.pop())[-1].kind == "run_finished"


def test_the_same_sweep_again_has_the_same_name_and_runs_nothing(client: TestClient) -> None:
    names = []
    for _ in range(2):
        names.append(client.post("/sweeps", json=SWEEP).raise_for_status().json()["sweep"])
        kinds = [event.kind for event in follow(client, names[-1], "sweeps")]
        assert kinds.count("sweep_started") == kinds.count("sweep_finished") == 1
    assert names[0] == names[1]
    assert len(client.get("/runs").json()) == 3


def test_two_cannot_be_at_one_sweep(client: TestClient) -> None:
    order = SWEEP | {"set": {"source-1.waits": True}}
    sweep = client.post("/sweeps", json=order).raise_for_status().json()["sweep"]
    assert client.post("/sweeps", json=order).status_code == 422
    client.post(f"/sweeps/{sweep}/cancel").raise_for_status()
    assert follow(client, sweep, "sweeps")[-1].values["state"] == "cancelled"


@pytest.mark.parametrize("is_ours", [True, False])
def test_cancel_stops_a_sweep_wherever_it_was_started(client: TestClient, tmp_path: Path, is_ours: bool) -> None:
    order = SWEEP | {"set": {"source-1.waits": True}}
    sweep = client.post("/sweeps", json=order).raise_for_status().json()["sweep"]
    asked = client
    if not is_ours:
        asked = TestClient(create_app(tmp_path, TOKEN, LocalRunner()), headers=dict(client.headers))
        while asked.get(f"/sweeps/{sweep}").json()["points"][0]["state"] != "running":
            GATE.wait(0.02)
        while not asked.get("/runs").json():
            GATE.wait(0.02)
    asked.post(f"/sweeps/{sweep}/cancel").raise_for_status()
    assert follow(client, sweep, "sweeps")[-1].values["state"] == "cancelled"
    states = [point["state"] for point in client.get(f"/sweeps/{sweep}").json()["points"]]
    assert states[0] in ("cancelled", "waiting") and states[1:] == ["waiting", "waiting"]


WRONG_SWEEPS: dict[str, dict[str, Any]] = {
    "nothing to sweep over": {"file": "a.workflow.json"},
    "no such parameter": {"file": "a.workflow.json", "over": {"source-1.nmuber": [1]}},
    "a value the node refuses": {"file": "a.workflow.json", "over": {"source-1.number": ["many"]}},
    "no values": {"file": "a.workflow.json", "over": {"source-1.number": []}},
    "outside": {"file": "../../etc/passwd", "over": {"seed": [1]}},
    "no points at once": SWEEP | {"parallel": 0},
    "unknown field": SWEEP | {"force": []},
}


@pytest.mark.parametrize("name", WRONG_SWEEPS)
def test_wrong_sweeps_are_told_and_run_nothing(client: TestClient, name: str) -> None:
    assert client.post("/sweeps", json=WRONG_SWEEPS[name]).status_code == 422
    assert client.get("/runs").json() == [] and client.get("/sweeps").json() == []


def test_a_failure_before_the_first_event_is_told(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_values: Any) -> None:
        raise RuntimeError("no such luck")

    monkeypatch.setattr(LocalRunner, "run", broken)
    with pytest.raises(RuntimeError, match="no such luck"):
        client.post("/runs", json={"file": "a.workflow.json"})


def finished(client: TestClient) -> str:
    run = str(client.post("/runs", json={"file": "a.workflow.json"}).raise_for_status().json()["run"])
    follow(client, run)
    return run


def test_artifacts_are_listed_and_their_files_fetched(client: TestClient) -> None:
    run = finished(client)
    (entry,) = client.get(f"/runs/{run}/artifacts").raise_for_status().json()
    assert (entry["node"], entry["port"], entry["kind"]) == ("source-1", "audio", "AudioSet")
    assert entry["meta"]["rate_hz"] == 1
    folder = Path(client.get(f"/runs/{run}").json()["nodes"]["source-1"]["outputs"]["audio"])
    assert entry["key"] == folder.name
    assert {file["name"] for file in entry["files"]} == {path.name for path in folder.iterdir()}
    for file in entry["files"]:
        body = client.get(f"/runs/{run}/artifacts/source-1/audio/{file['name']}").raise_for_status().content
        assert body == (folder / file["name"]).read_bytes() and len(body) == file["bytes"]


TRICKS = (
    "source-1/audio/nothing", "source-1/model/dataset.h5", "other-1/audio/dataset.h5", "source-1/audio/",
    "source-1/audio/%2e%2e/%2e%2e/%2e%2e/%2e%2e/a.workflow.json", "source-1/audio//etc/passwd",
    "source-1/audio/..%2f..%2f..%2f..%2fa.workflow.json", "source-1/audio/link", "source-1/audio/dataset.h5%00",
    "..%2f..%2fstore/audio/dataset.h5",
)  # fmt: skip


@pytest.mark.parametrize("path", TRICKS)
def test_nothing_but_files_of_artifacts_is_fetched(client: TestClient, tmp_path: Path, path: str) -> None:
    run = finished(client)
    folder = Path(client.get(f"/runs/{run}").json()["nodes"]["source-1"]["outputs"]["audio"])
    folder.chmod(0o755)
    (folder / "link").symlink_to(tmp_path / "a.workflow.json")
    assert client.get(f"/runs/{run}/artifacts/{path}").status_code in (404, 422)
    assert "link" not in {file["name"] for file in client.get(f"/runs/{run}/artifacts").json()[0]["files"]}


def test_what_was_collected_as_garbage_is_listed_without_files(client: TestClient) -> None:
    run = finished(client)
    folder = Path(client.get(f"/runs/{run}").json()["nodes"]["source-1"]["outputs"]["audio"])
    folder.rename(folder.with_name("gone"))
    (entry,) = client.get(f"/runs/{run}/artifacts").json()
    assert entry["files"] == [] and entry["meta"] is None
    answer = client.get(f"/runs/{run}/artifacts/source-1/audio/dataset.h5")
    assert answer.status_code == 422 and "garbage" in answer.json()["expected"]


@pytest.mark.parametrize("what", ["runs", "sweeps"])
def test_a_folder_elsewhere_is_no_name(client: TestClient, tmp_path: Path, what: str) -> None:
    """A run is found by its folder on the command line; nobody outside may name folders of this machine."""
    desk = Desk(tmp_path, LocalRunner())
    outside = tmp_path / ".ossicle" / "runs" / finished(client)
    for name in (str(outside), "..", ".", "..\\x"):
        with pytest.raises(OssicleError, match="no name"):
            (desk.run if what == "runs" else desk.sweep)(name)


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
