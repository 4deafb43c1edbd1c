"""Convolutions with a scale of their own per channel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lne_graphs import Builder

from nodes.lne import reference
from nodes.lne.ir import Activation, Conv, Graph
from nodes.quant.convert import Settings, convert, watch
from nodes.quant.fixed import Fixed, codes, reals
from nodes.quant.integer import IntAdd, IntConv, Scale, evaluate
from nodes.quant.simulate import simulate


def network() -> Graph:
    """Channels of very different size, one without weights, a residual."""
    build = Builder(4, 6, 6)
    skip = build.conv(6, (3, 3))
    build.conv(6, (3, 3), residual=skip)
    build.conv(5, (1, 1), activation=Activation.NONE)
    graph = build.graph()
    factors = np.array([1.0, 1 / 30, 1 / 300, 0.0, 1.0, 0.2])[:, None, None, None]
    first = graph.ops[0]
    assert isinstance(first, Conv)
    return replace(graph, ops=(replace(first, weight=first.weight * factors), *graph.ops[1:]))


def clips(graph: Graph) -> list[np.ndarray]:
    return list(np.random.default_rng(7).normal(0.0, 1.0, (6, *graph.source_shape)))


def error(graph: Graph, settings: Settings, name: str) -> float:
    """Relative error of every channel of a map, the mean of all."""
    made = convert(graph, watch(graph, clips(graph), settings.bits), settings)
    lost = []
    for clip in clips(graph)[:3]:
        wanted = reference.evaluate(graph, clip)[name]
        found = reals(evaluate(made, codes(clip[0], made.forms[made.source]))[name], made.forms[name])
        largest = np.maximum(np.abs(wanted).max((1, 2)), 1e-9)
        lost.append(np.abs(found - wanted).max((1, 2)) / largest)
    return float(np.mean(lost))


def test_small_channels_keep_their_weights() -> None:
    graph = network()
    formats = {"conv0_out": Fixed(16, 12), graph.result: Fixed(16, 10)}
    settings = Settings(formats=formats)
    one = error(graph, settings, "conv0_out")
    assert 4 * error(graph, replace(settings, channel_scales=True), "conv0_out") < one


def test_residuals_are_whole_multiples() -> None:
    graph = network()
    made = convert(graph, watch(graph, clips(graph), 8), Settings(channel_scales=True))
    joined = [op for op in made.ops if isinstance(op, IntConv) and len(op.inputs) > 1]
    assert len(joined) == 1 and joined[0].residual_multiplier is not None
    assert joined[0].residual_multiplier.min() >= 1 and isinstance(joined[0].requantise, Scale)
    assert error(graph, Settings(channel_scales=True), graph.result) < 0.05
    given = np.stack([codes(clip[0], made.forms[made.source]) for clip in clips(graph)])
    wanted = np.stack([evaluate(made, one)[made.result] for one in given])
    assert (simulate(made, given) == wanted).all()


@pytest.mark.parametrize("channel_scales", [True, False])
def test_a_residual_finer_than_the_sum_is_added_apart(channel_scales: bool) -> None:
    build = Builder(4, 6, 6)
    skip = build.conv(6, (3, 3))
    middle = build.conv(6, (3, 3))
    build.conv(6, (3, 3), residual=skip)
    graph = build.graph()
    formats = {skip: Fixed(16, 13), middle: Fixed(8, 3)}
    settings = Settings(channel_scales=channel_scales, formats=formats)
    made = convert(graph, watch(graph, clips(graph), 8), settings)
    assert any(isinstance(op, IntAdd) for op in made.ops)
    assert error(graph, settings, graph.result) < 0.1


def test_sixteen_bits_keep_their_biases() -> None:
    """The sums of 16-bit products have more than 32 bits: so may a bias."""
    build = Builder(2, 4, 4)
    build.conv(3, (3, 3), activation=Activation.NONE)
    graph = build.graph()
    first = graph.ops[0]
    assert isinstance(first, Conv)
    small = replace(graph, ops=(replace(first, weight=first.weight * 1e-3, bias=np.array([3.0, -2.0, 1.0])),))
    for scales in (False, True):
        assert error(small, Settings(16, channel_scales=scales), small.result) < 2e-4
