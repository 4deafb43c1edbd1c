"""One operation of a network at its real size, and the geometry of kernels on a map. Standard library only."""

import math
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from nodes.zoo.block import Activation, Block, Colours, First, Kind, Norm
from nodes.zoo.errors import ZooError

Op = Literal[
    "conv", "norm", "avg", "max", "drop", "dense", "add", "mul", "concat", "gru", "lstm", "rnn", "image"
]  # fmt: skip
Size = tuple[int, ...]

JOINS: Final[tuple[Op, ...]] = ("add", "mul", "concat")
"""Operations on two maps."""

BANDS: Final = 5
"""Bands of a sub-spectral norm in BC-ResNet (Kim et al. 2021, section 3)."""


@dataclass(frozen=True)
class Layer:
    """One operation. Shapes are (channels, *map), for one patch where the clip is a sequence of patches."""

    name: str
    op: Op
    source: str
    """The layer it reads; "" is the network's input."""
    in_shape: Size
    out_shape: Size
    kernel: Size = ()
    stride: Size = ()
    pads: tuple[tuple[int, int], ...] = ()
    dilation: Size = ()
    groups: int = 1
    bias: bool = False
    norm: Norm = "none"
    """After the operation; of a recurrent layer, before it."""
    bands: int = 1
    """Groups of rows of the map that a sub-spectral norm treats apart."""
    activation: Activation = "none"
    first: First = "norm"
    rate: float = 0.0
    drops_channels: bool = False
    """Dropout takes out whole channels."""
    other: str = ""
    """The second operand of a join: a layer's name, or "" for the network's input."""
    colours: Colours = "viridis"
    """Colour map of an image."""
    steps: int = 1
    """How often the layer runs for one clip: patches, or steps of a recurrent layer."""

    @property
    def sources(self) -> tuple[str, ...]:
        """What the layer reads, in order."""
        return (self.source, self.other) if self.op in JOINS else (self.source,)


@dataclass(frozen=True)
class Stage:
    """The layers of one block."""

    name: str
    kind: Kind
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class Place:
    """Where a block is put: its name, the layer and shape it reads, and the patches not yet joined (0: none)."""

    name: str
    source: str
    shape: Size
    patches: int = 0

    def after(self, layer: Layer) -> "Place":
        """The place behind a layer of the same block."""
        return Place(self.name, layer.name, layer.out_shape, self.patches)


class Geometry(NamedTuple):
    """A kernel on a map, one number per axis."""

    kernel: Size
    stride: Size
    dilation: Size
    pads: tuple[tuple[int, int], ...]
    out: Size


def geometry(name: str, sizes: Size, block: Block) -> Geometry:
    """Kernel, stride, dilation, padding and output size on every axis of the map.

    Raises:
        ZooError: a size has another number of axes than the map, or the map is smaller than the kernel.
    """
    axes = len(sizes)
    kernel, stride = spread(name, block.kernel, axes), spread(name, block.stride, axes)
    dilation = spread(name, block.dilation, axes)
    spans = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    explicit = tuple(k // 2 for k in spans) if isinstance(block.padding, str) else spread(name, block.padding, axes)
    pads = tuple(_pads(block.padding, *axis) for axis in zip(sizes, spans, stride, explicit, strict=True))
    out = tuple((n + sum(p) - k) // s + 1 for n, k, s, p in zip(sizes, spans, stride, pads, strict=True))
    if min(out, default=0) < 1:
        raise ZooError(
            f"At '{name}' the map is {by(sizes)} and the kernel {by(spans)}.",
            "a map at least as large as the kernel",
            "Use features with more coefficients or frames, a smaller kernel or the padding psame.",
        )
    return Geometry(kernel, stride, dilation, pads, out)


def spread(name: str, size: Size, axes: int) -> Size:
    """One number for every axis.

    Raises:
        ZooError: there are neither one nor `axes` of them.
    """
    if len(size) not in (1, axes):
        raise ZooError(
            f"'{name}' has the size {by(size)} on {axes} axes.", f"1 or {axes} numbers", "Correct the block."
        )
    return size * axes if len(size) == 1 else size


def convolve(place: Place, name: str, block: Block, groups: int = 1) -> Layer:
    """A convolution to `block.channels`, with the block's norm and activation."""
    found = geometry(name, place.shape[1:], block)
    return Layer(
        name, "conv", place.source, place.shape, (block.channels, *found.out),
        found.kernel, found.stride, found.pads, found.dilation,
        groups, block.bias, block.norm, _bands(found.out) if block.norm == "ssn" else 1, block.activation, block.first,
    )  # fmt: skip


def by(size: Size) -> str:
    """A size as people write it: 40x98."""
    return "x".join(str(part) for part in size)


def _bands(sizes: Size) -> int:
    """Bands of a sub-spectral norm: five, or the largest number below that divides the rows of the map."""
    return next(count for count in range(BANDS, 0, -1) if sizes[0] % count == 0) if len(sizes) == 2 else 1


def _pads(padding: object, size: int, span: int, stride: int, explicit: int) -> tuple[int, int]:
    """Zeros before and after one axis; `same` is TensorFlow's rule, the odd zero goes to the end."""
    if padding == "valid":
        return 0, 0
    if padding == "ceil":
        return 0, max((span - size) % stride, span - size)
    if padding != "same":
        return explicit, explicit
    total = max((math.ceil(size / stride) - 1) * stride + span - size, 0)
    return total // 2, total - total // 2
