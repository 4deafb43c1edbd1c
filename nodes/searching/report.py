"""What a search leaves: all trials, the front, the hypervolume over trials, and which model was chosen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import Context, Report, ReportMeta
from nodes.nas.devices import Limit, excess
from nodes.nas.errors import NasError
from nodes.nas.front import knee, non_dominated
from nodes.nas.hypervolume import hypervolume, over_trials
from nodes.nas.objective import OBJECTIVES, Box
from nodes.nas.space import Choice, Dimension, Params
from nodes.train_params import TrainParams

if TYPE_CHECKING:
    from nodes.nas.study import Record
    from nodes.search_params import NasParams
    from nodes.searching.brief import Brief

Json = dict[str, Any]


@dataclass(frozen=True)
class Trained:
    """A trial among all of the search, with the parameters it was trained with."""

    number: int
    phase: str
    record: Record
    training: TrainParams

    @property
    def values(self) -> Mapping[str, float]:
        """Objectives, costs and (of complete trials) what was learnt."""
        found: Mapping[str, float] = self.record.facts.get("objectives", {})
        return found

    @property
    def is_complete(self) -> bool:
        """Whether it was trained to the end."""
        return self.record.state == "complete"


def scaled(trials: Sequence[Trained], box: Box, limits: Sequence[Limit]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Costs (trials, objectives) in the box; NaN for trials that are not complete or over the limits."""
    nothing = [float("nan")] * len(box.objectives)
    rows = [box.scaled(t.values) if t.is_complete and not excess(t.values, limits) else nothing for t in trials]
    return np.array(rows, np.float64).reshape(len(trials), len(box.objectives))


def area(trials: Sequence[Trained], brief: Brief) -> float:
    """Hypervolume of the trials so far, as a share of the box."""
    points = scaled(trials, brief.box, brief.limits)
    return hypervolume(points[np.isfinite(points).all(1)], [1.0] * len(brief.objectives))


def chosen_of(trials: Sequence[Trained], brief: Brief, keep: str) -> Trained:
    """The trial whose model comes out: the most accurate within the limits, or the knee of the front.

    Raises:
        NasError: no trial was trained to the end within the limits.
    """
    points = scaled(trials, brief.box, brief.limits)
    able = [index for index in range(len(trials)) if np.isfinite(points[index]).all()]
    if not able:
        told = [trial.record.facts.get("error", "") for trial in trials]
        last = next((text for text in reversed(told) if text), "none was trained to the end")
        raise NasError(
            f"none of the {len(trials)} trials gave a model within the limits ({last})",
            "at least one trained to the end",
            "Correct what the trials complain about, or give more trials",
        )
    if keep == "knee":
        return trials[able[knee(points[able])]]
    return trials[min(able, key=lambda index: (-trials[index].values["accuracy"], *points[index]))]


def report_of(
    trials: Sequence[Trained],
    chosen: Trained,
    brief: Brief,
    params: NasParams,
    rejected: int,
    workflow: Callable[[Trained], Json],
) -> Json:
    """The content of report.json; `studio.views.data.front` says what readers expect."""
    points = scaled(trials, brief.box, brief.limits)
    front = [trial.number for trial, stays in zip(trials, non_dominated(points), strict=True) if stays]
    searched = [objective.name for objective in brief.objectives]
    known = {name for trial in trials for name in trial.values}
    others = [name for name in OBJECTIVES if name in known and name not in searched]
    return {
        "kind": "search",
        "objectives": [OBJECTIVES[name].to_json() for name in (*searched, *others)],
        "searched_by": searched,
        "trials": [_trial_json(trial, workflow) for trial in trials],
        "limits": [{"objective": item.cost, "value": item.most, "label": item.label} for item in brief.limits],
        "front": front,
        "chosen": {"trial": chosen.number, "by": params.keep},
        "hypervolume": {
            "about": "share of the box between best and worst that trials so far dominate; costs by their logarithm",
            "box": brief.box.to_json(),
            "over_trials": over_trials(points, [1.0] * len(brief.objectives)),
        },
        "rejected": rejected,
        "sampler": params.sampler,
        "pruning": params.pruning,
        "seed": params.seed,
        "space": {
            "base": brief.space.base,
            "shapes": {dimension.name: list(dimension.values) for dimension in brief.space.dimensions},
            "settings": {d.name: _values(d) for d in brief.settings.dimensions} if params.tuning_trials else {},
        },
    }


def _values(dimension: Dimension) -> list[Any]:
    return list(dimension.values) if isinstance(dimension, Choice) else [dimension.low, dimension.high]


def _trial_json(trial: Trained, workflow: Callable[[Trained], Json]) -> Json:
    facts = trial.record.facts
    told = {"error": facts["error"]} if facts.get("error") else {}
    return {
        "number": trial.number,
        "phase": trial.phase,
        "state": trial.record.state,
        "objectives": dict(trial.values),
        "params": dict(trial.record.params),
        "curve": facts.get("points", []),
        **told,
        "workflow": workflow(trial),
    }


def write_report(found: Json, chosen: Trained, ctx: Context) -> Report:
    """Write report.json as an artifact."""
    folder = ctx.folder("report")
    text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    states = [trial["state"] for trial in found["trials"]]
    accuracy, area_now = chosen.values["accuracy"], found["hypervolume"]["over_trials"][-1]
    counts = {name: float(states.count(name)) for name in ("complete", "pruned", "failed")}
    metrics = {"accuracy": accuracy, "hypervolume": area_now, "on_front": float(len(found["front"])), **counts}
    about = (
        f"{len(states)} trials, {states.count('pruned')} stopped early, {len(found['front'])} on the front;"
        f" trial {chosen.number} chosen: {accuracy:.1%} on validation"
    )
    return Report(
        folder, ReportMeta(about=about, title=f"Search around {found['space']['base']['name']}", metrics=metrics)
    )


def said(params: Params) -> str:
    """A point in words."""
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in params.items()
    )
