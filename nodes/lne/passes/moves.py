"""Operations that only move or surround values: merged, given to their neighbours, or found to do nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nodes.lne.ir import (
    Activation,
    Affine,
    Concat,
    Conv,
    Graph,
    Map,
    Op,
    Pad,
    Pads,
    Pool,
    Rearrange,
    Recurrent,
)
from nodes.lne.passes.rewrite import Edit, View, bypass, each, pruned, rewrite
from nodes.lne.verify import inside


def drop_unused(graph: Graph) -> Graph:
    """Operations whose result nobody reads."""
    needed, kept = {graph.result}, []
    for op in reversed(graph.ops):
        if op.output in needed:
            needed.update(op.inputs)
            kept.append(op)
    return each(graph, reversed(kept))


def drop_neutral(graph: Graph) -> Graph:
    """Operations that give what they are given."""
    return rewrite(graph, lambda seen, op: bypass(seen, op) if _is_neutral(op) else None, moves=True)


def _is_neutral(op: Op) -> bool:
    if isinstance(op, Pool):
        return op.kernel == op.stride == (1, 1) and op.pads == Pads()
    if isinstance(op, Pad):
        return op.pads == Pads()
    return (isinstance(op, Concat) and len(op.inputs) == 1) or (isinstance(op, Rearrange) and is_ordered(op))


def is_ordered(op: Rearrange) -> bool:
    """Whether the values stay in their order (a reshape)."""
    return bool((op.table == np.arange(op.table.size)).all())


def merge_rearranges(graph: Graph) -> Graph:
    """Two moves after each other become one."""
    return rewrite(graph, _merge_rearranges, moves=True)


def _merge_rearranges(seen: View, op: Op) -> Edit | None:
    first = seen.maker(op.inputs[0], Rearrange, alone=False) if isinstance(op, Rearrange) else None
    if first is None or not isinstance(op, Rearrange):
        return None
    return Edit({op.name: replace(op, inputs=first.inputs, table=first.table[op.table])})


def shape_ends(graph: Graph) -> Graph:
    """The input takes the shape its readers want; a reshape before the output vanishes: outside both are plain rows."""
    readers = tuple(graph.consumers(graph.source))
    size = graph.maps[graph.source].size
    reshapes = [op for op in readers if isinstance(op, Rearrange) and is_ordered(op) and op.table.size == size]
    shapes = {graph.maps[op.output].shape for op in reshapes}
    if len(shapes) == 1 and all(isinstance(op, Rearrange) for op in readers):  # tables hold for any shape
        inner = [op for op in reshapes if op.output != graph.result]
        graph = _read_directly(graph, inner, shapes.pop())
    last = graph.producer(graph.result)
    is_reshape = isinstance(last, Rearrange) and is_ordered(last)
    if last is None or not is_reshape or last.inputs[0] == graph.source:
        return graph
    if graph.maps[last.inputs[0]].size != graph.maps[last.output].size:
        return graph
    return each(replace(graph, result=last.inputs[0]), (op for op in graph.ops if op is not last))


def _read_directly(graph: Graph, reshapes: Sequence[Op], shape: tuple[int, int, int]) -> Graph:
    names = {op.output: graph.source for op in reshapes}
    maps = {**graph.maps, graph.source: Map(graph.source, *shape)}
    ops = tuple(
        replace(op, inputs=tuple(names.get(name, name) for name in op.inputs)) for op in graph.ops if op not in reshapes
    )
    return pruned(replace(graph, maps=maps, ops=ops))


def keep_last_state(graph: Graph) -> Graph:
    """A recurrent layer of which only the last state is read need not keep the others."""
    return rewrite(graph, _keep_last_state, moves=True)


def _keep_last_state(seen: View, op: Op) -> Edit | None:
    layer = seen.maker(op.inputs[0], Recurrent) if isinstance(op, Rearrange) else None
    if layer is None or not isinstance(op, Rearrange) or not layer.whole:
        return None
    states = seen.graph.maps[layer.output]
    last = np.arange(layer.units) * states.w + (0 if layer.reverse else states.w - 1)
    if not np.isin(op.table, last).all():
        return None
    state = Map(layer.output, layer.units)
    table = (op.table // states.w).astype(np.int32)
    return Edit({layer.name: replace(layer, whole=False), op.name: replace(op, table=table)}, maps=(state,))


def fold_pads(graph: Graph) -> Graph:
    """A border before windows becomes theirs, if it is what they would see there anyway."""
    return rewrite(graph, _fold_pads, moves=True)


def _fold_pads(seen: View, op: Op) -> Edit | None:
    if not isinstance(op, Pad) or op.output == seen.graph.result:
        return None
    readers = seen.readers.get(op.output, ())
    folded = {reader.name: _with_border(seen, reader, op) for reader in readers}
    if not folded or any(one is None for one in folded.values()):
        return None
    return Edit({name: one for name, one in folded.items() if one is not None}, frozenset({op.name}))


def _with_border(seen: View, reader: Op, pad: Pad) -> Op | None:
    """A window operation that reads the map without the border."""
    inputs = (pad.inputs[0], *reader.inputs[1:])
    if isinstance(reader, Conv) and pad.value == 0.0 and pad.output not in reader.inputs[1:]:
        return replace(reader, inputs=inputs, pads=_sum(reader.pads, pad.pads))
    if not isinstance(reader, Pool):
        return None
    pads = _sum(reader.pads, pad.pads)
    if reader.kind == "mean":
        given, made = seen.graph.maps[pad.output], seen.graph.maps[reader.output]
        is_inside = inside(reader, given, made)  # a mean over the border divides by what lies in the map alone
        is_counted = pad.value == 0.0 and is_inside and (reader.pads == Pads() or reader.counts_pads)
        return replace(reader, inputs=inputs, pads=pads, counts_pads=True) if is_counted else None
    is_least = pad.value == -np.inf or pad.value < -1e30 or (pad.value == 0.0 and _is_positive(seen, pad.inputs[0]))
    reaches = max(pads.top, pads.bottom) < reader.kernel[0] and max(pads.left, pads.right) < reader.kernel[1]
    return replace(reader, inputs=inputs, pads=pads) if is_least and reaches else None


def _sum(first: Pads, second: Pads) -> Pads:
    return Pads(
        first.top + second.top, first.left + second.left, first.bottom + second.bottom, first.right + second.right
    )


def _is_positive(seen: View, name: str) -> bool:
    maker = seen.makers.get(name)
    is_plain = isinstance(maker, Affine) or (
        isinstance(maker, Conv) and maker.scale is None and not maker.residual_last
    )
    return is_plain and maker.activation in (Activation.RELU, Activation.RELU6)  # type: ignore[union-attr]


def lay_along_rows(graph: Graph) -> Graph:
    """A network whose maps are all one column wide becomes one whose maps are one row high."""
    standing = all(held.w == 1 for held in graph.maps.values()) and any(held.h > 1 for held in graph.maps.values())
    if not standing or any(isinstance(op, Recurrent) for op in graph.ops):
        return graph
    maps = {name: Map(name, held.c, held.w, held.h) for name, held in graph.maps.items()}
    return replace(graph, maps=maps, ops=tuple(_turned(op) for op in graph.ops))


def _turned(op: Op) -> Op:
    if isinstance(op, Conv):
        return replace(
            op,
            weight=op.weight.swapaxes(2, 3),
            stride=op.stride[::-1],
            dilation=op.dilation[::-1],
            pads=_turned_pads(op.pads),
        )
    if isinstance(op, Pool):
        return replace(op, kernel=op.kernel[::-1], stride=op.stride[::-1], pads=_turned_pads(op.pads))
    if isinstance(op, Pad):
        return replace(op, pads=_turned_pads(op.pads))
    if isinstance(op, Concat):
        return replace(op, axis={"c": "c", "h": "w", "w": "h"}[op.axis])
    return op


def _turned_pads(pads: Pads) -> Pads:
    return Pads(pads.left, pads.top, pads.right, pads.bottom)
