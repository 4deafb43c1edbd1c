"""The nodes of both scenarios: a real network hears real digits on a device and at a hub, and one way is chosen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from listening import spoken, trained

from engine import AudioSet, Cancelled, Context, Deployment, Model, OssicleError, Report
from engine.audio import Clip, write_audio
from engine.evidence import figures_of
from nodes.deploy import DeployParams, deploy
from nodes.device import DeviceParams, device
from nodes.stream import StreamParams, stream

QUICK: dict[str, Any] = {"recording_s": 10.0, "gap_s": 1.0, "snr_db": 30.0, "seed": 3}
DEVICE = DeviceParams(**QUICK, pace="fast")


@pytest.fixture(scope="module")
def audio(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> AudioSet:
    """Digits that the network has not learnt from, for testing."""
    return spoken(recordings, tmp_path_factory.mktemp("audio"))


@pytest.fixture(scope="module")
def deployment(recordings: Path, digit_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A network that hears digits over noise, as a deployment."""
    model = trained(recordings, digit_model.meta, tmp_path_factory.mktemp("listener"))
    params, ctx = DeployParams(runs=1, warmups=0, verify_clips=4), Context.for_test(tmp_path_factory.mktemp("deploy"))
    made = deploy(model, None, None, None, params, ctx)
    assert isinstance(made, Deployment)
    return made


@pytest.fixture(scope="module")
def on_device(deployment: Deployment, audio: AudioSet, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The edge scenario through a hub."""
    return device(deployment, audio, DEVICE, Context.for_test(tmp_path_factory.mktemp("edge")))  # type: ignore[return-value]


def told(report: Report) -> dict[str, Any]:
    found = json.loads((report.path / "report.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def test_a_device_tells_a_hub_what_it_hears(on_device: Report) -> None:
    found = told(on_device)
    heard, words = found["detections"], found["recording"]["words"]
    assert found["kind"] == "scenario" and found["way"] == "edge" and "stored by a hub" in found["path"]
    assert heard["found"] + heard["missed"] == words == len(found["events"]) > 3
    assert heard["found"] >= words / 2
    assert heard["stored"] == heard["found"] + heard["repeats"] + heard["false_alarms"]
    assert len(found["false_alarms"]) == heard["false_alarms"]
    measured = on_device.meta.metrics
    assert measured["bytes_per_hour"] > 0 and 0 < measured["cpu_percent"] < 100
    assert -1000 < measured["delay_ms"] <= measured["delay_p95_ms"] < 5000
    assert found["delays"][1]["median_ms"] > 0 and not found["measured"]["sends_sound"]
    assert found["leaves"][0] == {"what": "sound", "leaves_the_device": "never"}


def test_without_a_broker_events_stay_in_the_outbox(deployment: Deployment, audio: AudioSet, tmp_path: Path) -> None:
    params = DEVICE.model_copy(update={"hub": "none"})
    found = device(deployment, audio, params, Context.for_test(tmp_path))
    assert isinstance(found, Report)
    assert "outbox" in told(found)["path"] and told(found)["detections"]["stored"] == 0
    assert found.meta.metrics["detections"] > 0


def test_sound_goes_to_the_hub_and_a_way_is_chosen(
    deployment: Deployment, audio: AudioSet, on_device: Report, tmp_path: Path
) -> None:
    params = StreamParams(**QUICK, keeps_sound_private=True)
    report = stream(deployment, audio, on_device, params, Context.for_test(tmp_path))
    assert isinstance(report, Report)
    found, edge = told(report), told(on_device)
    assert found["way"] == "cloud" and found["detections"]["stored"] > 0
    assert found["recording"] == edge["recording"]
    rows = {row["what"]: row for row in found["comparison"]}
    assert rows["sent by the device, bytes per hour"]["cloud"] > 10 * rows["sent by the device, bytes per hour"]["edge"]
    assert rows["sound leaves the device"] == {
        "what": "sound leaves the device", "edge": "never", "cloud": "all of it: Opus, encrypted (DTLS-SRTP)",
    }  # fmt: skip
    assert found["choice"][0]["where"] == "edge" and "chosen: edge" in report.meta.about
    assert [line["name"] for line in found["plots"][0]["lines"]] == ["edge", "cloud"]
    drawn = figures_of(report, "stream-1")
    assert not drawn.missing and [figure.title.split()[0] for figure in drawn.figures] == ["Accuracy", "Delay"]
    assert 0 < report.meta.metrics["answer_ms"] < 2000
    assert report.meta.metrics["lost_s"] < 1.0


def test_a_report_of_something_else_is_refused(
    deployment: Deployment, audio: AudioSet, on_device: Report, tmp_path: Path
) -> None:
    (tmp_path / "report.json").write_text('{"kind": "listen"}')
    with pytest.raises(OssicleError, match="none of a scenario"):
        stream(deployment, audio, replace(on_device, path=tmp_path), StreamParams(), Context.for_test(tmp_path / "a"))
    (tmp_path / "report.json").write_text(json.dumps({**told(on_device), "model": {"name": "x", "sha256": "0"}}))
    with pytest.raises(OssicleError, match="none of this deployment"):
        stream(deployment, audio, replace(on_device, path=tmp_path), StreamParams(), Context.for_test(tmp_path / "b"))


@pytest.mark.parametrize(
    ("params", "said"),
    [({"subset": "validation"}, "validation"), ({"recording_s": 5.0, "gap_s": 600.0, "seed": 1}, "no clip fits")],
)
def test_nothing_to_hear(
    params: dict[str, Any], said: str, deployment: Deployment, audio: AudioSet, tmp_path: Path
) -> None:
    with pytest.raises(OssicleError, match=said) as caught:
        device(deployment, audio, DEVICE.model_copy(update=params), Context.for_test(tmp_path))
    assert caught.value.remedy


def test_words_of_others(deployment: Deployment, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(-9000, 9000, 8000).astype(np.int16)
    (tmp_path / "audio").mkdir()
    audio = write_audio(tmp_path / "audio", [(Clip("a", "hello", subset="testing"), noise)], 8000)
    with pytest.raises(OssicleError, match="has a word of the deployment"):
        device(deployment, audio, DEVICE, Context.for_test(tmp_path / "run"))


@pytest.mark.parametrize("damage", ["model.onnx", "deployment.json"])
def test_a_damaged_deployment(damage: str, deployment: Deployment, audio: AudioSet, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(deployment.path, tmp_path / "d")
    (tmp_path / "d" / damage).write_bytes(b"no such thing")
    with pytest.raises(OssicleError) as caught:
        device(replace(deployment, path=tmp_path / "d"), audio, DEVICE, Context.for_test(tmp_path / "run"))
    assert caught.value.remedy


def test_a_cancelled_run_ends_at_once(deployment: Deployment, audio: AudioSet, tmp_path: Path) -> None:
    ctx = Context.for_test(tmp_path, is_cancelled=lambda: True)
    with pytest.raises(Cancelled):
        stream(deployment, audio, None, StreamParams(**{**QUICK, "recording_s": 600.0}), ctx)
