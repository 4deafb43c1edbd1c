"""Make models smaller and faster at a known price."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import AudioSet, Context, FeatureSet, Model, ModelMeta, OssicleError, node
from engine.artifact import DESCRIPTION_FILE
from nodes.compressing.clips import spread
from nodes.evaluate import BenchmarkParams, Trial, check_fit, choose, probabilities
from nodes.quantize_params import QuantizeParams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nodes.learn.metrics import Scores
    from nodes.quant.compare import LayerError

__all__ = ["QuantizeParams", "quantize"]

Json = dict[str, Any]
MODEL_FILE, WEIGHTS_FILE, REPORT_FILE = "model.onnx", "weights.safetensors", "quantization.json"


@node("ossicle.quantize", version=3, category="Compress", isolation="process")
def quantize(
    model: Model, features: FeatureSet, audio: AudioSet | None = None, *, params: QuantizeParams, ctx: Context
) -> Model:
    """Turn a float32 model into integers: affine int8 for onnxruntime, or fixed point for microcontrollers.

    Norms are folded and activations calibrated on real clips. Affine int8 sets every operator between QuantizeLinear
    and DequantizeLinear (static QDQ). Fixed point gives every tensor a power of two as its step; `fixed.json` holds the
    formats and model.onnx the float weights they belong to, and the benchmark computes such a model in integers to the
    bit. With steps, the network first learns with rounded numbers. `quantization.json` holds accuracy and size before
    and after, and of each layer the error and a histogram of its outputs on clips that calibration has not seen.
    """
    from nodes.learn.errors import LearnError
    from nodes.lne.errors import LneError
    from nodes.quant.errors import QuantError
    from nodes.zoo import ZooError

    _check_float(model)
    check_fit(model, features)
    try:
        return _quantize(model, features, audio, params, ctx)
    except (QuantError, LearnError, LneError, ZooError) as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error


@dataclass(frozen=True)
class Outcome:
    """Scores of the float model and of the one in integers on the same clips."""

    before: Scores
    after: Scores
    agreement: float
    """Share of clips on which both decide alike."""


@dataclass(frozen=True)
class Made:
    """What a family of numbers leaves in the folder, and what it tells."""

    precision: str
    form: str
    size_bytes: int
    layers: list[LayerError]
    more: Json = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    """Files of the float model that no longer belong to it."""


def _quantize(
    model: Model, features: FeatureSet, audio: AudioSet | None, params: QuantizeParams, ctx: Context
) -> Model:
    trial = choose(model, features, BenchmarkParams(subset=params.subset))
    folder = ctx.folder("model")
    calibration = spread(features, params.calibration_subset, params.clips)
    family = _fixed if params.is_fixed else _affine
    made = family(model, folder, features, audio, (calibration, trial.mask), params, ctx)
    outcome = _judge(model, folder / MODEL_FILE, features, trial, ctx)
    report = _report(model, made, params, int(calibration.sum()), outcome)
    (folder / REPORT_FILE).write_text(json.dumps(report, indent=1, allow_nan=False), encoding="utf-8")
    _carry(model, folder, made.left_out, ctx)
    return Model(folder, _meta(model, report))


def _affine(
    model: Model,
    folder: Path,
    features: FeatureSet,
    audio: AudioSet | None,
    masks: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    params: QuantizeParams,
    ctx: Context,
) -> Made:
    from nodes.compressing.affine import quantize_affine, tuned

    with _beside(ctx) as place:
        more: Json = {}
        source = model.file(MODEL_FILE)
        if params.steps:
            more = {"fine_tuning": tuned(model, place, features, audio, params, ctx)}
            source = place / MODEL_FILE
            (place / WEIGHTS_FILE).rename(folder / WEIGHTS_FILE)
        layers = quantize_affine(source, folder / MODEL_FILE, features, masks, params, ctx)
    size_bytes = (folder / MODEL_FILE).stat().st_size
    return Made("int8", "static, QDQ", size_bytes, layers, more, (WEIGHTS_FILE,) if params.steps else ())


def _fixed(
    model: Model,
    folder: Path,
    features: FeatureSet,
    audio: AudioSet | None,
    masks: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    params: QuantizeParams,
    ctx: Context,
) -> Made:
    from nodes.compressing.fixed import quantize_fixed, stored_bytes, told

    numbers = quantize_fixed(model, folder, features, audio, masks, params, ctx)
    size_bytes = stored_bytes(numbers.graph, numbers.settings)
    is_learnt = bool(numbers.tuning and numbers.tuning["kept"])  # these weights are in model.onnx alone, norms folded
    return Made(
        f"fixed{params.bits}",
        "fixed point",
        size_bytes,
        numbers.layers,
        told(numbers),
        (WEIGHTS_FILE,) if is_learnt else (),
    )


@contextmanager
def _beside(ctx: Context) -> Iterator[Path]:
    """A folder for files on the way, gone in the end."""
    import tempfile

    with tempfile.TemporaryDirectory(dir=ctx.work) as place:
        yield Path(place)


def _check_float(model: Model) -> None:
    if model.meta.precision != "float32":
        raise OssicleError(
            f"the model is already {model.meta.precision}",
            "a float32 model",
            "Wire the trained model itself into the quantize node",
        )


def _judge(model: Model, quantized: Path, features: FeatureSet, trial: Trial, ctx: Context) -> Outcome:
    from nodes.learn.metrics import score

    before = probabilities(model.file(MODEL_FILE), features, trial, 256, ctx, done=0.8, end=0.9)
    after = probabilities(quantized, features, trial, 256, ctx, done=0.9, end=1.0)
    agreement = float((before.argmax(1) == after.argmax(1)).mean())
    return Outcome(score(before, trial.truth), score(after, trial.truth), agreement)


def _report(model: Model, made: Made, params: QuantizeParams, calibrated: int, outcome: Outcome) -> Json:
    sizes = {"before": model.file(MODEL_FILE).stat().st_size, "after": made.size_bytes}
    scores = {"before": outcome.before, "after": outcome.after}
    return {
        "kind": "quantization",
        "precision": made.precision,
        "form": made.form,
        "settings": params.model_dump(mode="json"),
        "calibration": {"subset": params.calibration_subset, "clips": calibrated},
        "judged_on": {"subset": params.subset, "clips": int(outcome.before.confusion.sum())},
        "accuracy": {name: asdict(found.accuracy) for name, found in scores.items()},
        "uar": {name: asdict(found.uar) for name, found in scores.items()},
        "agreement": outcome.agreement,
        "size_bytes": sizes,
        "layers": [asdict(layer) for layer in made.layers],
        **made.more,
    }


def _carry(model: Model, folder: Path, left_out: tuple[str, ...], ctx: Context) -> None:
    """Link every other file of the float model: weights, architecture, curves."""
    for source in sorted(model.path.iterdir()):
        if source.is_file() and source.name not in (MODEL_FILE, DESCRIPTION_FILE, *left_out):
            ctx.link(source, folder / source.name)


def _meta(model: Model, report: Json) -> ModelMeta:
    sizes, accuracy, layers = report["size_bytes"], report["accuracy"], report["layers"]
    before, after = accuracy["before"]["value"], accuracy["after"]["value"]
    worst = min((layer["sqnr_db"] for layer in layers if layer["sqnr_db"] is not None), default=0.0)
    found = {
        "accuracy": after,
        "accuracy_float": before,
        "accuracy_low": accuracy["after"]["low"],
        "accuracy_high": accuracy["after"]["high"],
        "agreement": report["agreement"],
        "worst_layer_sqnr_db": worst,
        "size_float_bytes": float(sizes["before"]),
    }
    if report.get("sqnr_db") is not None:
        found["sqnr_db"] = report["sqnr_db"]
    about = (
        f"{model.meta.architecture} in {report['precision']}: {before:.1%} -> {after:.1%}"
        f" of {report['judged_on']['clips']:,} clips, {sizes['before']:,} -> {sizes['after']:,} bytes"
    )
    metrics = {**model.meta.metrics, **found}
    changes = {"precision": report["precision"], "size_bytes": sizes["after"], "metrics": metrics}
    return model.meta.model_copy(update={**changes, "about": about})
