"""Single stages computed from the inputs that the firmware, or the integer network, really had.

So a stage that is wrong by itself is told from one that only follows a wrong one, and the noise that a stage adds from
the noise that reached it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nodes.lne import reference
from nodes.lne.ir import Graph
from nodes.quant.fixed import Codes
from nodes.quant.integer import RULES, IntegerGraph

Array = NDArray[Any]


def replayed(graph: IntegerGraph, source: Codes, found: Mapping[str, Array]) -> Iterator[tuple[str, Codes]]:
    """What every stage of `found` should give for the firmware's own inputs: (map, codes (rows, columns, channels)).

    Args:
        source: codes (channels, rows, columns) the firmware was given.
        found: codes (rows, columns, channels) it computed, by map.
    """
    known = {graph.source: np.asarray(source, np.int64)}
    known.update({name: np.asarray(codes, np.int64).transpose(2, 0, 1) for name, codes in found.items()})
    for op in graph.ops:
        out = graph.maps[op.output]
        made = RULES[type(op)](op, [known[name] for name in op.inputs], out).reshape(out.shape)
        if op.output in found:
            yield op.output, made.transpose(1, 2, 0)
        else:
            known[op.output] = made


def float_stages(
    graph: Graph, integers: IntegerGraph, maps: Mapping[str, Array], stages: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[str, Array]]:
    """What every stage gives in floats for the integer network's inputs: (map, reals (rows, columns, channels)).

    Args:
        maps: codes (rows, columns, channels) of every map of the integer network for one clip.
        stages: maps that are read, by the map that is written. Stages without a twin in the float graph are left out.
    """
    for output, inputs in stages.items():
        known = {name: maps[name].transpose(2, 0, 1) * integers.forms[name].step for name in inputs}
        made = _until(graph, known, output)
        if made is not None:
            yield output, made.transpose(1, 2, 0)


def _until(graph: Graph, known: dict[str, Array], output: str) -> Array | None:
    given = set(known)
    for op in graph.ops:
        if op.output not in given and all(name in known for name in op.inputs):
            known[op.output] = reference.compute(op, [known[name] for name in op.inputs], graph.maps[op.output])
            if op.output == output:
                return known[output].reshape(graph.maps[output].shape)
    return None
