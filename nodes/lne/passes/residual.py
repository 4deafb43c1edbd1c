"""Sums of branches, done when the later branch stores its values."""

from __future__ import annotations

from dataclasses import replace

from nodes.lne.ir import Activation, Binary, Conv, Graph, Op
from nodes.lne.passes.rewrite import Edit, View, rewrite


def fuse_residuals(graph: Graph) -> Graph:
    """An addition becomes the residual of the convolution that is computed last."""
    return rewrite(graph, _fuse)


def _fuse(seen: View, op: Op) -> Edit | None:
    if not isinstance(op, Binary) or op.kind != "add" or len(set(op.inputs)) == 1:
        return None
    shapes = {seen.graph.maps[name].shape for name in op.inputs}
    if len(shapes) > 1:
        return None
    able = [
        (seen.places[conv.name], conv, other)
        for name, other in (op.inputs, op.inputs[::-1])
        if (conv := seen.maker(name, Conv)) is not None and _takes_residual(conv, op)
    ]
    if not able:
        return None
    _, conv, other = max(able, key=lambda found: found[0])
    is_last = conv.activation is not Activation.NONE
    fused = replace(
        conv,
        inputs=(*conv.inputs, other),
        output=op.output,
        residual_last=is_last,
        activation=conv.activation if is_last else op.activation,
    )
    return Edit({op.name: fused}, frozenset({conv.name}))


def _takes_residual(conv: Conv, op: Binary) -> bool:
    if conv.has_residual or conv.scale is not None:
        return False
    return conv.activation is Activation.NONE or op.activation is Activation.NONE
