"""What the integer forms of all operations share: formats, codes of weights and biases, functions as tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from nodes.lne.ir import Activation, Graph, Map, Op
from nodes.quant.fixed import Codes, Fixed, Statistics, Values, codes
from nodes.quant.integer import Scale, Shift, Table
from nodes.quant.settings import Settings, Tensors

BEFORE_TABLE_INTEGER = 3
"""Integer bits in front of a sigmoid or tanh: beyond 8 both are flat."""
MULTIPLIER_BITS = 30
MOST_ENTRIES_BITS = 10
"""A function of more codes than 2^this is a table with straight lines between its entries."""
RELU: Mapping[Activation, int | None] = MappingProxyType(
    {Activation.NONE: None, Activation.RELU: 0, Activation.RELU6: 0}
)
"""Activations that are limits of a code, with the lowest."""

TABLES: Mapping[Activation, Callable[[Values], Values]] = MappingProxyType(
    {
        Activation.SIGMOID: lambda x: 1.0 / (1.0 + np.exp(-x)),
        Activation.TANH: np.tanh,
        Activation.HARD_SIGMOID: lambda x: np.clip(x / 6.0 + 0.5, 0.0, 1.0),
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
        if self.settings.bias_bits >= 32:
            return codes(values, Fixed(self.settings.bias_bits, fraction)), 0
        found = Statistics(self.settings.bias_bits)
        found.add(values)
        form = self.settings.rule(found)
        stored, left = codes(values, form), fraction - form.fraction
        return (stored << left if left >= 0 else stored >> -left), left

    def shift(self, fraction: int, form: Fixed, low: int | None = None) -> Shift:
        """From a sum with so many bits behind its point to codes of a format."""
        return Shift(fraction - form.fraction, form.low if low is None else low, form.high)


def before_table(make: Maker, op: Op) -> tuple[Fixed, str]:
    """A map in front of an activation that is a table."""
    name, bits = f"{op.output} before", make.settings.bits
    form = Fixed(bits, bits - 1 - BEFORE_TABLE_INTEGER)
    make.maps[name], make.forms[name] = replace(make.maps[op.output], name=name), form
    return form, name


def tabled(
    function: Callable[[Values], Values], given: Fixed, result: Fixed, entries_bits: int = MOST_ENTRIES_BITS
) -> Table:
    """A function of every code of `given` in codes of `result`; with fewer entries than codes, straight lines."""
    spacing = max(0, given.bits - entries_bits)
    points = np.arange(given.low, given.high + (2 if spacing else 1), 1 << spacing)
    return Table(codes(function(np.asarray(points * given.step, np.float64)), result), given.low, spacing)


def scaled(factor: float, channels: int, form: Fixed) -> Scale:
    """Multiply by one factor for all channels, as multiplier and shift."""
    exponent = math.frexp(factor)[1]
    right = MULTIPLIER_BITS - exponent
    multiplier = round(factor * 2.0**right)
    return Scale(np.full(channels, multiplier), np.full(channels, right), 0, form.low, form.high)
