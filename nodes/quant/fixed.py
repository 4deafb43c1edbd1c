"""Fixed point with a power of two as its step, and the two rules of S3 that choose where the point is (section V).

A number of `bits` bits with `fraction` of them behind the point has step 2^-fraction and range 2^integer, where
bits = integer + fraction + 1 (eq. 8). Either count may be negative or larger than the word: a tensor of small values
has its point in front of the word.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nodes.quant.errors import QuantError

Values = NDArray[np.float64]
Codes = NDArray[np.int64]
P_OVERLOAD = 1e-4
"""Share of values that may lie outside the range, rule B's threshold in the paper."""
LEAST_FRACTION, MOST_FRACTION = -16, 31
IN_CACHE = 8192
"""Values that are worked on at once."""


@dataclass(frozen=True)
class Fixed:
    """A fixed-point format."""

    bits: int
    fraction: int
    """Bits behind the point."""

    @property
    def step(self) -> float:
        """Distance of neighbouring numbers."""
        return 2.0**-self.fraction

    @property
    def integer(self) -> int:
        """Bits in front of the point, without the sign."""
        return self.bits - self.fraction - 1

    @property
    def low(self) -> int:
        """Smallest code."""
        return -(1 << (self.bits - 1))

    @property
    def high(self) -> int:
        """Largest code."""
        return (1 << (self.bits - 1)) - 1


def codes(values: Values, form: Fixed) -> Codes:
    """The nearest codes, saturated; halves go up, as the kernels' `(x + half) >> shift` does."""
    scaled = np.floor(np.asarray(values, np.float64) * 2.0**form.fraction + 0.5)
    return np.clip(scaled, form.low, form.high).astype(np.int64)


def reals(stored: Codes, form: Fixed) -> Values:
    """What codes stand for."""
    return np.asarray(stored, np.float64) * form.step


def _lost(values: Values, form: Fixed, room: Values) -> float:
    """Sum of the squared errors of `reals(codes(values))`, in steps of work that stay in the given room."""
    np.multiply(values, 2.0**form.fraction, out=room)
    np.add(room, 0.5, out=room)
    np.floor(room, out=room)
    np.clip(room, form.low, form.high, out=room)
    np.multiply(room, form.step, out=room)
    np.subtract(values, room, out=room)
    return float(room @ room)


@dataclass
class Statistics:
    """What both rules need of a tensor, gathered block by block: any number of clips in constant memory.

    Attributes:
        bits: of the word.
        counts: values by exponent, counts[e] of those with 2^(e-1) <= |x| < 2^e.
        error: sum of squared errors for every candidate fraction.
    """

    bits: int
    energy: float = 0.0
    count: int = 0
    zeros: int = 0
    largest: float = 0.0
    lowest: float = math.inf
    highest: float = -math.inf
    counts: dict[int, int] = field(default_factory=dict)
    error: dict[int, float] = field(default_factory=dict)

    def add(self, values: Values) -> None:
        """Take more values of the tensor.

        Raises:
            QuantError: there are values that are not finite.
        """
        flat = np.asarray(values, np.float64).ravel()
        if not np.isfinite(flat).all():
            raise QuantError(
                "There are values that are not finite.", "finite weights and activations", "Train the model again."
            )
        if not flat.size:
            return
        self.count += flat.size
        self.lowest, self.highest = min(self.lowest, float(flat.min())), max(self.highest, float(flat.max()))
        self.energy += float(np.square(flat).sum())
        magnitudes = np.abs(flat[flat != 0.0])
        self.zeros += flat.size - magnitudes.size
        if magnitudes.size:
            self.largest = max(self.largest, float(magnitudes.max()))
            exponents, numbers = np.unique(np.frexp(magnitudes)[1], return_counts=True)
            for exponent, number in zip(exponents.tolist(), numbers.tolist(), strict=True):
                self.counts[exponent] = self.counts.get(exponent, 0) + number
        self._add_errors(flat[flat != 0.0])

    def _add_errors(self, values: Values) -> None:
        """Of values that are not zero, as zero is a code of every format."""
        room = np.empty(min(values.size, IN_CACHE))
        for first in range(0, values.size, IN_CACHE):
            part = values[first : first + IN_CACHE]
            top, energy = float(np.abs(part).max()), float(part @ part)
            for fraction in self.candidates():
                form = Fixed(self.bits, fraction)
                lost = energy if top < form.step / 2 else _lost(part, form, room[: part.size])  # all become zero
                self.error[fraction] = self.error.get(fraction, 0.0) + lost

    @property
    def is_constant(self) -> bool:
        """Whether all values are the same."""
        return self.lowest == self.highest

    @property
    def overflows(self) -> bool:
        """Whether the largest value lies outside the range of every candidate."""
        return self.largest >= 2.0 ** (self.bits - 1 - self.candidates().start)

    def candidates(self) -> range:
        """Fractions worth trying, from a range far above one to a step far below; always the same, so blocks add."""
        return range(max(LEAST_FRACTION, self.bits - 17), min(MOST_FRACTION, self.bits + 16) + 1)

    def sqnr(self, fraction: int) -> float:
        """E[x^2] / E[e^2] (eq. 10); infinite without error, not a number for a tensor of zeros."""
        lost = self.error.get(fraction, 0.0)
        if lost == 0.0:
            return math.inf if self.energy else math.nan
        return self.energy / lost

    def overload(self, integer: int) -> float:
        """P(|x| >= 2^integer) (eq. 12)."""
        return sum(number for exponent, number in self.counts.items() if exponent > integer) / max(self.count, 1)


def by_sqnr(found: Statistics) -> Fixed:
    """Rule A: the fraction with the largest SQNR; of equals the largest range.

    Raises:
        QuantError: no values were seen.
    """
    _require(found)
    best = max(found.candidates(), key=lambda fraction: (_ordered(found.sqnr(fraction)), -fraction))
    return Fixed(found.bits, best if found.energy else found.bits - 1)


def by_overload(found: Statistics, threshold: float = P_OVERLOAD) -> Fixed:
    """Rule B: the least integer bits with which P(|x| >= 2^integer) stays below the threshold.

    Raises:
        QuantError: no values were seen, or the threshold is not a share.
    """
    _require(found)
    if not 0.0 < threshold <= 1.0:
        raise QuantError(f"The overload threshold is {threshold}.", "a share above 0 and up to 1", "Take 1e-4.")
    fractions = found.candidates()
    fits = [fraction for fraction in fractions if found.overload(found.bits - fraction - 1) < threshold]
    return Fixed(found.bits, max(fits, default=fractions.start) if found.energy else found.bits - 1)


def harmonic(ratios: Iterable[float]) -> float:
    """SQNR of a whole net from those of its tensors: 1/total = sum of 1/ratio (eq. 11); zeros do not count."""
    noise = sum(1.0 / ratio for ratio in ratios if not math.isnan(ratio))
    return 1.0 / noise if noise else math.inf


def decibels(ratio: float) -> float:
    """10 log10 of a ratio of powers."""
    return 10.0 * math.log10(ratio) if 0.0 < ratio < math.inf else ratio


def gather(tensors: Mapping[str, Sequence[Values]], bits: int) -> dict[str, Statistics]:
    """Statistics of several tensors, each given in blocks."""
    found = {name: Statistics(bits) for name in tensors}
    for name, blocks in tensors.items():
        for block in blocks:
            found[name].add(block)
    return found


def _require(found: Statistics) -> None:
    if not found.count:
        raise QuantError("There are no values to calibrate on.", "at least one clip", "Check the calibration subset.")


def _ordered(ratio: float) -> float:
    return -math.inf if math.isnan(ratio) else ratio
