"""Random convolutional networks as ONNX, the same for the same seed: for tests, and for benches nobody tuned for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

INPUT: Final = "features"
OUTPUT: Final = "logits"
OPSET: Final = 17
IR_VERSION: Final = 8
LARGEST_MACS: Final = 30_000_000
"""Blocks are left out once a network computes as much."""
LARGEST_LAYER_MACS: Final = 12_000_000
_CHANNELS: Final = (8, 12, 16, 20, 24, 32, 40, 48, 50, 64, 72, 96, 100)
_ACTIVATIONS: Final = ("relu", "relu", "relu", "relu6", "hard_swish", "swish", "none")


def random_cnn(seed: int) -> ModelProto:
    """A network of 3 to 9 random blocks on a random map of one or two axes, input `features`, output `logits`.

    Blocks are convolutions of any kernel, stride, dilation and padding, separable ones, residual ones and pools;
    norms are folded, padding is an attribute, as the inference form of a trained network has it.
    """
    rng = np.random.default_rng([seed, 4127])
    draft = _Draft.of(rng)
    for _ in range(int(rng.integers(3, 10))):
        if draft.macs < LARGEST_MACS:
            _BLOCKS[int(rng.integers(len(_BLOCKS)))](draft)
    _head(draft)
    graph = helper.make_graph(
        draft.nodes,
        f"random_cnn_{seed}",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, draft.shape)],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, (1, draft.classes))],
        [numpy_helper.from_array(value, name) for name, value in draft.weights.items()],
    )
    model: ModelProto = helper.make_model(
        graph, producer_name="ossicle", opset_imports=[helper.make_opsetid("", OPSET)]
    )
    model.ir_version = IR_VERSION
    return model


@dataclass
class _Draft:
    """A network under construction and the map its last layer gave."""

    rng: np.random.Generator
    shape: tuple[int, ...]
    last: str
    c: int
    size: list[int]
    """Rows and columns, or columns alone."""
    classes: int
    nodes: list[NodeProto] = field(default_factory=list)
    weights: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    macs: int = 0

    @classmethod
    def of(cls, rng: np.random.Generator) -> _Draft:
        """An empty network with a random input: a spectrogram as a picture, or as a sequence of coefficients."""
        classes = int(rng.integers(2, 36))
        if rng.random() < 0.3:
            channels, frames = int(rng.choice([13, 20, 40, 64])), int(rng.integers(40, 130))
            return cls(rng, (1, channels, frames), INPUT, channels, [frames], classes)
        rows, columns = (int(rng.integers(*ends)) for ends in ((10, 66), (24, 100)))
        return cls(rng, (1, 1, rows, columns), INPUT, 1, [rows, columns], classes)

    def pick(self, values: Any) -> Any:
        """One of several."""
        return values[int(self.rng.integers(len(values)))]

    def node(self, operator: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        name = f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def weight(self, name: str, shape: tuple[int, ...], spread: float) -> str:
        """Add a constant of normally distributed values."""
        self.weights[name] = (self.rng.standard_normal(shape) * spread).astype(np.float32)
        return name

    def conv(self, channels: int, kernel: list[int], *, stride: int = 1, dilation: int = 1, groups: int = 1) -> None:
        """A convolution that keeps the size at stride 1, mostly; its strides stop at small maps."""
        reach = [(taps - 1) * dilation + 1 for taps in kernel]
        strides = [stride if size > 6 else 1 for size in self.size]
        is_same = self.rng.random() < 0.85 or any(
            size < covered for size, covered in zip(self.size, reach, strict=True)
        )
        before = [(covered - 1) // 2 if is_same else 0 for covered in reach]
        after = [covered - 1 - first if is_same else 0 for covered, first in zip(reach, before, strict=True)]
        name, fan = f"layer{len(self.nodes)}", self.c // groups * math.prod(kernel)
        inputs = [
            self.last,
            self.weight(f"{name}.weight", (channels, self.c // groups, *kernel), math.sqrt(2.0 / fan)),
            self.weight(f"{name}.bias", (channels,), 0.1),
        ]
        self.last = self.node(
            "Conv",
            inputs,
            kernel_shape=kernel,
            strides=strides,
            pads=[*before, *after],
            dilations=[dilation] * len(kernel),
            group=groups,
        )
        sides = zip(self.size, before, after, reach, strides, strict=True)
        self.size = [(size + first + last - covered) // step + 1 for size, first, last, covered, step in sides]
        self.c = channels
        self.macs += fan * channels * math.prod(self.size)

    def activate(self, kind: str) -> None:
        """An activation as exporters write it."""
        if kind == "relu":
            self.last = self.node("Relu", [self.last])
        elif kind == "relu6":
            for name, value in (("least", 0.0), ("most", 6.0)):
                self.weights[name] = np.array(value, np.float32)
            self.last = self.node("Clip", [self.last, "least", "most"])
        elif kind == "hard_swish":
            self.last = self.node("HardSwish", [self.last])
        elif kind == "swish":
            self.last = self.node("Mul", [self.last, self.node("Sigmoid", [self.last])])

    def channels(self, kernel: list[int]) -> int:
        """A random number of channels that such a layer can have."""
        macs_each = self.c * math.prod(kernel) * math.prod(self.size)
        return int(
            self.pick([count for count in _CHANNELS if count * macs_each <= LARGEST_LAYER_MACS] or _CHANNELS[:1])
        )

    def kernel(self) -> list[int]:
        """A random window no larger than the map."""
        if len(self.size) == 1:
            return [min(int(self.pick((1, 3, 5, 9, 15))), self.size[0])]
        shape = self.pick(((1, 1), (3, 3), (3, 3), (3, 3), (5, 5), (1, 5), (7, 1), (5, 3), (2, 2)))
        return [min(taps, size) for taps, size in zip(shape, self.size, strict=True)]


def _plain(draft: _Draft) -> None:
    kernel = draft.kernel()
    dilation = int(draft.pick((1, 1, 1, 2)))
    stride = 1 if dilation > 1 else int(draft.pick((1, 1, 2)))
    draft.conv(draft.channels(kernel), kernel, stride=stride, dilation=dilation)
    draft.activate(draft.pick(_ACTIVATIONS))


def _separable(draft: _Draft) -> None:
    if draft.c == 1:
        return _plain(draft)
    activation = draft.pick(_ACTIVATIONS)
    draft.conv(draft.c, draft.kernel(), stride=int(draft.pick((1, 1, 2))), groups=draft.c)
    draft.activate(activation)
    point = [1] * len(draft.size)
    draft.conv(draft.channels(point), point)
    return draft.activate(activation)


def _residual(draft: _Draft) -> None:
    if draft.c == 1 or draft.c not in range(draft.channels([3] * len(draft.size)) + 1):
        return _plain(draft)
    start, size, channels = draft.last, list(draft.size), draft.c
    taps = [min(3, side) for side in draft.size]
    for turn in range(2):
        draft.conv(channels, taps)
        if turn == 0:
            draft.activate("relu")
    if draft.size == size:
        draft.last = draft.node("Add", [draft.last, start])
    return draft.activate("relu")


def _pool(draft: _Draft) -> None:
    if draft.c == 1 or min(draft.size) < 4:
        return _plain(draft)
    kind, window = draft.pick(("MaxPool", "AveragePool")), int(draft.pick((2, 2, 3)))
    is_ceil = int(draft.rng.random() < 0.3)
    draft.last = draft.node(
        kind, [draft.last], kernel_shape=[window] * len(draft.size), strides=[2] * len(draft.size), ceil_mode=is_ceil
    )
    draft.size = [-((window - side) // 2) + 1 if is_ceil else (side - window) // 2 + 1 for side in draft.size]
    return None


_BLOCKS: Final[tuple[Callable[[_Draft], None], ...]] = (
    _plain,
    _plain,
    _plain,
    _separable,
    _separable,
    _residual,
    _pool,
)


def _head(draft: _Draft) -> None:
    """The mean of the map, or all of it where it is small, then a fully connected layer."""
    count = draft.c
    if draft.rng.random() < 0.7 or draft.c * math.prod(draft.size) > 4000:
        draft.last = draft.node("GlobalAveragePool", [draft.last])
    else:
        count *= math.prod(draft.size)
    draft.last = draft.node("Flatten", [draft.last])
    draft.weight("head.weight", (draft.classes, count), math.sqrt(1.0 / count))
    draft.weight("head.bias", (draft.classes,), 0.1)
    draft.nodes.append(helper.make_node("Gemm", [draft.last, "head.weight", "head.bias"], [OUTPUT], "head", transB=1))
