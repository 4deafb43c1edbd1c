"""Make models smaller and faster at a known price."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from engine import Context, FeatureSet, Model, ModelMeta, OssicleError, Params, node
from engine.artifact import DESCRIPTION_FILE
from nodes.evaluate import BenchmarkParams, Trial, check_fit, choose, empty_subset, feature_blocks, probabilities

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nodes.learn.metrics import Scores
    from nodes.quant.compare import LayerError

Json = dict[str, Any]
WATCHED_CLIPS = 32


class QuantizeParams(Params):
    """How float32 becomes int8, and on which clips that is prepared and judged."""

    method: Literal["minmax", "percentile", "entropy"] = "minmax"
    """Range of an activation: its extremes, a percentile of its magnitude, or least information lost."""
    percentile: Annotated[float, Field(gt=50, le=100)] = 99.99
    """Share of magnitudes inside the range, in percent; for the percentile method alone."""
    clips: Annotated[int, Field(ge=1, le=100_000)] = 200
    """Calibration clips, spread evenly over the subset."""
    calibration_subset: Literal["training", "validation", "all"] = "training"
    """Clips the ranges are taken from."""
    subset: Literal["validation", "testing"] = "testing"
    """Clips for the accuracy before and after and for the error of each layer."""
    error_clips: Annotated[int, Field(ge=1, le=100_000)] = 200
    """Clips of that subset behind the error of each layer."""
    per_channel: bool = True
    """A scale per output channel of every weight; otherwise one per layer."""
    symmetric_activations: bool = False
    """Zero point of activations fixed at zero, as some kernels want it; costs a bit on values of one sign."""
    reduced_range: bool = False
    """Weights in 7 bits, which cannot saturate on x86 processors without VNNI."""
    keep_float: tuple[str, ...] = ()
    """Layers left in float32, by name (conv1, b1.short, fc)."""


@node("ossicle.quantize", version=2, category="Compress")
def quantize(model: Model, features: FeatureSet, params: QuantizeParams, ctx: Context) -> Model:
    """Turn a float32 model into int8 for onnxruntime.

    Norms are folded, activations calibrated on real clips, and every operator set between QuantizeLinear and
    DequantizeLinear (static QDQ). `quantization.json` holds accuracy and size before and after, and of each layer the
    error and a histogram of its outputs on clips that calibration has not seen. Weights and architecture travel along
    unchanged, in float32.
    """
    _check_float(model)
    check_fit(model, features)
    trial = choose(model, features, BenchmarkParams(subset=params.subset))
    folder = ctx.folder("model")
    calibration = _spread(features, params.calibration_subset, params.clips)
    layers = _quantize(model, folder / "model.onnx", features, (calibration, trial.mask), params, ctx)
    outcome = _judge(model, folder / "model.onnx", features, trial, ctx)
    report = _report(model, folder, params, int(calibration.sum()), outcome, layers)
    (folder / "quantization.json").write_text(json.dumps(report, indent=1, allow_nan=False), encoding="utf-8")
    _carry(model, folder, ctx)
    return Model(folder, _meta(model, report))


@dataclass(frozen=True)
class Outcome:
    """Scores of the float and of the int8 model on the same clips."""

    before: Scores
    after: Scores
    agreement: float
    """Share of clips on which both decide alike."""


def _check_float(model: Model) -> None:
    if model.meta.precision != "float32":
        raise OssicleError(
            f"the model is already {model.meta.precision}",
            "a float32 model",
            "Wire the trained model itself into the quantize node",
        )


def _spread(features: FeatureSet, subset: str, clips: int) -> NDArray[np.bool_]:
    """A mask of at most `clips` rows spread evenly over a subset (tables lie sorted by class).

    Raises:
        OssicleError: the subset has no clips.
    """
    import numpy as np

    from engine.audio import BACKGROUND, table_of

    table = table_of(features)
    rows = np.flatnonzero(table.subset != BACKGROUND if subset == "all" else table.subset == subset)
    if not len(rows):
        raise empty_subset(subset, table)
    return _thinned(np.isin(np.arange(len(table)), rows), clips)


def _thinned(mask: NDArray[np.bool_], clips: int) -> NDArray[np.bool_]:
    """At most `clips` of the masked rows, evenly spread."""
    import numpy as np

    rows, kept = np.flatnonzero(mask), np.zeros(len(mask), bool)
    kept[rows[np.linspace(0, len(rows) - 1, min(clips, len(rows))).round().astype(int)]] = True
    return kept


def _quantize(
    model: Model,
    target: Path,
    features: FeatureSet,
    masks: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    params: QuantizeParams,
    ctx: Context,
) -> list[LayerError]:
    """Fold, calibrate on the first mask, write the int8 model, and compare layers on the second."""
    from nodes.quant.calibrate import calibrate
    from nodes.quant.compare import layer_errors
    from nodes.quant.errors import QuantError
    from nodes.quant.int8 import Settings, fold, quantize

    settings = Settings(
        params.per_channel, params.symmetric_activations, params.reduced_range, tuple(params.keep_float)
    )
    calibration, held_out = masks[0], _thinned(masks[1], params.error_clips)
    with tempfile.TemporaryDirectory(dir=ctx.work) as place:
        folded = Path(place) / "folded.onnx"
        try:
            fold(model.file("model.onnx"), folded)
            ctx.progress(0.1, f"calibrating on {int(calibration.sum()):,} clips")
            source = partial(_watched, features, calibration, ctx)
            ranges = calibrate(folded, source, params.method, percentile=params.percentile, threads=ctx.threads)
            ctx.progress(0.5, "writing the int8 model")
            quantize(folded, target, ranges, settings)
            ctx.progress(0.6, "comparing layers")
            return layer_errors(folded, target, partial(_watched, features, held_out, ctx), ctx.threads)
        except QuantError as error:
            raise OssicleError(error.what, error.expected, error.remedy) from error


def _watched(features: FeatureSet, mask: NDArray[np.bool_], ctx: Context) -> Iterator[NDArray[np.float32]]:
    """Features of the masked rows in small blocks: every tensor of the network is held for one block at a time."""
    for block in feature_blocks(features, mask):
        for first in range(0, len(block), WATCHED_CLIPS):
            ctx.check()
            yield block[first : first + WATCHED_CLIPS]


def _judge(model: Model, quantized: Path, features: FeatureSet, trial: Trial, ctx: Context) -> Outcome:
    from nodes.learn.metrics import score

    before = probabilities(model.file("model.onnx"), features, trial, 256, ctx, done=0.8, end=0.9)
    after = probabilities(quantized, features, trial, 256, ctx, done=0.9, end=1.0)
    agreement = float((before.argmax(1) == after.argmax(1)).mean())
    return Outcome(score(before, trial.truth), score(after, trial.truth), agreement)


def _report(
    model: Model, folder: Path, params: QuantizeParams, calibrated: int, outcome: Outcome, layers: list[LayerError]
) -> Json:
    sizes = {"before": model.file("model.onnx").stat().st_size, "after": (folder / "model.onnx").stat().st_size}
    scores = {"before": outcome.before, "after": outcome.after}
    return {
        "kind": "quantization",
        "precision": "int8",
        "form": "static, QDQ",
        "settings": params.model_dump(mode="json"),
        "calibration": {"subset": params.calibration_subset, "clips": calibrated},
        "judged_on": {"subset": params.subset, "clips": int(outcome.before.confusion.sum())},
        "accuracy": {name: asdict(found.accuracy) for name, found in scores.items()},
        "uar": {name: asdict(found.uar) for name, found in scores.items()},
        "agreement": outcome.agreement,
        "size_bytes": sizes,
        "layers": [asdict(layer) for layer in layers],
    }


def _carry(model: Model, folder: Path, ctx: Context) -> None:
    """Link every other file of the float model: weights, architecture, curves."""
    for source in sorted(model.path.iterdir()):
        if source.is_file() and source.name not in ("model.onnx", DESCRIPTION_FILE):
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
    about = (
        f"{model.meta.architecture} in int8: {before:.1%} -> {after:.1%} of {report['judged_on']['clips']:,} clips,"
        f" {sizes['before']:,} -> {sizes['after']:,} bytes"
    )
    changes = {"precision": "int8", "size_bytes": sizes["after"], "metrics": {**model.meta.metrics, **found}}
    return model.meta.model_copy(update={**changes, "about": about})
