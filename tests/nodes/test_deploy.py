"""`ossicle.deploy`: a bundle that runs alone, measured and verified on real recordings."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from pydantic import ValidationError

from engine import AudioMeta, AudioSet, Context, Deployment, FeatureSet, Model, OssicleError, Report, ReportMeta
from engine.audio import AudioWriter, Clip, table_of
from nodes.application import load
from nodes.compress import QuantizeParams, quantize
from nodes.deploy import DeployParams, deploy
from nodes.zoo import architecture, build, describe, export_onnx, models

QUICK = DeployParams(runs=3, warmups=1, verify_clips=20)


@pytest.fixture(scope="module")
def digit_audio(digit_features: FeatureSet, recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> AudioSet:
    """The recordings that the digit features were made from, in another order."""
    folder = tmp_path_factory.mktemp("audio")
    with AudioWriter(folder) as writer:
        for name in sorted(table_of(digit_features).clip_id.tolist(), reverse=True):
            samples = soundfile.read(recordings / "fsdd" / "recordings" / f"{name}.wav", dtype="int16")[0]
            writer.add(Clip(name, name[0]), samples)
    return AudioSet(folder, AudioMeta(rate_hz=8000, classes=tuple("0123456789")))


def _deploy(
    tmp_path: Path,
    model: Model,
    features: FeatureSet | None = None,
    audio: AudioSet | None = None,
    report: Report | None = None,
    params: DeployParams = QUICK,
) -> tuple[Deployment, dict[str, Any]]:
    made = deploy(model, features, audio, report, params, Context.for_test(tmp_path))
    assert isinstance(made, Deployment)
    return made, json.loads((made.path / "deployment.json").read_text(encoding="utf-8"))


def test_from_waveform_to_logits(
    digit_model: Model, digit_features: FeatureSet, digit_audio: AudioSet, tmp_path: Path
) -> None:
    """With features and audio the whole application is compared with what is stored, on testing clips."""
    made, raw = _deploy(tmp_path, digit_model, digit_features, digit_audio)
    found = raw["verification"]
    assert (found["scope"], found["clips"], found["count"]) == ("front end and network", "recordings", 20)
    assert made.meta.verified_error == found["error"] < 1e-4 * found["logit_range"]
    assert found["agreement"] == 1.0


def test_everything_is_in_the_folder(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    """deployment.json and model.onnx, nothing else; facts agree with the metadata."""
    report = Report(tmp_path, ReportMeta(title="Benchmark", metrics={"accuracy": 0.9}))
    made, raw = _deploy(tmp_path, digit_model, digit_features, report=report)
    assert sorted(path.name for path in made.path.iterdir()) == ["deployment.json", "model.onnx"]
    assert raw["labels"] == list(digit_model.meta.classes) and raw["input_shape"] == [20, 49]
    assert raw["front_end"] == digit_model.meta.front_end == made.meta.front_end
    assert raw["metrics"]["accuracy"] == made.meta.metrics["accuracy"] == 0.9
    assert raw["protocol"]["runs"] == raw["inference"]["count"] == 3
    assert made.meta.latency_us == raw["inference"]["median_us"] > 0
    assert made.meta.memory_bytes == raw["memory"]["inference_bytes"]
    assert made.meta.metrics["size_bytes"] == (made.path / "model.onnx").stat().st_size
    assert {"processor", "cores"} <= raw["machine"].keys()
    names = [layer["layer"] for layer in raw["profile"]["layers"]]
    assert names[0] == "conv1" and names[-1] == "fc" and "" not in names
    assert str(tmp_path) not in (made.path / "deployment.json").read_text()


def test_it_runs_without_store_graph_or_torch(digit_model: Model, recordings: Path, tmp_path: Path) -> None:
    """In a new process the folder alone gives a label; neither engine nor torch is imported."""
    made, _ = _deploy(tmp_path, digit_model)
    wave = recordings / "fsdd" / "recordings" / "5_theo_0.wav"
    code = (
        "import sys, soundfile; from pathlib import Path; from nodes.application import load\n"
        f"wave, rate = soundfile.read({str(wave)!r}, dtype='float32')\n"
        f"print(load(Path({str(made.path)!r})).predict(wave, rate).label)\n"
        "assert not {'engine', 'torch', 'onnx', 'h5py', 'librosa'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in digit_model.meta.classes


def test_without_clips_noise_is_used(digit_model: Model, tmp_path: Path) -> None:
    """Nothing wired: the engine is still compared with the network as written, and says on what."""
    _, raw = _deploy(tmp_path, digit_model)
    assert raw["verification"]["clips"] == "noise"
    assert raw["verification"]["error"] < 1e-3 * raw["verification"]["logit_range"]


def test_audio_alone(digit_model: Model, digit_audio: AudioSet, tmp_path: Path) -> None:
    """Audio without features is heard and compared, too."""
    _, raw = _deploy(tmp_path, digit_model, audio=digit_audio)
    assert (raw["verification"]["clips"], raw["verification"]["count"]) == ("recordings", 20)


@pytest.mark.parametrize(("name", "counts"), [("s1", (50, 10, 1)), ("s4", (10, 1, 1))])
def test_protocols(digit_model: Model, tmp_path: Path, name: Any, counts: tuple[int, int, int]) -> None:
    """Each paper's protocol is what is really run, and its name is kept."""
    _, raw = _deploy(tmp_path, digit_model, params=DeployParams(protocol=name, verify_clips=1))
    protocol = raw["protocol"]
    assert (protocol["runs"], protocol["warmups"], protocol["threads"]) == counts
    assert protocol["name"] == name and raw["inference"]["count"] == counts[0]


