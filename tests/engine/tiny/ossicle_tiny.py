"""A whole pipeline in miniature, for tests of the command line and the report: real artifact types, in milliseconds."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Annotated

import numpy as np
from pydantic import Field

from engine import (
    AudioSet,
    Context,
    Deployment,
    DeploymentMeta,
    FeatureMeta,
    FeatureSet,
    FileProblem,
    Hertz,
    Model,
    ModelMeta,
    OssicleError,
    Params,
    Report,
    ReportMeta,
    node,
)
from engine.audio import Clip, batches, table_of, write_audio, write_features
from engine.bench import BenchResult, Row, at_least, machine

RATE_HZ = 8000
WORDS = ("yes", "no", "stop")
LAYERS = ("conv1", "b1.conv1", "b1.short", "fc")


class ToneParams(Params):
    """What to make."""

    clips: Annotated[int, Field(ge=1, le=100)] = 4
    """Clips per word."""
    pitch_hz: Annotated[Hertz, Field(gt=0)] = 300.0
    """Pitch of the first word."""


@node("tiny.tones", version=1, category="Data")
def tones(params: ToneParams, ctx: Context) -> AudioSet:
    """A tone per word instead of speech.

    Each word has a pitch of its own.
    """
    seconds = np.arange(RATE_HZ // 2) / RATE_HZ
    clips = []
    for index in range(params.clips):
        for number, word in enumerate(WORDS):
            wave = np.sin(2 * np.pi * params.pitch_hz * (number + 1) * seconds) * np.hanning(len(seconds))
            clip = Clip(f"{word}/{index}", word, subset=("training", "validation", "testing")[index % 3])
            clips.append((clip, np.rint(8000 * wave).astype(np.int16)))
    audio = write_audio(ctx.folder("audio"), clips, RATE_HZ)
    problem = FileProblem(file="bad & <broken>.wav", what="it is cut off after 12 bytes")
    meta = audio.meta.model_copy(update={"about": f"{len(clips)} clips · 3 words", "problems": (problem,)})
    return AudioSet(audio.path, meta)


@node("tiny.spectra", version=1, category="Features")
def spectra(audio: AudioSet, ctx: Context) -> FeatureSet:
    """Log spectra, 20 rows and 15 frames."""
    table = table_of(audio).clips()
    blocks = (
        (rows, np.log(1e-4 + np.abs(np.fft.rfft(block[:, :3900].reshape(-1, 15, 260)))[..., :20]).transpose(0, 2, 1))
        for rows, block in batches(audio, table, RATE_HZ // 2)
    )
    folder = ctx.folder("features")
    write_features(folder, table, (20, 15), ((rows, block.astype(np.float32)) for rows, block in blocks))
    front_end = {"rate_hz": RATE_HZ, "clip_samples": RATE_HZ // 2, "append_samples": 0}
    meta = FeatureMeta(
        front_end=front_end, layout="bands,frames", shape=(20, 15), classes=WORDS, about="12 clips · 20 x 15"
    )
    return FeatureSet(folder, meta)


class TrainParams(Params):
    epochs: Annotated[int, Field(ge=1, le=100)] = 3
    """Passes over the data."""
    wait_s: float = 0.0
    """Pause after every epoch."""
    fail: bool = False
    """Fail half-way."""


@node("tiny.train", version=1, category="Learn")
def train(features: FeatureSet, params: TrainParams, ctx: Context) -> Model:
    """Learns nothing, but tells curves."""
    folder, rows = ctx.folder("model"), []
    for epoch in range(params.epochs):
        row = {"step": float(epoch), "loss": 2.0 / (epoch + 1), "validation_accuracy": 1 - 0.5 / (epoch + 1)}
        rows.append(row)
        ctx.metric(**row)
        ctx.progress((epoch + 1) / params.epochs, f"epoch {epoch + 1}")
        time.sleep(params.wait_s)
        if params.fail:
            raise OssicleError("loss is nan", "a finite loss", "Lower the learning rate")
    ctx.log("the loss <fell> too slowly", "warning")
    (folder / "model.onnx").write_bytes(b"tiny")
    (folder / "architecture.json").write_text(json.dumps({"name": "tiny"}))
    (folder / "curves.json").write_text(json.dumps(rows))
    meta = ModelMeta(
        architecture="tiny", input_shape=(20, 15), classes=WORDS, front_end=features.meta.front_end, parameters=1234,
        flops={"true": 2.5e6}, size_bytes=4, about="tiny · 83.3 % validation · 1,234 params",
    )  # fmt: skip
    return Model(folder, meta)


@node("tiny.score", version=1, category="Evaluate")
def score(model: Model, features: FeatureSet, ctx: Context) -> Report:
    """A confusion matrix."""
    matrix = [[9, 1, 0], [0, 10, 0], [2, 0, 8]]
    rows = [{"class": word, "recall": matrix[i][i] / 10, "support": 10} for i, word in enumerate(WORDS)]
    accuracy = {"value": 0.9, "low": 0.744, "high": 0.965}
    report = {"classes": WORDS, "confusion": matrix, "accuracy": accuracy, "per_class": rows}
    folder = ctx.folder("report")
    (folder / "report.json").write_text(json.dumps(report))
    metrics = {"accuracy": 0.9, "accuracy_low": 0.744, "accuracy_high": 0.965}
    return Report(folder, ReportMeta(title="Benchmark of tiny", metrics=metrics, about="90.0 % of 30 clips"))


@node("tiny.pack", version=1, category="Deployment")
def pack(model: Model, ctx: Context, report: Report | None = None) -> Deployment:
    """A profile."""
    layers = [{"layer": name, "operator": "Conv", "mean_us": 10.0 * (i + 1)} for i, name in enumerate(LAYERS)]
    folder = ctx.folder("deployment")
    (folder / "deployment.json").write_text(json.dumps({"profile": {"layers": layers}}))
    return Deployment(folder, DeploymentMeta(target="paper", latency_us=100.0, about="tiny · 100 µs"))


def bench(options: Mapping[str, str]) -> BenchResult:
    """Two figures at once; `aim` sets the bound of the first."""
    first = at_least("ratio", 7.5, "x", float(options.get("aim", 6)), {"librosa": 1.0})
    return BenchResult("tiny", machine(), (first, Row("size", 3.0, "MB")))
