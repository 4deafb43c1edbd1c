"""What a model listens to: the parts of a clip's features that raise or lower a class."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from engine import AudioSet, Context, FeatureSet, Model, OssicleError, Params, Report, ReportMeta, node
from nodes.evaluate import BenchmarkParams, Trial, check_fit, choose, probabilities

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from nodes.judge.attribution import Picture
    from nodes.judge.explanation import Clip, Explained, Sample

    Floats = NDArray[np.float64]

Json = dict[str, Any]
MOST_BASELINES = 32


class ExplainParams(Params):
    """Which clips are explained, and how."""

    subset: Literal["training", "validation", "testing", "all"] = "testing"
    """Clips to choose from."""
    classes: tuple[str, ...] = ()
    """Classes to explain; empty takes the model's, the first `most_classes` of them."""
    most_classes: Annotated[int, Field(ge=1, le=200)] = 12
    """At most so many classes, if none are named."""
    shap: Literal["partition", "gradient", "kernel"] = "partition"
    """SHAP by halving regions (as S2 did), by gradients from other clips, or by regression over a grid of cells."""
    evaluations: Annotated[int, Field(ge=4, le=100_000)] = 100
    """Times the network is asked per SHAP picture."""
    steps: Annotated[int, Field(ge=4, le=10_000)] = 64
    """Steps of the integrated gradients."""
    baseline: Literal["mean", "silence", "blur"] = "mean"
    """What stands for nothing: the average clip, digital silence, or the clip painted over with a blur."""
    output: Literal["log_odds", "probability", "logit"] = "log_odds"
    """Score of a class that is shared out; log odds do not saturate where the network is sure."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Of the draws of gradient and kernel SHAP."""


@node("ossicle.explain", version=1, category="Evaluate")
def explain(model: Model, features: FeatureSet, audio: AudioSet | None, params: ExplainParams, ctx: Context) -> Report:
    """Show which parts of the spectrogram raise (red) or lower (blue) a class.

    For every class one positive and one negative clip: its features, integrated gradients and SHAP values, each with a
    colour bar. How far the integrated gradients miss the score's difference (completeness) stands in the report (kind
    "explain": `samples`, `completeness`, `maps`). Arrays lie in arrays.npz, a picture per class beside it, and with
    `audio` wired the clips as WAV.
    """
    from nodes.judge.errors import JudgeError
    from nodes.zoo import ZooError

    try:
        return _explain(model, features, audio, params, ctx)
    except (ZooError, JudgeError) as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error


def _explain(model: Model, features: FeatureSet, audio: AudioSet | None, params: ExplainParams, ctx: Context) -> Report:
    from nodes.learn.threads import torch_threads

    check_fit(model, features)
    trial = choose(model, features, BenchmarkParams(subset=params.subset))
    found = probabilities(model.file("model.onnx"), features, trial, 256, ctx, end=0.2)
    labels = _labels(model, params)
    from nodes.judge.explanation import choose_samples

    samples = choose_samples(found[:, : trial.known], trial.truth, labels, model.meta.classes)
    missing = _missing(labels, samples, trial, ctx)
    with torch_threads(ctx.threads):
        explained, difference = _explained(model, features, trial, samples, found, params, ctx)
    folder = ctx.folder("report")
    told = _report(model, features, trial, explained, found, params)
    told |= {"missing": missing, "largest_difference_from_model": difference}
    _write(folder, told, explained)
    _write_sounds(folder, audio, trial, explained)
    worst = told["completeness"]["worst_relative_gap"]
    count = len({one.sample.label for one in explained})
    about = f"{len(explained)} clips of {count} classes · completeness within {worst:.2%}"
    metrics = {"samples": float(len(explained)), "completeness_gap": worst, "evaluations": float(params.evaluations)}
    return Report(folder, ReportMeta(about=about, title=f"Explanation of {model.meta.architecture}", metrics=metrics))


# ---- choosing


def _labels(model: Model, params: ExplainParams) -> tuple[str, ...]:
    foreign = [label for label in params.classes if label not in model.meta.classes]
    if foreign:
        raise OssicleError(
            f"classes names {foreign[0]!r}, which the model does not know",
            f"some of {', '.join(model.meta.classes)}",
            "Correct its spelling, or leave classes empty",
        )
    return params.classes or model.meta.classes[: params.most_classes]


def _missing(labels: Sequence[str], samples: Sequence[Sample], trial: Trial, ctx: Context) -> list[str]:
    """Classes without a clip of their own.

    Raises:
        OssicleError: that is all of them.
    """
    present = {sample.label for sample in samples if sample.is_positive}
    missing = [label for label in labels if label not in present]
    if not present:
        given = sorted(set(trial.table.label.tolist()))
        raise OssicleError(
            f"none of {len(trial.truth):,} clips has one of the classes {', '.join(labels[:5])}",
            f"clips of these classes (there are {', '.join(given[:5])})",
            "Wire the features that the model was trained for, or choose another subset",
        )
    if missing:
        ctx.log(f"no clip of {', '.join(missing)}: only a negative one is shown", "warning")
    return missing


# ---- explaining


def _explained(
    model: Model,
    features: FeatureSet,
    trial: Trial,
    samples: Sequence[Sample],
    found: Floats,
    params: ExplainParams,
    ctx: Context,
) -> tuple[list[Explained], float]:
    """All samples explained, and how far the network's probabilities are from those of model.onnx."""
    import numpy as np
    import torch

    from engine.audio import read_features

    network, picture = _network(model), _picture(features)
    clips = read_features(features, np.flatnonzero(trial.mask))
    rows = [sample.row for sample in samples]
    with torch.no_grad():
        own = torch.softmax(network(torch.from_numpy(clips[rows])), dim=1).numpy()
    difference = float(np.abs(own - found[rows, : trial.known]).max())
    made = []
    for place, sample in enumerate(samples):
        made.append(_one(network, picture, clips, sample, features, params))
        ctx.progress(0.2 + 0.8 * (place + 1) / len(samples), f"{place + 1} of {len(samples)} clips")
    return made, difference


