"""ONNX operators by name: each is a function from a node to its results, in a module of its family."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from nodes.lne.reading.call import Call
from nodes.lne.reading.operators import (
    activation,
    arithmetic,
    convolution,
    lookup,
    pooling,
    quantization,
    recurrent,
    reduction,
    resize,
    shapes,
)

CONSTANTS = quantization.CONSTANTS
"""Operators of constants that are computed here; all others by ONNX's reference implementation."""
Reader = Callable[[Call], Sequence[object]]
OPERATORS: Mapping[str, Reader] = MappingProxyType(
    {
        **convolution.READERS,
        **pooling.READERS,
        **arithmetic.READERS,
        **activation.READERS,
        **shapes.READERS,
        **resize.READERS,
        **reduction.READERS,
        **recurrent.READERS,
        **quantization.READERS,
        "Floor": lookup.floor,
    }
)
