"""Operations in several pieces: the same function, and formats for what lies between."""

from __future__ import annotations

import numpy as np
import pytest
from lne_graphs import Builder

from nodes.lne import reference
from nodes.lne.ir import Activation, Affine, Binary, Graph, Pads
from nodes.quant.convert import Settings, convert, watch
from nodes.quant.fixed import codes, reals
from nodes.quant.integer import IntBinary, IntTable, evaluate
from nodes.quant.split import is_table, split


def network() -> Graph:
    """All that is split: sums and scales behind activations, tables, scales on their own, maps with a side of one."""
    build = Builder(3, 8, 6)
    first = build.conv(6, (3, 3), activation=Activation.SWISH)
    build.conv(6, (3, 3), residual=first, residual_last=True, scaled=True)
    build.conv(6, (1, 1), pads=Pads(), scaled=True, activation=Activation.RELU6)
    skip = build.conv(6, (3, 1), residual=build.last, activation=Activation.TANH)
    rng = np.random.default_rng(4)
    build.add(
        Affine(
            "affine", (skip,), "a", scale=rng.normal(1, 0.3, 6), shift=rng.normal(0, 0.3, 6), activation=Activation.RELU
        ),
        (6, 8, 6),
    )
    build.add(
        Affine("only", ("a",), "b", scale=np.ones(6), shift=np.zeros(6), activation=Activation.SIGMOID), (6, 8, 6)
    )
    row = build.conv(6, (8, 1), pads=Pads())  # (6, 1, 6)
    build.add(Binary("times", ("b", row), "c", kind="multiply", activation=Activation.HARD_SWISH), (6, 8, 6))
    build.add(Binary("less", ("c", skip), "d", kind="subtract"), (6, 8, 6))
    build.add(Binary("most", ("d", row), "e", kind="maximum", activation=Activation.RELU6), (6, 8, 6))
    build.add(Binary("sum", ("e", row), "f", kind="add"), (6, 8, 6))
    build.add(Binary("least", ("f", "d"), "g", kind="minimum"), (6, 8, 6))
    return build.graph()


def clips(graph: Graph, count: int = 8) -> list[np.ndarray]:
    return list(np.random.default_rng(7).normal(0.0, 1.0, (count, *graph.source_shape)))


def test_pieces_compute_the_same() -> None:
    graph = network()
    pieces = split(graph)
    assert len(pieces.ops) > len(graph.ops) + 5
    wanted, found = (reference.evaluate(one, clips(graph)[0]) for one in (graph, pieces))
    for name in graph.maps:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-12, atol=1e-12)
    assert [op.name for op in split(pieces).ops] == [op.name for op in pieces.ops]


@pytest.mark.parametrize(("bits", "tolerance"), [(8, 0.06), (16, 3e-4)])
def test_integers_follow_every_piece(bits: int, tolerance: float) -> None:
    graph = network()
    made = convert(graph, watch(graph, clips(graph), bits), Settings(bits=bits))
    assert {IntBinary, IntTable} <= {type(op) for op in made.ops}
    for clip in clips(graph, 3):
        wanted = reference.evaluate(graph, clip)
        found = evaluate(made, codes(wanted[graph.source], made.forms[made.source]))
        for name in graph.maps:
            error = np.sqrt(np.square(reals(found[name], made.forms[name]) - wanted[name]).mean())
            assert error <= tolerance * np.abs(wanted[name]).max(), name


def test_a_map_before_a_flat_function_has_no_wider_range_than_it_needs() -> None:
    build = Builder(2, 4, 4)
    build.conv(3, (3, 3), activation=Activation.TANH)
    graph = build.graph()
    loud = [100.0 * clip for clip in clips(graph)]
    made = convert(graph, watch(graph, loud, 8))
    (before,) = (op.inputs[0] for op in split(graph).ops if is_table(op))
    assert made.forms[before].integer == 2
    wanted = reference.evaluate(graph, loud[0])[graph.result]
    found = evaluate(made, codes(loud[0][0], made.forms[made.source]))[made.result]
    assert np.abs(reals(found, made.forms[made.result]) - wanted).mean() < 0.05
