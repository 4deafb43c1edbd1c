"""From a float network to integers: one fixed-point format per tensor, chosen by a rule (S3 section V)."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from nodes.lne.ir import Graph, Op, Pool, Rearrange, Softmax
from nodes.quant.batched import float_maps
from nodes.quant.errors import QuantError
from nodes.quant.fixed import Fixed, Statistics, Values
from nodes.quant.integer import IntegerGraph
from nodes.quant.layers import MAKERS, refusal
from nodes.quant.maker import Maker
from nodes.quant.settings import Rule, Settings, Tensors
from nodes.quant.split import most_integer_bits, split

__all__ = [
    "Rule",
    "Settings",
    "Tensors",
    "check_operations",
    "convert",
    "keeps_format",
    "settled",
    "watch",
    "weights_of",
]

CLIPS_AT_ONCE: Final = 16


def watch(graph: Graph, clips: Iterable[Values], bits: int) -> Tensors:
    """Statistics of a float pass over calibration clips, and of the weights.

    Raises:
        QuantError: there is no clip, or a value is not finite.
    """
    graph = split(graph)
    maps = {name: Statistics(bits) for name in graph.maps}
    seen = False
    for block in _blocks(clips):
        seen = True
        for name, values in float_maps(graph, block).items():
            maps[name].add(values)
    if not seen:
        raise QuantError("There are no clips to calibrate on.", "at least one clip", "Check the calibration subset.")
    return Tensors(maps, dict(_weights(graph, bits)))


def _blocks(clips: Iterable[Values]) -> Iterator[Values]:
    rest = iter(clips)
    while block := list(itertools.islice(rest, CLIPS_AT_ONCE)):
        yield np.stack([np.asarray(clip, np.float64) for clip in block])


def weights_of(graph: Graph) -> Iterator[tuple[str, Values]]:
    """Every weight that gets a format, by the name it has in `Settings.formats`."""
    for op in graph.ops:
        for part in ("weight", "recurrence"):
            values = getattr(op, part, None)
            if values is not None:
                yield f"{op.name} {part}", values


def _weights(graph: Graph, bits: int, known: Collection[str] = ()) -> Iterator[tuple[str, Statistics]]:
    for name, values in weights_of(graph):
        if name not in known:
            found = Statistics(bits)
            found.add(values)
            yield name, found


def convert(graph: Graph, tensors: Tensors | None, settings: Settings | None = None) -> IntegerGraph:
    """The network in integers; without statistics where the settings name the format of every map.

    Raises:
        QuantError: operations without an integer form, all are listed; or a map has neither format nor statistics.
    """
    settings = settings or Settings()
    graph = split(_without_softmax(graph))
    check_operations(graph)
    tensors = _with_weights(graph, tensors or Tensors({}, {}), settings)
    forms = _forms(graph, tensors, settings)
    maker = Maker(graph, forms, tensors, settings, dict(graph.maps), dict(forms))
    ops = tuple(made for op in graph.ops for made in MAKERS[type(op)](maker, op))
    return IntegerGraph(graph.name, graph.source, graph.result, maker.maps, maker.forms, ops)


def settled(graph: Graph, tensors: Tensors, settings: Settings) -> Settings:
    """The settings with the format of every map and weight in them, with which `convert` needs no statistics.

    Raises:
        QuantError: values lie outside the range of any format; all such tensors are listed.
    """
    graph = split(_without_softmax(graph))
    weights = _with_weights(graph, tensors, settings).weights
    _check_reach({**tensors.maps, **weights}, settings)
    chosen = {name: settings.rule(found) for name, found in weights.items()}
    return replace(settings, formats={**chosen, **settings.formats, **_forms(graph, tensors, settings)})


def _check_reach(found: Mapping[str, Statistics], settings: Settings) -> None:
    """A format set by hand may clip as it likes."""
    beyond = [name for name, one in found.items() if one.overflows and name not in settings.formats]
    if beyond:
        one, listed = found[beyond[0]], ", ".join(beyond[:5]) + (" and more" if len(beyond) > 5 else "")
        reach = 2.0 ** (one.bits - 1 - one.candidates().start)
        raise QuantError(
            f"{listed}: values up to {one.largest:.3g} overflow.",
            f"magnitudes below {reach:g} in {one.bits} bits",
            "Train the model again with weight decay, or scale its features.",
        )


def check_operations(graph: Graph) -> None:
    """Make sure that every operation has an integer form.

    Raises:
        QuantError: some have none; all are listed.
    """
    graph = split(graph)
    refused = [f"{op.name} ({reason})" for op in graph.ops if (reason := refusal(op, graph.maps))]
    if refused:
        raise QuantError(
            f"There is no integer form of {', '.join(refused)}.",
            "convolutions, pools, sums, concatenations and recurrent layers",
            "Choose another network, or leave these layers out.",
        )


def _with_weights(graph: Graph, tensors: Tensors, settings: Settings) -> Tensors:
    """Statistics also of the weights that have neither these nor a format; weights need no clips."""
    known = {*tensors.weights, *settings.formats}
    return replace(tensors, weights={**tensors.weights, **dict(_weights(graph, settings.bits, known))})


def _without_softmax(graph: Graph) -> Graph:
    """A softmax at the end changes no decision and is left to whoever reads the logits."""
    last = graph.ops[-1]
    if not isinstance(last, Softmax):
        return graph
    return replace(graph, ops=graph.ops[:-1], result=last.inputs[0])


def _forms(graph: Graph, tensors: Tensors, settings: Settings) -> dict[str, Fixed]:
    """Format of every map; a maximum, a rearrangement keeps the format of what it reads.

    Raises:
        QuantError: maps have neither format nor statistics; the first are named.
    """
    follows = {op.output: op.inputs[0] for op in graph.ops if keeps_format(op)}
    used = {graph.source, *(op.output for op in graph.ops)}
    missing = [name for name in graph.maps if name in used - {*follows, *settings.formats, *tensors.maps}]
    if missing:
        listed = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise QuantError(
            f"There is no format of {listed}.",
            "one for every map of the network",
            "Calibrate on clips of this network.",
        )
    forms = {name: settings.formats.get(name) or settings.rule(tensors.maps[name]) for name in used - {*follows}}
    for name, most in most_integer_bits(graph).items():
        if name in forms and name not in settings.formats and forms[name].integer > most:
            forms[name] = Fixed(forms[name].bits, forms[name].bits - 1 - most)
    for name, given in follows.items():
        forms[name] = forms[given]
    return {name: forms[name] for name in graph.maps if name in used}


def keeps_format(op: Op) -> bool:
    """Whether the output has the format of the input: a maximum, a rearrangement."""
    return isinstance(op, Rearrange) or (isinstance(op, Pool) and op.kind == "max")
