"""Networks in integers: close to the float network, exact where they can be, refused where there is no form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lne_graphs import Builder

from nodes.lne import reference
from nodes.lne.ir import Activation, Binary, Conv, Graph, Map, Pads, Pool, Recurrent, Softmax
from nodes.quant.convert import Settings, convert, watch
from nodes.quant.errors import QuantError
from nodes.quant.fixed import Fixed, by_overload, codes, reals
from nodes.quant.integer import IntConv, evaluate


def network(activation: Activation = Activation.RELU, pool: str = "max") -> Graph:
    """Convolutions with a residual, a pool, a recurrent layer over the columns, a dense output."""
    build = Builder(1, 12, 10)
    build.conv(8, (3, 3), activation=activation)
    skip = build.conv(8, (3, 3), stride=(2, 1))
    build.conv(8, (3, 3), groups=8)
    build.conv(8, (3, 3), residual=skip)
    given = build.maps[build.last]
    build.add(Pool("pool", (build.last,), "pooled", kind=pool, kernel=(6, 2), stride=(6, 2)), (8, 1, given.w // 2))
    rng, units = np.random.default_rng(3), 6
    build.add(
        Recurrent(
            "rnn", ("pooled",), "state", kind="rnn", weight=rng.normal(0, 0.4, (units, 8)), whole=False,
            recurrence=rng.normal(0, 0.4, (units, units)), bias=rng.normal(0, 0.1, (2, units)),
        ),
        (units, 1, 1),
    )  # fmt: skip
    build.conv(4, (1, 1), pads=Pads(), activation=Activation.NONE)
    return build.graph()


def clips(graph: Graph, count: int = 12) -> list[np.ndarray]:
    return list(np.random.default_rng(7).normal(0.0, 1.0, (count, *graph.source_shape)))


@pytest.mark.parametrize("pool", ["max", "mean"])
@pytest.mark.parametrize("activation", [Activation.RELU, Activation.RELU6, Activation.TANH, Activation.HARD_SWISH])
@pytest.mark.parametrize(("bits", "tolerance"), [(8, 0.15), (16, 1e-3)])
def test_integers_follow_the_float_network(activation: Activation, pool: str, bits: int, tolerance: float) -> None:
    graph = network(activation, pool)
    made = convert(graph, watch(graph, clips(graph), bits), Settings(bits=bits))
    for clip in clips(graph, 3):
        wanted = reference.evaluate(graph, clip)
        found = evaluate(made, codes(wanted[graph.source], made.forms[made.source]))
        for name in graph.maps:
            error = np.abs(reals(found[name], made.forms[name]) - wanted[name]).max()
            assert error <= tolerance * np.abs(wanted[name]).max(), name


def test_codes_fill_their_word_and_no_more() -> None:
    graph = network()
    made = convert(graph, watch(graph, clips(graph), 8))
    found = evaluate(made, codes(100 * clips(graph)[0][0], made.forms[made.source]))
    for name, values in found.items():
        assert values.min() >= made.forms[name].low and values.max() <= made.forms[name].high


def test_weights_that_are_codes_already_are_computed_exactly() -> None:
    """Integers in, integers through: the float network and the integer one are equal to the bit."""
    build = Builder(3, 9, 7)
    build.conv(5, stride=(2, 1))
    graph = build.graph()
    op = graph.ops[0]
    assert isinstance(op, Conv)
    whole = replace(op, weight=np.round(op.weight * 4), bias=np.round(op.bias * 8))
    first = replace(graph, ops=(whole,))
    formats = {"input": Fixed(8, 0), whole.output: Fixed(16, 0), f"{whole.name} weight": Fixed(8, 0)}
    clip = np.random.default_rng(0).integers(-20, 20, graph.source_shape).astype(float)
    made = convert(first, watch(first, [clip], 8), Settings(formats=formats))
    found = evaluate(made, codes(clip[0], made.forms["input"]))
    assert (found[made.result] == reference.evaluate(first, clip)[made.result]).all()


def test_paper_biases_are_stored_in_eight_bits() -> None:
    graph = network()
    made = convert(graph, watch(graph, clips(graph), 8), Settings(bias_bits=8, rule=by_overload))
    for op in made.ops:
        if isinstance(op, IntConv) and op.bias_shift > 0:
            assert not (op.bias & ((1 << op.bias_shift) - 1)).any() and np.abs(op.bias >> op.bias_shift).max() <= 128


def test_what_has_no_integer_form_is_listed_whole() -> None:
    build = Builder(4, 3, 8)
    build.conv(4, (1, 3))
    build.add(Binary("ratio", (build.last, "input"), "r", kind="divide"), (4, 3, 8))
    build.add(Pool("mean", ("r",), "m", kind="mean", kernel=(3, 3), pads=Pads(1, 1, 1, 1)), (4, 3, 8))
    build.add(Softmax("shares", ("m",), "s"), (4, 3, 8))
    build.conv(4, (1, 3))
    graph = build.graph()
    expected = r"form of ratio \(divide\), mean \(a mean whose windows hang over the border\), shares \(softmax\)"
    with pytest.raises(QuantError, match=expected):
        convert(graph, watch(graph, clips(graph), 8))


def test_no_clips_are_told() -> None:
    with pytest.raises(QuantError, match="no clips"):
        watch(network(), [], 8)


def test_a_constant_map_has_a_format() -> None:
    build = Builder(2, 1, 6)
    build.conv(3, (1, 1), pads=Pads())
    graph = build.graph()
    op = replace(graph.ops[0], weight=np.zeros((3, 2, 1, 1)), bias=np.zeros(3))  # type: ignore[call-arg]
    dead = replace(graph, ops=(op,), maps={**graph.maps, op.output: Map(op.output, 3, 1, 6)})
    made = convert(dead, watch(dead, clips(dead), 8))
    assert not evaluate(made, codes(clips(dead)[0][0], made.forms[made.source]))[made.result].any()
