"""From an architecture (data) to its layers with real sizes, without torch: what building and counting both read."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypedDict, cast

from nodes.zoo.block import Block, Kind, Norm, decode
from nodes.zoo.errors import ZooError

View = Literal["temporal", "time_frequency", "frequency_time"]
Op = Literal["conv", "avg", "max", "drop", "dense", "add"]
Size = tuple[int, ...]


class Architecture(TypedDict):
    """A network as JSON-able data: all that is needed to build it again.

    `view` says how the feature map (coefficients, frames) is read: `temporal` takes the coefficients as channels of a
    one-dimensional map (S1 2.1); `time_frequency` as a one-channel map of frames x coefficients (S1's two-dimensional
    nets); `frequency_time` as a one-channel map of coefficients x frames (S0, S4).
    """

    name: str
    width: float
    view: View
    input_shape: list[int]
    classes: int
    blocks: list[str]


@dataclass(frozen=True)
class Layer:
    """One operation at its real size. Shapes are (channels, *map); `source` "" is the network's input."""

    name: str
    op: Op
    source: str
    in_shape: Size
    out_shape: Size
    kernel: Size = ()
    stride: Size = ()
    pads: tuple[tuple[int, int], ...] = ()
    groups: int = 1
    bias: bool = False
    norm: Norm = "none"
    relu: bool = False
    rate: float = 0.0
    other: str = ""
    """The second operand of an addition: a layer's name, or "" for the network's input."""


