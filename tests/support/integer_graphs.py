"""Networks in integers for the tests of kernels: from small float networks, and with a scale per channel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from lne_graphs import Builder

from nodes.quant.convert import Settings, convert, watch
from nodes.quant.fixed import Codes, codes
from nodes.quant.integer import IntConv, IntConvPool, IntegerGraph, IntOp, Requantise, Scale, Shift


def integers(
    name: str, shape: tuple[int, int, int], fill: Callable[[Builder], None], bits: int = 8
) -> tuple[IntegerGraph, list[Codes]]:
    """A network in integers, and two inputs."""
    build = Builder(*shape)
    fill(build)
    graph = build.graph(name)
    clips = list(np.random.default_rng(2).normal(0.0, 1.0, (4, *graph.source_shape)))
    made = convert(graph, watch(graph, clips, bits), Settings(bits=bits))
    return made, [codes(clip[0], made.forms[made.source]) for clip in clips[:2]]


def scaled(graph: IntegerGraph, seed: int = 0) -> IntegerGraph:
    """The same network with a multiplier and a shift per channel instead of one shift: others' codes, same sums."""
    rng = np.random.default_rng(seed)
    return replace(graph, ops=tuple(_scaled(op, rng) for op in graph.ops))


def _scaled(op: IntOp, rng: np.random.Generator) -> IntOp:
    if isinstance(op, IntConvPool):
        return replace(op, conv=_scaled_conv(op.conv, rng))
    return _scaled_conv(op, rng) if isinstance(op, IntConv) else op


def _scaled_conv(op: IntConv, rng: np.random.Generator) -> IntConv:
    return replace(op, requantise=_scale(op.requantise, len(op.weight), rng))


def _scale(rule: Requantise, channels: int, rng: np.random.Generator) -> Scale:
    assert isinstance(rule, Shift)
    right = rule.right + 30 + rng.integers(-1, 1, channels)
    return Scale(rng.integers(1 << 29, 1 << 30, channels), right, 0, rule.low, rule.high)
