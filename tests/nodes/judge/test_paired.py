"""Paired tests: by hand, against scipy, against plain resampling."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as peer

from nodes.judge.paired import EXACT_BELOW, agreement, bootstrap_difference, holm, mcnemar, spread


def rights(only_first: int, only_second: int, both: int = 5) -> tuple[np.ndarray, np.ndarray]:
    first = np.array([1] * only_first + [0] * only_second + [1] * both, bool)
    return first, np.array([0] * only_first + [1] * only_second + [1] * both, bool)


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [(0, 0, 1.0), (1, 0, 1.0), (6, 0, 2 / 64), (1, 9, 22 / 1024), (5, 5, 1.0), (2, 3, 1.0)],
)
def test_mcnemar_by_hand(only_first: int, only_second: int, p: float) -> None:
    """(1, 9): twice the chance of 0 or 1 heads in ten throws, 2 (1 + 10) / 1024."""
    found = mcnemar(*rights(only_first, only_second))
    assert (found.only_first, found.only_second, found.is_exact) == (only_first, only_second, True)
    assert found.p == pytest.approx(p)


def test_many_discordant_clips_take_the_corrected_statistic_which_agrees() -> None:
    found = mcnemar(*rights(560, 480))
    assert not found.is_exact and found.only_first + found.only_second > EXACT_BELOW
    assert found.p == pytest.approx(stats.chi2.sf(79**2 / 1040, 1))
    assert found.p == pytest.approx(stats.binomtest(560, 1040, 0.5).pvalue, abs=1e-3)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_symmetric_and_a_probability(a: int, b: int) -> None:
    one, other = mcnemar(*rights(a, b)), mcnemar(*rights(b, a))
    assert one.p == pytest.approx(other.p) and 0 < one.p <= 1


def test_holm_by_hand() -> None:
    """0.01 x 3, 0.02 x 2 raised to no less, 0.04 x 1 raised to no less."""
    assert holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([]) == [] and holm([0.6, 0.7]) == [1.0, 1.0]


def test_agreement_by_hand_and_kappa_as_scikit_learn() -> None:
    truth = np.array([0, 0, 1, 1, 2, 2])
    first, second = np.array([0, 0, 1, 2, 0, 2]), np.array([0, 1, 1, 2, 1, 0])
    found = agreement(first, second, truth)
    assert (found.both_right, found.only_first, found.only_second, found.both_wrong) == (2, 2, 0, 2)
    assert found.alike == pytest.approx(3 / 6)
    assert found.kappa == pytest.approx(peer.cohen_kappa_score(first, second))
    assert agreement(truth * 0, truth * 0, truth).kappa is None


def test_the_difference_is_that_of_the_scores_and_its_interval_that_of_resampled_clips() -> None:
    rng = np.random.default_rng(3)
    truth = np.sort(rng.choice(4, 300, p=[0.5, 0.3, 0.15, 0.05]))
    first = np.where(rng.random(300) < 0.75, truth, (truth + 1) % 4)
    second = np.where(rng.random(300) < 0.85, truth, (truth + 1) % 4)
    found = bootstrap_difference((first == truth).astype(float), (second == truth).astype(float), truth, resamples=2000)
    assert found.accuracy.value == pytest.approx((second == truth).mean() - (first == truth).mean())
    uar = [peer.balanced_accuracy_score(truth, answers) for answers in (first, second)]
    assert found.uar.value == pytest.approx(uar[1] - uar[0])
    values = []
    for _ in range(500):
        rows = rng.integers(0, 300, 300)
        pair = [peer.balanced_accuracy_score(truth[rows], answers[rows]) for answers in (first, second)]
        values.append((pair[1] - pair[0], (second == truth)[rows].mean() - (first == truth)[rows].mean()))
    for interval, column in ((found.uar, 0), (found.accuracy, 1)):
        low, high = np.percentile([pair[column] for pair in values], [2.5, 97.5])
        assert (interval.low, interval.high) == (pytest.approx(low, abs=0.02), pytest.approx(high, abs=0.02))


def test_equal_models_differ_by_nothing() -> None:
    right = np.array([1.0, 0.0, 1.0, 1.0])
    found = bootstrap_difference(right, right, np.array([0, 0, 1, 1]), resamples=200)
    assert (found.accuracy.low, found.accuracy.value, found.accuracy.high) == (0.0, 0.0, 0.0)


def test_the_seed_decides() -> None:
    rng = np.random.default_rng(0)
    first, second, truth = rng.integers(0, 2, 50) * 1.0, rng.integers(0, 2, 50) * 1.0, rng.integers(0, 3, 50)
    made = [bootstrap_difference(first, second, truth, resamples=300, seed=seed) for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]


def test_the_spread_of_three_seeds_by_hand() -> None:
    """0.94, 0.95, 0.96: sd 0.01, Student's 4.3027 for two degrees of freedom over the root of three."""
    found = spread([0.94, 0.95, 0.96])
    assert (found.mean, found.sd, found.runs) == (pytest.approx(0.95), pytest.approx(0.01), 3)
    assert found.high is not None and found.high - found.mean == pytest.approx(4.3027 * 0.01 / 3**0.5, abs=1e-5)
    assert spread([0.9]).sd is None and spread([0.9]).low is None
