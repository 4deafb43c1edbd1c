"""Memory for activations, 8 bits each: what a firmware must set aside to run the net on one patch or clip."""

import math
from collections.abc import Iterator, Mapping
from typing import Final, Literal

from nodes.zoo.block import RECURRENT
from nodes.zoo.layer import Layer
from nodes.zoo.plan import Plan

BufferRule = Literal["live", "s3"]

_INT16_BYTES: Final = 2
_COLUMNS: Final = 2
"""CMSIS-NN unfolds two output positions at a time."""


def buffers(planned: Plan) -> Mapping[BufferRule, int]:
    """Bytes by rule; "s3" only for nets whose layers each read the one before."""
    found: dict[BufferRule, int] = {"live": live_bytes(planned)}
    return {**found, "s3": two_buffer_bytes(planned)} if _is_chain(planned) else found


def live_bytes(planned: Plan) -> int:
    """The most values alive at once when layers run in order; norms, activations and dropout work in place."""
    layers = [layer for layer in planned.layers if layer.op != "drop"]
    names = _through_dropout(planned)
    last_use = {names[source]: index for index, layer in enumerate(layers) for source in layer.sources}
    sizes = {"": math.prod(planned.map_shape)} | {layer.name: math.prod(layer.out_shape) for layer in layers}
    peak, alive = 0, {"": sizes[""]}
    for index, layer in enumerate(layers):
        alive[layer.name] = sizes[layer.name]
        peak = max(peak, sum(alive.values()))
        alive = {name: size for name, size in alive.items() if last_use.get(name, -1) > index}
    return peak


def two_buffer_bytes(planned: Plan) -> int:
    """S3 section V: two buffers used in turn, pools in place, and one for unfolding.

    The two hold the largest of the outputs with even and with odd index (the input is number 0); unfolding takes two
    columns of a convolution or the inputs of a dense or recurrent layer, as 16-bit numbers.
    """
    outputs = [math.prod(planned.map_shape), *(math.prod(layer.out_shape) for layer in _products(planned))]
    scratch = max(_unfolded(layer) for layer in _products(planned)) * _INT16_BYTES
    return max(outputs[::2]) + max(outputs[1::2]) + scratch


def _products(planned: Plan) -> Iterator[Layer]:
    return (layer for layer in planned.layers if layer.op in ("conv", "dense", *RECURRENT))


def _unfolded(layer: Layer) -> int:
    if layer.op == "conv":
        return _COLUMNS * math.prod(layer.kernel) * (layer.in_shape[0] // layer.groups)
    return math.prod(layer.in_shape) if layer.op == "dense" else layer.in_shape[0]


def _is_chain(planned: Plan) -> bool:
    before = ["", *(layer.name for layer in planned.layers)]
    return all(layer.sources == (name,) for layer, name in zip(planned.layers, before, strict=False))


def _through_dropout(planned: Plan) -> Mapping[str, str]:
    """The layer that really made what a layer leaves: dropout passes its input on."""
    names = {"": ""}
    for layer in planned.layers:
        names[layer.name] = names[layer.source] if layer.op == "drop" else layer.name
    return names
