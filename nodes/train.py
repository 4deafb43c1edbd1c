"""Train a network on features, with waveforms changed on the fly where the audio is wired."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from engine import AudioSet, Context, FeatureSet, Model, ModelMeta, OssicleError, node
from nodes.train_params import TrainParams

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from engine.audio import ClipTable
    from nodes.learn.augment import Waves
    from nodes.learn.loop import Learnt, Moment, Session, Trial
    from nodes.learn.precondition import Scaled
    from nodes.learn.recipe import Recipe
    from nodes.learn.source import Source
    from nodes.zoo import Architecture
    from nodes.zoo.network import Network

Json = dict[str, Any]
CURVES_FILE = "curves.json"
BUSY_FLOPS = 20e6
"""Networks above this many operations per clip gain more from several threads than from batches made ahead."""


@node("ossicle.train", version=1, category="Train", isolation="process")
def train(features: FeatureSet, audio: AudioSet | None = None, *, params: TrainParams, ctx: Context) -> Model:
    """Train a network of the zoo on the training clips and choose its weights on the validation clips.

    With audio wired, waveforms are shifted, stretched, put into rooms and noise, and their features computed anew each
    time they are shown. The same clips, parameters and seed give the same bytes. A training that was stopped or killed
    goes on where it was.
    """
    from nodes.learn.errors import LearnError
    from nodes.zoo import ZooError

    try:
        return _train(features, audio, params, ctx)
    except (ZooError, LearnError) as error:
        raise OssicleError(error.what, error.expected, error.remedy) from error


def _train(features: FeatureSet, audio: AudioSet | None, params: TrainParams, ctx: Context) -> Model:
    from engine.audio import read_features
    from nodes.learn.checkpoint import remove
    from nodes.learn.loop import train as learn
    from nodes.learn.threads import torch_threads

    recipe, task = params.made_recipe(), _task(features, params)
    architecture = _architecture(params, features)
    is_busy = _describe(architecture).flops["true"] > BUSY_FLOPS
    plain = read_features(features, task.rows)
    source = _source(features, plain, audio, task, recipe, params.seed, ctx)
    session = _session(params, recipe, task, ctx, workers=1 if is_busy else max(ctx.threads - 1, 0))
    tell = partial(_tell, per_epoch=source.steps_per_epoch, ctx=ctx)
    with torch_threads(ctx.threads if is_busy else 1):
        network = _fresh(architecture, plain, recipe, params.seed)
        learnt = learn(network, source, task.trial, recipe, session, tell)
        _tell_end(learnt, recipe, ctx)
        model = _export(learnt, architecture, features, recipe, params.seed, task, ctx)
    remove(ctx.scratch)
    return model


def _fresh(architecture: Architecture, plain: NDArray[np.float32], recipe: Recipe, seed: int) -> Network | Scaled:
    """A network with first weights from the seed."""
    import torch

    from nodes.learn.precondition import Scaled, scale_of
    from nodes.zoo import build

    torch.manual_seed(seed)
    network = build(architecture)
    return Scaled(network, scale_of(network, torch.from_numpy(plain))) if recipe.standardise else network


@dataclass(frozen=True)
class Task:
    """What is to be learnt: rows of the feature set, class numbers, validation clips."""

    classes: tuple[str, ...]
    table: ClipTable
    """Training clips."""
    rows: NDArray[np.bool_]
    """Where they lie in the feature set."""
    truth: NDArray[np.int64]
    trial: Trial | None


def _task(features: FeatureSet, params: TrainParams) -> Task:
    """Pick training and validation clips.

    Raises:
        OssicleError: a subset is empty, or there is nothing to tell apart.
    """
    from engine.audio import table_of

    table = table_of(features)
    rows = table.subset == "training"
    if not rows.any():
        raise _no_clips("training", table)
    chosen = table.take(rows)
    found = sorted(set(chosen.label.tolist()))
    if len(found) < 2:
        raise OssicleError(
            f"all {len(chosen):,} training clips are of one class ({found[0]})",
            "at least two classes",
            "Check the folders that ingest reads and its classes",
        )
    classes = features.meta.classes or tuple(found)
    truth = _numbers(chosen.label.tolist(), classes)
    return Task(classes, chosen, rows, truth, _trial(features, table, classes, params))


def _trial(features: FeatureSet, table: ClipTable, classes: tuple[str, ...], params: TrainParams) -> Trial | None:
    import torch

    from engine.audio import read_features
    from nodes.learn.loop import Trial

    rows = table.subset == "validation"
    if not rows.any():
        if params.made_recipe().selection == "last" and not params.patience:
            return None
        raise _no_clips("validation", table)
    truth = _numbers(table.label[rows].tolist(), classes)
    return Trial(torch.from_numpy(read_features(features, rows)), torch.from_numpy(truth))


def _no_clips(subset: str, table: ClipTable) -> OssicleError:
    counts = ", ".join(f"{name} {count:,}" for name, count in table.subset_counts().items()) or "none is assigned"
    remedy = "Put a partition node between ingest and the features"
    return OssicleError(
        f"there are no {subset} clips (clips by subset: {counts})",
        f"at least one {subset} clip",
        f"{remedy}, or set selection to last" if subset == "validation" else remedy,
    )


def _numbers(labels: list[str], classes: tuple[str, ...]) -> NDArray[np.int64]:
    import numpy as np

    number = {name: index for index, name in enumerate(classes)}
    unknown = sorted(set(labels) - number.keys())
    if unknown:
        raise OssicleError(
            f"clips have the label {unknown[0]!r}, which is no class",
            f"one of {', '.join(classes)}",
            "Make the features again from the node that made the classes",
        )
    return np.array([number[label] for label in labels], np.int64)


def _architecture(params: TrainParams, features: FeatureSet) -> Architecture:
    from nodes.zoo import architecture

    shape = features.meta.shape
    if len(shape) != 2:
        raise OssicleError(
            f"the features of a clip are {' x '.join(map(str, shape))} ({features.meta.layout})",
            "coefficients x frames",
            "Use MFCC, or set patch_frames to 0 in the feature node",
        )
    size = (int(shape[0]), int(shape[1]))
    made = architecture(params.architecture, width=params.width, input_shape=size, classes=len(features.meta.classes))
    return made if params.blocks is None else {**made, "blocks": list(params.blocks)}


def _describe(architecture: Architecture) -> Any:
    from nodes.zoo import describe

    return describe(architecture)


# ---- clips


def _source(
    features: FeatureSet,
    plain: NDArray[np.float32],
    audio: AudioSet | None,
    task: Task,
    recipe: Recipe,
    seed: int,
    ctx: Context,
) -> Source:
    from nodes.learn.source import FeatureSource, Labels, WaveSource

    labels = Labels(task.truth, len(task.classes), recipe.batch, recipe.label_smoothing, seed)
    if audio is not None and recipe.augmentation.changes_waveforms:
        from nodes.dsp.parameters import FrontEnd

        front_end = FrontEnd(**features.meta.front_end)
        waves = _waves(audio, task, front_end.clip_samples, front_end.rate_hz, ctx)
        return WaveSource(waves, front_end, labels, recipe.augmentation)
    if recipe.augmentation.changes_waveforms:
        ctx.log("no audio is wired: clips are not shifted and get no noise; masks and mixing only")
    return FeatureSource(plain, labels, recipe.augmentation)


def _waves(audio: AudioSet, task: Task, clip_samples: int, rate_hz: int, ctx: Context) -> Waves:
    """Training waveforms and noise tracks at the front end's rate."""
    import numpy as np

    from engine.audio import BACKGROUND, table_of, waveforms
    from nodes.learn.augment import Waves, coloured_tracks

    table = table_of(audio)
    clips = np.zeros((len(task.table), clip_samples), np.int16)
    rows = table.take(_rows_of(task.table, table))
    for line, samples in zip(clips, waveforms(audio, rows), strict=True):
        kept = _at_rate(samples, audio.meta.rate_hz, rate_hz)[:clip_samples]
        line[: len(kept)] = kept
        ctx.check()
    tracks = tuple(
        _at_rate(samples, audio.meta.rate_hz, rate_hz).astype(np.float32) / 32768.0
        for samples in waveforms(audio, table.of_subset(BACKGROUND))
    )
    if not tracks:
        ctx.log("the audio has no background tracks: white and pink noise is made instead")
    return Waves(clips, tracks or coloured_tracks(rate_hz), rate_hz)


