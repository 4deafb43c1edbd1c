"""From a float network to integers: one fixed-point format per tensor, chosen by a rule (S3 section V)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from nodes.lne import reference
from nodes.lne.ir import Activation, Binary, Concat, Conv, Graph, Map, Op, Pool, Rearrange, Recurrent, Softmax
from nodes.quant.errors import QuantError
from nodes.quant.fixed import Codes, Fixed, Statistics, Values, by_sqnr, codes
from nodes.quant.integer import (
    IntAdd,
    IntConcat,
    IntConv,
    IntegerGraph,
    IntOp,
    IntPool,
    IntRearrange,
    IntRecurrent,
    IntTable,
    Requantise,
    Scale,
    Shift,
)

Rule = Callable[[Statistics], Fixed]
BEFORE_TABLE_INTEGER = 3
"""Integer bits in front of a sigmoid or tanh: beyond 8 both are flat."""
MULTIPLIER_BITS = 30
_RELU = {Activation.NONE: None, Activation.RELU: 0, Activation.RELU6: 0}


@dataclass(frozen=True)
class Settings:
    """How a network is rounded.

    Attributes:
        bits: of weights and maps.
        bias_bits: of stored biases; 8 as the paper's, 32 keeps them exact.
        rule: chooses a format from a tensor's statistics.
        formats: formats set by hand, of maps and of weights ("conv1 weight"); the rule chooses the others.
    """

    bits: int = 8
    bias_bits: int = 32
    rule: Rule = by_sqnr
    formats: Mapping[str, Fixed] = field(default_factory=dict)


@dataclass(frozen=True)
class Tensors:
    """Statistics of every map and weight of a network."""

    maps: Mapping[str, Statistics]
    weights: Mapping[str, Statistics]


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
    refused = [f"{op.name} ({reason})" for op in graph.ops if (reason := _refusal(op))]
    if refused:
        raise QuantError(
            f"There is no integer form of {', '.join(refused)}.",
            "convolutions, pools, sums, concatenations and vanilla recurrent layers",
            "Choose another network, or leave these layers out.",
        )
    forms = _forms(graph, tensors, settings)
    maker = _Maker(graph, forms, tensors, settings, dict(graph.maps), dict(forms))
    ops = tuple(made for op in graph.ops for made in _MAKERS[type(op)](maker, op))
    return IntegerGraph(graph.name, graph.source, graph.result, maker.maps, maker.forms, ops)


def _without_softmax(graph: Graph) -> Graph:
    """A softmax at the end changes no decision and is left to whoever reads the logits."""
    last = graph.ops[-1]
    if not isinstance(last, Softmax):
        return graph
    return replace(graph, ops=graph.ops[:-1], result=last.inputs[0])


def _refusal(op: Op) -> str:
    if type(op) not in _MAKERS:
        return type(op).__name__.lower()
    if isinstance(op, Conv) and op.scale is not None:
        return "a scale behind the activation"
    if isinstance(op, Conv) and op.residual_last:
        return "a sum behind the activation"
    activation = getattr(op, "activation", Activation.NONE)
    if activation not in _RELU and (activation not in _TABLES or (isinstance(op, Conv) and op.has_residual)):
        return f"activation {activation}"
    if isinstance(op, Recurrent) and (op.kind != "rnn" or op.reverse):
        return f"{op.kind}{' backwards' if op.reverse else ''}"
    return "" if not isinstance(op, Binary) or op.kind == "add" else op.kind


_TABLES: Mapping[Activation, Callable[[Values], Values]] = MappingProxyType(
    {
        Activation.SIGMOID: lambda x: 1.0 / (1.0 + np.exp(-x)),
        Activation.TANH: np.tanh,
        Activation.HARD_SIGMOID: lambda x: np.clip(x / 6.0 + 0.5, 0.0, 1.0),
        Activation.HARD_SWISH: lambda x: x * np.clip(x / 6.0 + 0.5, 0.0, 1.0),
    }
)


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


@dataclass
class _Maker:
    """One conversion: what is known, and the maps it adds."""

    graph: Graph
    given: Mapping[str, Fixed]
    tensors: Tensors
    settings: Settings
    maps: dict[str, Map]
    forms: dict[str, Fixed]

    def weight(self, op: Op, part: str = "weight") -> tuple[Codes, Fixed]:
        name = f"{op.name} {part}"
        form = self.settings.formats.get(name) or self.settings.rule(self.tensors.weights[name])
        return codes(getattr(op, part), form), form

    def bias(self, values: Values, fraction: int) -> tuple[Codes, int]:
        """A bias at the sum's scale, and how far the stored one was shifted to get there."""
        if self.settings.bias_bits >= 32:
            return codes(values, Fixed(self.settings.bias_bits, fraction)), 0
        found = Statistics(self.settings.bias_bits)
        found.add(values)
        form = self.settings.rule(found)
        stored, left = codes(values, form), fraction - form.fraction
        return (stored << left if left >= 0 else stored >> -left), left

    def shift(self, fraction: int, form: Fixed, low: int | None = None) -> Shift:
        return Shift(fraction - form.fraction, form.low if low is None else low, form.high)


