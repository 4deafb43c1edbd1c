"""One trial: the train node itself in a folder of its own, so that a trial's workflow gives the same model again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine import AudioMeta, AudioSet, Cancelled, Context, Event, FeatureMeta, FeatureSet, Model
from engine.artifact import ModelMeta
from nodes.train_params import TrainParams

Json = dict[str, Any]
Point = tuple[float, float]
"""Share of the training done and validation accuracy then."""
GoOn = Callable[[tuple[Point, ...]], bool]
"""Whether a trial with these points is worth going on with."""
POINTS_FILE = "points.json"
META_FILE = "meta.json"
MODEL_FOLDER = "model"


@dataclass(frozen=True)
class Inputs:
    """What every trial is trained on."""

    features: FeatureSet
    audio: AudioSet | None
    base: Path
    """Folder of the workflow."""
    threads: int = 1

    def to_json(self) -> Json:
        """Plain values, for another process."""
        wired = {"features": self.features, "audio": self.audio}
        told = {
            name: {"path": str(item.path), "meta": item.meta.model_dump(mode="json")}
            for name, item in wired.items()
            if item is not None
        }
        return {**told, "base": str(self.base), "threads": self.threads}

    @staticmethod
    def from_json(raw: Json) -> Inputs:
        """Read back what `to_json` wrote."""
        features = FeatureSet(Path(raw["features"]["path"]), FeatureMeta.model_validate(raw["features"]["meta"]))
        wired = raw.get("audio")
        audio = AudioSet(Path(wired["path"]), AudioMeta.model_validate(wired["meta"])) if wired else None
        return Inputs(features, audio, Path(raw["base"]), int(raw["threads"]))


@dataclass(frozen=True)
class Order:
    """A trial to train, and the folder where it keeps checkpoint, points and model."""

    number: int
    folder: Path
    params: TrainParams

    def to_json(self) -> Json:
        """Plain values, for another process."""
        return {"number": self.number, "folder": str(self.folder), "params": self.params.model_dump(mode="json")}

    @staticmethod
    def from_json(raw: Json) -> Order:
        """Read back what `to_json` wrote."""
        return Order(int(raw["number"]), Path(raw["folder"]), TrainParams.model_validate(raw["params"]))


@dataclass(frozen=True)
class Outcome:
    """How a trial ended; figures of the validation clips."""

    state: Literal["complete", "pruned", "failed"]
    points: tuple[Point, ...] = ()
    accuracy: float | None = None
    loss: float | None = None
    error: str = ""

    def to_json(self) -> Json:
        """Plain values."""
        return {**vars(self), "points": [list(point) for point in self.points]}

    @staticmethod
    def from_json(raw: Json) -> Outcome:
        """Read back what `to_json` wrote."""
        return Outcome(**{**raw, "points": tuple((float(done), float(value)) for done, value in raw["points"])})


@dataclass
class _Watch:
    """The train node's events as points of a curve, and whether to stop."""

    order: Order
    go_on: GoOn
    points: tuple[Point, ...]
    is_over: bool = False
    _accuracy: float | None = field(default=None, repr=False)

    def __call__(self, event: Event) -> None:
        """Metrics bring the accuracy, the progress after them how far the training is."""
        if event.kind == "metric":
            found = event.values.get("validation_accuracy")
            self._accuracy = float(found) if isinstance(found, int | float) else None
        elif event.kind == "progress" and self._accuracy is not None:
            self._add((float(str(event.values["fraction"])), self._accuracy))
            self._accuracy = None

    def _add(self, point: Point) -> None:
        earlier = tuple(known for known in self.points if known[0] < point[0])
        self.points = (*earlier, point)
        _write(self.order.folder / POINTS_FILE, self.points)
        self.is_over = self.is_over or not self.go_on(self.points)


def run_trial(order: Order, inputs: Inputs, is_cancelled: Callable[[], bool], go_on: GoOn) -> Outcome:
    """Train a trial to its end, until it is not worth going on with, or until it breaks down.

    A trial that was stopped half way goes on from its checkpoint, with the points it had.

    Raises:
        Cancelled: the user asked to stop; the checkpoint stays.
    """
    from nodes.train import train

    order.folder.mkdir(parents=True, exist_ok=True)
    work = order.folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    watch = _Watch(order, go_on, _known_points(order))
    ctx = Context(
        work, order.folder / "scratch", inputs.base, f"trial-{order.number}", threads=inputs.threads, sink=watch,
        is_cancelled=lambda: watch.is_over or is_cancelled(),
    )  # fmt: skip
    try:
        model: Model = train(inputs.features, inputs.audio, params=order.params, ctx=ctx)
    except Cancelled:
        if not watch.is_over:
            raise
        shutil.rmtree(order.folder, ignore_errors=True)
        return Outcome("pruned", watch.points)
    except Exception as error:  # the border of a trial: whatever breaks it ends this trial only
        shutil.rmtree(order.folder, ignore_errors=True)
        return Outcome("failed", watch.points, error=f"{error}" or type(error).__name__)
    return _kept(order, model, watch.points)


def _kept(order: Order, model: Model, points: tuple[Point, ...]) -> Outcome:
    """Leave the model in the trial's folder."""
    found = model.meta.metrics
    shutil.rmtree(order.folder / MODEL_FOLDER, ignore_errors=True)
    model.path.rename(order.folder / MODEL_FOLDER)
    _write(order.folder / META_FILE, model.meta.model_dump(mode="json"))
    return Outcome("complete", points, found.get("validation_accuracy"), found.get("validation_loss"))


def kept_model(folder: Path, ctx: Context) -> Model:
    """The model of a finished trial as an artifact of the search."""
    meta = ModelMeta.model_validate_json((folder / META_FILE).read_bytes())
    target = ctx.folder("model")
    for source in sorted((folder / MODEL_FOLDER).iterdir()):
        ctx.link(source, target / source.name)
    return Model(target, meta)


def _known_points(order: Order) -> tuple[Point, ...]:
    try:
        found = json.loads((order.folder / POINTS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ()
    return tuple((float(done), float(accuracy)) for done, accuracy in found)


def _write(path: Path, value: Any) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(value, allow_nan=False), encoding="utf-8")
    fresh.replace(path)
