"""`ossicle predict`: through the real command line, on real recordings, with everything that may go wrong."""

from __future__ import annotations

import io
import json
import pickle
import re
import shlex
import shutil
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from engine import Artifact, Deployment, DeploymentMeta, FeatureSet, Model
from engine.audio import read_features, table_of
from engine.cli import call
from engine.record import NodeRecord, RunRecord
from engine.runs import create_run, home_of
from engine.store import Store, open_store
from engine.workflow import Node, Workflow, parse
from nodes.application.bundle import Listening, bundle_of, describe, load_bundle, write_description
from nodes.lne import find_target, make_plan, read_onnx
from nodes.lne.package import Order, make_package, write_package
from nodes.lne.registry import casts
from nodes.lne.search import choose
from nodes.zoo import build
from nodes.zoo.weights import load_weights

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def deployment(digit_model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A deployment folder of the digits network."""
    folder = tmp_path_factory.mktemp("deployment")
    bundle = bundle_of(digit_model.path, digit_model.meta.model_dump(mode="json"), "digits")
    (folder / "model.onnx").write_bytes(bundle.network)
    write_description(folder, replace(bundle, listening=Listening(hop_s=0.2, smoothing=3)), {})
    return folder


@pytest.fixture
def digits(recordings: Path) -> Path:
    """Folder of spoken digits."""
    return recordings / "fsdd" / "recordings"


def _predict(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = call(["predict", *map(str, arguments)])
    told = capsys.readouterr()
    return code, told.out, told.err


def _json(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Rows]:
    code, out, err = _predict(capsys, *arguments, "--json")
    assert err == ""
    return code, [json.loads(line) for line in out.splitlines()]


def test_json(deployment: Path, digits: Path, digit_features: FeatureSet, capsys: pytest.CaptureFixture[str]) -> None:
    """One object per file, in the order given: file, label, score, scores by class. Most digits are right."""
    table = table_of(digit_features)
    names = table.clip_id[table.subset == "testing"].tolist()
    paths = [digits / f"{name}.wav" for name in names]
    code, rows = _json(capsys, deployment, *paths)
    assert code == 0
    assert [row["file"] for row in rows] == [str(path) for path in paths]
    for row in rows:
        assert row["label"] == max(row["scores"], key=row["scores"].get)
        assert row["score"] == row["scores"][row["label"]]
        assert len(row["scores"]) == 10 and "error" not in row
    truth = table.label[table.subset == "testing"].tolist()
    assert sum(row["label"] == label for row, label in zip(rows, truth, strict=True)) >= 0.7 * len(rows)


def test_says_what_the_trained_network_says(
    deployment: Path, digits: Path, digit_model: Model, digit_features: FeatureSet, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the recording through the exported ONNX: the same classes, so the same accuracy, as the trained weights."""
    table = table_of(digit_features)
    rows = np.flatnonzero(table.subset == "testing")
    network = build(json.loads(digit_model.file("architecture.json").read_text()))
    load_weights(network, digit_model.file("weights.safetensors"))
    with torch.inference_mode():
        logits = network.eval()(torch.from_numpy(read_features(digit_features, table.subset == "testing"))).numpy()
    _, heard = _json(capsys, deployment, *(digits / f"{name}.wav" for name in table.clip_id[rows].tolist()))
    whole = [index for index, row in enumerate(heard) if row["windows"] == 1]  # longer ones are heard in parts
    assert len(whole) > 0.9 * len(rows)
    said, truth = [heard[index]["label"] for index in whole], table.label[rows[whole]]
    trained = [digit_model.meta.classes[best] for best in logits[whole].argmax(1)]
    assert said == trained
    assert np.mean(np.array(said) == truth) == np.mean(np.array(trained) == truth) > 0.7


def test_files_folders_and_archives_mixed(
    deployment: Path, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same word as file, in a folder, a zip and a tar.gz, in several formats: the same label each time."""
    word, rate_hz = soundfile.read(digits / "4_jackson_0.wav", dtype="int16")
    folder = tmp_path / "mein Ordner ü"
    folder.mkdir()
    for name in ("a.wav", "b.flac", "c.ogg", "d.mp3", "no extension"):
        kind = "WAV" if name.startswith("no") else None
        soundfile.write(folder / name, word, rate_hz, format=kind)
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.write(folder / "a.wav", "x/a.wav")
    with tarfile.open(tmp_path / "t.tar.gz", "w:gz") as tar:
        tar.add(folder / "b.flac", "y/b.flac")
    code, rows = _json(capsys, deployment, folder, tmp_path / "z.zip", folder / "no extension", tmp_path / "t.tar.gz")
    assert code == 0
    assert [row["file"].removeprefix(f"{tmp_path}/") for row in rows] == [
        *(f"mein Ordner ü/{name}" for name in ("a.wav", "b.flac", "c.ogg", "d.mp3")), "z.zip/x/a.wav",
        "mein Ordner ü/no extension", "t.tar.gz/y/b.flac",
    ]  # fmt: skip
    assert {row["label"] for row in rows} == {rows[0]["label"]}


@pytest.mark.parametrize("rate_hz", [8000, 22_050, 44_100])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_any_rate_and_channel_count(
    deployment: Path, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], rate_hz: int, channels: int
) -> None:
    """Resampled and mixed to one channel."""
    import soxr

    word = soundfile.read(digits / "2_theo_1.wav", dtype="float32")[0]
    loud = soxr.resample(word, 8000, rate_hz)
    soundfile.write(tmp_path / "a.wav", np.repeat(loud[:, None], channels, axis=1), rate_hz)
    _, rows = _json(capsys, deployment, digits / "2_theo_1.wav", tmp_path / "a.wav")
    assert rows[0]["label"] == rows[1]["label"]


def _broken(folder: Path) -> dict[str, bytes]:
    good = io.BytesIO()
    soundfile.write(good, np.random.default_rng(0).uniform(-0.5, 0.5, 8000), 8000, format="WAV")
    flac = io.BytesIO()
    soundfile.write(flac, np.random.default_rng(0).uniform(-0.5, 0.5, 80_000), 8000, format="FLAC")
    nan = io.BytesIO()
    soundfile.write(nan, np.full(8000, np.nan), 8000, format="WAV", subtype="FLOAT")
    data = flac.getvalue()
    huge = bytearray(good.getvalue())
    huge[40:44] = (2**31 - 1).to_bytes(4, "little")
    return {
        "empty.wav": b"",
        "header only.wav": good.getvalue()[:44],
        "truncated.wav": good.getvalue()[:5000],
        "nan.wav": nan.getvalue(),
        "text.wav": b"not audio at all",
        "two gigabytes.wav": bytes(huge),
        "damaged midway.flac": data[: len(data) // 2] + bytes(2000) + data[len(data) // 2 + 2000 :],
        "unreadable.m4a": b"\0\0\0\x20ftypM4A ",
    }


def test_broken_files_are_told_and_the_rest_goes_on(
    deployment: Path, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every broken file has its error, every good one its label; exit code 1."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    for name, data in _broken(tmp_path).items():
        (folder / name).write_bytes(data)
    for number in range(3):
        shutil.copy(digits / f"{number}_theo_0.wav", folder / f"good {number}.wav")
    code, rows = _json(capsys, deployment, folder, tmp_path / "missing.wav")
    assert code == 1
    by_name = {Path(row["file"]).name: row for row in rows}
    assert by_name.keys() == {*_broken(tmp_path), "good 0.wav", "good 1.wav", "good 2.wav", "missing.wav"}
    for name, row in by_name.items():
        if name.startswith("good"):
            assert "error" not in row and row["label"]
        else:
            assert row["label"] is None and row["score"] is None and row["scores"] == {}
            assert "Expected:" in row["error"] and len(row["error"]) > 30


def test_plain_lines(deployment: Path, digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe: file, then label and score, tab-separated; errors on the other stream."""
    code, out, err = _predict(capsys, deployment, digits / "1_theo_0.wav", "missing.wav", "--top", 2)
    assert code == 1
    (line,) = out.splitlines()
    file, label, score, second, second_score = line.split("\t")
    assert file == str(digits / "1_theo_0.wav")
    assert label != second and float(score) >= float(second_score)
    assert err.startswith("missing.wav: ") and "\t" not in err


def test_a_table_on_a_terminal(
    deployment: Path, digits: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A head, one row a file, errors in place."""
    monkeypatch.setattr("nodes.predict_command.is_colourful", lambda _stream: True)
    code, out, err = _predict(capsys, deployment, digits / "1_theo_0.wav", "missing.wav")
    lines = re.sub(r"\x1b\[\d*m", "", out).splitlines()
    assert (code, err) == (1, "")
    assert lines[0].split() == ["label", "score", "at", "recording"]
    assert re.match(r"^\w+ +[\d.]+%  .*1_theo_0\.wav$", lines[1])
    assert lines[2].startswith("error") and "missing.wav" in lines[2]


def test_a_long_recording(deployment: Path, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """45 minutes are heard in windows; the reported one is named."""
    word = soundfile.read(digits / "8_theo_0.wav", dtype="int16")[0]
    long = np.zeros(8000 * 60 * 45, np.int16)
    long[8000 * 1800 : 8000 * 1800 + len(word)] = word
    soundfile.write(tmp_path / "long.wav", long, 8000)
    code, (row,) = _json(capsys, deployment, tmp_path / "long.wav")
    assert code == 0
    assert row["windows"] == (45 * 60 - 1) * 5 + 1
    assert 0 <= row["start_s"] <= 45 * 60 - 1


# ---- what is heard with


def _seal(store: Store, artifact: Artifact, name: str) -> str:
    work = store.work(name) / "made"
    work.mkdir()
    for file in artifact.path.iterdir():
        shutil.copy(file, work / file.name)
    return store.seal(replace(artifact, path=work))


@pytest.fixture
def run(deployment: Path, digit_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunRecord:
    """A project with one run: a trained model, a deployment, and an evaluation after them."""
    monkeypatch.delenv("OSSICLE_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    home = home_of(tmp_path)
    store = open_store(home / "store")
    made = Deployment(deployment, DeploymentMeta(target="onnxruntime", classes=digit_model.meta.classes))
    keys = {
        "train-1": ("model", _seal(store, digit_model, "one")),
        "deploy-1": ("deployment", _seal(store, made, "two")),
    }
    workflow = Workflow(
        name="digits",
        nodes={"train-1": Node(type="ossicle.train"), "deploy-1": Node(type="ossicle.deploy")},
        links=parse({"links": ["train-1.model -> deploy-1.model"]}).links,
    )
    folder = create_run(home, workflow)
    nodes = {name: NodeRecord(name, "x", "done", outputs={port: key}) for name, (port, key) in keys.items()}
    record = RunRecord(
        folder=folder.path, workflow="digits", base=tmp_path, runner="local", state="done", seconds=1.0, nodes=nodes
    )
    folder.write_record(record)
    folder.link_outputs(record)
    folder.close()
    return record


def test_a_run_is_heard_with_its_deployment(run: RunRecord, digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By its id, its folder or `last`; the deployment is preferred to the model (its hop is 0.2 s, not 0.25 s)."""
    long = digits / "9_theo_0.wav"
    samples = np.tile(soundfile.read(long, dtype="int16")[0], 8)[: 8000 * 3]
    soundfile.write(run.base / "long.wav", samples, 8000)
    for name in (
        "last",
        run.id,
        run.folder,
        Path(".ossicle/runs") / run.id,
        run.folder / "outputs/deploy-1/deployment",
    ):
        code, (row,) = _json(capsys, name, run.base / "long.wav")
        assert (code, row["windows"]) == (0, 11)
    code, (row,) = _json(capsys, run.artifacts("train-1")["model"], run.base / "long.wav")
    assert (code, row["windows"]) == (0, 9)


def test_a_run_without_deployment(run: RunRecord, digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Then its model is taken; a run with neither says so."""
    shutil.rmtree(run.artifacts("deploy-1")["deployment"])
    code, rows = _json(capsys, "last", digits / "9_theo_0.wav")
    assert (code, len(rows)) == (0, 1)
    shutil.rmtree(run.artifacts("train-1")["model"])
    code, _, err = _predict(capsys, "last", digits / "9_theo_0.wav")
    assert code == 2 and "neither a deployment nor a model" in err


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('unpickled')",))


@pytest.mark.parametrize("place", ["weights.pt", "model.onnx"])
def test_a_pickle_is_refused(
    deployment: Path, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    """Named itself or lying in the place of the network: three parts, exit code 2, nothing unpickled."""
    folder = tmp_path / "copy"
    shutil.copytree(deployment, folder)
    (folder / place).write_bytes(pickle.dumps({"weights": _Bomb()}))
    code, out, err = _predict(capsys, folder / place if place == "weights.pt" else folder, digits / "9_theo_0.wav")
    assert (code, out) == (2, "")
    assert "pickle" in err and "expected" in err.lower() and len(err.strip().splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["no-such-run", "a.wav"], "neither a path nor a run"),
        (["."], "AUDIO"),
        ([], "MODEL"),
        ([".", "a.wav"], "holds no deployment or model"),
        ([".", "a.wav", "--top", "0"], "top"),
    ],
)
def test_usage(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mistakes in the command line are exit code 2."""
    monkeypatch.delenv("OSSICLE_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    code, out, err = _predict(capsys, *arguments)
    assert (code, out) == (2, "")
    assert told in err


def test_the_examples_of_its_help_work_when_pasted(
    run: RunRecord, digits: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the project's folder, with recordings under the names that the examples use."""
    monkeypatch.chdir(run.base)
    shutil.copyfile(digits / "9_theo_0.wav", "clip.wav")
    Path("recordings").mkdir()
    shutil.copyfile(digits / "1_theo_0.wav", "recordings/one.wav")
    with zipfile.ZipFile("more.zip", "w") as archive:
        archive.write(digits / "2_theo_0.wav", "two.wav")
    assert call(["predict", "--help"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    examples = [line for line in lines if line.startswith("ossicle predict ")]
    assert len(examples) == 2
    for example in examples:
        code, out, err = _predict(capsys, *shlex.split(example)[2:])
        assert (code, err) == (0, "") and out


# ---- the compiled library


@pytest.fixture(scope="module")
def compiled(deployment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same deployment with a library of generated code."""
    bundle = load_bundle(deployment)
    graph, target = read_onnx(bundle.network).graph, find_target("native")
    plan = make_plan(graph, target, choose(graph, target), casts())
    package = make_package("digits", [plan], bundle.front_end, bundle.labels)
    return write_package(
        tmp_path_factory.mktemp("made") / "digits", package, Order(describe(bundle, {}), bundle.network)
    )


def test_the_compiled_library_says_what_onnxruntime_says(
    compiled: Path, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By default, by name, and the other one by name."""
    words = [digits / f"{digit}_jackson_0.wav" for digit in range(3)]
    rows = [_json(capsys, compiled, *words, *more) for more in ((), ("--engine", "compiled"))]
    code, wanted = _json(capsys, compiled, *words, "--engine", "onnxruntime")
    assert rows[0] == rows[1]
    assert (code, len(wanted)) == (0, 3)
    for found, row in zip(rows[0][1], wanted, strict=True):
        assert found["label"] == row["label"]
        assert found["score"] == pytest.approx(row["score"], abs=1e-4)


def test_a_library_that_cannot_be_used_is_told_once_and_the_words_are_still_heard(
    compiled: Path, digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of another machine, say: one line on standard error, the answers on standard output."""
    folder = shutil.copytree(compiled, tmp_path / "digits")
    (folder / "libdigits.so").write_bytes(b"\x7fELF of another machine")
    code, out, err = _predict(capsys, folder, digits / "3_theo_0.wav", digits / "4_theo_0.wav")
    assert code == 0
    assert len(out.splitlines()) == 2
    assert err.count("onnxruntime hears instead.") == 1
    code, _, err = _predict(capsys, folder, digits / "3_theo_0.wav", "--engine", "compiled")
    assert code != 0
    assert "cannot be loaded" in err
