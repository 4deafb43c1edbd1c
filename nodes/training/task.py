"""What is to be learnt: which clips, which classes, and the network for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine import Context, FeatureSet, OssicleError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.audio import ClipTable
    from nodes.learn.loop import Trial
    from nodes.train_params import TrainParams
    from nodes.zoo import Architecture


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


def task_of(features: FeatureSet, params: TrainParams) -> Task:
    """Pick training and validation clips.

    Raises:
        OssicleError: a subset is empty, a class has no training clip, or there is nothing to tell apart.
    """
    from engine.audio import table_of

    table = table_of(features)
    rows = table.subset == "training"
    if not rows.any():
        raise no_clips("training", table)
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
    check_all_heard(classes, found, table)
    return Task(classes, chosen, rows, truth, trial_of(features, table, classes, params))


def trial_of(features: FeatureSet, table: ClipTable, classes: tuple[str, ...], params: TrainParams) -> Trial | None:
    """The validation clips; None if there are none and the recipe needs none.

    Raises:
        OssicleError: there are none and the recipe chooses by them.
    """
    import torch

    from engine.audio import read_features
    from nodes.learn.loop import Trial

    rows = table.subset == "validation"
    if not rows.any():
        if params.made_recipe().selection == "last" and not params.patience:
            return None
        raise no_clips("validation", table)
    truth = _numbers(table.label[rows].tolist(), classes)
    return Trial(torch.from_numpy(read_features(features, rows)), torch.from_numpy(truth))


def check_all_heard(classes: tuple[str, ...], found: list[str], table: ClipTable) -> None:
    """Stop before a class is learnt from nothing.

    Raises:
        OssicleError: the training clips have none of a class.
    """
    if missing := [name for name in classes if name not in found]:
        where = sorted({str(subset) for subset in table.subset[table.label == missing[0]].tolist()})
        held = f"its clips are {' and '.join(where)} clips" if where else "it has no clips at all"
        raise OssicleError(
            f"no training clip is of the class {', '.join(missing)} ({held})",
            "at least one training clip of every class",
            "Give the training subset a larger share in partition, or leave the class out in ingest",
        )


def warn(task: Task, features: FeatureSet, ctx: Context) -> None:
    """Tell what will be learnt or judged poorly for want of clips."""
    from engine.audio import table_of

    table = table_of(features)
    judged = set(table.label[table.subset == "validation"].tolist())
    missing = [name for name in task.classes if name not in judged]
    if judged and missing:
        ctx.log(
            f"no validation clip is of the class {', '.join(missing)}: how well it is learnt is not seen", "warning"
        )
    counts = [int((task.truth == number).sum()) for number in range(len(task.classes))]
    if few := [name for name, count in zip(task.classes, counts, strict=True) if count == 1]:
        ctx.log(f"the class {', '.join(few)} has one training clip only: expect little of it", "warning")


def no_clips(subset: str, table: ClipTable) -> OssicleError:
    """The error for a subset without clips: says what the others hold."""
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


def architecture_of(params: TrainParams, features: FeatureSet) -> Architecture:
    """The network the parameters ask for, at the features' size.

    Raises:
        ZooError: the network does not take features with these axes, or they are too small for it.
    """
    from nodes.zoo import architecture

    size = tuple(int(side) for side in features.meta.shape)
    made = architecture(params.architecture, width=params.width, input_shape=size, classes=len(features.meta.classes))
    return made if params.blocks is None else {**made, "blocks": list(params.blocks)}
