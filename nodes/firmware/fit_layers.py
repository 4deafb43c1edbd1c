"""What every layer of an architecture asks of a microcontroller, known before anything is trained."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nodes.lne.arena import arrange
from nodes.zoo.count import macs, weights
from nodes.zoo.layer import Layer
from nodes.zoo.plan import Plan

Family = Literal[
    "first", "conv", "depthwise", "pointwise", "dense", "rnn", "gru", "lstm", "max", "mean", "join", "table"
]  # fmt: skip
PRODUCTS: tuple[Family, ...] = ("first", "conv", "depthwise", "pointwise", "dense", "rnn", "gru", "lstm")
"""Families whose cost goes by multiply-accumulates; that of the others by values."""
_TABLES = frozenset({"sigmoid", "silu", "tanh"})
_FOLDED = frozenset({"norm", "drop"})
_INT16_BYTES = 2


@dataclass(frozen=True)
class Work:
    """What one layer does in one inference: a family of kernels, how much of it, how many weights."""

    name: str
    family: Family
    amount: int
    """Multiply-accumulates, or values."""
    weights: int = 0


def works(planned: Plan) -> tuple[Work, ...]:
    """Of one patch where the clip is a sequence of patches: the paper's firmware joins them by its state."""
    return tuple(work for layer in planned.layers for work in _works(layer, planned.patches))


def _works(layer: Layer, patches: int) -> Iterator[Work]:
    family, values = _family(layer), math.prod(layer.out_shape)
    steps = max(1, layer.steps // patches)
    if family in PRODUCTS:
        yield Work(layer.name, family, macs(layer) * steps, weights(layer))
    elif family is not None:
        seen = math.prod(layer.in_shape) if family == "mean" else values
        yield Work(layer.name, family, seen * steps)
    if layer.activation in _TABLES:
        yield Work(f"{layer.name} {layer.activation}", "table", values * steps)


def _family(layer: Layer) -> Family | None:
    if layer.op == "conv":
        return _convolution(layer)
    return _FAMILIES.get(layer.op)


_FAMILIES: Mapping[str, Family] = {
    "dense": "dense", "rnn": "rnn", "gru": "gru", "lstm": "lstm", "max": "max", "avg": "mean", "add": "join",
    "mul": "join", "concat": "join",
}  # fmt: skip


def _convolution(layer: Layer) -> Family:
    if layer.groups > 1:
        return "depthwise"
    if layer.in_shape[0] == 1:
        return "first"
    return "pointwise" if math.prod(layer.kernel) == 1 else "conv"


def ram_bytes(planned: Plan) -> int:
    """Memory for maps of one inference in 8 bits, as the generator plans it.

    A convolution with a maximum or a sum behind it writes what comes out of that; what it works with is a few rows of
    its input as 16-bit numbers.
    """
    layers = [layer for layer in planned.layers if layer.op not in _FOLDED]
    home = _homes(planned)
    joined = _joined(layers, home)
    sizes: dict[str, int] = {"": math.prod(planned.map_shape)}
    alive: dict[str, tuple[int, int]] = {"": (0, 0)}
    for index, layer in enumerate(layers):
        given = [home[name] for name in layer.sources]
        for source in given:
            if source not in joined:
                alive[source] = (alive[source][0], index)
        if layer.name not in joined:
            begun = min([index, *(joined[source] for source in given if source in joined)])
            sizes[layer.name], alive[layer.name] = math.prod(layer.out_shape), (begun, index)
        if rows := _rows_bytes(layer):
            sizes[f"{layer.name} rows"], alive[f"{layer.name} rows"] = rows, (index, index)
    last = home[planned.layers[-1].name]
    alive[last] = (alive[last][0], len(layers))
    return arrange(sizes, alive)[1]


def _homes(planned: Plan) -> dict[str, str]:
    """Whose memory a layer's output is: norms and dropout are folded into what comes before them."""
    home = {"": ""}
    for layer in planned.layers:
        home[layer.name] = home[layer.source] if layer.op in _FOLDED else layer.name
    return home


def _joined(layers: list[Layer], home: Mapping[str, str]) -> dict[str, int]:
    """Convolutions whose own output is never kept, by their place: a maximum or a sum alone reads it."""
    place = {layer.name: index for index, layer in enumerate(layers)}
    readers: dict[str, list[Layer]] = {}
    for layer in layers:
        for name in layer.sources:
            readers.setdefault(home[name], []).append(layer)
    found = {}
    for layer in layers:
        by = readers.get(layer.name, [])
        if layer.op != "conv" or len(by) != 1 or by[0].op not in ("max", "add"):
            continue
        if layer.name == max((home[name] for name in by[0].sources), key=lambda name: place.get(name, -1)):
            found[layer.name] = place[layer.name]
    return found


def _rows_bytes(layer: Layer) -> int:
    """Rows of the input that a convolution keeps as 16-bit numbers."""
    if layer.op != "conv" or math.prod(layer.kernel) == 1 or layer.in_shape[0] == 1:
        return 0
    rows = layer.kernel[0] if len(layer.kernel) > 1 else 1
    return _INT16_BYTES * rows * layer.in_shape[0] * layer.in_shape[-1]


def planned_of(architecture: Mapping[str, Any]) -> Plan:
    """The plan of an architecture.

    Raises:
        ZooError: it is not valid.
    """
    from nodes.zoo.plan import plan

    return plan(architecture)
