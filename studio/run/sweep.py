"""A sweep as the runner tells it: which point is at hand, how the others ended. The same folding for every panel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from engine.errors import OssicleError
from engine.fault import Fault
from engine.sweep_record import Over, Point, Values, points_of

KINDS: Final = frozenset({"sweep_started", "point_started", "point_finished", "sweep_finished"})


@dataclass(frozen=True)
class SweepView:
    """The present sweep, or the last one.

    Attributes:
        over: values by variable.
        points: with their states; in the order of the sweep.
        at: number of the point at hand; 0 before the first.
        state: "" before a sweep, "running", or how it ended: done, failed, cancelled, interrupted.
        folder: where its summary and report are; None before it began.
    """

    id: str = ""
    over: Over = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    at: int = 0
    state: str = ""
    seconds: float = 0.0
    folder: Path | None = None

    @property
    def is_on(self) -> bool:
        """Whether it is going on."""
        return self.state == "running"

    @property
    def values(self) -> Values:
        """The values of the point at hand."""
        return self.points[self.at - 1].values if 0 < self.at <= len(self.points) else {}

    @property
    def done(self) -> int:
        """How many points have ended one way or another."""
        return sum(point.state in ("done", "failed", "cancelled") for point in self.points)

    def ended(self) -> SweepView:
        """The same if the runner is gone: what it did not tell did not happen."""
        return replace(self, state="interrupted") if self.is_on else self


def asked(over: Over) -> SweepView:
    """A sweep that was sent to the runner."""
    return SweepView(
        over={name: list(values) for name, values in over.items()}, points=points_of(over), state="running"
    )


def told(view: SweepView, line: Mapping[str, Any]) -> SweepView:
    """The sweep after one of the runner's lines; a line that makes no sense changes nothing."""
    try:
        return _CHANGES[line["kind"]](view, line["values"])
    except (LookupError, TypeError, ValueError, AttributeError, OssicleError):
        return view


def _started(view: SweepView, values: Mapping[str, Any]) -> SweepView:
    return replace(view, id=str(values["sweep"]), folder=Path(values["folder"]))


def _point(view: SweepView, values: Mapping[str, Any]) -> SweepView:
    number, error = int(values["point"]), values.get("error")
    if number < 1:
        raise ValueError(number)
    old = view.points[number - 1]
    new = replace(
        old,
        state=values["state"],
        run=str(values.get("run", "")),
        seconds=float(values["seconds"]),
        nodes=dict(values.get("nodes", {})),
        node=str(values.get("node", "")),
        error=Fault.from_json(error) if error else None,
    )
    return replace(view, points=(*view.points[: number - 1], new, *view.points[number:]), at=number)


def _finished(view: SweepView, values: Mapping[str, Any]) -> SweepView:
    return replace(view, state=str(values["state"]), seconds=float(values["seconds"]))


_CHANGES: Final = {
    "sweep_started": _started,
    "point_started": _point,
    "point_finished": _point,
    "sweep_finished": _finished,
}
