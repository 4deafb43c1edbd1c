"""Many clips at once: equal to the references clip by clip, to the bit for integers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lne_graphs import Builder

from nodes.firmware.fuse import fuse
from nodes.lne import reference
from nodes.lne.ir import Activation, Affine, Binary, Concat, Graph, Pads, Pool, Rearrange, Recurrent
from nodes.quant.batched import channels_first, float_maps
from nodes.quant.convert import Settings, convert, watch
from nodes.quant.fixed import Fixed, codes
from nodes.quant.integer import IntConv, IntegerGraph, Shift, evaluate
from nodes.quant.simulate import answers, simulate, simulated_maps


def network() -> Graph:
    """Every operation."""
    build = Builder(2, 13, 10)
    build.conv(8, (3, 3), activation=Activation.RELU6)
    build.add(
        Pool("max", (build.last,), "largest", kind="max", kernel=(3, 3), stride=(2, 2), pads=Pads(1, 1)), (8, 7, 5)
    )
    skip = build.conv(8, (3, 1), dilation=(2, 1), groups=2, activation=Activation.TANH)
    build.conv(8, (3, 3), groups=8)
    build.conv(8, (1, 1), pads=Pads(), residual=skip)
    total = build.add(Binary("add", (build.last, skip), "total", kind="add"), (8, 7, 5))
    build.add(Concat("both", (total, skip), "joined", axis="h"), (8, 14, 5))
    table = np.arange(560, dtype=np.int32).reshape(8, 14, 5).transpose(1, 0, 2).ravel()
    build.add(Rearrange("turn", (build.last,), "turned", table=table), (14, 8, 5))
    build.add(Pool("mean", (build.last,), "averaged", kind="mean", kernel=(8, 2), stride=(8, 1)), (14, 1, 4))
    rng = np.random.default_rng(0)
    cell = Recurrent(
        "rnn", ("averaged",), "state", kind="rnn", weight=rng.normal(0, 0.4, (6, 14)), whole=False,
        recurrence=rng.normal(0, 0.4, (6, 6)), bias=rng.normal(0, 0.1, (2, 6)),
    )  # fmt: skip
    build.add(cell, (6, 1, 1))
    build.conv(4, (1, 1), pads=Pads(), activation=Activation.NONE)
    return build.graph()


def clips(graph: Graph, count: int) -> np.ndarray:
    return np.random.default_rng(5).normal(0.0, 1.5, (count, *graph.source_shape[1:]))


def check(made: IntegerGraph, given: np.ndarray) -> None:
    found = simulate(made, given)
    maps = simulated_maps(made, given)
    for clip, result in enumerate(found):
        wanted = evaluate(made, given[clip])
        assert (result == wanted[made.result]).all()
        for name, values in maps.items():
            assert (channels_first(values)[clip] == wanted[name]).all(), name


@pytest.mark.parametrize("bits", [2, 5, 8, 12, 16])
def test_integers_are_equal_to_the_bit(bits: int) -> None:
    graph = network()
    made = convert(graph, watch(graph, clips(graph, 6), bits), Settings(bits=bits))
    given = codes(clips(graph, 3), made.forms[made.source])
    check(made, given)
    check(fuse(made), given)


@pytest.mark.parametrize("bits", [5, 8, 16])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("kind", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_recurrent_layers_step_with_all_clips_at_once(
    kind: str, gates: int, reverse: bool, whole: bool, bits: int
) -> None:
    build, rng = Builder(5, 1, 7), np.random.default_rng(1)
    cell = Recurrent(
        "cell", ("input",), "state", kind=kind, weight=rng.normal(0, 0.6, (gates * 4, 5)), whole=whole,
        recurrence=rng.normal(0, 0.6, (gates * 4, 4)), bias=rng.normal(0, 0.3, (2, gates * 4)), reverse=reverse,
    )  # fmt: skip
    build.add(cell, (4, 1, 7 if whole else 1))
    graph = build.graph()
    made = convert(graph, watch(graph, clips(graph, 6), bits), Settings(bits=bits))
    check(made, codes(clips(graph, 5), made.forms[made.source]))


@pytest.mark.parametrize("right", [-3, 0, 9, 44])
@pytest.mark.parametrize("largest", [3, 1 << 15, 1 << 38])
def test_sums_too_large_for_floats_are_exact(largest: int, right: int) -> None:
    """The last size passes 2^53: there the reference itself is asked."""
    rng = np.random.default_rng(2)
    op = IntConv(
        "c", ("x",), "y",
        weight=rng.integers(-largest, largest, (4, 3, 2, 2)),
        bias=rng.integers(-largest, largest, 4),
        requantise=Shift(right, -(1 << 15), (1 << 15) - 1),
    )  # fmt: skip
    build = Builder(3, 5, 4)
    build.conv(4, (2, 2), pads=Pads())
    maps = {"x": build.maps["input"], "y": replace(build.maps[build.last], name="y")}
    made = IntegerGraph("net", "x", "y", maps, {"x": Fixed(16, 8), "y": Fixed(16, 0)}, (op,))
    check(made, rng.integers(-(1 << 15), 1 << 15, (3, 3, 5, 4)))


def test_answers_are_what_the_codes_stand_for() -> None:
    graph = network()
    made = convert(graph, watch(graph, clips(graph, 6), 8))
    block = clips(graph, 70)
    found = np.concatenate(list(answers(made, [block[:66], block[66:]])))
    step = made.forms[made.result].step
    for clip in (0, 65, 69):
        wanted = evaluate(made, codes(block[clip], made.forms[made.source]))[made.result]
        assert (found[clip] == wanted.ravel() * step).all()


def test_floats_are_those_of_the_reference() -> None:
    build = Builder(3, 9, 8)
    first = build.conv(6, (3, 3), activation=Activation.SWISH, scaled=True)
    build.conv(6, (3, 3), residual=first, residual_last=True)
    build.add(
        Affine("affine", (build.last,), "lines", scale=build.rng.normal(1, 1, 6), shift=build.rng.normal(0, 1, 6)),
        (6, 9, 8),
    )
    build.add(Binary("times", (build.last, first), "product", kind="multiply"), (6, 9, 8))
    build.add(
        Pool("border", (build.last,), "thin", kind="mean", kernel=(3, 3), stride=(2, 2), pads=Pads(1, 1, 1, 1)),
        (6, 5, 4),
    )
    for graph in (build.graph(), network()):
        given = clips(graph, 2)
        found = float_maps(graph, given)
        for clip in range(2):
            for name, wanted in reference.evaluate(graph, given[clip]).items():
                assert np.allclose(channels_first(found[name])[clip], wanted, atol=1e-12), name
