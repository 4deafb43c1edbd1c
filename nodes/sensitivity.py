"""Find out which layers of a network suffer in fixed point, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field

from engine import Context, FeatureSet, Model, OssicleError, Params, Report, ReportMeta, node
from nodes.compressing.clips import spread, thinned, watched
from nodes.evaluate import BenchmarkParams, check_fit, choose

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from nodes.lne.ir import Graph
    from nodes.quant.settings import Settings, Tensors
    from nodes.quant.simulate_curves import Curves

Json = dict[str, Any]
BATCH_CLIPS = 64


class SensitivityParams(Params):
    """Which numbers, and on which clips they are watched and judged."""

    model_config = ConfigDict(
        json_schema_extra={
            "sections": [
                ["Numbers", ["bits", "method", "overload", "formats"]],
                ["Calibration", ["clips", "calibration_subset"]],
                ["Judgement", ["subset", "judged_clips"]],
            ]
        }
    )

    bits: Annotated[int, Field(ge=2, le=16)] = 8
    """Of weights and activations."""
    method: Literal["sqnr", "overload"] = "sqnr"
    """Rule that chooses where the point is: the largest ratio of signal to rounding noise, or few values that overflow
    (rules A and B of S3)."""
    overload: Annotated[float, Field(gt=0, le=1)] = 1e-4
    """Share of values that may lie outside a tensor's range, the threshold of rule B."""
    formats: tuple[str, ...] = ()
    """Formats set by hand, each as NAME=BITS:FRACTION with the bits behind the point: "conv1 weight=8:6"."""
    clips: Annotated[int, Field(ge=1, le=100_000)] = 200
    """Calibration clips, spread evenly over the subset."""
    calibration_subset: Literal["training", "validation", "all"] = "training"
    """Clips whose values are watched."""
    subset: Literal["validation", "testing"] = "testing"
    """Clips for the accuracy with one layer rounded."""
    judged_clips: Annotated[int, Field(ge=1, le=100_000)] = 400
    """How many of these, spread evenly."""


@node("ossicle.sensitivity", version=1, category="Evaluate")
def sensitivity(model: Model, features: FeatureSet, params: SensitivityParams, ctx: Context) -> Report:
    """Show what fixed point does to every tensor and every layer of a float model.

    Of each tensor: how many values lie between powers of two, how many overflow and what rounding costs for any number
    of integer bits (S3 Fig. 6), and what both rules choose. Of each layer: accuracy, equal answers and the noise in the
    logits when that layer alone is rounded. A tensor that suffers can be given another format in quantize.
    """
    from nodes.lne.errors import LneError
    from nodes.quant.errors import QuantError

    if model.meta.precision != "float32":
        raise OssicleError(
            f"the model is already {model.meta.precision}",
            "a float32 model",
            "Wire the trained model itself, not the quantized one",
        )
    check_fit(model, features)
    try:
        return _sensitivity(model, features, params, ctx)
    except (QuantError, LneError) as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error


@dataclass(frozen=True)
class Judged:
    """A layer rounded alone, or the whole network."""

    layer: str
    operator: str
    accuracy: float
    agreement: float
    """Share of clips decided as by the float network."""
    sqnr_db: float | None
    """Of the logits."""


def _sensitivity(model: Model, features: FeatureSet, params: SensitivityParams, ctx: Context) -> Report:
    from nodes.compressing.fixed import formats_by_hand
    from nodes.lne.reading import read_onnx
    from nodes.quant.convert import check_operations, settled, watch
    from nodes.quant.formats import rule_of
    from nodes.quant.settings import Settings
    from nodes.quant.simulate_curves import curves

    graph = read_onnx(model.file("model.onnx")).graph
    check_operations(graph)
    mask = spread(features, params.calibration_subset, params.clips)
    ctx.progress(0.05, f"watching {int(mask.sum()):,} clips")
    tensors = watch(graph, (clip for block in watched(features, mask, ctx) for clip in block), params.bits)
    wished = Settings(
        params.bits, rule=rule_of(params.method, params.overload), formats=formats_by_hand(params.formats, graph)
    )
    settings = settled(graph, tensors, wished)
    ctx.progress(0.2, "rounding one layer at a time")
    whole, layers = _judged(graph, settings, model, features, params, ctx)
    found = curves(graph, tensors, params.overload)
    return _report(model, graph, tensors, settings, found, (whole, layers), params, ctx)


def _judged(
    graph: Graph, settings: Settings, model: Model, features: FeatureSet, params: SensitivityParams, ctx: Context
) -> tuple[tuple[Judged, Judged], list[Judged]]:
    """(float, all in integers) and every layer alone, on the same clips."""
    import numpy as np

    from nodes.quant.convert import convert
    from nodes.quant.simulate import answers
    from nodes.quant.simulate_curves import alone

    trial = choose(model, features, BenchmarkParams(subset=params.subset))
    mask = thinned(trial.mask, params.judged_clips)
    truth, clips = trial.truth[mask[trial.mask]], np.concatenate(list(watched(features, mask, ctx)))
    exact = _logits(graph, settings, clips, rounds=False)
    integers = np.concatenate(list(answers(convert(graph, None, settings), [clips])))
    ends = _judge("", "float", exact, exact, truth), _judge("", "integers", integers, exact, truth)
    steps, found = list(alone(graph, settings)), []
    for place, one in enumerate(steps):
        ctx.check()
        ctx.progress(0.2 + 0.75 * place / len(steps), f"{one.layer} alone")
        logits = _logits(graph, one.settings, clips, rounds=True)
        found.append(_judge(one.layer, one.operator, logits, exact, truth))
    return ends, found