def _conv(make: _Maker, op: Op) -> Iterator[IntOp]:
    assert isinstance(op, Conv)
    weight, form = make.weight(op)
    fraction = make.forms[op.inputs[0]].fraction + form.fraction
    bias, bias_shift = make.bias(op.bias, fraction)
    out = make.forms[op.output]
    residual = fraction - make.forms[op.inputs[1]].fraction if op.has_residual else 0
    if residual < 0:
        raise QuantError(
            f"{op.name}: its residual has a finer step than the sum.", "a coarser residual", "Set its format by hand."
        )
    table = _TABLES.get(op.activation)
    target, output = (out, op.output) if table is None else _before(make, op)
    yield IntConv(
        op.name,
        op.inputs,
        output,
        weight=weight,
        bias=bias,
        requantise=_clamped(make.shift(fraction, target, _RELU.get(op.activation)), op.activation, target),
        stride=op.stride,
        dilation=op.dilation,
        pads=op.pads,
        groups=op.groups,
        bias_shift=bias_shift,
        residual_shift=residual,
    )
    if table is not None:
        yield IntTable(
            f"{op.name} {op.activation}", (output,), op.output, table=tabled(table, target, out), lowest=target.low
        )


def _clamped(rule: Shift, activation: Activation, form: Fixed) -> Shift:
    if activation is not Activation.RELU6:
        return rule
    return replace(rule, high=min(rule.high, int(round(6.0 / form.step))))


def _before(make: _Maker, op: Op) -> tuple[Fixed, str]:
    """A map in front of an activation that is a table."""
    name, bits = f"{op.output} before", make.settings.bits
    form = Fixed(bits, bits - 1 - BEFORE_TABLE_INTEGER)
    make.maps[name], make.forms[name] = replace(make.maps[op.output], name=name), form
    return form, name


def tabled(function: Callable[[Values], Values], given: Fixed, result: Fixed) -> Codes:
    """A function of every code of `given`, the lowest first, in codes of `result`."""
    everything = np.arange(given.low, given.high + 1)
    return codes(function(np.asarray(everything * given.step, np.float64)), result)


def _pool(make: _Maker, op: Op) -> Iterator[IntOp]:
    assert isinstance(op, Pool)
    requantise: Requantise | None = None
    if op.kind != "max":
        count = op.kernel[0] * op.kernel[1]
        form, given = make.forms[op.output], make.forms[op.inputs[0]]
        requantise = scaled(2.0 ** (form.fraction - given.fraction) / count, make.maps[op.output].c, form)
    yield IntPool(
        op.name, op.inputs, op.output, kind=op.kind, kernel=op.kernel, stride=op.stride, pads=op.pads,
        requantise=requantise,
    )  # fmt: skip


def scaled(factor: float, channels: int, form: Fixed) -> Scale:
    """Multiply by one factor for all channels, as multiplier and shift."""
    exponent = math.frexp(factor)[1]
    right = MULTIPLIER_BITS - exponent
    multiplier = round(factor * 2.0**right)
    return Scale(np.full(channels, multiplier), np.full(channels, right), 0, form.low, form.high)


def _add(make: _Maker, op: Op) -> Iterator[IntOp]:
    assert isinstance(op, Binary)
    fractions = [make.forms[name].fraction for name in op.inputs]
    common = max(fractions)
    rule = make.shift(common, make.forms[op.output], _RELU[op.activation])
    yield IntAdd(op.name, op.inputs, op.output, left=(common - fractions[0], common - fractions[1]), requantise=rule)


def _concat(make: _Maker, op: Op) -> Iterator[IntOp]:
    assert isinstance(op, Concat)
    rules = tuple(make.shift(make.forms[name].fraction, make.forms[op.output]) for name in op.inputs)
    yield IntConcat(op.name, op.inputs, op.output, axis=op.axis, requantise=rules)


def _rearrange(_make: _Maker, op: Op) -> Iterator[IntOp]:
    assert isinstance(op, Rearrange)
    yield IntRearrange(op.name, op.inputs, op.output, table=op.table.astype(np.int64))


def _recurrent(make: _Maker, op: Op) -> Iterator[IntOp]:
    assert isinstance(op, Recurrent)
    weight, form = make.weight(op)
    recurrence, kept = make.weight(op, "recurrence")
    out, bits = make.forms[op.output], make.settings.bits
    before = Fixed(bits, bits - 1 - BEFORE_TABLE_INTEGER)
    given, state = (make.forms[op.inputs[0]].fraction + form.fraction, out.fraction + kept.fraction)
    if state > given:  # the recurrent sum would have to be shifted right: take a coarser recurrence
        kept = replace(kept, fraction=kept.fraction - (state - given))
        recurrence, state = codes(op.recurrence, kept), given
    bias, _ = make.bias(op.bias.sum(0), given)
    yield IntRecurrent(
        op.name,
        op.inputs,
        op.output,
        weight=weight,
        recurrence=recurrence,
        recurrence_shift=given - state,
        bias=bias,
        requantise=make.shift(given, before),
        table=tabled(np.tanh, before, out),
        whole=op.whole,
    )


_MAKERS: Mapping[type[Op], Callable[[_Maker, Op], Iterator[IntOp]]] = MappingProxyType(
    {Conv: _conv, Pool: _pool, Binary: _add, Concat: _concat, Rearrange: _rearrange, Recurrent: _recurrent}
)
