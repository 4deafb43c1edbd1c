"""What a moving window reads around a map."""

from __future__ import annotations

from nodes.lne.ir import Conv
from nodes.lne.layout import Halo
from nodes.lne.primitive import Task


def conv_halo(task: Task) -> Halo:
    """The border a convolution reads, computed from its output: at the far side it may be less than the padding."""
    op, graph = task.op, task.graph
    assert isinstance(op, Conv)
    given, out = graph.maps[op.inputs[0]], graph.maps[op.output]
    reach = [
        (size - 1) * stride + (taps - 1) * step + 1
        for size, stride, taps, step in zip((out.h, out.w), op.stride, op.kernel, op.dilation, strict=True)
    ]
    return Halo(
        op.pads.top,
        op.pads.left,
        max(0, reach[0] - given.h - op.pads.top),
        max(0, reach[1] - given.w - op.pads.left),
    )