def _rows_of(wanted: ClipTable, table: ClipTable) -> NDArray[np.int64]:
    import numpy as np

    place = {clip: row for row, clip in enumerate(table.clip_id.tolist())}
    missing = [clip for clip in wanted.clip_id.tolist() if clip not in place]
    if missing:
        raise OssicleError(
            f"the audio lacks {len(missing):,} of the training clips, the first is {missing[0]!r}",
            "the audio that the features were made from",
            "Wire the same node to the features and to train",
        )
    return np.array([place[clip] for clip in wanted.clip_id.tolist()], np.int64)


def _at_rate(samples: NDArray[np.int16], given_hz: int, wanted_hz: int) -> NDArray[np.int16]:
    if given_hz == wanted_hz:
        return samples
    import soxr

    resampled: NDArray[np.int16] = soxr.resample(samples, given_hz, wanted_hz)
    return resampled


# ---- the run


def _session(params: TrainParams, recipe: Recipe, task: Task, ctx: Context, workers: int) -> Session:
    from nodes.learn.loop import Session

    facts = [params.model_dump(mode="json"), asdict(recipe), task.table.clip_id.tolist()]
    identity = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    return Session(params.seed, workers, ctx.scratch, identity, budget_s=params.time_budget_s)


def _tell(moment: Moment, per_epoch: int, ctx: Context) -> None:
    """Pass a moment of the training on to the run."""
    if moment.point is not None:
        ctx.metric(**{name: value for name, value in asdict(moment.point).items() if value is not None})
    epoch, epochs = moment.step / per_epoch, moment.steps / per_epoch
    text = f"epoch {epoch:.0f} of {epochs:.0f}, {_spoken(moment.left_s)} left"
    ctx.progress(moment.step / max(moment.steps, 1), text)


