"""ONNX into the typed graph: `read_onnx`.

>>> reading = read_onnx(Path("model.onnx"))
>>> reading.graph.ops[0].name
'conv1'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nodes.lne.ir import Graph
from nodes.lne.passes import run_passes
from nodes.lne.primitive import Range
from nodes.lne.reading.model import load_model
from nodes.lne.reading.ranges import spread_ranges
from nodes.lne.reading.unsupported import Problem, UnsupportedModelError
from nodes.lne.reading.walk import Walk

__all__ = ["Problem", "Reading", "UnsupportedModelError", "read_onnx"]


@dataclass(frozen=True)
class Reading:
    """A network and what was found beside it.

    Attributes:
        ranges: 8-bit ranges of maps, from QuantizeLinear nodes.
        notes: what was assumed, and what each pass did.
    """

    graph: Graph
    ranges: Mapping[str, Range]
    notes: tuple[str, ...]


def read_onnx(source: Path | str | bytes, shape: tuple[int, ...] | None = None) -> Reading:
    """Read a model of opset 13 to 23 with one input and one output, and optimise its graph.

    Args:
        shape: of the input with its batch axis, where the model leaves axes behind the first free.

    Raises:
        LneError: the file is no such model.
        UnsupportedModelError: some nodes cannot be generated; all are listed.
    """
    walked = Walk(load_model(source), shape).run()
    graph, notes = run_passes(walked.graph)
    return Reading(graph, spread_ranges(graph, walked.ranges), (*walked.notes, *notes))
