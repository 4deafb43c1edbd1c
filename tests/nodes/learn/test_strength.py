"""How strong changes are: the curve of SapAugment, and sizes and shares along it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nodes.learn.strength import is_changed, sap_strength, sizes


def by_integration(x: float, p: float, q: float) -> float:
    """1 - I_x(p, q) from the density of the Beta distribution, by the midpoint rule."""
    t = (np.arange(200_000) + 0.5) / 200_000
    density = t ** (p - 1) * (1 - t) ** (q - 1) * math.gamma(p + q) / (math.gamma(p) * math.gamma(q))
    return 1.0 - float(density[t < x].mean() * (t < x).mean()) if x > 0 else 1.0


@pytest.mark.parametrize(("a", "s"), [(0.5, 10.0), (0.2, 6.0), (0.8, 15.0)])
def test_the_curve_is_that_of_the_beta_function(a: float, s: float) -> None:
    losses = np.random.default_rng(0).permutation(8).astype(np.float32)
    wanted = [by_integration((loss + 1) / 8, s * (1 - a), s * a) for loss in losses.tolist()]
    np.testing.assert_allclose(sap_strength(losses, a, s), wanted, atol=1e-4)


def test_small_losses_bear_more() -> None:
    strength = sap_strength(np.array([3.0, 0.1, 0.5, 9.0], np.float32), 0.5, 10.0)
    assert np.argsort(-strength).tolist() == [1, 2, 0, 3]
    assert strength[2] == pytest.approx(0.5) and strength[3] == pytest.approx(0.0, abs=1e-12)
    assert strength[1] > 0.9 and ((strength >= 0) & (strength <= 1)).all()


def test_equal_losses_are_ranked_in_order() -> None:
    strength = sap_strength(np.ones(50, np.float32), 0.5, 10.0)
    assert (np.diff(strength) <= 0).all() and strength[0] > strength[-1]


def test_shares_lie_between_least_and_largest_by_strength() -> None:
    """Slip 32: min + (max - min) lambda, not min + max lambda."""
    random = np.random.default_rng(0)
    for strength, share in ((0.0, 0.1), (0.5, 0.175), (1.0, 0.25)):
        found = is_changed(0.25, 0.1, 40_000, random, np.full(40_000, strength)).mean()
        assert found == pytest.approx(share, abs=0.01)
    assert is_changed(0.25, 0.1, 40_000, random, None).mean() == pytest.approx(0.25, abs=0.01)


def test_sizes_follow_the_strength_or_are_drawn() -> None:
    strength, random = np.array([0.0, 0.25, 1.0]), np.random.default_rng(0)
    np.testing.assert_allclose(sizes(20.0, (3, 2, 1), random, strength)[:, :, 0], [[0, 0], [5, 5], [20, 20]])
    drawn = sizes(20.0, (5000,), random)
    assert 0 <= drawn.min() < 0.1 and 19.9 < drawn.max() <= 20 and drawn.mean() == pytest.approx(10, abs=0.3)
