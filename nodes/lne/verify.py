"""What a legal graph is, as code: run after reading and after every pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nodes.lne.errors import LneError
from nodes.lne.ir import (
    Affine,
    Binary,
    Concat,
    Conv,
    Graph,
    Map,
    Op,
    Pad,
    Pads,
    Pool,
    Rearrange,
    Recurrent,
    Softmax,
    Weights,
)

GATES = MappingProxyType({"gru": 3, "lstm": 4, "rnn": 1})
_BINARY = ("add", "subtract", "multiply", "divide", "maximum", "minimum")


def verify(graph: Graph, where: str = "the graph", before: Graph | None = None) -> None:
    """Check that every operation reads what is there, fits its maps and has finite float64 weights.

    The weights of operations that are also in `before` are not looked at again.

    Raises:
        LneError: something is wrong; all of it is listed.
    """
    known = {id(op) for op in before.ops} if before else set[int]()
    faults = tuple(dict.fromkeys(_faults(graph, known)))
    if faults:
        raise LneError(
            f"{where} is not legal: {'; '.join(faults[:5])}.",
            "operations that fit their maps, with finite weights",
            "This is a fault of the generator unless the weights are broken: report the model.",
        )


def _faults(graph: Graph, known: set[int]) -> Iterator[str]:
    seen, names = {graph.source}, set[str]()
    for op in graph.ops:
        if op.name in names:
            yield f"two operations are called {op.name}"
        names.add(op.name)
        unknown = [name for name in op.inputs if name not in seen]
        if unknown:
            yield f"{op.name} reads {', '.join(unknown)} before it is made"
        elif op.output in seen or op.output not in graph.maps:
            yield f"{op.name} writes {op.output}, which is {'made twice' if op.output in seen else 'not a map'}"
        else:
            weights = () if id(op) in known else _faults_of_weights(op)
            yield from (f"{op.name}: {fault}" for fault in (*weights, *_faults_of(op, graph)))
        seen.add(op.output)
    if graph.result not in seen:
        yield f"nothing makes the result {graph.result}"
    for name, shape in ((graph.source, graph.source_shape), (graph.result, graph.result_shape)):
        if name in graph.maps and graph.maps[name].size != int(np.prod(shape)):
            yield f"{name} does not hold {shape}"


def _faults_of(op: Op, graph: Graph) -> Iterator[str]:
    counts, rule = _RULES[type(op)]
    if len(op.inputs) not in counts:
        yield f"it has {len(op.inputs)} inputs"
        return
    yield from rule(op, graph.input_maps(op), graph.maps[op.output])


def _faults_of_weights(op: Op) -> Iterator[str]:
    for name, value in vars(op).items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            if value.dtype != np.float64:
                yield f"its {name} is {value.dtype}"
            if not np.isfinite(value).all():
                yield f"its {name} is not finite"


Rule = Callable[[Op, tuple[Map, ...], Map], Iterator[str]]


def _same_shape(given: Map, wanted: tuple[int, int, int], what: str = "output") -> Iterator[str]:
    if given.shape != wanted:
        yield f"its {what} is {given.shape}, not {wanted}"


def _sized(value: Weights | None, count: int, what: str) -> Iterator[str]:
    if value is not None and value.shape != (count,):
        yield f"its {what} has the shape {value.shape}, not ({count},)"


def _conv(op: Op, inputs: tuple[Map, ...], out: Map) -> Iterator[str]:
    assert isinstance(op, Conv)
    outputs, per_group = op.weight.shape[:2]
    if per_group * op.groups != inputs[0].c or outputs % op.groups:
        yield f"its weight {op.weight.shape} in {op.groups} groups does not fit {inputs[0].c} channels"
    reach = [(taps - 1) * step + 1 for taps, step in zip(op.kernel, op.dilation, strict=True)]
    h, w = (_steps(*axis)[0] for axis in zip(inputs[0].shape[1:], _around(op.pads), reach, op.stride, strict=True))
    yield from _same_shape(out, (outputs, h, w))
    for value, what in ((op.bias, "bias"), (op.scale, "scale"), (op.shift, "shift")):
        yield from _sized(value, outputs, what)
    if (op.scale is None) != (op.shift is None):
        yield "it has a scale without a shift"
    if op.has_residual:
        yield from _same_shape(inputs[1], out.shape, "residual")


def _around(pads: Pads) -> tuple[int, int]:
    return pads.top + pads.bottom, pads.left + pads.right


def _steps(size: int, pads: int, reach: int, stride: int) -> tuple[int, int]:
    """Windows that lie inside, and those that begin inside."""
    free = size + pads - reach
    return free // stride + 1, -(-free // stride) + 1


def _pool(op: Op, inputs: tuple[Map, ...], out: Map) -> Iterator[str]:
    assert isinstance(op, Pool)
    if op.kind not in ("max", "mean"):
        yield f"its kind is {op.kind}"
    allowed = _pool_steps(op, inputs[0])
    if op.counts_pads and not inside(op, inputs[0], out):
        yield "it counts its pads but hangs over them"
    if out.c != inputs[0].c or out.h not in allowed[0] or out.w not in allowed[1]:
        yield f"its output is {out.shape}, not ({inputs[0].c}, {allowed[0]}, {allowed[1]})"


def _pool_steps(op: Pool, given: Map) -> list[tuple[int, int]]:
    return [_steps(*axis) for axis in zip(given.shape[1:], _around(op.pads), op.kernel, op.stride, strict=True)]


def inside(op: Pool, given: Map, out: Map) -> bool:
    """Whether no window hangs over the border, pads included (as it may with ONNX's ceil_mode)."""
    rows, columns = _pool_steps(op, given)
    return (out.h, out.w) == (rows[0], columns[0])


def _binary(op: Op, inputs: tuple[Map, ...], out: Map) -> Iterator[str]:
    assert isinstance(op, Binary)
    if op.kind not in _BINARY:
        yield f"its kind is {op.kind}"
    yield from _same_shape(inputs[0], out.shape, "first input")
    if any(size not in (1, wanted) for size, wanted in zip(inputs[1].shape, out.shape, strict=True)):
        yield f"its second input is {inputs[1].shape}"


def _affine(op: Op, inputs: tuple[Map, ...], out: Map) -> Iterator[str]:
    assert isinstance(op, Affine)
    yield from _same_shape(out, inputs[0].shape)
    yield from _sized(op.scale, out.c, "scale")
    yield from _sized(op.shift, out.c, "shift")


def _softmax(op: Op, inputs: tuple[Map, ...], out: Map) -> Iterator[str]:
    del op
    yield from _same_shape(out, inputs[0].shape)


def _concat(op: Op, inputs: tuple[Map, ...], out: Map) -> Iterator[str]:
    assert isinstance(op, Concat)
    axis = "chw".index(op.axis)
    sizes = list(inputs[0].shape)
    sizes[axis] = sum(one.shape[axis] for one in inputs)
    yield from _same_shape(out, (sizes[0], sizes[1], sizes[2]))
    for one in inputs[1:]:
        if any(a != b for index, (a, b) in enumerate(zip(one.shape, sizes, strict=True)) if index != axis):
            yield f"its part {one.name} is {one.shape}"


def _pad(op: Op, inputs: tuple[Map, ...], out: Map) -> Iterator[str]:
    assert isinstance(op, Pad)
    down, across = _around(op.pads)
    yield from _same_shape(out, (inputs[0].c, inputs[0].h + down, inputs[0].w + across))


def _rearrange(op: Op, inputs: tuple[Map, ...], out: Map) -> Iterator[str]:
    assert isinstance(op, Rearrange)
    table: NDArray[np.int32] = op.table
    if table.dtype != np.int32 or table.shape != (out.size,):
        yield f"its table is {table.dtype} {table.shape}, not int32 ({out.size},)"
    elif table.size and not 0 <= table.min() <= table.max() < inputs[0].size:
        yield "its table points outside of its input"


def _recurrent(op: Op, inputs: tuple[Map, ...], out: Map) -> Iterator[str]:
    assert isinstance(op, Recurrent)
    rows = GATES.get(op.kind, 0) * op.units
    given = inputs[0]
    for name, value, wanted in (
        ("weight", op.weight, (rows, given.c)),
        ("recurrence", op.recurrence, (rows, op.units)),
        ("bias", op.bias, (2, rows)),
    ):
        if value.shape != wanted:
            yield f"its {name} is {value.shape}, not {wanted}"
    yield from _same_shape(given, (given.c, 1, given.w), "input")
    yield from _same_shape(out, (op.units, 1, given.w if op.whole else 1))


_ANY = range(1, 1 << 16)
_RULES: Mapping[type[Op], tuple[range, Rule]] = MappingProxyType(
    {
        Conv: (range(1, 3), _conv),
        Pool: (range(1, 2), _pool),
        Binary: (range(2, 3), _binary),
        Affine: (range(1, 2), _affine),
        Softmax: (range(1, 2), _softmax),
        Concat: (_ANY, _concat),
        Pad: (range(1, 2), _pad),
        Rearrange: (range(1, 2), _rearrange),
        Recurrent: (range(1, 2), _recurrent),
    }
)
