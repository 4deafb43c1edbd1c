"""Are two models different? Paired tests over the same clips, and the spread over repeated runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from nodes.learn.metrics import Floats, Interval, Ints

Bools = NDArray[np.bool_]
EXACT_BELOW: Final = 1000
"""Discordant clips up to which McNemar's test is computed exactly; above, the two agree to four digits."""
_BLOCK: Final = 128


@dataclass(frozen=True)
class McNemar:
    """McNemar's test: `p` is the chance of such an imbalance, or a larger one, if both were equally good."""

    only_first: int
    """Clips that only the first has right."""
    only_second: int
    p: float
    is_exact: bool


def mcnemar(first: Bools, second: Bools) -> McNemar:
    """Compare two models by the clips that only one of them has right (Q. McNemar, 1947); two-sided.

    Exact binomial test for few such clips, else chi-squared with Edwards' correction for continuity.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    count = only_first + only_second
    if count <= EXACT_BELOW:
        p = float(stats.binomtest(only_first, count, 0.5).pvalue) if count else 1.0
        return McNemar(only_first, only_second, p, is_exact=True)
    statistic = (abs(only_first - only_second) - 1) ** 2 / count
    return McNemar(only_first, only_second, float(stats.chi2.sf(statistic, 1)), is_exact=False)


def holm(values: Sequence[float]) -> list[float]:
    """p-values corrected for testing several pairs (S. Holm, 1979), in the given order."""
    order = np.argsort(values, kind="stable")
    factors = np.arange(len(values), 0, -1)
    raised = np.minimum(np.maximum.accumulate(np.asarray(values)[order] * factors), 1.0)
    corrected = np.empty(len(values))
    corrected[order] = raised
    return [float(value) for value in corrected]


@dataclass(frozen=True)
class Agreement:
    """How two models decide on the same clips; counts of clips, shares in [0, 1]."""

    both_right: int
    only_first: int
    only_second: int
    both_wrong: int
    alike: float
    """Share of clips on which both give the same answer, right or wrong."""
    kappa: float | None
    """Cohen's kappa: agreement beyond chance; None where both always give one and the same answer."""


def agreement(first: Ints, second: Ints, truth: Ints) -> Agreement:
    """Compare answers (clips,) of two models."""
    a, b = first == truth, second == truth
    classes = int(max(first.max(), second.max())) + 1
    shares = [np.bincount(answers, minlength=classes) / len(truth) for answers in (first, second)]
    chance, alike = float(shares[0] @ shares[1]), float((first == second).mean())
    return Agreement(
        both_right=int((a & b).sum()),
        only_first=int((a & ~b).sum()),
        only_second=int((b & ~a).sum()),
        both_wrong=int((~a & ~b).sum()),
        alike=alike,
        kappa=(alike - chance) / (1 - chance) if chance < 1 else None,
    )


@dataclass(frozen=True)
class Difference:
    """Second minus first, with the 2.5 and 97.5 percentiles over resamples of the clips."""

    accuracy: Interval
    uar: Interval


def bootstrap_difference(first: Floats, second: Floats, truth: Ints, *, resamples: int, seed: int = 0) -> Difference:
    """Paired bootstrap: each resample draws clips with replacement, the same for both models.

    Args:
        first: correctness of each clip (clips,), 0 or 1, or its mean over runs.
        second: the same of the second model.
        truth: class numbers (clips,). A class without clips in a resample stays out of its mean recall.
    """
    count, classes = len(truth), int(truth.max()) + 1
    members = (truth[:, None] == np.arange(classes)).astype(np.float64)
    gains = (second - first).astype(np.float64)
    rng, drawn = np.random.default_rng(seed), []
    for done in range(0, resamples, _BLOCK):
        weights = rng.multinomial(count, np.full(count, 1 / count), size=min(_BLOCK, resamples - done))
        drawn.append(_gains(weights.astype(np.float64), gains, members))
    values = np.concatenate(drawn)
    low, high = np.percentile(values, [2.5, 97.5], axis=0)
    at = _gains(np.ones((1, count)), gains, members)[0]
    return Difference(*(Interval(float(at[k]), float(low[k]), float(high[k])) for k in (0, 1)))


def _gains(weights: Floats, gains: Floats, members: Floats) -> Floats:
    """Gain in accuracy and in UAR (resamples, 2) of weighted clips (resamples, clips)."""
    support = weights @ members
    recalls = (weights @ (members * gains[:, None])) / np.maximum(support, 1)
    result: Floats = np.stack([weights @ gains / weights.sum(1), recalls.sum(1) / (support > 0).sum(1)], axis=1)
    return result


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (n - 1) over runs; the interval is Student's 95 % for the mean, None for one run."""

    mean: float
    sd: float | None
    low: float | None
    high: float | None
    runs: int


def spread(values: Sequence[float]) -> Spread:
    """Spread of a figure over repeated runs, folds or seeds."""
    found, runs = np.asarray(values, np.float64), len(values)
    mean = float(found.mean())
    if runs < 2:
        return Spread(mean, None, None, None, runs)
    sd = float(found.std(ddof=1))
    half = float(stats.t.ppf(0.975, runs - 1)) * sd / runs**0.5
    return Spread(mean, sd, mean - half, mean + half, runs)
