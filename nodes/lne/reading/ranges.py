"""8-bit ranges of maps that no QuantizeLinear names, from the maps beside them."""

from __future__ import annotations

from collections.abc import Mapping

from nodes.lne.ir import Graph, Op, Pool, Rearrange
from nodes.lne.primitive import Range


def spread_ranges(graph: Graph, ranges: Mapping[str, Range]) -> dict[str, Range]:
    """The ranges of the graph's maps; an operation that only moves or picks values has one range on both sides."""
    found = {name: held for name, held in ranges.items() if name in graph.maps}
    for op in graph.ops:
        if _keeps_values(op) and op.inputs[0] in found:
            found.setdefault(op.output, found[op.inputs[0]])
    for op in reversed(graph.ops):
        if _keeps_values(op) and op.output in found and len(list(graph.consumers(op.inputs[0]))) == 1:
            found.setdefault(op.inputs[0], found[op.output])
    return found


def _keeps_values(op: Op) -> bool:
    return isinstance(op, Rearrange) or (isinstance(op, Pool) and op.kind == "max")