def _spoken(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _tell_end(learnt: Learnt, recipe: Recipe, ctx: Context) -> None:
    if learnt.resumed_at:
        ctx.log(f"went on from the checkpoint at step {learnt.resumed_at:,}")
    if learnt.score is not None:
        ctx.log(
            f"weights of step {learnt.step:,} of {learnt.steps:,}:"
            f" {learnt.score.accuracy:.1%} of the validation clips ({recipe.selection})"
        )


def _export(
    learnt: Learnt,
    architecture: Architecture,
    features: FeatureSet,
    recipe: Recipe,
    seed: int,
    task: Task,
    ctx: Context,
) -> Model:
    from nodes.learn.precondition import folded
    from nodes.zoo import export_onnx
    from nodes.zoo.weights import save_weights

    folder, network = ctx.folder("model"), folded(learnt.network)
    export_onnx(network, folder / "model.onnx")
    save_weights(network, folder / "weights.safetensors")
    _write(folder / "architecture.json", architecture)
    _write(folder / CURVES_FILE, _curves(learnt, recipe, seed, task))
    described = _describe(architecture)
    scores = {f"validation_{name}": value for name, value in asdict(learnt.score).items()} if learnt.score else {}
    meta = ModelMeta(
        about=f"{architecture['name']} · {described.params:,} parameters · "
        + (f"{learnt.score.accuracy:.1%} on validation" if learnt.score else "not validated"),
        architecture=architecture["name"],
        input_shape=tuple(features.meta.shape),
        classes=task.classes,
        front_end=features.meta.front_end,
        parameters=described.params,
        flops={rule: float(count) for rule, count in described.flops.items()},
        size_bytes=(folder / "model.onnx").stat().st_size,
        metrics={**scores, "steps": float(learnt.steps)},
    )
    return Model(folder, meta)


def _curves(learnt: Learnt, recipe: Recipe, seed: int, task: Task) -> Json:
    return {
        "recipe": asdict(recipe),
        "seed": seed,
        "clips": {"training": len(task.table), "validation": len(task.trial.truth) if task.trial else 0},
        "steps": learnt.steps,
        "selected_step": learnt.step,
        "points": [asdict(point) for point in learnt.curves],
    }


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", encoding="utf-8")
