"""Pruning: who is stopped, and who never."""

from collections.abc import Sequence
from typing import get_args

import pytest

from nodes.nas.names import PruningName
from nodes.nas.prune import RULES, Curve, behind_in_rung, below_median, never


def curve(number: int, cost: float, *accuracies: float, of: int = 0) -> Curve:
    """A trial with evenly spaced points of a whole training of `of` points."""
    count = of or len(accuracies)
    return Curve(number, (cost,), tuple(((i + 1) / count, a) for i, a in enumerate(accuracies)))


RIVALS: Sequence[Curve] = [curve(n, n + 1.0, 0.2, 0.3 + 0.1 * n, 0.5 + 0.1 * n, 0.9) for n in range(4)]


def test_the_rules_are_those_of_the_names() -> None:
    assert set(RULES) == set(get_args(PruningName))


def test_below_the_median_of_cheaper_trials() -> None:
    """At half of the training the four have 0.3 to 0.6 so far: median 0.45."""
    assert below_median(curve(9, 10.0, 0.2, 0.4, of=4), RIVALS)
    assert not below_median(curve(9, 10.0, 0.2, 0.5, of=4), RIVALS)
    assert not below_median(curve(9, 10.0, 0.5, 0.1, of=4), RIVALS), "the best so far counts"


def test_the_cheapest_is_never_stopped_by_dearer_ones() -> None:
    assert not below_median(curve(9, 0.5, 0.0, 0.0, of=4), RIVALS)
    assert not below_median(curve(9, 3.5, 0.0, 0.0, of=4), RIVALS), "only three cost no more"


def test_nothing_is_stopped_at_the_start_or_at_the_end() -> None:
    assert not below_median(curve(9, 10.0, 0.0, of=10), RIVALS)
    assert not below_median(curve(9, 10.0, 0.0, 0.0, 0.0, 0.0), RIVALS)
    assert not never(curve(9, 10.0, 0.0, 0.0, of=4), RIVALS)


def test_rungs_keep_the_best_third_and_the_front() -> None:
    ended = [curve(n, 5.0, 0.1 * n, 0.1 * n, 0.1 * n, of=3) for n in range(8)]
    bracket = 9  # begins at the first rung
    assert behind_in_rung(curve(bracket, 5.0, 0.35, of=3), ended)
    assert not behind_in_rung(curve(bracket, 5.0, 0.65, of=3), ended), "one of the best three of nine"
    assert not behind_in_rung(curve(bracket, 1.0, 0.0, of=3), ended), "nobody cheaper is better"
    assert not behind_in_rung(curve(bracket + 2, 5.0, 0.0, of=3), ended), "the last bracket stops nobody"
    assert not behind_in_rung(curve(bracket, 5.0, 0.0, 0.0, of=3), ended), "between rungs nobody is looked at"


@pytest.mark.parametrize("rule", RULES.values())
def test_the_first_trial_has_no_rivals(rule: object) -> None:
    assert callable(rule) and not rule(curve(0, 1.0, 0.0, 0.0, of=4), [])


def test_the_best_up_to_a_share() -> None:
    made = curve(0, 1.0, 0.3, 0.2, 0.5, of=4)
    assert made.best(0.5) == 0.3 and made.best(0.6) == 0.5 and made.best(1.0) is None