def _logits(graph: Graph, settings: Settings, clips: NDArray[np.float32], *, rounds: bool) -> NDArray[np.float64]:
    """Logits (clips, classes) of a network that rounds what has a format."""
    import numpy as np
    import torch

    from nodes.quant.trained import Rounded

    network = Rounded(graph, settings, rounds).eval()
    with torch.no_grad():
        blocks = [network(block) for block in torch.split(torch.from_numpy(clips), BATCH_CLIPS)]
    return np.asarray(torch.cat(blocks).numpy(), np.float64)


def _judge(
    layer: str, operator: str, logits: NDArray[np.float64], exact: NDArray[np.float64], truth: NDArray[np.int64]
) -> Judged:
    import numpy as np

    from nodes.quant.compare import sqnr_db

    answers = logits.argmax(1)
    ratio_db = sqnr_db(float(np.square(exact).sum()), float(np.square(logits - exact).sum()))
    accuracy, agreement = float((answers == truth).mean()), float((answers == exact.argmax(1)).mean())
    return Judged(layer, operator, accuracy, agreement, ratio_db)


def _report(
    model: Model,
    graph: Graph,
    tensors: Tensors,
    settings: Settings,
    found: list[Curves],
    judged: tuple[tuple[Judged, Judged], list[Judged]],
    params: SensitivityParams,
    ctx: Context,
) -> Report:
    from nodes.quant.simulate_errors import overall_sqnr_db, tensor_costs

    (exact, integers), layers = judged
    total_db = overall_sqnr_db(tensor_costs(graph, tensors, settings))
    report = {
        "kind": "sensitivity",
        "model": {"architecture": model.meta.architecture, "parameters": model.meta.parameters},
        "settings": params.model_dump(mode="json"),
        "bits": params.bits,
        "threshold": params.overload,
        "accuracy": {"float": exact.accuracy, "integers": integers.accuracy},
        "agreement": integers.agreement,
        "sqnr_db": total_db,
        "layers": [_layer(one, exact) for one in layers],
        "tensors": [_tensor(one, settings) for one in found],
    }
    folder = ctx.folder("report")
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "report.json").write_text(text, encoding="utf-8")
    worst = min(layers, key=lambda one: (one.accuracy, one.sqnr_db if one.sqnr_db is not None else 1e9))
    about = (
        f"{model.meta.architecture} in {params.bits} bits: {exact.accuracy:.1%} -> {integers.accuracy:.1%};"
        f" {worst.layer} alone {worst.accuracy:.1%}"
    )
    metrics = {
        "accuracy_float": exact.accuracy,
        "accuracy": integers.accuracy,
        "agreement": integers.agreement,
        "worst_layer_accuracy": worst.accuracy,
        **({"sqnr_db": total_db} if total_db is not None else {}),
    }
    return Report(folder, ReportMeta(about=about, title=f"Sensitivity of {model.meta.architecture}", metrics=metrics))


def _layer(one: Judged, exact: Judged) -> Json:
    return {
        "layer": one.layer,
        "operator": one.operator,
        "accuracy": one.accuracy,
        "lost": exact.accuracy - one.accuracy,
        "agreement": one.agreement,
        "sqnr_db": one.sqnr_db,
    }


def _tensor(one: Curves, settings: Settings) -> Json:
    chosen = settings.formats[one.name]
    return {
        "name": one.name,
        "kind": one.kind,
        "layer": one.layer,
        "largest": one.largest,
        "zeros": one.zeros,
        "is_constant": one.is_constant,
        "format": {"bits": chosen.bits, "fraction": chosen.fraction, "integer": chosen.integer},
        "rules": {name: {"fraction": form.fraction, "integer": form.integer} for name, form in one.rules.items()},
        "exponents": list(one.exponents),
        "counts": list(one.counts),
        **_seen(one),
    }


def _seen(one: Curves) -> Json:
    """The curves where something happens: from the first integer bits with a signal to those without overload."""
    shown = list(_places(one))
    return {
        "integers": [one.integers[place] for place in shown],
        "overload": [float(one.overload[place]) for place in shown],
        "sqnr_db": [None if one.sqnr_db[place] != one.sqnr_db[place] else float(one.sqnr_db[place]) for place in shown],
    }


def _places(one: Curves) -> Iterator[int]:
    last = max((form.integer for form in one.rules.values()), default=0) + 3
    top = max(one.exponents, default=0) + 2
    for place, integer in enumerate(one.integers):
        if top - one.bits - 4 <= integer <= max(last, top):
            yield place
