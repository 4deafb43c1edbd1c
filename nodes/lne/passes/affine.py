"""Scales, shifts and activations: merged, folded into the weights around them, or done when a value is stored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nodes.lne.ir import Activation, Affine, Binary, Concat, Conv, Graph, Op, Pads, Pool, Rearrange, Recurrent, Weights
from nodes.lne.passes.rewrite import Edit, View, bypass, rewrite, unused

_NOT_NEGATIVE = frozenset({Activation.RELU, Activation.RELU6, Activation.SIGMOID, Activation.HARD_SIGMOID})


def is_activation(op: Op) -> bool:
    """Whether an operation is an activation and nothing else."""
    return isinstance(op, Affine) and bool((op.scale == 1.0).all()) and not op.shift.any()


def merge_affines(graph: Graph) -> Graph:
    """Two scalings after each other become one; a second ReLU and a scaling by one vanish."""
    return rewrite(graph, _merge_affines)


def _merge_affines(seen: View, op: Op) -> Edit | None:
    if not isinstance(op, Affine):
        return None
    if is_activation(op) and (op.activation is Activation.NONE or _is_relu_again(seen, op)):
        return bypass(seen, op)
    first = seen.maker(op.inputs[0], Affine)
    if first is None or first.activation is not Activation.NONE:
        return None
    merged = replace(op, inputs=first.inputs, scale=first.scale * op.scale, shift=first.shift * op.scale + op.shift)
    return Edit({op.name: merged}, frozenset({first.name}))


def _is_relu_again(seen: View, op: Affine) -> bool:
    maker = seen.makers.get(op.inputs[0])
    while isinstance(maker, Pool | Rearrange):  # neither leaves the range of what it is given
        maker = seen.makers.get(maker.inputs[0])
    if op.activation is Activation.RELU6:
        return isinstance(maker, Affine | Binary) and maker.activation is Activation.RELU6
    is_plain = isinstance(maker, Affine | Binary) or (
        isinstance(maker, Conv) and maker.scale is None and not maker.residual_last
    )
    return op.activation is Activation.RELU and is_plain and maker.activation in _NOT_NEGATIVE  # type: ignore[union-attr]


def turn_depthwise_1x1(graph: Graph) -> Graph:
    """A depthwise convolution of one tap is a scaling, which may be folded away."""
    return rewrite(graph, _turn_depthwise_1x1)


def _turn_depthwise_1x1(seen: View, op: Op) -> Edit | None:
    is_scaling = isinstance(op, Conv) and op.is_depthwise and op.kernel == (1, 1) and op.stride == (1, 1)
    if not isinstance(op, Conv) or not is_scaling or op.pads != Pads() or op.has_residual or op.scale is not None:
        return None
    scaling = Affine(
        op.name, op.inputs, op.output, scale=op.weight.reshape(-1), shift=op.bias, activation=op.activation
    )
    return Edit({op.name: scaling})


def fold_into_previous(graph: Graph) -> Graph:
    """A scaling behind a convolution goes into its weights, with the activation that follows."""
    return rewrite(graph, _fold_into_previous)


def _fold_into_previous(seen: View, op: Op) -> Edit | None:
    conv = seen.maker(op.inputs[0], Conv) if isinstance(op, Affine) else None
    if conv is None or not isinstance(op, Affine) or not _is_bare(conv) or conv.activation is not Activation.NONE:
        return None
    folded = replace(
        conv,
        output=op.output,
        weight=conv.weight if is_activation(op) else conv.weight * op.scale[:, None, None, None],
        bias=conv.bias * op.scale + op.shift,
        activation=op.activation,
    )
    return Edit({op.name: folded}, frozenset({conv.name}))


def _is_bare(conv: Conv) -> bool:
    return conv.scale is None and not conv.has_residual


def sink_below_pools(graph: Graph) -> Graph:
    """A scaling before a pool moves behind it, where there are fewer values and the next weights."""
    return rewrite(graph, _sink_below_pools)


def _sink_below_pools(seen: View, op: Op) -> Edit | None:
    scaling = seen.maker(op.inputs[0], Affine) if isinstance(op, Pool) else None
    if scaling is None or not isinstance(op, Pool) or scaling.activation is not Activation.NONE:
        return None
    made, given = seen.graph.maps[op.output], seen.graph.maps[op.inputs[0]]
    commutes = bool((scaling.scale > 0.0).all()) if op.kind == "max" else op.pads == Pads() or not op.counts_pads
    if not commutes or seen.makers.get(scaling.inputs[0]) is None:
        return None
    middle = replace(made, name=given.name)
    pool = replace(op, inputs=scaling.inputs, output=middle.name)
    moved = replace(scaling, inputs=(middle.name,), output=op.output)
    return Edit({scaling.name: pool, op.name: moved}, maps=(middle,))


def fold_into_next(graph: Graph) -> Graph:
    """A scaling goes into the weights behind it, a shift only where nothing is padded."""
    return rewrite(graph, _fold_into_next)


def _fold_into_next(seen: View, op: Op) -> Edit | None:
    if not isinstance(op, Affine) or op.activation is not Activation.NONE or op.output == seen.graph.result:
        return None
    readers = seen.readers.get(op.output, ())
    folded = {reader.name: _with_scaled_input(reader, op) for reader in readers}
    if not folded or any(one is None for one in folded.values()):
        return None
    return Edit({name: one for name, one in folded.items() if one is not None}, frozenset({op.name}))


def _with_scaled_input(reader: Op, scaling: Affine) -> Op | None:
    """What the reader would be behind the unscaled map, if that can be."""
    if isinstance(reader, Recurrent):
        bias = np.array(reader.bias)
        bias[0] += reader.weight @ scaling.shift
        return replace(reader, inputs=scaling.inputs, weight=reader.weight * scaling.scale, bias=bias)
    if not isinstance(reader, Conv) or scaling.output in reader.inputs[1:]:
        return None
    if scaling.shift.any() and reader.pads != Pads():
        return None
    scale, shift = (_by_weight(values, reader) for values in (scaling.scale, scaling.shift))
    bias = reader.bias + (reader.weight * shift).sum((1, 2, 3))
    return replace(reader, inputs=(scaling.inputs[0], *reader.inputs[1:]), weight=reader.weight * scale, bias=bias)


def _by_weight(values: Weights, conv: Conv) -> Weights:
    """One value per input channel, in the shape of the weight's first two axes."""
    grouped = values.reshape(conv.groups, 1, -1)
    rows = np.broadcast_to(grouped, (conv.groups, len(conv.weight) // conv.groups, grouped.shape[2]))
    return rows.reshape(len(conv.weight), -1, 1, 1)


def raise_activations(graph: Graph) -> Graph:
    """A ReLU behind a max pool moves before it, to be done where the convolution stores its values."""
    return rewrite(graph, _raise_activations)


def _raise_activations(seen: View, op: Op) -> Edit | None:
    pool = seen.maker(op.inputs[0], Pool)
    is_relu = isinstance(op, Affine) and op.activation in (Activation.RELU, Activation.RELU6) and is_activation(op)
    if pool is None or not isinstance(op, Affine) or not is_relu or pool.kind != "max":
        return None
    conv = seen.maker(pool.inputs[0], Conv)
    if conv is None or conv.activation is not Activation.NONE or not _is_bare(conv):
        return None
    middle = replace(seen.graph.maps[conv.output], name=pool.output)
    early = replace(op, inputs=pool.inputs, output=middle.name)
    return Edit({pool.name: early, op.name: replace(pool, inputs=(middle.name,), output=op.output)}, maps=(middle,))


def fuse_activations(graph: Graph) -> Graph:
    """An activation behind a sum or a product is done when its values are stored."""
    return rewrite(graph, _fuse_activations)


def _fuse_activations(seen: View, op: Op) -> Edit | None:
    if not isinstance(op, Affine) or not is_activation(op):
        return None
    for kind in (Binary, Conv):
        made = seen.maker(op.inputs[0], kind)
        if isinstance(made, Binary | Conv) and _takes_activation(made):
            fused = replace(made, output=op.output, activation=op.activation)
            return Edit({op.name: fused}, frozenset({made.name}))
    return None


def _takes_activation(made: Binary | Conv) -> bool:
    if isinstance(made, Conv) and (made.scale is not None or made.residual_last):
        return False
    return made.activation is Activation.NONE


def join_affines(graph: Graph) -> Graph:
    """Scalings of parts that are then put together become one scaling of the whole."""
    return rewrite(graph, _join_affines)


def _join_affines(seen: View, op: Op) -> Edit | None:
    parts = [seen.maker(name, Affine) for name in op.inputs] if isinstance(op, Concat) and op.axis == "c" else []
    known = [part for part in parts if part is not None]
    is_repeated = len(set(op.inputs)) < len(op.inputs)
    if len(known) < 2 or len(known) < len(parts) or is_repeated or len({part.activation for part in known}) > 1:
        return None
    joined = replace(seen.graph.maps[op.output], name=unused(seen.graph, f"{op.output}.joined"))
    whole = Affine(
        known[-1].name,
        (joined.name,),
        op.output,
        scale=np.concatenate([part.scale for part in known]),
        shift=np.concatenate([part.shift for part in known]),
        activation=known[-1].activation,
    )
    concat = replace(op, inputs=tuple(part.inputs[0] for part in known), output=joined.name)
    return Edit({op.name: concat}, frozenset(part.name for part in known), {op.name: whole}, maps=(joined,))


def fuse_scales(graph: Graph) -> Graph:
    """A scaling behind a convolution's activation or residual is done when its values are stored."""
    return rewrite(graph, _fuse_scales)


def _fuse_scales(seen: View, op: Op) -> Edit | None:
    conv = seen.maker(op.inputs[0], Conv) if isinstance(op, Affine) else None
    if conv is None or not isinstance(op, Affine) or op.activation is not Activation.NONE:
        return None
    scale = op.scale if conv.scale is None else conv.scale * op.scale
    shift = op.shift if conv.shift is None else conv.shift * op.scale + op.shift
    return Edit({op.name: replace(conv, output=op.output, scale=scale, shift=shift)}, frozenset({conv.name}))
