"""Early pruning with several objectives: which trials are not worth training to the end.

Optuna's pruners know one objective only. Here a trial is compared, at the same share of its training, with trials that
cost no more on every axis: whoever is beaten by cheaper networks will not reach the front. With accuracy as the only
objective every trial is such a rival, and the rules are the usual ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from nodes.nas.names import PruningName

WARM_UP: Final = 0.4
"""Share of a training in which nothing is pruned by the median: while the rate is high, early order says little."""
LEAST_RIVALS: Final = 4
REDUCTION: Final = 3
"""Of the trials that reach a rung one in so many goes on (Hyperband's eta, Li et al. 2018)."""
RUNGS: Final = (1 / 9, 1 / 3)
BRACKETS: Final = len(RUNGS) + 1
"""Brackets begin at later and later rungs; in the last nothing is pruned."""
_ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class Curve:
    """How a trial's accuracy rose.

    Attributes:
        costs: what is known about the trial before training; less is better.
        points: (share of the training done, validation accuracy), in order.
    """

    number: int
    costs: tuple[float, ...]
    points: tuple[tuple[float, float], ...]

    def best(self, share: float) -> float | None:
        """The best accuracy up to a share of the training; None if the trial did not get there."""
        if not self.points or self.points[-1][0] < share - _ROUNDING:
            return None
        return max(accuracy for done, accuracy in self.points if done <= self._reached(share))

    def _reached(self, share: float) -> float:
        """The first point at or after the share."""
        return next(done for done, _ in self.points if done >= share - _ROUNDING)


Rule = Callable[[Curve, Sequence[Curve]], bool]
"""Whether to stop a trial now, given the trials that have ended."""


def never(trial: Curve, ended: Sequence[Curve]) -> bool:
    """Every trial is trained to the end."""
    return False


def below_median(trial: Curve, ended: Sequence[Curve]) -> bool:
    """Whether the best accuracy so far is below the median that rivals had at this share of their training."""
    share = trial.points[-1][0]
    if share < WARM_UP or share >= 1.0:
        return False
    rivals = [best for other in ended if _is_rival(other, trial) and (best := other.best(share)) is not None]
    return len(rivals) >= LEAST_RIVALS and (trial.best(share) or 0.0) < median(rivals)


def behind_in_rung(trial: Curve, ended: Sequence[Curve]) -> bool:
    """Asynchronous successive halving in brackets, ranked by how many rivals are better.

    At a rung the best third goes on, and whoever no rival beats (Li et al. 2018; Schmucker et al. 2021 for several
    objectives).
    """
    rung = _rung_just_reached(trial)
    if rung is None:
        return False
    field = [*ended, trial]
    reached = [(other, best) for other in field if (best := other.best(rung)) is not None]
    beaten = {
        other.number: sum(_is_rival(rival, other) and reach > best for rival, reach in reached)
        for other, best in reached
    }
    better = sum(count < beaten[trial.number] for count in beaten.values())
    return beaten[trial.number] > 0 and len(reached) >= REDUCTION and better >= len(reached) / REDUCTION


def _rung_just_reached(trial: Curve) -> float | None:
    shares = [done for done, _ in trial.points]
    before = shares[-2] if len(shares) > 1 else 0.0
    mine = RUNGS[trial.number % BRACKETS :]
    return next((rung for rung in mine if before < rung - _ROUNDING <= shares[-1]), None)


def _is_rival(other: Curve, trial: Curve) -> bool:
    """Whether another trial costs no more on any axis."""
    return other.number != trial.number and all(a <= b for a, b in zip(other.costs, trial.costs, strict=True))


RULES: Final[Mapping[PruningName, Rule]] = {"none": never, "median": below_median, "hyperband": behind_in_rung}
