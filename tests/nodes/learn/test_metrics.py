"""Scores: against scikit-learn, against plain definitions, and each clip exactly once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as peer

from nodes.learn.metrics import (
    Roc,
    batches,
    bootstrap_uar,
    confusion,
    majority,
    per_class,
    roc,
    score,
    softmax,
    vertical_average,
    wilson,
)


def guesses(clips: int = 500, classes: int = 6, skill: float = 1.5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of an imperfect classifier, and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, clips)
    logits = rng.normal(size=(clips, classes))
    logits[np.arange(clips), truth] += skill
    return softmax(logits), truth


@pytest.mark.parametrize("classes", [2, 3, 12])
def test_every_figure_agrees_with_scikit_learn(classes: int) -> None:
    probabilities, truth = guesses(classes=classes)
    predicted = probabilities.argmax(1)
    found = score(probabilities, truth)
    assert found.accuracy.value == pytest.approx(peer.accuracy_score(truth, predicted))
    assert found.uar.value == pytest.approx(peer.balanced_accuracy_score(truth, predicted))
    np.testing.assert_array_equal(found.confusion, peer.confusion_matrix(truth, predicted))
    precision, recall, f1, support = peer.precision_recall_fscore_support(truth, predicted)
    np.testing.assert_allclose(found.per_class.precision, precision)
    np.testing.assert_allclose(found.per_class.recall, recall)
    np.testing.assert_allclose(found.per_class.f1, f1)
    np.testing.assert_array_equal(found.per_class.support, support)


@pytest.mark.parametrize("ties", [False, True])
def test_the_roc_agrees_with_scikit_learn(ties: bool) -> None:
    probabilities, truth = guesses()
    if ties:
        probabilities = np.round(probabilities, 1)
    target = np.eye(6)[truth]
    alarm, accept, _ = peer.roc_curve(target.ravel(), probabilities.ravel())
    found = roc(probabilities, truth)
    assert found.area == pytest.approx(1 - peer.roc_auc_score(target.ravel(), probabilities.ravel()))
    np.testing.assert_allclose(np.interp(alarm, found.false_alarm, found.false_reject)[-1], 1 - accept[-1])
    assert (found.false_alarm[0], found.false_reject[0]) == (0.0, 1.0)
    assert (found.false_alarm[-1], found.false_reject[-1]) == (1.0, 0.0)
    assert (np.diff(found.false_alarm) >= 0).all() and (np.diff(found.false_reject) <= 0).all()


def test_each_point_of_the_roc_is_what_its_threshold_gives() -> None:
    probabilities, truth = guesses(clips=60)
    found = roc(probabilities, truth)
    target = np.eye(6, dtype=bool)[truth]
    for alarm, reject, threshold in zip(found.false_alarm, found.false_reject, found.threshold, strict=True):
        accepted = probabilities >= threshold
        assert alarm == pytest.approx((accepted & ~target).sum() / (~target).sum())
        assert reject == pytest.approx((~accepted & target).sum() / target.sum())


def test_runs_are_averaged_vertically() -> None:
    low = Roc(np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.2, 0.0]), np.zeros(3))
    high = Roc(np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.6, 0.0]), np.zeros(3))
    np.testing.assert_allclose(vertical_average([low, high], np.array([0.0, 0.5, 1.0])), [0.4, 0.2, 0.0])


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"), [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (96, 100, 0.9016, 0.9843)]
)
def test_wilsons_interval(correct: int, total: int, low: float, high: float) -> None:
    found = wilson(correct, total)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    assert found.value == correct / total


@given(st.integers(1, 5000), st.data())
def test_wilsons_interval_holds_its_value(total: int, data: st.DataObject) -> None:
    found = wilson(data.draw(st.integers(0, total)), total)
    assert 0.0 <= found.low <= found.value + 1e-12 and found.value - 1e-12 <= found.high <= 1.0


def test_the_bootstrap_is_that_of_resampled_clips() -> None:
    """Drawing counts gives the same interval as drawing clips, within the noise of the resamples."""
    probabilities, truth = guesses(clips=300, classes=4)
    predicted, rng = probabilities.argmax(1), np.random.default_rng(1)
    values = []
    for _ in range(2000):
        rows = rng.integers(0, 300, 300)
        values.append(peer.balanced_accuracy_score(truth[rows], predicted[rows]))
    found = bootstrap_uar(confusion(truth, predicted, 4), resamples=2000)
    assert (found.low, found.high) == (
        pytest.approx(np.percentile(values, 2.5), abs=0.01),
        pytest.approx(np.percentile(values, 97.5), abs=0.01),
    )


def test_the_seed_decides_the_bootstrap() -> None:
    matrix = confusion(*(lambda p, t: (t, p.argmax(1)))(*guesses()), 6)
    assert bootstrap_uar(matrix, seed=1) == bootstrap_uar(matrix, seed=1)
    assert bootstrap_uar(matrix, seed=1) != bootstrap_uar(matrix, seed=2)


def test_figure_3_of_s2_gives_its_uar() -> None:
    """Sensitivity 55.3 % and specificity 72.5 %: their mean is the printed UAR of 63.9 %."""
    found = per_class(np.array([[725, 275], [447, 553]]))
    assert found.recall[1] == 0.553 and found.specificity[1] == 0.725
    assert round(100 * float(found.recall.mean()), 1) == 63.9


def test_a_class_without_clips_is_undefined_and_stays_out_of_the_mean() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.7, 0.3, 0.0]])
    found = score(probabilities, np.array([0, 1, 1]))
    assert np.isnan(found.per_class.recall[2]) and np.isnan(found.per_class.precision[2])
    assert found.uar.value == pytest.approx(0.75)
    assert found.chance == 0.5


@pytest.mark.parametrize(("count", "size"), [(2567, 100), (2600, 100), (1, 100), (7, 3), (0, 5)])
def test_batches_hold_each_clip_once_when_the_size_does_not_divide(count: int, size: int) -> None:
    rows = [row for part in batches(count, size) for row in range(count)[part]]
    assert rows == list(range(count))


def test_2567_clips_give_a_multiple_of_one_2567th() -> None:
    """Slip 7: S4's accuracies are multiples of 1/2600, for the last batch of 100 wrapped round."""
    probabilities, truth = guesses(clips=2567, classes=10)
    scored = np.concatenate([probabilities[part] for part in batches(2567, 100)])
    found = score(scored, truth)
    assert found.confusion.sum() == 2567
    assert found.accuracy.value * 2567 == pytest.approx(round(found.accuracy.value * 2567))


def test_softmax_survives_large_logits() -> None:
    found = softmax(np.array([[1e4, 0.0], [-1e4, 1e4]], np.float32))
    np.testing.assert_allclose(found, [[1, 0], [0, 1]])


@pytest.mark.parametrize(
    ("probabilities", "truth", "words"),
    [
        (np.zeros((0, 3)), np.zeros(0, int), "0 clips"),
        (np.zeros((4, 3)), np.zeros(3, int), "(4, 3) for 3 clips"),
        (np.zeros((2, 3)), np.array([0, 3]), "run from 0 to 3"),
        (np.zeros((2, 3)), np.array([-1, 0]), "run from -1 to 0"),
    ],
)
def test_what_cannot_be_scored_is_refused(probabilities: np.ndarray, truth: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match="Expected") as caught:
        score(probabilities, truth)
    assert words in str(caught.value)


def test_a_recording_takes_the_majority_of_its_clips_and_the_mean_breaks_ties() -> None:
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.45, 0.55], [0.6, 0.4], [0.1, 0.9]])
    first, predicted = majority(probabilities, np.array(["b", "b", "b", "a", "a"]))
    assert first.tolist() == [3, 0]
    assert predicted.tolist() == [1, 1]
