"""The HTTP API: nothing without the token, nothing from foreign names, and what it says is so."""

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hub_home import until

from nodes.hub.access import Access
from nodes.hub.api import LARGEST_BODY_BYTES, create_app
from nodes.hub.hub import Hub
from nodes.hub.outbox import Outbox, Said
from nodes.hub.sender import Sender
from nodes.hub.window import Pace

TOKEN = "a word for tests"


@pytest.fixture(scope="module")
def client(hub: Hub) -> TestClient:
    app = create_app(hub, TOKEN, ("127.0.0.1", "localhost"))
    return TestClient(app, "http://127.0.0.1", headers={"Authorization": f"Bearer {TOKEN}"})


def device(hub: Hub, client: TestClient, name: str, folder: Path, heard: list[bytes] | None = None) -> Sender:
    """A device let in through the API."""
    ticket = client.post("/api/devices", json={"device": name}).json()
    (folder / f"{name}.crt").write_text(ticket["ca"])
    access = Access(name, ticket["password"], folder / f"{name}.crt", client_id=name)
    ordered = (heard if heard is not None else []).append
    made = Sender(Outbox(folder / f"{name}.db"), hub.address, access, name, Pace(resend_s=0.3), ordered)
    made.start()
    assert until(lambda: made.condition().is_connected), made.condition()
    return made


def states(client: TestClient) -> dict[str, str]:
    return {row["device"]: row["state"] for row in client.get("/api/devices").json()}


def test_every_route_but_the_page_asks_for_the_token(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert len(paths) >= 9
    for path, methods in paths.items():
        for method in methods:
            for headers in ({"Authorization": ""}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}):
                answer = client.request(method, path.replace("{device}", "kitchen"), headers=headers)
                assert answer.status_code == 401, (method, path, answer.text)


def test_foreign_names_reach_nothing(client: TestClient) -> None:
    assert client.get("/api/status", headers={"Host": "evil.example"}).status_code == 400


def test_the_page_lets_nothing_in_from_elsewhere(client: TestClient) -> None:
    policy = client.get("/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


def test_what_a_device_says_is_found(hub: Hub, client: TestClient, tmp_path: Path) -> None:
    sender = device(hub, client, "kitchen", tmp_path)
    sender.put([Said("result", {"label": word, "score": 0.9}) for word in ("yes", "no", "stop")])
    assert sender.drain(20.0)
    rows = client.get("/api/events", params={"device": "kitchen", "kind": "result", "limit": 2}).json()
    assert [row["body"]["label"] for row in rows] == ["stop", "no"]
    history = client.get("/api/devices/kitchen/history", params={"number": 1, "seq": 1}).json()
    assert [row["seq"] for row in history] == [2, 3]
    assert client.get("/api/events", params={"since": rows[0]["received"]}).json() != []
    assert client.get("/api/events", params={"until": "2020-01-01T00:00:00Z"}).json() == []
    latest = {row["device"]: row["body"]["label"] for row in client.get("/api/latest").json()}
    assert latest["kitchen"] == "stop"
    found = {row["device"]: row for row in client.get("/api/devices").json()}["kitchen"]
    assert (found["state"], found["is_enrolled"], found["events"]) == ("here", True, 3)
    metrics = client.get("/api/metrics").text
    assert 'ossicle_hub_device_events{device="kitchen"} 3' in metrics
    sender.stop()
    assert until(
        lambda: {row["device"]: row["state"] for row in client.get("/api/devices").json()}["kitchen"] == "away"
    )


def test_an_order_is_heard(hub: Hub, client: TestClient, tmp_path: Path) -> None:
    heard: list[bytes] = []
    sender = device(hub, client, "hall", tmp_path, heard)
    answer = client.post("/api/devices/hall/orders", json={"order": "threshold", "values": {"value": 0.7}})
    assert answer.status_code == 202
    assert until(lambda: bool(heard))
    assert json.loads(heard[0]) == {"order": "threshold", "value": 0.7}
    sender.stop()


def test_a_dismissed_device_is_let_in_no_more(hub: Hub, client: TestClient, tmp_path: Path) -> None:
    sender = device(hub, client, "porch", tmp_path)
    sender.stop()
    assert client.delete("/api/devices/porch").status_code == 204
    assert client.delete("/api/devices/porch").status_code == 409
    again = Sender(Outbox(tmp_path / "again.db"), hub.address, sender._link.access, "porch")
    again.start()
    assert until(lambda: "refused" in again.condition().problem), again.condition()
    again.stop()


def test_a_broker_that_dies_comes_back_and_nothing_is_lost(hub: Hub, client: TestClient, tmp_path: Path) -> None:
    sender = device(hub, client, "attic", tmp_path)
    sender.put([Said("result", {"label": "before"})] * 50)
    before = hub.restarts
    assert hub.broker is not None
    hub.broker.kill()
    sender.put([Said("result", {"label": "after"})] * 50)
    assert sender.drain(40.0), sender.condition()
    assert hub.restarts == before + 1
    assert [row.seq for row in hub.store.history("attic")] == list(range(1, 101))
    sender.stop()


@pytest.mark.parametrize("name", ["hub", "a b", "../x", "", "a/b", "x" * 65, "a\n", None, 7])
def test_names_that_may_not_be_are_refused(client: TestClient, name: object) -> None:
    assert client.post("/api/devices", json={"device": name}).status_code in (409, 422)


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "1e9"},
        {"since": "yesterday"},
        {"device": "x" * 100},
        {"since": "9999-12-31T23:59:59-23:00"},
    ],
)
def test_questions_that_make_no_sense_are_refused(client: TestClient, query: dict[str, str]) -> None:
    assert client.get("/api/events", params=query).status_code == 422


def test_tricks_in_questions_find_nothing(client: TestClient) -> None:
    assert client.get("/api/events", params={"device": "' OR 1=1 --"}).json() == []
    assert client.get("/api/devices/..%2f..%2fetc/history").status_code in (404, 422)


def test_large_bodies_are_not_read(client: TestClient) -> None:
    assert client.post("/api/devices", content=b"x" * (LARGEST_BODY_BYTES + 1)).status_code == 413
    assert client.post("/api/devices", content=iter([b"x"])).status_code == 411
