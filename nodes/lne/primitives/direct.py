"""Direct convolution: a tile of pixels times vectors of channels stays in registers over the whole kernel.

All strides, trip counts and offsets are literals. Weights are packed in the order they are read.
"""

from __future__ import annotations

from dataclasses import dataclass

from nodes.lne.ir import Conv
from nodes.lne.layout import F32_CHW, F32_HWC, Format, Halo
from nodes.lne.primitive import Place, Primitive, Signature, Task
from nodes.lne.primitives.kernel import Product, emit_product, has_tail, packed, product_cost
from nodes.lne.primitives.walk import conv_grid, conv_walk, conv_weight, dot_walk
from nodes.lne.primitives.window import conv_halo
from nodes.lne.target import Target
from nodes.lne.writer import Writer

__all__ = ["Direct", "most_vectors", "packed", "vectors_refusal"]


@dataclass(frozen=True)
class Direct(Primitive):
    """Register-blocked convolution; `vectors` channel vectors at a time, input in `form`.

    With `dots`, channels behind the last whole vector are computed with lanes along the inputs.
    """

    vectors: int
    form: Format = F32_HWC
    dots: bool = False

    ops = (Conv,)

    @property
    def name(self) -> str:
        return f"direct-{self.vectors}{'' if self.form is F32_HWC else '-chw'}{'-dots' if self.dots else ''}"

    def refuse(self, task: Task) -> str:
        """See `Primitive`."""
        op = task.op
        assert isinstance(op, Conv)
        if op.groups != 1:
            return "it has groups"
        return vectors_refusal(task, self.vectors, self.dots)

    def signature(self, task: Task) -> Signature:
        return Signature((self.form, F32_HWC)[: len(task.op.inputs)], F32_HWC)

    def halo(self, task: Task, index: int) -> Halo:
        return conv_halo(task) if index == 0 else Halo()

    def cost(self, task: Task) -> float:
        """See `Primitive`."""
        op, out = task.op, task.graph.maps[task.op.output]
        assert isinstance(op, Conv)
        scattered = 1.1 if self.form is F32_CHW and op.weight.shape[1] > 1 else 1.0
        depth = int(op.weight[0].size)
        if self.dots:
            depth = op.kernel[0] * op.kernel[1] * task.target.padded(op.weight.shape[1])
        return scattered * product_cost(out.h * out.w, depth, len(op.weight), task.target, self.vectors, self.dots)

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        op, x = place.task.op, place.inputs[0]
        assert isinstance(op, Conv)
        walk = conv_walk(op, x)
        product = Product(
            place.task.target,
            conv_grid(op, place.inputs, place.output),
            walk,
            conv_weight(op, walk),
            op,
            self.vectors,
            dot_walk(op, x) if self.dots else None,
        )
        emit_product(product, writer)


def most_vectors(target: Target) -> int:
    """Channel vectors that leave room for several pixels."""
    return {4: 4 if target.registers > 16 else 2, 8: 2}.get(target.vector, 3)


def vectors_refusal(task: Task, vectors: int, dots: bool) -> str:
    """Why a convolution cannot be cut into blocks of so many vectors, with or without dots for the rest."""
    op, target = task.op, task.target
    assert isinstance(op, Conv)
    if target.vector == 1:
        return "the target has no vectors"
    if dots and not has_tail(len(op.weight), target):
        return "its channels fill whole vectors"
    if vectors > most_vectors(target):
        return "too few registers"
    count = len(op.weight) // target.vector if dots else len(target.vectors(len(op.weight)))
    if vectors == 1 and count > 1:
        return "wider blocks load less"
    return "it has fewer channel vectors" if vectors > max(1, count) else ""


PRIMITIVES: tuple[Primitive, ...] = tuple(
    Direct(vectors, form, dots)
    for vectors in (1, 2, 3, 4)
    for form, dots in ((F32_HWC, False), (F32_HWC, True), (F32_CHW, False))
)
