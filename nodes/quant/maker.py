"""What the integer forms of all operations share: formats, codes of weights and biases, functions as tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from nodes.lne.ir import Activation, Graph, Map, Op
from nodes.quant.fixed import Codes, Fixed, Statistics, Values, codes
from nodes.quant.integer import Scale, Shift, Table
from nodes.quant.settings import Settings, Tensors

Rule = TypeVar("Rule", Shift, Scale)
EXACT_BIAS_BITS, WIDEST_BITS = 32, 56
"""From so many bits on biases are kept exact, in the width of the sums: of 16-bit products these have more than 32."""
MULTIPLIER_BITS, MOST_RIGHT = 30, 62
MOST_ENTRIES_BITS = 10
"""A function of more codes than 2^this is a table with straight lines between its entries."""

TABLES: Mapping[Activation, Callable[[Values], Values]] = MappingProxyType(
    {
        Activation.SIGMOID: lambda x: 1.0 / (1.0 + np.exp(-x)),
        Activation.TANH: np.tanh,
        Activation.HARD_SIGMOID: lambda x: np.clip(x / 6.0 + 0.5, 0.0, 1.0),
        Activation.RELU: lambda x: np.maximum(x, 0.0),
        Activation.RELU6: lambda x: np.clip(x, 0.0, 6.0),
        Activation.SWISH: lambda x: x / (1.0 + np.exp(-x)),
        Activation.HARD_SWISH: lambda x: x * np.clip(x / 6.0 + 0.5, 0.0, 1.0),
    }
)


@dataclass
class Maker:
    """One conversion: what is known, and the maps it adds."""

    graph: Graph
    given: Mapping[str, Fixed]
    tensors: Tensors
    settings: Settings
    maps: dict[str, Map]
    forms: dict[str, Fixed]

    def weight(self, op: Op, part: str = "weight") -> tuple[Codes, Fixed]:
        """Codes of a weight and their format."""
        name = f"{op.name} {part}"
        form = self.settings.formats.get(name) or self.settings.rule(self.tensors.weights[name])
        return codes(getattr(op, part), form), form

    def bias(self, values: Values, fraction: int) -> tuple[Codes, int]:
        """A bias at the sum's scale, and how far the stored one was shifted to get there."""
        if self.settings.bias_bits >= EXACT_BIAS_BITS:
            return codes(values, Fixed(WIDEST_BITS, fraction)), 0
        found = Statistics(self.settings.bias_bits)
        found.add(values)
        form = self.settings.rule(found)
        stored, left = codes(values, form), fraction - form.fraction
        return (stored << left if left >= 0 else stored >> -left), left

    def shift(self, fraction: int, form: Fixed) -> Shift:
        """From a sum with so many bits behind its point to codes of a format."""
        return Shift(fraction - form.fraction, form.low, form.high)


def tabled(
    function: Callable[[Values], Values], given: Fixed, result: Fixed, entries_bits: int = MOST_ENTRIES_BITS
) -> Table:
    """A function of every code of `given` in codes of `result`; with fewer entries than codes, straight lines."""
    spacing = max(0, given.bits - entries_bits)
    points = np.arange(given.low, given.high + (2 if spacing else 1), 1 << spacing)
    return Table(codes(function(np.asarray(points * given.step, np.float64)), result), given.low, spacing)


def limited(rule: Rule, activation: Activation, form: Fixed) -> Rule:
    """A rule with the limits of an activation."""
    if activation is Activation.NONE:
        return rule
    high = rule.high if activation is Activation.RELU else min(rule.high, round(6.0 / form.step))
    return replace(rule, low=0, high=high)


def scaled(factor: float, channels: int, form: Fixed) -> Scale:
    """Multiply by one factor for all channels, as multiplier and shift."""
    return multiplied(np.full(channels, factor), form)


def multiplied(factors: Values, form: Fixed, largest: int = 1 << 31) -> Scale:
    """Multiply sums up to `largest` by a factor per channel: multipliers of 31 bits and shifts to the right.

    Of larger sums than 32 bits hold the multipliers have fewer bits, so that products stay within 64.
    """
    bits = min(MULTIPLIER_BITS, MOST_RIGHT - largest.bit_length() + 1)
    right = np.minimum(bits - np.frexp(factors)[1], MOST_RIGHT).astype(np.int64)
    multiplier = np.floor(factors * 2.0**right + 0.5).astype(np.int64)
    return Scale(multiplier, right, 0, form.low, form.high)
