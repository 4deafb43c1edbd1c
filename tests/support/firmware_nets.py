"""A small network in integers and its golden clips, for the tests of firmware's outer parts."""

from __future__ import annotations

import numpy as np
from lne_graphs import Builder

from nodes.lne.ir import Activation, Graph, Pads, Pool
from nodes.quant.convert import Settings, convert, watch
from nodes.quant.fixed import Codes, codes
from nodes.quant.integer import IntegerGraph


def small_graph(name: str = "small net") -> Graph:
    """A first layer with a maximum behind it, a 3x3 layer, a dense one."""
    build = Builder(1, 10, 8)
    build.conv(4, (3, 3), pads=Pads())
    build.add(Pool("pool", (build.last,), "pooled", kernel=(2, 2), stride=(2, 2)), (4, 4, 3))
    build.conv(8, (3, 3))
    build.conv(5, (4, 3), pads=Pads(), activation=Activation.NONE)
    return build.graph(name)


def small_integers(name: str = "small net", clips: int = 2, scale: float = 1.0) -> tuple[IntegerGraph, list[Codes]]:
    """The network in 8 bits, and codes (channels, rows, columns) of clips."""
    graph = small_graph(name)
    values = list(np.random.default_rng(1).normal(0.0, scale, (clips + 2, *graph.source_shape)))
    made = convert(graph, watch(graph, values, 8), Settings(bits=8))
    return made, [codes(clip[0], made.forms[made.source]) for clip in values[:clips]]
