"""How a network is rounded, and what is known of its tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nodes.quant.fixed import Fixed, Statistics, by_sqnr

Rule = Callable[[Statistics], Fixed]


@dataclass(frozen=True)
class Settings:
    """How a network is rounded.

    Attributes:
        bits: of weights and maps.
        bias_bits: of stored biases; 8 as the paper's, 32 keeps them exact.
        rule: chooses a format from a tensor's statistics.
        channel_scales: weights of convolutions have a step of their own in every output channel, that need be no power
            of two; maps and recurrent layers stay as they are.
        formats: formats set by hand, of maps and of weights ("conv1 weight"); the rule chooses the others.
    """

    bits: int = 8
    bias_bits: int = 32
    rule: Rule = by_sqnr
    channel_scales: bool = field(default=False, kw_only=True)
    formats: Mapping[str, Fixed] = field(default_factory=dict)


@dataclass(frozen=True)
class Tensors:
    """Statistics of every map and weight of a network."""

    maps: Mapping[str, Statistics]
    weights: Mapping[str, Statistics]
