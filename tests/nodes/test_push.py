"""`ossicle.push`: what is sent, where to, and what the receipt says."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hub_home import KINDS, home, ticket

from engine import Cancelled, Context, Deployment, DeploymentMeta, Model, OssicleError, Receipt, Report, ReportMeta
from engine.migrate import upgrade_params
from engine.registry import load_registry
from nodes.hub.broker import Kind
from nodes.push import PushParams, push

LATENCY = {"latency_mean_us": 123.5}


@pytest.fixture
def deployment(digit_model: Model, tmp_path: Path) -> Deployment:
    """A deployment of the digits network."""
    folder = tmp_path / "deployment"
    folder.mkdir()
    (folder / "model.onnx").write_bytes((digit_model.path / "model.onnx").read_bytes())
    meta = DeploymentMeta(
        target="onnxruntime", classes=digit_model.meta.classes, front_end=digit_model.meta.front_end, latency_us=120.0,
        metrics=LATENCY,
    )  # fmt: skip
    return Deployment(folder, meta)


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """A report with two single results."""
    folder = tmp_path / "report"
    folder.mkdir()
    rows = [
        {"clip_id": "5_theo_0", "truth": "five", "prediction": "five", "score": 0.98},
        {"clip_id": "9_theo_0", "truth": "nine", "prediction": "one", "score": 0.51},
    ]
    (folder / "report.json").write_text(json.dumps({"predictions": rows}))
    return Report(folder, ReportMeta(title="Benchmark", metrics={"accuracy": 0.5}))


def _push(folder: Path, params: PushParams, *inputs: Any, **changes: Any) -> tuple[Receipt, dict[str, Any]]:
    deployment, report, model = inputs
    ctx = replace(Context.for_test(folder, **changes), work=folder / uuid.uuid4().hex)
    made = push(deployment, report, model, params, ctx)
    assert isinstance(made, Receipt)
    return made, json.loads((made.path / "receipt.json").read_text(encoding="utf-8"))


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_no_broker(deployment: Deployment, report: Report, digit_model: Model, tmp_path: Path) -> None:
    """Without a broker the messages lie beside the receipt."""
    made, receipt = _push(tmp_path, PushParams(results=5), deployment, report, digit_model)
    sent = _lines(made.path / "messages.jsonl")
    assert [row["payload"]["kind"] for row in sent] == ["model", "deployment", "report", "result", "result"]
    assert [row["retain"] for row in sent] == [True, True, False, False, False]
    assert [row["topic"] for row in sent][3] == "evt/ossicle/result"
    assert len({row["payload"]["model"] for row in sent}) == 1 and len(sent[0]["payload"]["model"]) == 64
    assert {key: sent[4]["payload"][key] for key in ("label", "score", "clip")} == {
        "label": "one", "score": 0.51, "clip": "9_theo_0",
    }  # fmt: skip
    assert sent[2]["payload"]["metrics"] == {"accuracy": 0.5}
    assert sent[1]["payload"]["metrics"] == LATENCY
    assert [row["payload"]["id"] for row in sent] == [row["id"] for row in receipt["messages"]]
    assert made.meta.acknowledged == 5 and made.meta.destination == "local file"
    assert receipt["acknowledged_by"] == "file"


def test_a_file_of_ones_own(report: Report, tmp_path: Path) -> None:
    """`file:` is relative to the workflow; pushing again adds nothing; other results do."""
    params = PushParams(broker="file:results/sent.jsonl")
    _push(tmp_path, params, None, report, None)
    _push(tmp_path, params, None, report, None)
    assert len(_lines(tmp_path / "results" / "sent.jsonl")) == 1
    other = Report(report.path, ReportMeta(title="Benchmark", metrics={"accuracy": 0.75}))
    _push(tmp_path, params, None, other, None)
    assert [row["payload"]["metrics"]["accuracy"] for row in _lines(tmp_path / "results" / "sent.jsonl")] == [0.5, 0.75]


def test_receipts_of_equal_results_are_equal(report: Report, tmp_path: Path) -> None:
    """No time in the receipt: equal inputs, equal bytes."""
    params = PushParams(broker="file:sent.jsonl")
    one, _ = _push(tmp_path, params, None, report, None)
    two, _ = _push(tmp_path, params, None, report, None)
    assert (one.path / "receipt.json").read_bytes() == (two.path / "receipt.json").read_bytes()


def _params(mosquitto: Any, **values: Any) -> PushParams:
    login = {"broker": f"mqtts://localhost:{mosquitto.tls_port}", "user": "device1", "password": "mqtt-password"}
    way = {"ca_file": str(mosquitto.ca_file), "device": "device1", "acknowledged_by": "broker"}
    return PushParams(**{**login, **way, **values})


def test_a_broker_without_a_hub(
    mosquitto: Any, deployment: Deployment, report: Report, digit_model: Model, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Over TLS with a secret: taken by the broker and said as such, metadata retained, the password is nowhere."""
    monkeypatch.setenv("OSSICLE_SECRET_MQTT_PASSWORD", mosquitto.passwords["device1"])
    events: list[Any] = []
    prefix = f"evt/device1/{uuid.uuid4().hex}"
    params = _params(mosquitto, topic_prefix=prefix)
    made, receipt = _push(tmp_path, params, deployment, report, digit_model, sink=events.append)
    assert made.meta.acknowledged == 3 and all(row["acknowledged"] for row in receipt["messages"])
    assert receipt["acknowledged_by"] == "broker" and "taken by the broker" in made.meta.about
    found = {topic: payload for topic, payload, retained in mosquitto.listen(f"{prefix}/#", want=2) if retained}
    assert found.keys() == {f"{prefix}/device1/model", f"{prefix}/device1/deployment"}
    ids = {row["topic"]: row["id"] for row in receipt["messages"]}
    assert all(payload["id"] == ids[topic] for topic, payload in found.items())
    told = [*(str(event) for event in events), json.dumps(receipt), made.meta.model_dump_json()]
    assert not [text for text in told if mosquitto.passwords["device1"] in text]


