"""What is read off ROC curves: against scikit-learn, and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as peer

from nodes.judge.curves import roc_card, roc_plots
from nodes.judge.plots import MOST_POINTS, line
from nodes.judge.roc import GRID, average, of_class, of_columns, operate, word_columns
from nodes.learn.metrics import Roc, decision_curve, roc, softmax

CLASSES = ("yes", "no", "silence", "unknown")


def guesses(clips: int = 400, skill: float = 1.5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of an imperfect classifier of four classes, and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, clips)
    logits = rng.normal(size=(clips, 4))
    logits[np.arange(clips), truth] += skill
    return softmax(logits), truth


@pytest.mark.parametrize("index", range(4))
def test_a_class_against_the_rest_agrees_with_scikit_learn(index: int) -> None:
    probabilities, truth = guesses()
    found = of_class(probabilities, truth, index)
    assert found is not None
    assert found.auc == pytest.approx(peer.roc_auc_score(truth == index, probabilities[:, index]))


def test_the_words_alone_agree_with_scikit_learn() -> None:
    probabilities, truth = guesses()
    columns = word_columns(CLASSES)
    assert columns.tolist() == [True, True, False, False]
    found = of_columns(probabilities, truth, columns)
    assert found is not None
    target = np.eye(4)[truth][:, :2]
    assert found.auc == pytest.approx(peer.roc_auc_score(target.ravel(), probabilities[:, :2].ravel()))


def test_a_class_that_no_clip_or_every_clip_has_gives_no_curve() -> None:
    probabilities, truth = guesses()
    kept = truth != 1
    assert of_class(probabilities[kept], truth[kept], 1) is None
    assert of_class(probabilities[truth == 1], truth[truth == 1], 1) is None


def test_the_operating_point_by_hand() -> None:
    """Scores 0.9+ 0.8- 0.7+ 0.6- 0.5- 0.4+: a third of the false alarms allowed leaves one of three rejected."""
    curve = decision_curve(np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4]), np.array([1, 0, 1, 0, 0, 1], bool))
    found = operate(curve, 0.34)
    assert (found.threshold, found.false_alarm) == (0.7, pytest.approx(1 / 3))
    assert found.false_reject == pytest.approx(1 / 3)
    strict = operate(curve, 0.1)
    assert (strict.threshold, strict.false_alarm, strict.false_reject) == (0.9, 0.0, pytest.approx(2 / 3))


@given(st.integers(0, 50), st.floats(0, 1))
def test_the_operating_point_keeps_to_its_budget_and_no_other_is_better(seed: int, budget: float) -> None:
    probabilities, truth = guesses(clips=60, seed=seed)
    curve = roc(probabilities, truth)
    found = operate(curve, budget)
    accepted, target = probabilities >= found.threshold, np.eye(4, dtype=bool)[truth]
    assert (accepted & ~target).sum() / (~target).sum() == pytest.approx(
        found.false_alarm
    ) and found.false_alarm <= budget
    assert (~accepted & target).sum() / target.sum() == pytest.approx(found.false_reject)
    for threshold in np.unique(probabilities):
        taken = probabilities >= threshold
        if (taken & ~target).sum() / (~target).sum() <= budget:
            assert (~taken & target).sum() / target.sum() >= found.false_reject - 1e-12


def test_the_equal_error_lies_on_both_curves() -> None:
    curve = roc(*guesses())
    assert np.interp(curve.equal_error, curve.false_alarm, curve.false_reject) == pytest.approx(
        curve.equal_error, abs=0.01
    )
    assert Roc(np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0]), np.zeros(3)).equal_error == 0.0


def test_the_mean_over_runs_is_vertical() -> None:
    low = Roc(np.array([0.0, 0.5, 0.5, 1.0]), np.array([0.8, 0.8, 0.2, 0.0]), np.zeros(4))
    high = Roc(np.array([0.0, 1.0]), np.array([1.0, 0.0]), np.zeros(2))
    band = average([low, high], np.array([0.0, 0.25, 0.5, 1.0]))
    np.testing.assert_allclose(band.mean, [0.9, 0.775, 0.35, 0.0])  # at 0.25 the step of `low` is still at 0.8
    np.testing.assert_allclose(band.sd, np.array([0.2, 0.05, 0.3, 0.0]) / np.sqrt(2))


def test_the_area_of_the_mean_of_equal_runs_is_their_area() -> None:
    curve = roc(*guesses())
    band = average([curve, curve, curve])
    assert band.area == pytest.approx(curve.area, abs=2e-3)
    assert band.sd.max() < 1e-12 and (np.diff(GRID) > 0).all() and (GRID[0], GRID[-1]) == (0.0, 1.0)


def test_the_card_tells_of_classes_without_clips() -> None:
    probabilities, truth = guesses()
    kept = truth != 3
    card = roc_card(roc(probabilities[kept], truth[kept]), probabilities[kept], truth[kept], CLASSES, 0.01)
    assert card["per_class"][3] == {
        "class": "unknown", "positives": 0, "area": None, "auc": None, "equal_error": None, "operating": None,
    }  # fmt: skip
    assert card["words"]["area"] != card["area"] and card["operating"]["false_alarm"] <= 0.01


def test_nothing_is_accepted_where_no_threshold_keeps_to_the_budget() -> None:
    probabilities = np.array([[0.4, 0.6], [0.6, 0.4]])  # both wrong
    card = roc_card(roc(probabilities, np.array([0, 1])), probabilities, np.array([0, 1]), ("a", "b"), 0.01)
    assert card["operating"] == {"budget": 0.01, "threshold": None, "false_alarm": 0.0, "false_reject": 1.0}


def test_plots_hold_the_hardest_classes_and_few_points() -> None:
    probabilities, truth = guesses(clips=3000)
    curve = roc(probabilities, truth)
    found = roc_plots(curve, probabilities, truth, CLASSES, operate(curve, 0.01))
    assert [one["title"] for one in found] == ["ROC", "DET"]
    for one in found:
        assert one["lines"][0]["name"] == "all classes" and len(one["lines"]) == 5
        assert all(len(entry["x"]) == len(entry["y"]) <= MOST_POINTS for entry in one["lines"])


def test_thinning_keeps_both_ends_and_the_shape() -> None:
    x = np.linspace(0, 1, 5000)
    found = line("a", x, x**3)
    assert (found["x"][0], found["x"][-1], found["y"][-1]) == (0.0, 1.0, 1.0)
    np.testing.assert_allclose(np.interp(x, found["x"], found["y"]), x**3, atol=1e-3)
