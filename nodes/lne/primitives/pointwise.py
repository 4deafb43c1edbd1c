"""1x1 convolution as one matrix product: the map is a row of pixels, so tiles need not follow its rows."""

from __future__ import annotations

from dataclasses import dataclass

from nodes.lne.ir import Conv, Pads
from nodes.lne.layout import Buffer
from nodes.lne.primitive import Place, Primitive, Task
from nodes.lne.primitives.direct import vectors_refusal
from nodes.lne.primitives.kernel import Product, emit_product, product_cost
from nodes.lne.primitives.walk import Grid, conv_grid, conv_walk, conv_weight, dot_walk, flat_spots
from nodes.lne.writer import Writer


@dataclass(frozen=True)
class Pointwise(Primitive):
    """Blocks of `vectors` channel vectors times tiles of as many pixels as registers hold."""

    vectors: int
    dots: bool = False

    ops = (Conv,)

    @property
    def name(self) -> str:
        return f"pointwise-{self.vectors}{'-dots' if self.dots else ''}"

    def refuse(self, task: Task) -> str:
        """See `Primitive`."""
        op = task.op
        assert isinstance(op, Conv)
        if op.kernel != (1, 1) or op.stride != (1, 1) or op.pads != Pads() or op.groups != 1:
            return "it is not 1x1 with stride 1"
        if task.graph.maps[op.output].h == 1:
            return "one row: the direct kernel is the same"
        return vectors_refusal(task, self.vectors, self.dots)

    def cost(self, task: Task) -> float:
        """A little less than direct's: tiles are as full as registers allow."""
        op, out = task.op, task.graph.maps[task.op.output]
        assert isinstance(op, Conv)
        channels, inputs = op.weight.shape[:2]
        return 0.99 * product_cost(out.h * out.w, inputs, channels, task.target, self.vectors, self.dots)

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        op, x = place.task.op, place.inputs[0]
        assert isinstance(op, Conv)
        walk = conv_walk(op, x)
        product = Product(
            place.task.target,
            conv_grid(op, place.inputs, place.output) if x.halo else _flat(op, place.inputs, place.output, writer),
            walk,
            conv_weight(op, walk),
            op,
            self.vectors,
            dot_walk(op, x) if self.dots else None,
        )
        emit_product(product, writer)


def _flat(op: Conv, inputs: tuple[Buffer, ...], out: Buffer, writer: Writer) -> Grid:
    """All pixels in one row; an input with a border (another reader's) keeps its rows instead."""
    residual = flat_spots(inputs[1], writer) if op.has_residual else None
    return Grid(1, out.map.h * out.map.w, flat_spots(inputs[0], writer), flat_spots(out, writer), residual)


PRIMITIVES: tuple[Primitive, ...] = tuple(
    Pointwise(vectors, dots) for vectors in (1, 2, 3, 4) for dots in (False, True)
)
