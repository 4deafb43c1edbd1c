"""The picture of nodes/zoo/picture.py as ONNX nodes, so that a device needs no code of its own to draw it."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from nodes.zoo.layer import Layer
from nodes.zoo.picture import LEVELS, SMALLEST_SPAN

_FIRST: Final = np.iinfo(np.int64).min
"""The end of a slice that runs backwards to the first element."""


def picture_nodes(layer: Layer, source: str, output: str) -> Iterator[onnx.NodeProto]:
    """Nodes from a map (batch, 1, coefficients, frames) to the picture; its last node has the layer's name.

    The initializers `NAME.colours` and `NAME.steps` hold the palette.
    """

    def node(operator: str, inputs: tuple[str, ...], made: str, **attributes: Any) -> onnx.NodeProto:
        names = [name if name == source else f"{layer.name}.{name}" for name in inputs]
        return helper.make_node(operator, names, [f"{layer.name}.{made}"], f"{layer.name}.{made}", **attributes)

    yield from _constants(layer)
    yield node("Squeeze", (source, "one"), "plain")
    yield node("Slice", ("plain", "last", "first", "one", "back"), "rows")  # the highest band on top
    yield node("ReduceMin", ("rows",), "low", axes=[1, 2], keepdims=1)
    yield node("ReduceMax", ("rows",), "high", axes=[1, 2], keepdims=1)
    yield node("Sub", ("high", "low"), "span")
    yield node("Max", ("span", "smallest"), "divisor")
    yield node("Sub", ("rows", "low"), "risen")
    yield node("Div", ("risen", "divisor"), "ratio")
    yield node("Mul", ("ratio", "levels"), "level")
    yield node("Floor", ("level",), "below")
    yield node("Cast", ("below",), "index", to=onnx.TensorProto.INT64)
    yield node("Sub", ("level", "below"), "rest")
    yield node("Unsqueeze", ("rest", "back"), "share")
    yield node("Gather", ("steps", "index"), "step", axis=0)
    yield node("Mul", ("share", "step"), "added")
    yield node("Gather", ("colours", "index"), "colour", axis=0)
    yield node("Add", ("colour", "added"), "drawn")
    yield node("Transpose", ("drawn",), "channels", perm=[0, 3, 1, 2])
    yield helper.make_node(
        "Resize", [f"{layer.name}.channels", "", f"{layer.name}.scales"], [output], layer.name,
        mode="linear", coordinate_transformation_mode="half_pixel",
    )  # fmt: skip


def _constants(layer: Layer) -> Iterator[onnx.NodeProto]:
    sides = zip(layer.in_shape[1:], layer.out_shape[1:], strict=True)
    scales = [1.0, 1.0, *(_scale(size, pixels) for size, pixels in sides)]
    values: dict[str, NDArray[Any]] = {
        "one": np.array([1], np.int64),
        "last": np.array([-1], np.int64),
        "first": np.array([_FIRST], np.int64),
        "back": np.array([-1], np.int64),
        "smallest": np.array(SMALLEST_SPAN, np.float32),
        "levels": np.array(LEVELS, np.float32),
        "scales": np.array(scales, np.float32),
    }
    for key, value in values.items():
        name = f"{layer.name}.{key}"
        yield helper.make_node("Constant", [], [name], name, value=numpy_helper.from_array(value))


def _scale(size: int, pixels: int) -> np.float32:
    """The scale that brings a side to `pixels`: the smallest number whose product with the side is not below it."""
    scale = np.float32(pixels / size)
    return scale if float(scale) * size >= pixels else np.nextafter(scale, np.float32(np.inf))