def _one(
    network: nn.Module,
    picture: Picture,
    clips: NDArray[np.float32],
    sample: Sample,
    features: FeatureSet,
    params: ExplainParams,
) -> Explained:
    import numpy as np

    from nodes.judge.attribution import SHAP, Task, integrated_gradients, score_of
    from nodes.judge.explanation import Explained

    clip, score = clips[sample.row], score_of(network, sample.index, params.output)
    baseline = _baseline(clip, clips, features, params.baseline)
    gradients = integrated_gradients(score, clip, baseline, params.steps)
    spread = clips[np.linspace(0, len(clips) - 1, min(MOST_BASELINES, len(clips))).round().astype(int)]
    shap = SHAP[params.shap](Task(score, clip, baseline, spread, picture, params.evaluations, params.seed))
    flat = replace(gradients, values=picture.flat(gradients.values))
    return Explained(sample, picture.flat(clip), flat, shap)


def _network(model: Model) -> nn.Module:
    """The float network of a model, for inference."""
    from nodes.zoo import build
    from nodes.zoo.weights import load_weights

    network = build(model.json("architecture.json"))
    load_weights(network, model.file("weights.safetensors"))
    return network.eval()


def _picture(features: FeatureSet) -> Picture:
    from nodes.judge.attribution import Picture

    return Picture(tuple(features.meta.shape), features.meta.layout)


def _baseline(
    clip: NDArray[np.float32], clips: NDArray[np.float32], features: FeatureSet, name: str
) -> NDArray[np.float32]:
    import numpy as np

    from nodes.judge.attribution import blurred

    if name == "blur":
        return blurred(clip)
    if name == "silence":
        return _silence(features)
    mean: NDArray[np.float32] = clips.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


def _silence(features: FeatureSet) -> NDArray[np.float32]:
    """Features of a clip of zeros.

    Raises:
        OssicleError: the features are not from one of our front ends.
    """
    import numpy as np

    from nodes.dsp.frontend import FrontEnd, compute

    try:
        front_end = FrontEnd(**features.meta.front_end)
    except (TypeError, ValueError) as error:
        raise OssicleError(
            f"the features of silence cannot be computed ({error})", "MFCC or log-mel features", "Set baseline to mean"
        ) from error
    features_of_zeros: NDArray[np.float32] = compute(front_end, np.zeros((1, front_end.clip_samples), np.float32))[0]
    return features_of_zeros


# ---- telling


def _report(
    model: Model,
    features: FeatureSet,
    trial: Trial,
    explained: Sequence[Explained],
    found: Floats,
    params: ExplainParams,
) -> Json:
    from nodes.judge.explanation import axes_of, by_label, file_of, maps, sample_row

    rows = [sample_row(place, one, _clip(one.sample, trial, found)) for place, one in enumerate(explained)]
    gaps = [row["relative_gap"] for row in rows]
    return {
        "kind": "explain",
        "model": {"architecture": model.meta.architecture, "precision": model.meta.precision},
        "data": {"about": features.meta.about, "subset": params.subset, "note": trial.note},
        "method": params.model_dump(mode="json"),
        "completeness": {
            "method": "integrated gradients",
            "worst_gap": max(row["gap"] for row in rows),
            "worst_relative_gap": max(gaps),
            "mean_relative_gap": sum(gaps) / len(gaps),
        },
        "samples": rows,
        "pictures": [{"file": file_of(label), "title": label} for label in by_label(explained)],
        "maps": maps(explained, rows, axes_of(features.meta.front_end, features.meta.layout), params.shap),
    }


def _clip(sample: Sample, trial: Trial, found: Floats) -> Clip:
    from nodes.judge.explanation import Clip

    return Clip(
        str(trial.table.clip_id[sample.row]),
        str(trial.table.label[sample.row]),
        trial.classes[int(found[sample.row].argmax())],
        float(found[sample.row, sample.index]),
    )


def _write(folder: Path, told: Json, explained: Sequence[Explained]) -> None:
    import numpy as np

    from engine.report_plots import map_figure
    from nodes.judge.explanation import arrays_of

    arrays = arrays_of(explained)
    text = json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "report.json").write_text(text, encoding="utf-8")
    np.savez(folder / "arrays.npz", allow_pickle=False, **{name: a.astype(np.float32) for name, a in arrays.items()})
    for picture, drawn in zip(told["pictures"], told["maps"], strict=True):
        (folder / picture["file"]).write_text(map_figure(drawn, arrays).standalone(), encoding="utf-8")


def _write_sounds(folder: Path, audio: AudioSet | None, trial: Trial, explained: Sequence[Explained]) -> None:
    """The explained clips as WAV, named by the number of their arrays; clips that the audio lacks are left out."""
    if audio is None:
        return
    import numpy as np
    import soundfile

    from engine.audio import table_of, waveforms

    table = table_of(audio)
    place = {clip: row for row, clip in enumerate(table.clip_id.tolist())}
    for number, one in enumerate(explained):
        row = place.get(str(trial.table.clip_id[one.sample.row]))
        if row is not None:
            (samples,) = waveforms(audio, table.take(np.array([row])))
            soundfile.write(folder / f"clip_{number}.wav", samples, audio.meta.rate_hz)
