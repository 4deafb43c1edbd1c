"""Measure a model on clips it has not learnt from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from engine import Context, FeatureSet, Model, OssicleError, Params, Report, ReportMeta, node
from nodes.quantize_params import FIXED_FILE

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from engine.audio import ClipTable
    from nodes.learn.metrics import Scores

Json = dict[str, Any]
BLOCK_CLIPS = 1024


class BenchmarkParams(Params):
    """What to measure on."""

    subset: Literal["training", "validation", "testing", "all"] = "testing"
    """Clips to score; "all" takes every clip, whatever its subset."""
    foreign_classes: Literal["wrong", "skip"] = "wrong"
    """Clips of classes the model does not know: count them as wrong answers, or leave them out."""
    resamples: Annotated[int, Field(ge=100, le=100_000)] = 1000
    """Bootstrap resamples behind the interval of the average recall."""
    false_alarm_budget: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """False alarm rate allowed at the operating point: share of the decisions that should be rejected."""
    positive_class: str = ""
    """With two classes: whose recall is the sensitivity, the other's being the specificity; empty takes the last."""
    batch_clips: Annotated[int, Field(ge=1, le=4096)] = 256
    """Clips per inference call; it changes the speed, not the result."""


@node("ossicle.benchmark", version=2, category="Evaluate")
def benchmark(model: Model, features: FeatureSet, params: BenchmarkParams, ctx: Context) -> Report:
    """Score a model clip by clip.

    Prediction against truth for every clip, each exactly once (S0, S4 5.1); accuracy with Wilson's 95 % interval,
    precision, recall and F1 per class, average recall (UAR) with a bootstrap interval and the chance level, sensitivity
    and specificity of two classes, confusion matrix, and ROC and DET micro-averaged over classes with the operating
    point for a false-alarm budget. Clips cut from one recording also vote on it. Parameters and operations stand beside
    the accuracy with their counting rule. `predictions.csv` lists every clip.
    """
    check_fit(model, features)
    _check_positive(params.positive_class, model.meta.classes)
    trial = choose(model, features, params)
    if trial.note:
        ctx.log(trial.note, "warning")
    found = probabilities(model.file("model.onnx"), features, trial, params.batch_clips, ctx)
    from nodes.learn.metrics import score
    from nodes.learn.scorecard import headline

    scores = score(found, trial.truth, resamples=params.resamples)
    ctx.metric(step=0, accuracy=scores.accuracy.value, uar=scores.uar.value)
    folder = ctx.folder("report")
    _write(folder, _report(model, features, trial, params, scores, found), trial, scores, found)
    low, high = scores.accuracy.low, scores.accuracy.high
    about = (
        f"{scores.accuracy.value:.1%} ({low:.1%} to {high:.1%}) of {len(trial.truth):,} {params.subset} clips,"
        f" {model.meta.architecture}"
    )
    title = f"Benchmark of {model.meta.architecture}"
    return Report(folder, ReportMeta(about=about, title=title, metrics=headline(scores)))


@dataclass(frozen=True)
class Trial:
    """Which rows are scored, and against what."""

    mask: NDArray[np.bool_]
    """Rows of the feature set."""
    table: ClipTable
    """Those rows of the clip table."""
    classes: tuple[str, ...]
    """The model's classes, then the classes only the clips have."""
    known: int
    """How many of the classes are the model's."""
    truth: NDArray[np.int64]
    """Class number of every row."""
    note: str
    """What to tell about clips of classes the model does not know; empty if there are none."""


def check_fit(model: Model, features: FeatureSet) -> None:
    """Make sure that features are what the model was trained on.

    Raises:
        OssicleError: another front end or another shape, with the first difference.
    """
    wanted, given = _plain(model.meta.front_end), _plain(features.meta.front_end)
    for name in sorted(wanted.keys() | given.keys()):
        if wanted.get(name) != given.get(name):
            raise OssicleError(
                f"the features were made with {name} = {given.get(name)}",
                f"{name} = {wanted.get(name)}, as the model was trained",
                "Wire both from one feature node, or give both feature nodes the same preset",
            )
    if tuple(model.meta.input_shape) != tuple(features.meta.shape):
        raise OssicleError(
            f"the features of a clip have the shape {tuple(features.meta.shape)}",
            f"{tuple(model.meta.input_shape)}, the model's input",
            "Use clips of the length the model was trained on",
        )