@dataclass(frozen=True)
class Stage:
    """The layers of one block."""

    name: str
    kind: Kind
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class Plan:
    """All stages of a network, in order."""

    view: View
    input_shape: Size
    """(coefficients, frames)"""
    map_shape: Size
    """The input as the first layer sees it: (channels, *map)."""
    classes: int
    stages: tuple[Stage, ...]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every layer of every stage."""
        return tuple(layer for stage in self.stages for layer in stage.layers)


VIEWS: Final[Mapping[View, Callable[[int, int], Size]]] = {
    "temporal": lambda coefficients, frames: (coefficients, frames),
    "time_frequency": lambda coefficients, frames: (1, frames, coefficients),
    "frequency_time": lambda coefficients, frames: (1, coefficients, frames),
}


def plan(architecture: Mapping[str, Any]) -> Plan:
    """Lay out every layer of an architecture for its input shape.

    Raises:
        ZooError: the data are incomplete, a block string is wrong, or the map becomes too small for a kernel.
    """
    checked = _checked(architecture)
    coefficients, frames = checked["input_shape"]
    map_shape = VIEWS[checked["view"]](coefficients, frames)
    blocks = [decode(text) for text in checked["blocks"]]
    stages: list[Stage] = []
    shape, source = map_shape, ""
    for name, block in zip(_names(blocks), blocks, strict=True):
        if name == "fc":
            block = Block(**{**vars(block), "channels": checked["classes"]})
        stages.append(Stage(name, block.kind, tuple(_LAYERS[block.kind](name, source, shape, block))))
        shape, source = stages[-1].layers[-1].out_shape, stages[-1].layers[-1].name
    return Plan(checked["view"], (coefficients, frames), map_shape, checked["classes"], tuple(stages))


def _checked(architecture: Mapping[str, Any]) -> Architecture:
    missing = sorted(Architecture.__required_keys__ - architecture.keys())
    if missing:
        raise _bad(f"The architecture has no '{missing[0]}'.", ", ".join(sorted(Architecture.__required_keys__)))
    if architecture["view"] not in VIEWS:
        raise _bad(f"The view is '{architecture['view']}'.", f"one of {', '.join(VIEWS)}")
    shape, classes, blocks = architecture["input_shape"], architecture["classes"], architecture["blocks"]
    if not (isinstance(shape, list | tuple) and len(shape) == 2 and all(_positive(size) for size in shape)):
        raise _bad(f"The input shape is {shape!r}.", "[coefficients, frames], both whole numbers above 0")
    if not _positive(classes):
        raise _bad(f"The number of classes is {classes!r}.", "a whole number above 0")
    if not blocks or str(blocks[-1]).split("_")[0] != "fc":
        raise _bad(f"The blocks are {blocks!r}.", "a list of block strings that ends with an fc block")
    return cast(Architecture, architecture)


def _positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _bad(what: str, expected: str) -> ZooError:
    return ZooError(what, expected, "Correct architecture.json or make it with nodes.zoo.architecture().")


def _names(blocks: list[Block]) -> Iterator[str]:
    """conv1, conv2, b1, pool1, drop1, fc1 ...; the whole-map pool is `pool`, the last dense layer `fc`."""
    seen: Counter[str] = Counter()
    for block in blocks[:-1]:
        stem = _STEMS[block.kind]
        seen[stem] += 1
        yield "pool" if block.kind == "gap" else f"{stem}{seen[stem]}"
    yield "fc"


_STEMS: Final[Mapping[Kind, str]] = {
    "conv": "conv", "ds": "b", "res": "b", "avg": "pool", "max": "pool", "gap": "pool", "drop": "drop", "fc": "fc",
}  # fmt: skip


def _conv(name: str, source: str, shape: Size, block: Block) -> Iterator[Layer]:
    yield _convolve(name, source, shape, block)


def _separable(name: str, source: str, shape: Size, block: Block) -> Iterator[Layer]:
    depthwise = _convolve(f"{name}.dw", source, shape, Block(**{**vars(block), "channels": shape[0]}), groups=shape[0])
    yield depthwise
    point = Block(**{**vars(block), "kernel": (1,), "stride": (1,), "padding": "valid"})
    yield _convolve(f"{name}.pw", depthwise.name, depthwise.out_shape, point)


def _residual(name: str, source: str, shape: Size, block: Block) -> Iterator[Layer]:
    first = _convolve(f"{name}.conv1", source, shape, block)
    straight = Block(**{**vars(block), "stride": (1,), "activation": "none"})
    second = _convolve(f"{name}.conv2", first.name, first.out_shape, straight)
    yield first
    yield second
    other = source
    if first.out_shape != shape:  # S1 figure 2(c): the shortcut of a strided block is conv 1x1, norm, ReLU
        short = _convolve(f"{name}.short", source, shape, Block(**{**vars(block), "kernel": (1,)}))
        other = short.name
        yield short
    yield Layer(f"{name}.add", "add", second.name, second.out_shape, second.out_shape, relu=True, other=other)


def _convolve(name: str, source: str, shape: Size, block: Block, groups: int = 1) -> Layer:
    geometry = _geometry(name, shape[1:], block)
    return Layer(
        name, "conv", source, shape, (block.channels, *geometry.out),
        geometry.kernel, geometry.stride, geometry.pads,
        groups, block.bias, block.norm, block.activation == "relu",
    )  # fmt: skip


def _pool(name: str, source: str, shape: Size, block: Block) -> Iterator[Layer]:
    if block.padding != "valid":
        raise ZooError(f"The pool '{name}' has the padding {block.padding!r}.", "a pool without padding", "Drop its p.")
    geometry = _geometry(name, shape[1:], block)
    op: Op = "avg" if block.kind == "avg" else "max"
    yield Layer(
        name, op, source, shape, (shape[0], *geometry.out), geometry.kernel, geometry.stride, geometry.pads
    )  # fmt: skip


def _global_pool(name: str, source: str, shape: Size, block: Block) -> Iterator[Layer]:
    whole = shape[1:]
    if not whole:
        raise ZooError(f"'{name}' follows a dense layer.", "a map to average", "Put gap before the first fc.")
    yield Layer(name, "avg", source, shape, (shape[0], *(1 for _ in whole)), whole, whole, ((0, 0),) * len(whole))


def _dropout(name: str, source: str, shape: Size, block: Block) -> Iterator[Layer]:
    yield Layer(name, "drop", source, shape, shape, rate=block.rate)


def _dense(name: str, source: str, shape: Size, block: Block) -> Iterator[Layer]:
    if block.channels < 1:
        raise ZooError(f"The dense layer '{name}' has no size.", "the option c, as in fc_c128", "Add it to the block.")
    yield Layer(
        name, "dense", source, shape, (block.channels,),
        bias=block.bias, norm=block.norm, relu=block.activation == "relu",
    )  # fmt: skip


_LAYERS: Final[Mapping[Kind, Callable[[str, str, Size, Block], Iterator[Layer]]]] = {
    "conv": _conv,
    "ds": _separable,
    "res": _residual,
    "avg": _pool,
    "max": _pool,
    "gap": _global_pool,
    "drop": _dropout,
    "fc": _dense,
}


@dataclass(frozen=True)
class _Geometry:
    kernel: Size
    stride: Size
    pads: tuple[tuple[int, int], ...]
    out: Size


def _geometry(name: str, sizes: Size, block: Block) -> _Geometry:
    """Kernel, stride, padding and output size on every axis of the map."""
    kernel, stride = _spread(name, block.kernel, len(sizes)), _spread(name, block.stride, len(sizes))
    halves = tuple(k // 2 for k in kernel)
    explicit = halves if isinstance(block.padding, str) else _spread(name, block.padding, len(sizes))
    axes = zip(sizes, kernel, stride, explicit, strict=True)
    pads = tuple(_pads(block.padding, *axis) for axis in axes)
    out = tuple((n + sum(p) - k) // s + 1 for n, k, s, p in zip(sizes, kernel, stride, pads, strict=True))
    if min(out) < 1:
        raise ZooError(
            f"At '{name}' the map is {_by(sizes)} and the kernel {_by(kernel)}.",
            "a map at least as large as the kernel",
            "Use features with more coefficients or frames, a smaller kernel or the padding psame.",
        )
    return _Geometry(kernel, stride, pads, out)


def _pads(padding: object, size: int, kernel: int, stride: int, explicit: int) -> tuple[int, int]:
    """Zeros before and after one axis; `same` is TensorFlow's rule, the odd zero goes to the end."""
    if padding == "valid":
        return 0, 0
    if padding != "same":
        return explicit, explicit
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _spread(name: str, size: Size, axes: int) -> Size:
    if len(size) not in (1, axes):
        raise ZooError(
            f"'{name}' has the size {_by(size)} on {axes} axes.", f"1 or {axes} numbers", "Correct the block."
        )
    return size * axes if len(size) == 1 else size


def _by(size: Size) -> str:
    return "x".join(str(part) for part in size)
