"""Plain kinds of blocks as layers: convolutions, pools, dropout, dense and recurrent layers."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from nodes.zoo import residual, vision_layers
from nodes.zoo.block import Block, Kind
from nodes.zoo.errors import ZooError
from nodes.zoo.layer import Layer, Op, Place, by, convolve, geometry

Lay = Callable[[Place, Block], Iterator[Layer]]
"""A kind of block: where it is put and its options to its layers, in order."""


def _conv(place: Place, block: Block) -> Iterator[Layer]:
    yield convolve(place, place.name, block)


def _separable(place: Place, block: Block) -> Iterator[Layer]:
    channels = place.shape[0]
    depthwise = convolve(place, f"{place.name}.dw", replace(block, channels=channels), groups=channels)
    yield depthwise
    point = replace(block, kernel=(1,), stride=(1,), dilation=(1,), padding="valid")
    yield convolve(place.after(depthwise), f"{place.name}.pw", point)


def _pool(op: Op, place: Place, block: Block) -> Iterator[Layer]:
    allowed = ("valid",) if op == "avg" else ("valid", "same", "half", "ceil", "odd3")
    if block.padding not in allowed:
        raise ZooError(
            f"The pool '{place.name}' has the padding {block.padding!r}.",
            f"one of {', '.join(allowed)} for {op} pools",
            "Correct or drop its p.",
        )
    sizes = place.shape[1:]
    if block.padding == "odd3":
        is_even = all(size % 2 == 0 for size in sizes)
        block = replace(block, padding="valid") if is_even else replace(block, padding="half", kernel=(3,))
    found = geometry(place.name, sizes, block)
    out = (place.shape[0], *found.out)
    yield Layer(place.name, op, place.source, place.shape, out, found.kernel, found.stride, found.pads)


def _global_pool(place: Place, block: Block) -> Iterator[Layer]:
    whole = place.shape[1:]
    if not whole:
        raise ZooError(f"'{place.name}' follows a dense layer.", "a map to average", "Put gap before the first fc.")
    out = (place.shape[0], *(1 for _ in whole))
    yield Layer(place.name, "avg", place.source, place.shape, out, whole, whole, ((0, 0),) * len(whole))


def _dropout(place: Place, block: Block) -> Iterator[Layer]:
    yield Layer(place.name, "drop", place.source, place.shape, place.shape, rate=block.rate)


def _dense(place: Place, block: Block) -> Iterator[Layer]:
    if block.channels < 1:
        raise ZooError(
            f"The dense layer '{place.name}' has no size.", "the option c, as in fc_c128", "Add it to the block."
        )
    yield Layer(
        place.name, "dense", place.source, place.shape, (block.channels,),
        bias=block.bias, norm=block.norm, activation=block.activation, first=block.first,
    )  # fmt: skip


def _recurrent(op: Op, place: Place, block: Block) -> Iterator[Layer]:
    """Reads the patches of a clip, each as a vector, or the frames of a one-dimensional map (channels, frames)."""
    is_temporal = len(place.shape) == 2
    if not (place.patches or is_temporal):
        raise ZooError(
            f"'{place.name}' reads {by(place.shape)}, which is no sequence.",
            "the frames of a one-dimensional map, or patches that no recurrent layer has joined yet",
            "Use the view temporal or patches, and one recurrent block.",
        )
    in_shape = place.shape if is_temporal else (math.prod(place.shape),)
    yield Layer(
        place.name, op, place.source, in_shape, (block.channels,),
        bias=block.bias, norm=block.norm, steps=place.shape[1] if is_temporal else place.patches,
    )  # fmt: skip


LAY: Final[Mapping[Kind, Lay]] = {
    "conv": _conv,
    "ds": _separable,
    "sep": residual.separable,
    "res": residual.temporal,
    "pair": residual.pair,
    "tcs": residual.time_channel,
    "bc": residual.broadcasted,
    "bneck": vision_layers.bottleneck,
    "ir": vision_layers.inverted,
    "fire": vision_layers.fire,
    "dense": vision_layers.dense_block,
    "trans": vision_layers.transition,
    "norm": vision_layers.norm_alone,
    "image": vision_layers.picture,
    "avg": partial(_pool, "avg"),
    "max": partial(_pool, "max"),
    "gap": _global_pool,
    "drop": _dropout,
    "gru": partial(_recurrent, "gru"),
    "lstm": partial(_recurrent, "lstm"),
    "rnn": partial(_recurrent, "rnn"),
    "fc": _dense,
}