def feature_blocks(features: FeatureSet, mask: NDArray[np.bool_]) -> Iterator[NDArray[np.float32]]:
    """Features (clips, *shape) of the masked rows in order, in blocks of at most BLOCK_CLIPS clips."""
    from engine.audio import FEATURE_FILE, open_h5

    with open_h5(features.file(FEATURE_FILE)) as file:
        for first in range(0, len(mask), BLOCK_CLIPS):
            chosen = mask[first : first + BLOCK_CLIPS]
            if chosen.any():
                yield file["features"][first : first + len(chosen)][chosen]


def _plain(front_end: Json) -> Json:
    """Tuples as lists, as they come back from JSON."""
    plain: Json = json.loads(json.dumps(front_end))
    return plain


def choose(model: Model, features: FeatureSet, params: BenchmarkParams) -> Trial:
    """Pick the clips to score and number their classes, the model's first.

    Raises:
        OssicleError: there are none.
    """
    import numpy as np

    from engine.audio import BACKGROUND, table_of

    table, known = table_of(features), model.meta.classes
    mask = table.subset != BACKGROUND if params.subset == "all" else table.subset == params.subset
    if not mask.any():
        raise empty_subset(params.subset, table)
    foreign = tuple(sorted(set(table.label[mask].tolist()) - set(known)))
    note = _foreign_note(table.label[mask].tolist(), foreign, params)
    if params.foreign_classes == "skip":
        mask, foreign = mask & np.isin(table.label, known), ()
    if not mask.any():
        raise OssicleError(
            f"no {params.subset} clip has a class of the model",
            f"clips of {', '.join(known[:5])}",
            "Benchmark on the data set the model was trained for, or set foreign_classes to wrong",
        )
    classes = (*known, *foreign)
    number = {label: index for index, label in enumerate(classes)}
    truth = np.array([number[label] for label in table.label[mask].tolist()], np.int64)
    return Trial(mask, table.take(mask), classes, len(known), truth, note)


def _foreign_note(labels: list[str], foreign: tuple[str, ...], params: BenchmarkParams) -> str:
    if not foreign:
        return ""
    count = sum(label in foreign for label in labels)
    verb = {"wrong": "count as wrong", "skip": "are left out"}[params.foreign_classes]
    listed = ", ".join(foreign[:5]) + (", ..." if len(foreign) > 5 else "")
    return f"{count} clips of {len(foreign)} classes the model does not know {verb}: {listed}"


def empty_subset(subset: str, table: ClipTable) -> OssicleError:
    """The error for a subset without clips: says what the others hold."""
    counts = ", ".join(f"{name} {count}" for name, count in table.subset_counts().items()) or "none are assigned"
    return OssicleError(
        "there are no clips" if subset == "all" else f"there are no {subset} clips",
        f"at least one (the subsets hold: {counts})",
        "Put a partition node before the features, or choose another subset",
    )


def probabilities(
    path: Path,
    features: FeatureSet,
    trial: Trial,
    batch_clips: int,
    ctx: Context,
    *,
    done: float = 0.0,
    end: float = 1.0,
) -> NDArray[np.float64]:
    """Run a model file over the trial's clips: probabilities (clips, classes); classes only the clips have get zero.

    Progress runs from `done` to `end`.

    Raises:
        OssicleError: the file is no model, or not one for these features and classes.
    """
    import numpy as np

    from nodes.learn.metrics import softmax
    from nodes.lne.errors import LneError
    from nodes.quant.errors import QuantError
    from nodes.zoo import ZooError

    result, count = np.zeros((len(trial.truth), len(trial.classes))), 0
    try:
        for block in _logits(path, features, trial, batch_clips, ctx.threads):
            if not np.isfinite(block).all():
                raise OssicleError(
                    f"{path.name} gives outputs that are not finite",
                    "a finite number for every class",
                    "Check the features for NaN; if they are sound, train the model again with a lower learning rate",
                )
            result[count : count + len(block), : trial.known] = softmax(block)
            count += len(block)
            ctx.progress(done + (end - done) * count / len(result), f"{count:,} of {len(result):,} clips")
    except (ZooError, QuantError, LneError) as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error
    return result


