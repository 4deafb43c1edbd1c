"""The sweep of a workflow as it is edited: what could be swept over, what is set, what came of it. Pure but `known`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from engine.errors import OssicleError
from engine.registry import Registry
from engine.runs import home_of
from engine.sweep import sweep_id
from engine.sweep_check import used_variables
from engine.sweep_record import SUMMARY, Over, load_sweep
from engine.sweep_report import HEADLINE, spread_text
from engine.sweep_summary import Spread
from engine.workflow import Workflow
from studio.run.sweep import SweepView

FIRST: Final = ("seed", "fold")
"""Variables that one sweeps over most often."""


def set_sweep(workflow: Workflow, over: Over) -> Workflow:
    """The workflow with another sweep; with none if there are no variables."""
    return workflow.model_copy(update={"sweep": {name: list(values) for name, values in over.items()}})


def candidates(workflow: Workflow, registry: Registry, node: str = "") -> list[str]:
    """What could be swept over: the variables that nodes use, then the parameters of a node."""
    used = used_variables(workflow) & workflow.variables.keys()
    names = [*(name for name in FIRST if name in used), *(name for name in sorted(used) if name not in FIRST)]
    placed = workflow.nodes.get(node)
    spec = registry.find(placed.type) if placed is not None else None
    return [*names, *(f"{node}.{name}" for name in (spec.params.model_fields if spec is not None else ()))]


@dataclass(frozen=True)
class Figure:
    """One figure over the points of a sweep.

    Attributes:
        place: node and port it comes from.
        values: of the points, in their order.
    """

    name: str
    place: str
    values: tuple[float, ...]
    spread: Spread

    @property
    def text(self) -> str:
        """ "93.12 % ± 0.41 %"."""
        return spread_text(self.name, self.spread)


@dataclass(frozen=True)
class Known:
    """A sweep as its folder tells it."""

    view: SweepView
    figures: tuple[Figure, ...] = ()

    @property
    def headline(self) -> str:
        """The first figure in words: "accuracy 93.12 % ± 0.41 %"; "" if there is none."""
        first = next((figure for name in HEADLINE for figure in self.figures if figure.name == name), None)
        first = first or next(iter(self.figures), None)
        return f"{first.name.replace('_', ' ')} {first.text}" if first is not None else ""


def known(workflow: Workflow, base: Path, over: Over) -> Known | None:
    """What is there of the sweep of a workflow, run from the window or elsewhere. Reads files: call it in a thread."""
    if not over or not all(over.values()):
        return None
    try:
        folder = home_of(base) / "sweeps" / sweep_id(workflow, over, None)
        record = load_sweep(folder)
    except OssicleError:
        return None
    view = SweepView(
        record.id, record.over, record.points, len(record.points), record.state, record.seconds, record.folder
    )  # fmt: skip
    return Known(view, figures_of(folder))


def figures_of(folder: Path) -> tuple[Figure, ...]:
    """The figures of a sweep's summary, those that differ between points first; none if there is no summary."""
    try:
        raw = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        found = [figure for result in raw["results"] for figure in _figures(result)]
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    return tuple(sorted(found, key=_rank))


def _rank(figure: Figure) -> tuple[int, bool]:
    place = HEADLINE.index(figure.name) if figure.name in HEADLINE else len(HEADLINE)
    return place, figure.spread.min == figure.spread.max


def _figures(result: Mapping[str, Any]) -> Iterator[Figure]:
    names = [field.name for field in fields(Spread)]
    for name, metric in result["metrics"].items():
        values = tuple(float(value) for value in metric["values"].values())
        yield Figure(name, f"{result['node']}.{result['port']}", values, Spread(**{key: metric[key] for key in names}))