def test_how_to_listen(digit_model: Model, tmp_path: Path) -> None:
    """Window hop and smoothing are set by the node and used by whoever opens the folder."""
    made, _ = _deploy(tmp_path, digit_model, params=QUICK.model_copy(update={"hop_s": 0.5, "smoothing": 1}))
    assert load(made.path).predict(np.zeros(8000 * 3, np.int16), 8000).windows == 5


@pytest.mark.parametrize("name", ["seed_cnn", "ds_cnn_s"])
def test_untrained_networks_of_the_zoo(
    digit_model: Model, digit_features: FeatureSet, tmp_path: Path, name: str
) -> None:
    """Two-dimensional networks, which the engine rewrites into blocked layouts, keep their layers' names."""
    assert name in models()
    made = architecture(name, input_shape=(20, 49), classes=10)
    export_onnx(build(made).eval(), tmp_path / "model.onnx")
    model = Model(tmp_path, digit_model.meta.model_copy(update={"architecture": name}))
    _, raw = _deploy(tmp_path, model, digit_features)
    wanted = {row.name for row in describe(made).layers if row.op == "conv" or row.op == "dense"}
    assert wanted <= {layer["layer"] for layer in raw["profile"]["layers"]}


def test_a_difference_is_told(digit_model: Model, digit_features: FeatureSet, tmp_path: Path) -> None:
    """Audio that is not what the features were made from, but has the same names: the log warns."""
    folder = tmp_path / "noise"
    folder.mkdir()
    with AudioWriter(folder) as writer:
        rng = np.random.default_rng(0)
        for name in table_of(digit_features).clip_id.tolist():
            writer.add(Clip(name, name[0]), rng.integers(-999, 999, 8000).astype(np.int16))
    audio = AudioSet(folder, AudioMeta(rate_hz=8000, classes=()))
    events: list[Any] = []
    ctx = Context.for_test(tmp_path, sink=events.append)
    deploy(digit_model, digit_features, audio, None, QUICK, ctx)
    assert [event for event in events if event.values.get("level") == "warning"]


Change = Callable[[Model, FeatureSet, AudioSet, Path], tuple[Model, FeatureSet | None, AudioSet | None]]


def _other_front_end(model: Model, features: FeatureSet, _audio: AudioSet, _folder: Path) -> Any:
    meta = features.meta.model_copy(update={"front_end": {**features.meta.front_end, "n_mels": 24}})
    return model, replace(features, meta=meta), None


def _other_audio(model: Model, features: FeatureSet, _audio: AudioSet, folder: Path) -> Any:
    with AudioWriter(folder) as writer:
        writer.add(Clip("another", "x"), np.zeros(8000, np.int16))
    return model, features, AudioSet(folder, AudioMeta(rate_hz=8000, classes=()))


def _no_clips(model: Model, _features: FeatureSet, _audio: AudioSet, folder: Path) -> Any:
    with AudioWriter(folder) as writer:
        writer.add(Clip("noise", "", subset="background"), np.zeros(8000, np.int16))
    return model, None, AudioSet(folder, AudioMeta(rate_hz=8000, classes=()))


def _pickle(model: Model, features: FeatureSet, _audio: AudioSet, folder: Path) -> Any:
    (folder / "model.onnx").write_bytes(b"\x80\x04\x95\x00")
    return replace(model, path=folder), features, None


def _no_network(model: Model, features: FeatureSet, _audio: AudioSet, folder: Path) -> Any:
    return replace(model, path=folder), features, None


def _fewer_classes(model: Model, features: FeatureSet, _audio: AudioSet, _folder: Path) -> Any:
    return replace(model, meta=model.meta.model_copy(update={"classes": ("a", "b")})), features, None


BAD: dict[str, tuple[Change, str]] = {
    "another front end": (_other_front_end, "another front end"),
    "another audio set": (_other_audio, "are not in the audio set"),
    "no clips": (_no_clips, "no clip to compare"),
    "a pickle": (_pickle, "pickle"),
    "no network": (_no_network, "has no file model.onnx"),
    "fewer classes": (_fewer_classes, "output shape"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(
    digit_model: Model, digit_features: FeatureSet, digit_audio: AudioSet, tmp_path: Path, case: str
) -> None:
    """Each is refused in three parts."""
    make, told = BAD[case]
    folder = tmp_path / "bad"
    folder.mkdir()
    model, features, audio = make(digit_model, digit_features, digit_audio, folder)
    with pytest.raises(OssicleError, match=told) as caught:
        _deploy(tmp_path, model, features, audio)
    assert caught.value.expected and caught.value.remedy


@pytest.mark.parametrize(
    "values", [{"protocol": "s3"}, {"runs": -1}, {"hop_s": 0}, {"smoothing": 0}, {"verify_clips": 0}]
)
def test_parameters_out_of_range(values: dict[str, Any]) -> None:
    """Refused before anything runs."""
    with pytest.raises(ValidationError):
        DeployParams(**values)


def test_int8(digit_model: Model, digit_features: FeatureSet, digit_audio: AudioSet, tmp_path: Path) -> None:
    """A quantized network keeps its layers' names; integer kernels may round otherwise, rarely to another label."""
    small = quantize(digit_model, digit_features, params=QuantizeParams(), ctx=Context.for_test(tmp_path / "quantize"))
    made, raw = _deploy(tmp_path, small, digit_features, digit_audio)
    assert raw["precision"] == small.meta.precision != "float32"
    names = {layer["layer"] for layer in raw["profile"]["layers"]}
    assert {"conv1", "b1.conv1", "b1.short", "b3.conv2", "fc"} <= names and "" not in names
    assert raw["verification"]["agreement"] >= 0.9
    assert made.meta.metrics["size_bytes"] < digit_model.meta.size_bytes