def _logits(
    path: Path, features: FeatureSet, trial: Trial, batch_clips: int, threads: int
) -> Iterator[NDArray[np.float32]]:
    from nodes.learn.metrics import batches

    run = _runner(path, threads)
    for block in feature_blocks(features, trial.mask):
        for rows in batches(len(block), batch_clips):
            found = run(block[rows])
            if found.shape[1:] != (trial.known,):
                raise OssicleError(
                    f"{path.name} gives outputs of shape {found.shape[1:]}",
                    f"one value for each of the model's {trial.known} classes",
                    "Train or export the model again",
                )
            yield found


def _runner(path: Path, threads: int) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Logits (clips, classes) of features (clips, *shape): in integers, to the bit, where formats lie beside the model.

    Else in onnxruntime.
    """
    from functools import partial

    if path.with_name(FIXED_FILE).is_file():
        from nodes.quant.formats import integer_graph
        from nodes.quant.simulate import simulated

        return partial(simulated, integer_graph(path))
    from nodes.zoo.inference import logits, open_session

    return partial(logits, open_session(path, threads))


def _check_positive(name: str, classes: tuple[str, ...]) -> None:
    if name and name not in classes:
        raise OssicleError(
            f"positive_class is {name!r}", f"one of the model's classes: {', '.join(classes)}", "Correct its spelling"
        )


def _report(
    model: Model,
    features: FeatureSet,
    trial: Trial,
    params: BenchmarkParams,
    scores: Scores,
    found: NDArray[np.float64],
) -> Json:
    from nodes.judge.curves import roc_card, roc_plots
    from nodes.judge.roc import operate
    from nodes.judge.vote import by_recording, recordings
    from nodes.learn.scorecard import card, predictions, two_class

    facts = ("architecture", "precision", "sparsity", "parameters", "flops", "size_bytes")
    clip_ids, budget = trial.table.clip_id.tolist(), params.false_alarm_budget
    voted = recordings(trial.table.source, trial.truth, found)
    positive = trial.classes.index(params.positive_class or trial.classes[-1])
    return {
        "kind": "benchmark",
        "model": {name: getattr(model.meta, name) for name in facts},
        "data": {"about": features.meta.about, "subset": params.subset, "note": trial.note},
        **card(scores, trial.classes),
        "roc": roc_card(scores.roc, found, trial.truth, trial.classes, budget),
        "two_class": two_class(scores.confusion, trial.classes, positive),
        "by_recording": None if voted is None else by_recording(voted, trial.classes, resamples=params.resamples),
        "plots": roc_plots(scores.roc, found, trial.truth, trial.classes, operate(scores.roc, budget)),
        "predictions": predictions(clip_ids, trial.truth, found, trial.classes),
    }


def _write(folder: Path, report: Json, trial: Trial, scores: Scores, found: NDArray[np.float64]) -> None:
    import numpy as np

    from nodes.judge.vote import recordings, recordings_csv
    from nodes.learn.scorecard import arrays, predictions_csv

    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "report.json").write_text(text, encoding="utf-8")
    np.savez(folder / "arrays.npz", allow_pickle=False, **arrays(scores, trial.truth, found))
    (folder / "predictions.csv").write_text(predictions_csv(report["predictions"]), encoding="utf-8")
    voted = recordings(trial.table.source, trial.truth, found)
    if voted is not None:
        path = folder / "predictions_by_recording.csv"
        path.write_text(recordings_csv(voted, trial.classes), encoding="utf-8")
