"""What a network that is called patch after patch decides: integers and floats over whole clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nodes.embedded.feed import Feed
from nodes.embedded.wish import Clips
from nodes.lne import reference
from nodes.lne.ir import Graph
from nodes.quant.fixed import Codes, codes
from nodes.quant.integer import RULES, IntegerGraph, IntOp, IntSequence
from nodes.quant.simulate import simulated_maps
from nodes.quant.steps import States, through_steps


@dataclass(frozen=True)
class Decisions:
    """Over whole clips.

    Attributes:
        changed: clips for which the integers decide otherwise than the floats.
        right: clips decided rightly, by "float" and "integer"; empty without truth.
    """

    clips: int
    changed: int
    right: dict[str, int] = field(default_factory=dict)


def decisions(
    whole: Graph, fed: Feed, graph: IntegerGraph, clips: Clips, heed: Callable[[int], None] | None = None
) -> Decisions:
    """Compare the network as written, over whole clips, with its integers, fed piece by piece.

    Args:
        heed: told how many clips are done; what it raises ends it.
    """
    chosen: dict[str, list[int]] = {"float": [], "integer": []}
    for number, clip in enumerate(clips.values):
        if heed is not None:
            heed(number)
        values = reference.evaluate(whole, clip.astype(np.float64))[whole.result]
        given = np.stack([codes(piece, graph.forms[graph.source]) for piece in fed.inputs(clip)])
        chosen["float"].append(int(values.argmax()))
        chosen["integer"].append(int(answer(graph, given).argmax()))
    changed = sum(one != other for one, other in zip(*chosen.values(), strict=True))
    return Decisions(len(clips), changed, _right(chosen, clips.truth))


def _right(chosen: dict[str, list[int]], truth: NDArray[np.int64] | None) -> dict[str, int]:
    if truth is None:
        return {}
    return {name: int((np.array(values) == truth).sum()) for name, values in chosen.items()}


def answer(graph: IntegerGraph, pieces: Codes) -> Codes:
    """The result after the last of some inputs (pieces, *source's shape) in a row, states kept between them."""
    behind = set(_behind_a_state(graph))
    maps = {name: np.asarray(found).transpose(0, 3, 1, 2) for name, found in simulated_maps(graph, pieces).items()}
    states: States = {}
    for number in range(len(pieces)):
        found = {name: values[number].astype(np.int64) for name, values in maps.items() if name not in behind}
        for op in graph.ops:
            if op.output in behind:
                found[op.output] = _computed(op, graph, found, states)
    return np.asarray(found[graph.result], np.int64)


def _behind_a_state(graph: IntegerGraph) -> Iterator[str]:
    """Maps that depend on what was kept."""
    found: set[str] = set()
    for op in graph.ops:
        if (isinstance(op, IntSequence) and op.keeps_state) or found & {*op.inputs}:
            found.add(op.output)
            yield op.output


def _computed(op: IntOp, graph: IntegerGraph, found: dict[str, Codes], states: States) -> Codes:
    inputs, out = [found[name] for name in op.inputs], graph.maps[op.output]
    if isinstance(op, IntSequence):
        made, states[op.name] = through_steps(op, inputs[0], out, states.get(op.name))
        return np.asarray(made, np.int64)
    return np.asarray(RULES[type(op)](op, inputs, out), np.int64)
