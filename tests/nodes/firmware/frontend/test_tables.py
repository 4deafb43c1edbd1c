"""Logarithms and roots of integers against numpy's."""

from __future__ import annotations

import numpy as np
import pytest

from nodes.firmware.frontend import tables


def numbers(low: int, bits: int) -> np.ndarray:
    """Small numbers, powers of two and their neighbours, and some of every length."""
    powers = 2 ** np.arange(1, bits, dtype=np.int64)
    others = 2.0 ** np.random.default_rng(0).uniform(0, bits, 20_000)
    found = np.concatenate([np.arange(low, 4096), powers, powers - 1, powers + 1, others.astype(np.int64)])
    return np.unique(found[(found >= low) & (found < 2**bits)])


def test_logarithms_are_as_near_as_they_say() -> None:
    values = numbers(1, 62)
    assert np.abs(tables.log2(values) / 2**tables.FRACTION - np.log2(values)).max() < 2e-4


def test_roots_are_as_near_as_they_say() -> None:
    values = numbers(0, 46)
    exact = np.sqrt(values | 1)
    assert (np.abs(tables.root(values) / 2**tables.MAGNITUDE_BITS - exact) <= 5e-5 * exact + 2.0**-8).all()


@pytest.mark.parametrize("function", [tables.log2, tables.root])
def test_they_never_fall(function: object) -> None:
    found = function(np.sort(numbers(1, 32)))  # type: ignore[operator]
    assert (np.diff(found) >= 0).all()


def test_lengths() -> None:
    values = np.array([0, 1, 2, 3, 4, 255, 256, 2**40, 2**62 - 1])
    assert tables.length(values).tolist() == [int(value).bit_length() for value in values]
