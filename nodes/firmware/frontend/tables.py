"""Logarithms and roots of integers by tables with straight lines between, as the firmware takes them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nodes.firmware.frontend.dft import Codes

LOG_SEGMENTS, ROOT_SEGMENTS = 32, 96
FRACTION = 16
"""Bits behind the point of logarithms to base 2, of roots' mantissas, and of positions between entries."""
MAGNITUDE_BITS = 8
"""Bits behind the point of magnitudes."""
ROOT_UP = 15 - FRACTION + MAGNITUDE_BITS
"""A root's mantissa is shifted to the left by this where its square has 31 or 32 bits."""


def log_table() -> Codes:
    """log2(1 + i / 32) for i from 0 to 32."""
    return _fixed(np.log2(1.0 + np.arange(LOG_SEGMENTS + 1) / LOG_SEGMENTS))


def root_table() -> Codes:
    """sqrt(1 + i / 32) for i from 0 to 96."""
    return _fixed(np.sqrt(1.0 + np.arange(ROOT_SEGMENTS + 1) / 32.0))


def _fixed(values: NDArray[np.float64]) -> Codes:
    return np.asarray(np.floor(values * (1 << FRACTION) + 0.5), np.int64)


def log2(values: Codes) -> Codes:
    """Logarithm to base 2 of integers from 1 to 2^62, with `FRACTION` bits; off by less than 2e-4."""
    exponent = length(values) - 1
    mantissa = np.where(exponent > 31, values >> np.maximum(exponent - 31, 0), values << np.maximum(31 - exponent, 0))
    at, between = (mantissa >> 26) & 31, (mantissa >> 10) & 0xFFFF
    table = log_table()
    return np.asarray((exponent << FRACTION) + table[at] + (((table[at + 1] - table[at]) * between) >> FRACTION))


def root(squares: Codes) -> Codes:
    """Square root of integers below 2^46, with `MAGNITUDE_BITS` bits; off by less than 5e-5 and one step.

    Of the upper bits where there are more than 32. The lowest bit counts as set, so that there is always a leading one.
    """
    large = squares >= (1 << 32)
    values = np.where(large, squares >> 16, squares) | 1
    zeros = (32 - length(values)) & ~1
    leading = values << zeros
    at, between = (leading >> 25) - 32, (leading >> 9) & 0xFFFF
    table = root_table()
    found = table[at] + (((table[at + 1] - table[at]) * between) >> FRACTION)
    return np.asarray((found << np.where(large, ROOT_UP + 8, ROOT_UP)) >> (zeros >> 1))


def length(values: Codes) -> Codes:
    """Bits of non-negative integers below 2^62: 0 for 0, 1 for 1, 2 for 2 and 3, ..."""
    found, left = np.zeros_like(values), values.copy()
    for step in (32, 16, 8, 4, 2, 1):
        large = left >= (1 << step)
        found += np.where(large, step, 0)
        left = np.where(large, left >> step, left)
    return found + (left > 0)
