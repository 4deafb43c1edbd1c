"""Convolutions joined with the maximum behind them, so that only a few lines of the map between are ever kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from nodes.quant.integer import IntConv, IntConvPool, IntegerGraph, IntOp, IntPool


def fuse(graph: IntegerGraph) -> IntegerGraph:
    """Join every convolution with a maximum that alone reads it."""
    ops = tuple(_joined(graph))
    left = {name for op in ops for name in (*op.inputs, op.output)} | {graph.source}
    maps = {name: shape for name, shape in graph.maps.items() if name in left}
    forms = {name: form for name, form in graph.forms.items() if name in left}
    return replace(graph, ops=ops, maps=maps, forms=forms)


def _joined(graph: IntegerGraph) -> Iterator[IntOp]:
    pools = {op.inputs[0]: op for op in graph.ops if isinstance(op, IntPool) and op.kind == "max"}
    gone = set()
    for op in graph.ops:
        pool = pools.get(op.output)
        if isinstance(op, IntConv) and pool is not None and _readers(graph, op.output) == 1:
            gone.add(pool.name)
            yield IntConvPool(
                f"{op.name} {pool.name}", op.inputs, pool.output, conv=op, pool=pool, between=graph.maps[op.output]
            )
        elif op.name not in gone:
            yield op


def _readers(graph: IntegerGraph, name: str) -> int:
    return sum(name in op.inputs for op in graph.ops) + (name == graph.result)
