"""Affine int8 for onnxruntime."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import AudioSet, Context, FeatureSet, Model
from nodes.compressing.clips import thinned, watched
from nodes.quantize_params import QuantizeParams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nodes.quant.compare import LayerError

Json = dict[str, Any]


def tuned(
    model: Model, folder: Path, features: FeatureSet, audio: AudioSet | None, params: QuantizeParams, ctx: Context
) -> Json:
    """Write the network, fine-tuned in 8 bits but still in float, into a folder: model.onnx, weights.safetensors."""
    from nodes.compressing.tuning import learn_int8, lesson
    from nodes.training.trained import WEIGHTS_FILE
    from nodes.zoo import export_onnx
    from nodes.zoo.weights import save_weights

    network, told = learn_int8(model, lesson(model, features, audio, params, ctx), params)
    export_onnx(network, folder / "model.onnx")
    save_weights(network, folder / WEIGHTS_FILE)
    return told


def quantize_affine(
    source: Path,
    target: Path,
    features: FeatureSet,
    masks: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    params: QuantizeParams,
    ctx: Context,
) -> list[LayerError]:
    """Fold, calibrate on the first mask, write the int8 model, and compare layers on the second."""
    from nodes.quant.calibrate import calibrate
    from nodes.quant.compare import layer_errors
    from nodes.quant.int8 import Settings, fold, quantize

    settings = Settings(
        params.per_channel, params.symmetric_activations, params.reduced_range, tuple(params.keep_float)
    )
    calibration, held_out = masks[0], thinned(masks[1], params.error_clips)
    assert params.method in ("minmax", "percentile", "entropy")
    with tempfile.TemporaryDirectory(dir=ctx.work) as place:
        folded = Path(place) / "folded.onnx"
        fold(source, folded)
        ctx.progress(0.1, f"calibrating on {int(calibration.sum()):,} clips")
        blocks = partial(watched, features, calibration, ctx)
        ranges = calibrate(folded, blocks, params.method, percentile=params.percentile, threads=ctx.threads)
        ctx.progress(0.5, "writing the int8 model")
        quantize(folded, target, ranges, settings)
        ctx.progress(0.6, "comparing layers")
        return layer_errors(folded, target, partial(watched, features, held_out, ctx), ctx.threads)
