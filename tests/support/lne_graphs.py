"""Small networks for the generator's tests, built without ONNX."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nodes.lne.ir import Activation, Conv, Graph, Map, Op, Pads


@dataclass
class Builder:
    """A network under construction: each call adds an operation behind the last map and returns its name."""

    c: int
    h: int = 1
    w: int = 1
    seed: int = 0
    ops: list[Op] = field(default_factory=list)
    maps: dict[str, Map] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.last = "input"
        self.maps["input"] = Map("input", self.c, self.h, self.w)

    def add(self, op: Op, shape: tuple[int, int, int]) -> str:
        """Add an operation that gives a map of this shape."""
        self.ops.append(op)
        self.maps[op.output] = Map(op.output, *shape)
        self.last = op.output
        return op.output

    def conv(
        self,
        channels: int,
        kernel: tuple[int, int] = (3, 3),
        *,
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        pads: Pads | None = None,
        groups: int = 1,
        activation: Activation = Activation.RELU,
        residual: str = "",
        residual_last: bool = False,
        scaled: bool = False,
    ) -> str:
        """A convolution with random weights; without `pads`, as much as keeps the size at stride 1."""
        given = self.maps[self.last]
        reach = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
        pads = pads or Pads(reach[0] // 2, reach[1] // 2, reach[0] - reach[0] // 2, reach[1] - reach[1] // 2)
        h = (given.h + pads.top + pads.bottom - reach[0] - 1) // stride[0] + 1
        w = (given.w + pads.left + pads.right - reach[1] - 1) // stride[1] + 1
        fan = given.c // groups * kernel[0] * kernel[1]
        name = f"conv{len(self.ops)}"
        pair = [self.rng.normal(1.0, 0.2, channels), self.rng.normal(0.0, 0.2, channels)] if scaled else [None, None]
        op = Conv(
            name,
            (given.name, residual) if residual else (given.name,),
            f"{name}_out",
            weight=self.rng.normal(0.0, (2.0 / fan) ** 0.5, (channels, given.c // groups, *kernel)),
            bias=self.rng.normal(0.0, 0.1, channels),
            stride=stride,
            dilation=dilation,
            pads=pads,
            groups=groups,
            activation=activation,
            residual_last=residual_last,
            scale=pair[0],
            shift=pair[1],
        )
        return self.add(op, (channels, h, w))

    def graph(self, name: str = "net") -> Graph:
        """The network so far; its result is the last map."""
        given, result = self.maps["input"], self.maps[self.last]
        return Graph(name, "input", self.last, dict(self.maps), tuple(self.ops), (1, *given.shape), (1, *result.shape))
