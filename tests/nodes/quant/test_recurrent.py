"""Recurrent layers in integers: close to the float layers over many steps, exact from call to call."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lne_graphs import Builder

from nodes.lne import reference
from nodes.lne.ir import Graph, Map, Recurrent
from nodes.quant.convert import Settings, convert, watch
from nodes.quant.errors import QuantError
from nodes.quant.fixed import codes, reals
from nodes.quant.integer import IntSequence, States, evaluate

KINDS = {"rnn": 1, "gru": 3, "lstm": 4}


def network(kind: str, *, whole: bool = True, reverse: bool = False, steps: int = 40, **more: bool) -> Graph:
    features, units, gates = 7, 10, KINDS[kind]
    build, rng = Builder(features, 1, steps), np.random.default_rng(3)
    build.add(
        Recurrent(
            "layer", ("input",), "state", kind=kind, whole=whole, reverse=reverse,
            weight=rng.normal(0, 0.5, (gates * units, features)), bias=rng.normal(0, 0.3, (2, gates * units)),
            recurrence=rng.normal(0, 0.4, (gates * units, units)), **more,
        ),
        (units, 1, steps if whole else 1),
    )  # fmt: skip
    return build.graph()


def clips(graph: Graph, count: int = 6) -> list[np.ndarray]:
    return list(np.random.default_rng(7).normal(0.0, 2.0, (count, *graph.source_shape)))


@pytest.mark.parametrize(("bits", "tolerance"), [(8, 0.04), (16, 3e-4)])
@pytest.mark.parametrize(("whole", "reverse"), [(True, False), (False, True)])
@pytest.mark.parametrize("kind", KINDS)
def test_integers_follow_the_float_layer(kind: str, whole: bool, reverse: bool, bits: int, tolerance: float) -> None:
    graph = network(kind, whole=whole, reverse=reverse)
    made = convert(graph, watch(graph, clips(graph), bits), Settings(bits=bits))
    for clip in clips(graph, 3):
        wanted = reference.evaluate(graph, clip)
        found = evaluate(made, codes(wanted[graph.source], made.forms[made.source]))[made.result]
        error = reals(found, made.forms[made.result]) - wanted[graph.result]
        assert np.sqrt(np.square(error).mean()) < tolerance


@pytest.mark.parametrize("kind", KINDS)
def test_a_kept_state_joins_calls(kind: str) -> None:
    """Two halves one after the other are the whole."""
    graph = network(kind)
    made = convert(graph, watch(graph, clips(graph), 8))
    half = {name: Map(name, shape.c, 1, 20) for name, shape in made.maps.items()}
    ops = tuple(replace(op, keeps_state=True) for op in made.ops if isinstance(op, IntSequence))
    streamed = replace(made, maps=half, ops=ops)
    given = codes(clips(graph)[0][0], made.forms[made.source])
    states: States = {}
    parts = [evaluate(streamed, given[..., at : at + 20], states)[made.result] for at in (0, 20)]
    assert (np.concatenate(parts, 2) == evaluate(made, given)[made.result]).all()
    fresh = evaluate(streamed, given[..., 20:])[made.result]
    assert (fresh != parts[1]).any()


def test_another_kind_of_gru_is_refused() -> None:
    graph = network("gru", linear_before_reset=False)
    with pytest.raises(QuantError, match="layer \\(gru whose reset gate acts before"):
        convert(graph, watch(graph, clips(graph), 8))
