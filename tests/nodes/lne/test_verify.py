"""What the verifier must find: one case per rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from lne_graphs import Builder

from nodes.lne.errors import LneError
from nodes.lne.ir import (
    Affine,
    Binary,
    Concat,
    Graph,
    Map,
    Op,
    Pad,
    Pads,
    Pool,
    Rearrange,
    Recurrent,
    Softmax,
)
from nodes.lne.verify import verify


def legal() -> Graph:
    """One operation of every kind."""
    build = Builder(3, 8, 6)
    first = build.conv(4)
    build.conv(4, residual=first, scaled=True)
    build.add(Pool("pool", (build.last,), "pooled", kernel=(2, 2), stride=(2, 2)), (4, 4, 3))
    build.add(Binary("sum", ("pooled", "pooled"), "summed", kind="add"), (4, 4, 3))
    build.add(Affine("norm", ("summed",), "normed", scale=np.ones(4), shift=np.zeros(4)), (4, 4, 3))
    build.add(Concat("both", ("normed", "pooled"), "joined", axis="h"), (4, 8, 3))
    build.add(Pad("pad", ("joined",), "padded", pads=Pads(1, 0, 0, 2)), (4, 9, 5))
    build.add(Rearrange("flat", ("padded",), "row", table=np.arange(180, dtype=np.int32)), (4, 1, 45))
    weights = {"weight": np.ones((15, 4)), "recurrence": np.ones((15, 5)), "bias": np.ones((2, 15))}
    layer = Recurrent("gru", ("row",), "state", kind="gru", **weights)
    build.add(layer, (5, 1, 45))
    build.add(Softmax("out", ("state",), "y"), (5, 1, 45))
    return build.graph()


def with_op(name: str, **changes: Any) -> Callable[[Graph], Graph]:
    def change(graph: Graph) -> Graph:
        return replace(graph, ops=tuple(replace(op, **changes) if op.name == name else op for op in graph.ops))

    return change


def with_map(name: str, *shape: int) -> Callable[[Graph], Graph]:
    return lambda graph: replace(graph, maps={**graph.maps, name: Map(name, *shape)})


def reordered(graph: Graph) -> Graph:
    return replace(graph, ops=graph.ops[::-1])


def broken(array: np.ndarray) -> np.ndarray:
    found = array.copy()
    found.flat[0] = np.nan
    return found


def in_single(graph: Graph) -> Graph:
    op = graph.ops[0]
    return with_op(op.name, weight=op.weight.astype(np.float32))(graph)


def of_nan(graph: Graph) -> Graph:
    return with_op(graph.ops[0].name, weight=broken(graph.ops[0].weight))(graph)


FAULTS: dict[str, Callable[[Graph], Graph]] = {
    "called": lambda graph: replace(graph, ops=(*graph.ops[:-1], replace(graph.ops[-1], name="gru"))),
    "before it is made": reordered,
    "made twice": lambda graph: replace(graph, ops=(*graph.ops, replace(graph.ops[-1], name="again"))),
    "not a map": lambda graph: with_op("out", output="nowhere")(replace(graph, result="nowhere")),
    "nothing makes the result": lambda graph: replace(graph, result="nowhere"),
    "does not hold": lambda graph: replace(graph, result_shape=(1, 4)),
    "is float32": in_single,
    "weight is not finite": of_nan,
    "in 2 groups": with_op("conv0", groups=2),
    "bias has the shape": with_op("conv0", bias=np.zeros(5)),
    "scale without a shift": with_op("conv1", shift=None),
    "residual is": with_op("conv1", inputs=("conv0_out", "input")),
    "its kind is least": with_op("pool", kind="least"),
    "its output is (4, 5, 3)": with_map("pooled", 4, 5, 3),
    "hangs over": with_op("pool", kind="mean", kernel=(3, 3), counts_pads=True),
    "its kind is power": with_op("sum", kind="power"),
    "its second input is": with_op("sum", inputs=("pooled", "conv0_out")),
    "its scale has the shape": with_op("norm", scale=np.ones(3)),
    "its part conv0_out is": with_op("both", inputs=("normed", "conv0_out")),
    "its output is (4, 9, 5)": with_op("pad", pads=Pads(1, 0, 0, 1)),
    "its table is int64": with_op("flat", table=np.arange(180)),
    "outside of its input": with_op("flat", table=np.full(180, 180, np.int32)),
    "its recurrence is": with_op("gru", recurrence=np.ones((15, 4))),
    "its bias is": with_op("gru", bias=np.ones(15)),
    "it has 2 inputs": with_op("out", inputs=("state", "state")),
    "its output is (5, 1, 45), not": with_op("gru", whole=False),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault: str) -> None:
    with pytest.raises(LneError) as caught:
        verify(FAULTS[fault](legal()), "the graph after 'a pass'")
    assert fault in str(caught.value) and "after 'a pass'" in str(caught.value)


def test_a_legal_graph_passes_and_every_kind_is_in_it() -> None:
    verify(legal())
    kinds = {kind for kind in Op.__subclasses__() if kind.__module__ == "nodes.lne.ir"}
    assert {type(op) for op in legal().ops} == kinds
