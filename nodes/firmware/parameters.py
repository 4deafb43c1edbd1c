"""Weights, sizes and shifts of a network as macros of one header, for kernels of one's own.

So does the paper on compact sound-event networks, and so do CMSIS-NN's examples.

Every operation has `NAME_WT`, `NAME_BIAS` and so on with their sizes; `NAME_BIAS_LSHIFT` = (n_i + n_w) - n_b brings the
stored bias to the sum's scale, `NAME_OUT_RSHIFT` = (n_i + n_w) - n_o the sum to the output's, n being fractional bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass

import numpy as np

from nodes.firmware.program import Program
from nodes.firmware.writer import PER_LINE, comment
from nodes.lne.ir import Map, Pads
from nodes.lne.program import identifier
from nodes.quant.fixed import Codes, Fixed
from nodes.quant.integer import IntConv, IntConvPool, IntegerGraph, IntOp, Scale, Shift

SHORT = {"weight": "WT", "bias": "BIAS", "recurrence": "RWT", "bias_shift": "BIAS_LSHIFT"}


def parameters_header(program: Program) -> str:
    """The header: macros for every operation of the network, in the order they are computed."""
    graph, guard = program.graph, f"{program.name.upper()}_PARAMETERS_H"
    body = "\n".join(_all(graph))
    return (
        f"/* {comment(graph.name)}: weights, sizes and shifts.\n"
        " * Weights lie in outputs, rows, columns, inputs; maps in rows, columns, channels.\n"
        " * value = code * 2^-fraction */\n"
        f"#ifndef {guard}\n#define {guard}\n\n{body}\n\n#endif\n"
    )


def _all(graph: IntegerGraph) -> Iterator[str]:
    yield from _map("INPUT", graph.maps[graph.source], graph.forms[graph.source])
    taken: set[str] = set()
    for op, size, form in _flat(graph):
        name = identifier(op.name).upper()
        name = next(one for n in range(1, 1 << 20) if (one := name if n == 1 else f"{name}_{n}") not in taken)
        taken.add(name)
        yield f"\n/* {comment(op.name)}: {type(op).__name__.removeprefix('Int')} of {comment(', '.join(op.inputs))} */"
        yield from _map(f"{name}_OUT", size, form)
        if isinstance(op, IntConv):
            yield from _field(name, "kernel", op.kernel, op)
        for field in fields(op):
            if field.name not in ("name", "inputs", "output"):
                yield from _field(name, field.name, getattr(op, field.name), op)


def _flat(graph: IntegerGraph) -> Iterator[tuple[IntOp, Map, Fixed]]:
    """Operations with what they write, joined ones apart; a maximum changes no format."""
    for op in graph.ops:
        size, form = graph.maps[op.output], graph.forms[op.output]
        if isinstance(op, IntConvPool):
            yield op.conv, op.between, form
        yield op.pool if isinstance(op, IntConvPool) else op, size, form


def _map(name: str, size: Map, form: Fixed) -> Iterator[str]:
    for part, value in (("ROWS", size.h), ("COLUMNS", size.w), ("CH", size.c), ("FRACTION", form.fraction)):
        yield f"#define {name}_{part} {value}"


def _field(name: str, field: str, value: object, op: IntOp) -> Iterator[str]:
    short = SHORT.get(field, field.upper())
    if isinstance(value, np.ndarray):
        is_bias = field == "bias" and isinstance(op, IntConv)
        yield from _array(f"{name}_{short}", _bias(value, op) if is_bias and isinstance(op, IntConv) else value)
    elif isinstance(value, Shift):
        limits = (("RSHIFT", value.right), ("LOW", value.low), ("HIGH", value.high))
        where = "OUT" if field == "requantise" else short
        yield from (f"#define {name}_{where}_{part} {number}" for part, number in limits)
    elif isinstance(value, Scale):
        yield from _array(f"{name}_OUT_MULT", value.multiplier)
        yield from _array(f"{name}_OUT_RSHIFTS", value.right)
        yield from (f"#define {name}_OUT_{part} {getattr(value, part.lower())}" for part in ("ZERO", "LOW", "HIGH"))
    elif isinstance(value, Pads):
        yield from (f"#define {name}_PAD_{side.upper()} {getattr(value, side)}" for side in _SIDES)
    elif is_dataclass(value):
        for part in fields(value):
            yield from _field(name, f"{field}_{part.name}", getattr(value, part.name), op)
    elif isinstance(value, (bool, int)):
        yield f"#define {name}_{short} {int(value)}"
    elif isinstance(value, tuple):
        for index, part in enumerate(value):
            yield from _field(name, f"{field}_{_AXES.get(field, str)(index)}", part, op)


_SIDES = ("top", "left", "bottom", "right")


def _axis(index: int) -> str:
    return ("rows", "columns")[index]


_AXES = {"kernel": _axis, "stride": _axis, "dilation": _axis}


def _bias(bias: Codes, op: IntConv) -> Codes:
    """As stored: what is shifted left by `bias_shift` again."""
    return bias >> op.bias_shift if op.bias_shift > 0 else bias


def _array(name: str, values: Codes) -> Iterator[str]:
    """Convolutions' weights with inputs last."""
    ordered = values.transpose(0, 2, 3, 1) if values.ndim == 4 else values
    numbers = list(map(str, ordered.ravel().tolist()))
    yield f"#define {name}_SIZE {len(numbers)}"
    yield f"#define {name}_BITS {_bits(values)}"
    rows = [", ".join(numbers[at : at + PER_LINE]) for at in range(0, len(numbers), PER_LINE)]
    yield f"#define {name} {{ \\\n  " + ", \\\n  ".join(rows) + " }"


def _bits(values: Codes) -> int:
    """Of the smallest type of C that holds them."""
    reach = max((max(value, ~value) for value in map(int, values.ravel())), default=0)
    return next(bits for bits in (8, 16, 32, 64) if reach < 1 << (bits - 1))
