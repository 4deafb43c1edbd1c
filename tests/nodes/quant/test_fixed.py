"""Fixed-point formats and the two rules of S3: by hand, and against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nodes.quant.errors import QuantError
from nodes.quant.fixed import Fixed, Statistics, by_overload, by_sqnr, codes, decibels, harmonic, reals


def statistics(values: object, bits: int = 8) -> Statistics:
    found = Statistics(bits)
    for block in np.array_split(np.asarray(values, np.float64), 3):
        found.add(block)
    return found


def test_step_and_range_are_powers_of_two() -> None:
    form = Fixed(8, 5)
    assert (form.step, form.integer, form.low, form.high) == (1 / 32, 2, -128, 127)


@pytest.mark.parametrize(("value", "code"), [(0.5, 16), (1 / 64, 1), (-1 / 64, 0), (9.0, 127), (-9.0, -128)])
def test_nearest_code_halves_up_saturated(value: float, code: int) -> None:
    assert codes(np.array([value]), Fixed(8, 5)).tolist() == [code]


@pytest.mark.parametrize("scale", [1e-4, 0.03, 1.0, 40.0])
@pytest.mark.parametrize("bits", [4, 8, 16])
def test_rule_a_is_the_best_of_all_fractions(scale: float, bits: int) -> None:
    values = np.random.default_rng(0).laplace(0.0, scale, 3000)
    found = by_sqnr(statistics(values, bits))

    def error(fraction: int) -> float:
        form = Fixed(bits, fraction)
        return float(np.square(values - reals(codes(values, form), form)).mean())

    assert error(found.fraction) == min(map(error, range(-8, 32)))


def test_rule_b_is_the_least_range_below_the_threshold() -> None:
    values = np.concatenate([np.full(9_999, 0.9), [3.0]])
    assert by_overload(statistics(values)).integer == 2  # one in ten thousand is not below 1e-4
    assert by_overload(statistics(values), 2e-4).integer == 0
    assert by_overload(statistics(np.full(10, 1.0))).integer == 1  # |x| >= 2^0 counts (slip 39)


def test_overload_counts_what_lies_outside() -> None:
    values = np.random.default_rng(1).normal(0.0, 1.0, 5000)
    found = statistics(values)
    for integer in (-3, -1, 0, 1, 2):
        assert found.overload(integer) == np.mean(np.abs(values) >= 2.0**integer)


def test_ratio_of_a_net_is_the_harmonic_sum() -> None:
    assert harmonic([100.0, 100.0]) == pytest.approx(50.0)
    assert harmonic([math.inf, math.nan, 10.0]) == pytest.approx(10.0)
    assert decibels(100.0) == pytest.approx(20.0)


@pytest.mark.parametrize("rule", [by_sqnr, by_overload])
def test_a_tensor_of_zeros_has_a_format(rule: object) -> None:
    assert rule(statistics(np.zeros(9))) == Fixed(8, 7)  # type: ignore[operator]


@pytest.mark.parametrize("rule", [by_sqnr, by_overload])
def test_no_values_are_told(rule: object) -> None:
    with pytest.raises(QuantError, match="no values"):
        rule(Statistics(8))  # type: ignore[operator]


def test_values_that_are_not_finite_are_told() -> None:
    with pytest.raises(QuantError, match="not finite"):
        Statistics(8).add(np.array([1.0, np.nan]))


def test_a_threshold_that_is_no_share_is_told() -> None:
    with pytest.raises(QuantError, match="threshold is 2"):
        by_overload(statistics(np.ones(3)), 2.0)