@pytest.mark.parametrize(
    ("values", "secret", "told"),
    [
        ({}, "guess", "refused user device1"),
        ({"ca_file": ""}, "device-secret", "not trusted"),
        ({"ca_file": "missing.crt"}, "device-secret", "CA file"),
        ({"device": "device2"}, "device-secret", "refused a message on evt/device2/report"),
        ({"password": "no-such-secret"}, "device-secret", "secret no-such-secret is not set"),
        ({"broker": "mqtt://127.0.0.1:1", "attempts": 2, "timeout_s": 5}, "device-secret", "refused the connection"),
        ({"broker": "mqtt://127.0.0.1:1", "acknowledged_by": "hub", "timeout_s": 1}, "device-secret", "refused"),
        ({"acknowledged_by": "hub"}, "guess", "refused user device1"),
        ({"acknowledged_by": "hub", "timeout_s": 1}, "device-secret", "no hub has acknowledged 1 events of device1"),
        ({"ticket": "here.ticket"}, "device-secret", "a ticket and a broker"),
        ({"ticket": "here.ticket", "broker": ""}, "device-secret", "no ticket"),
        ({"broker": "ftp://x"}, "device-secret", "not an address"),
        ({"device": "a/b"}, "device-secret", "slash"),
        ({"results": 3, "broker": ""}, "device-secret", "no single results"),
    ],
)  # fmt: skip
def test_refused(
    mosquitto: Any, report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any],
    secret: str, told: str,
) -> None:  # fmt: skip
    """Each reason reaches the user in three parts."""
    monkeypatch.setenv("OSSICLE_SECRET_MQTT_PASSWORD", secret)
    (report.path / "report.json").write_text("{}")
    with pytest.raises(OssicleError, match=told) as caught:
        _push(tmp_path, _params(mosquitto, **values), None, report, None)
    assert caught.value.expected and caught.value.remedy


@pytest.mark.parametrize("kind", KINDS)
def test_stored_by_a_hub(
    kind: Kind, deployment: Deployment, report: Report, digit_model: Model, tmp_path: Path
) -> None:
    """With a ticket: rows are in the hub's store when the node ends, once, under the ids of the receipt."""
    with home(kind, tmp_path / "hub") as house:
        house.receiver()
        params = PushParams(ticket=str(ticket(house, "kitchen")), results=2)
        made, receipt = _push(tmp_path, params, deployment, report, digit_model)
        rows = house.store.history("kitchen")
        again, _ = _push(tmp_path, params, deployment, report, digit_model)
        assert house.store.counts() == {"kitchen": 5}
    assert [row.kind for row in rows] == ["model", "deployment", "report", "result", "result"]
    assert rows[4].body["label"] == "one" and rows[0].body["labels"] == list(digit_model.meta.classes)
    assert receipt["acknowledged_by"] == "hub" and {row["retained"] for row in receipt["messages"]} == {False}
    assert {row["topic"] for row in receipt["messages"]} == {"evt/kitchen/events"}
    assert made.meta.acknowledged == 5 and "stored by the hub" in made.meta.about
    assert (made.path / "receipt.json").read_bytes() == (again.path / "receipt.json").read_bytes()
    assert "kitchen word" not in json.dumps(receipt) + made.meta.model_dump_json()


def test_what_a_hub_refuses_is_no_receipt(tmp_path: Path, report: Report) -> None:
    """A value no store can hold comes back as an error, not as a line in a receipt."""
    odd = Report(report.path, ReportMeta(title="a\0b", metrics={}))
    with home("mosquitto", tmp_path / "hub") as house:
        house.receiver()
        with pytest.raises(OssicleError, match="the hub refused 1 events, the first one a report"):
            _push(tmp_path, PushParams(ticket=str(ticket(house, "kitchen"))), None, odd, None)
        assert house.store.counts() == {}


@pytest.mark.parametrize(("broker", "by"), [("mqtt://farm", "broker"), ("", "hub")])
def test_workflows_of_version_1_are_content_with_a_broker(broker: str, by: str) -> None:
    """Their brokers need not have a hub behind them."""
    spec = load_registry().find("ossicle.push")
    assert spec is not None
    assert PushParams(**upgrade_params(spec, {"broker": broker}, 1)).acknowledged_by == by


def test_nothing_wired(tmp_path: Path) -> None:
    """An empty push is a mistake, told before anything is connected."""
    with pytest.raises(OssicleError, match="nothing is wired"):
        _push(tmp_path, PushParams(), None, None, None)


@pytest.mark.parametrize("by", ["hub", "broker"])
def test_cancelled_while_waiting_for_a_broker(by: Any, report: Report, tmp_path: Path) -> None:
    """A cancelled run does not wait for the time-out."""
    asked = iter([False] * 2)
    with pytest.raises(Cancelled):
        params = PushParams(broker="mqtt://127.0.0.1:1", attempts=100, timeout_s=3600, acknowledged_by=by)
        _push(tmp_path, params, None, report, None, is_cancelled=lambda: next(asked, True))
