"""From a float network to integers: one fixed-point format per tensor, chosen by a rule (S3 section V)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from nodes.lne import reference
from nodes.lne.ir import Graph, Pool, Rearrange, Softmax
from nodes.quant.errors import QuantError
from nodes.quant.fixed import Fixed, Statistics, Values
from nodes.quant.integer import IntegerGraph
from nodes.quant.layers import MAKERS, refusal
from nodes.quant.maker import Maker
from nodes.quant.settings import Rule, Settings, Tensors

__all__ = ["Rule", "Settings", "Tensors", "convert", "watch"]


def watch(graph: Graph, clips: Iterable[Values], bits: int) -> Tensors:
    """Statistics of a float pass over calibration clips, and of the weights.

    Raises:
        QuantError: there is no clip, or a value is not finite.
    """
    maps = {name: Statistics(bits) for name in graph.maps}
    seen = False
    for clip in clips:
        seen = True
        for name, values in reference.evaluate(graph, clip).items():
            maps[name].add(values)
    if not seen:
        raise QuantError("There are no clips to calibrate on.", "at least one clip", "Check the calibration subset.")
    return Tensors(maps, dict(_weights(graph, bits)))


def _weights(graph: Graph, bits: int) -> Iterator[tuple[str, Statistics]]:
    for op in graph.ops:
        parts = {"weight": getattr(op, "weight", None), "recurrence": getattr(op, "recurrence", None)}
        for part, values in parts.items():
            if values is not None:
                found = Statistics(bits)
                found.add(values)
                yield f"{op.name} {part}", found


def convert(graph: Graph, tensors: Tensors, settings: Settings | None = None) -> IntegerGraph:
    """The network in integers.

    Raises:
        QuantError: operations without an integer form; all are listed.
    """
    settings = settings or Settings()
    graph = _without_softmax(graph)
    refused = [f"{op.name} ({reason})" for op in graph.ops if (reason := refusal(op))]
    if refused:
        raise QuantError(
            f"There is no integer form of {', '.join(refused)}.",
            "convolutions, pools, sums, concatenations and vanilla recurrent layers",
            "Choose another network, or leave these layers out.",
        )
    forms = _forms(graph, tensors, settings)
    maker = Maker(graph, forms, tensors, settings, dict(graph.maps), dict(forms))
    ops = tuple(made for op in graph.ops for made in MAKERS[type(op)](maker, op))
    return IntegerGraph(graph.name, graph.source, graph.result, maker.maps, maker.forms, ops)


def _without_softmax(graph: Graph) -> Graph:
    """A softmax at the end changes no decision and is left to whoever reads the logits."""
    last = graph.ops[-1]
    if not isinstance(last, Softmax):
        return graph
    return replace(graph, ops=graph.ops[:-1], result=last.inputs[0])


def _forms(graph: Graph, tensors: Tensors, settings: Settings) -> dict[str, Fixed]:
    """Format of every map; a maximum, a rearrangement keeps the format of what it reads."""
    forms: dict[str, Fixed] = {}
    for name in graph.maps:
        if name in tensors.maps:
            forms[name] = settings.formats.get(name) or settings.rule(tensors.maps[name])
    for op in graph.ops:
        if isinstance(op, Rearrange) or (isinstance(op, Pool) and op.kind == "max"):
            forms[op.output] = forms[op.inputs[0]]
    return forms
