"""Search results and their Pareto front.

A search's report.json, as views and other readers expect it:

    {
      "kind": "search",
      "objectives": [{"name": "accuracy", "direction": "maximize", "unit": ""},
                     {"name": "flops", "direction": "minimize", "unit": ""}],
      "trials": [{"number": 0, "state": "complete", "objectives": {"accuracy": 0.91, "flops": 3.0e6},
                  "params": {"width": 1.0}, "workflow": {...}}],
      "limits": [{"objective": "ram_bytes", "value": 131072, "label": "STM32L476RG"}]
    }

`state` is "complete", "pruned", "failed" or "running"; only complete trials have all objectives. `direction` is
"maximize" or "minimize". `workflow` (a workflow as its file holds it) and `limits` may be left out. While a search
runs, the same comes as metric rows: {"trial": 3, "accuracy": 0.9, "flops": 3.0e6}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from engine.errors import OssicleError
from engine.evidence import SHARES, words

Floats = NDArray[np.float64]
BLOCK: Final = 512
COMPLETE: Final = "complete"


@dataclass(frozen=True)
class Objective:
    """One axis of a search."""

    name: str
    is_maximised: bool
    unit: str = ""

    @property
    def label(self) -> str:
        """Name and unit for an axis."""
        return f"{words(self.name)} / {self.unit}" if self.unit else words(self.name)


@dataclass(frozen=True)
class SearchTrial:
    """One point of a search; `values` by objective, only finite ones."""

    number: int
    state: str
    values: Mapping[str, float]
    params: Mapping[str, Any] = field(default_factory=dict)
    workflow: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Limit:
    """What a device allows at most (or, for a maximised objective, at least)."""

    objective: str
    value: float
    label: str = ""


@dataclass(frozen=True)
class Search:
    """All trials and what they were judged by."""

    objectives: tuple[Objective, ...]
    trials: tuple[SearchTrial, ...]
    limits: tuple[Limit, ...] = ()

    def objective(self, name: str) -> Objective | None:
        """The objective of that name."""
        return next((item for item in self.objectives if item.name == name), None)

    def trial(self, number: int) -> SearchTrial | None:
        """The trial of that number."""
        return next((item for item in self.trials if item.number == number), None)


def non_dominated(points: Floats) -> NDArray[np.bool_]:
    """Which points (n, k) no other beats: none is at most as large in every column and smaller in one.

    All columns are minimised; equal points all stay. Rows with NaN never stay.
    """
    known: NDArray[np.bool_] = np.asarray(np.isfinite(points).all(1))
    kept = known.copy()
    for first in range(0, len(points), BLOCK):
        block = points[first : first + BLOCK, None]
        with np.errstate(invalid="ignore"):
            beaten = ((points[None] <= block).all(2) & (points[None] < block).any(2) & known[None]).any(1)
        kept[first : first + BLOCK] &= ~beaten
    return kept


def costs(trials: Sequence[SearchTrial], objectives: Sequence[Objective]) -> Floats:
    """Objectives (trials, objectives) as costs: less is better; NaN where a trial has none or is not complete."""
    rows = [
        [_cost(trial, objective) if trial.state == COMPLETE else np.nan for objective in objectives] for trial in trials
    ]
    return np.array(rows, dtype=np.float64).reshape(len(trials), len(objectives))


def _cost(trial: SearchTrial, objective: Objective) -> float:
    value = trial.values.get(objective.name, np.nan)
    return -value if objective.is_maximised else value


def front_of(search: Search, x: Objective, y: Objective) -> list[SearchTrial]:
    """The trials that no other beats in these two objectives, by x."""
    kept = non_dominated(costs(search.trials, (x, y)))
    found = [trial for trial, stays in zip(search.trials, kept, strict=True) if stays]
    return sorted(found, key=lambda trial: (trial.values[x.name], trial.values[y.name], trial.number))


def fits(trial: SearchTrial, search: Search) -> bool:
    """Whether a trial keeps every limit that it has a figure for."""
    for limit in search.limits:
        objective, value = search.objective(limit.objective), trial.values.get(limit.objective)
        is_maximised = objective.is_maximised if objective is not None else False
        if value is not None and (value < limit.value if is_maximised else value > limit.value):
            return False
    return True


# ---- reading


def read_search(raw: Mapping[str, Any]) -> Search:
    """The search of a report.json.

    Raises:
        OssicleError: trials or objectives are missing or not as this module's text says.
    """
    try:
        objectives = tuple(_objective(item) for item in raw["objectives"])
        trials = tuple(_trial(item) for item in raw["trials"])
        limits = tuple(
            Limit(str(item["objective"]), float(item["value"]), str(item.get("label", "")))
            for item in raw.get("limits") or ()
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OssicleError(
            f"the search report cannot be read ({type(error).__name__}: {error})",
            'objectives [{"name", "direction", "unit"}] and trials [{"number", "state", "objectives", "params"}]',
            "Run the search node again",
        ) from error
    return Search(objectives or _guessed(trials), trials, limits)


def _objective(item: Mapping[str, Any]) -> Objective:
    is_maximised = str(item.get("direction", "minimize")) == "maximize"
    return Objective(str(item["name"]), is_maximised, str(item.get("unit", "")))


def _trial(item: Mapping[str, Any]) -> SearchTrial:
    workflow = item.get("workflow")
    return SearchTrial(
        int(item["number"]),
        str(item.get("state", COMPLETE)).lower(),
        _finite(item.get("objectives") or {}),
        dict(item.get("params") or {}),
        workflow if isinstance(workflow, Mapping) else None,
    )


def _finite(values: Mapping[str, Any]) -> dict[str, float]:
    return {
        str(name): float(value)
        for name, value in values.items()
        if isinstance(value, (int, float)) and np.isfinite(value)
    }


def search_of_rows(rows: Sequence[Mapping[str, float]], known: Sequence[Objective] = ()) -> Search:
    """A search as its metric rows tell it so far; later rows of a trial complete earlier ones."""
    values: dict[int, dict[str, float]] = {}
    for row in rows:
        if "trial" in row:
            told = {name: value for name, value in row.items() if name not in ("trial", "step")}
            values.setdefault(int(row["trial"]), {}).update(_finite(told))
    trials = tuple(SearchTrial(number, COMPLETE, found) for number, found in values.items())
    return Search(tuple(known) or _guessed(trials), trials)


def _guessed(trials: Sequence[SearchTrial]) -> tuple[Objective, ...]:
    """Objectives from the names of figures: accuracies are to rise, all else is a cost."""
    names = dict.fromkeys(name for trial in trials for name in trial.values)
    return tuple(Objective(name, any(part in name for part in SHARES)) for name in names)
