"""Portable C for every operation and processor: the reference for all other kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nodes.firmware.kernel import Kernel, Task
from nodes.firmware.kernels.curve import looked_up, stored
from nodes.firmware.kernels.requantise import code_of, with_half
from nodes.firmware.writer import Writer
from nodes.lne.ir import Map
from nodes.quant.fixed import Codes
from nodes.quant.integer import (
    IntAdd,
    IntBinary,
    IntConcat,
    IntConv,
    IntPool,
    IntRearrange,
    IntTable,
    Requantise,
    Shift,
)


@dataclass(frozen=True)
class _Plain(Kernel):
    """A kernel that takes everything of its kind."""

    def refuse(self, task: Task) -> str:
        return ""


def is_wide(largest: int, rule: Requantise | None = None) -> bool:
    """Whether sums up to this magnitude need 64 bits, or do so when a rule shifts them left."""
    return largest << max(0, -rule.right if isinstance(rule, Shift) else 0) >= 1 << 31


def word(largest: int) -> type[np.signedinteger[Any]]:
    """The type of biases that begin such sums."""
    return np.int64 if is_wide(largest) else np.int32


def sum_bound(op: IntConv, task: Task) -> int:
    """Largest magnitude a convolution's sum can have, whatever the input."""
    form = task.forms[0]
    per_channel = np.abs(op.weight).reshape(len(op.weight), -1).sum(1) * -form.low
    if len(op.inputs) > 1:
        multiples = 1 << op.residual_shift if op.residual_multiplier is None else op.residual_multiplier
        per_channel = per_channel - task.forms[1].low * multiples
    return int((per_channel + np.abs(with_half(op.bias, op.requantise))).max())


@dataclass(frozen=True)
class PlainPool(_Plain):
    """Maximum or requantised sum of every window."""

    ops = (IntPool,)

    @property
    def name(self) -> str:
        return "plain-pool"

    def emit(self, task: Task, writer: Writer) -> None:
        op, x, out = task.op, task.inputs[0], task.output
        assert isinstance(op, IntPool)
        is_max = op.kind == "max"
        step = "if (value > sum) sum = value;" if is_max else "sum += value;"
        code = "sum" if op.requantise is None else code_of(op.requantise, "sum", "c", writer, wide=False, folded=False)
        writer.line(
            f"for (int y = 0; y < {out.h}; y++)",
            f"  for (int x = 0; x < {out.w}; x++)",
            f"    for (int c = 0; c < {out.c}; c++) {{",
            f"      int32_t sum = {'INT32_MIN' if is_max else '0'};",
            f"      for (int p = 0; p < {op.kernel[0]}; p++) {{",
            f"        int row = y * {op.stride[0]} + p - {op.pads.top};",
            f"        if (row < 0 || row >= {x.h}) continue;",
            f"        for (int q = 0; q < {op.kernel[1]}; q++) {{",
            f"          int column = x * {op.stride[1]} + q - {op.pads.left};",
            f"          if (column < 0 || column >= {x.w}) continue;",
            f"          int32_t value = x0[(row * {x.w} + column) * {x.c} + c];",
            f"          {step}",
            "        }",
            "      }",
            f"      o[(y * {out.w} + x) * {out.c} + c] = {code};",
            "    }",
        )


def _places(task: Task) -> tuple[str, str]:
    """Where both inputs' values of output i lie; a side of one is repeated."""
    out = task.output
    parts = (("h", f"i / {out.w * out.c}"), ("w", f"i / {out.c} % {out.w}"), ("c", f"i % {out.c}"))

    def place(given: Map) -> str:
        if given.shape == out.shape:
            return "i"
        steps = {"h": given.w * given.c, "w": given.c, "c": 1}
        found = [f"{index} * {steps[side]}" for side, index in parts if getattr(given, side) > 1]
        return " + ".join(found) or "0"

    first, second = task.inputs
    return place(first), place(second)


@dataclass(frozen=True)
class PlainAdd(_Plain):
    """Two maps at a common scale; a side of one is repeated."""

    ops = (IntAdd,)

    @property
    def name(self) -> str:
        return "plain-add"

    def emit(self, task: Task, writer: Writer) -> None:
        op, out = task.op, task.output
        assert isinstance(op, IntAdd)
        bound = sum(-form.low << left for form, left in zip(task.forms, op.left, strict=False))
        wide = is_wide(bound, op.requantise)
        first, second = _aligned(task, op.left, wide=wide)
        code = code_of(op.requantise, f"({first} + {second})", f"i % {out.c}", writer, wide=wide, folded=False)
        writer.line(f"for (int i = 0; i < {out.size}; i++) o[i] = {code};")


def _aligned(task: Task, left: tuple[int, int], *, wide: bool) -> tuple[str, str]:
    """C of both inputs' values for output i, at their common scale."""
    kind, places = "int64_t" if wide else "int32_t", _places(task)
    first, second = (f"({kind})x{i}[{places[i]}] * (({kind})1 << {left[i]})" for i in (0, 1))
    return first, second


@dataclass(frozen=True)
class PlainBinary(_Plain):
    """Two maps value by value; a side of one is repeated."""

    ops = (IntBinary,)

    @property
    def name(self) -> str:
        return "plain-binary"

    def emit(self, task: Task, writer: Writer) -> None:
        op, out = task.op, task.output
        assert isinstance(op, IntBinary)
        largest = [-form.low << left for form, left in zip(task.forms, op.left, strict=False)]
        wide = is_wide(largest[0] * largest[1] if op.kind == "multiply" else sum(largest), op.requantise)
        kind, (first, second) = "int64_t" if wide else "int32_t", _aligned(task, op.left, wide=wide)
        writer.line(
            f"for (int i = 0; i < {out.size}; i++) {{",
            f"  {kind} a = {first}, b = {second};",
            f"  {kind} value = {_COMBINED[op.kind]};",
            f"  o[i] = {code_of(op.requantise, 'value', f'i % {out.c}', writer, wide=wide, folded=False)};",
            "}",
        )


_COMBINED = {"subtract": "a - b", "multiply": "a * b", "maximum": "a > b ? a : b", "minimum": "a < b ? a : b"}


@dataclass(frozen=True)
class PlainTable(_Plain):
    """A function of one code."""

    ops = (IntTable,)

    @property
    def name(self) -> str:
        return "plain-table"

    def emit(self, task: Task, writer: Writer) -> None:
        op = task.op
        assert isinstance(op, IntTable)
        writer.line(
            f"for (int i = 0; i < {task.output.size}; i++) o[i] = {looked_up(op.table, 'x0[i]', 'table', writer)};"
        )


@dataclass(frozen=True)
class PlainRearrange(_Plain):
    """Codes in another order, by a table of places."""

    ops = (IntRearrange,)

    @property
    def name(self) -> str:
        return "plain-rearrange"

    def emit(self, task: Task, writer: Writer) -> None:
        op = task.op
        assert isinstance(op, IntRearrange)
        places = hwc_places(task.inputs[0])[op.table]  # where each value of the output, in CHW order, lies
        order = places.reshape(task.output.shape).transpose(1, 2, 0)
        table = writer.constant("places", stored(order))
        writer.line(f"for (int i = 0; i < {task.output.size}; i++) o[i] = x0[{table}[i]];")


def hwc_places(given: Map) -> Codes:
    """Place in memory (rows, columns, channels) of every value of a map counted in CHW order."""
    return np.arange(given.size).reshape(given.h, given.w, given.c).transpose(2, 0, 1).ravel()


@dataclass(frozen=True)
class PlainConcat(_Plain):
    """Maps one after another."""

    ops = (IntConcat,)

    @property
    def name(self) -> str:
        return "plain-concat"

    def emit(self, task: Task, writer: Writer) -> None:
        op, out, start = task.op, task.output, 0
        assert isinstance(op, IntConcat)
        for index, (given, rule) in enumerate(zip(task.inputs, op.requantise, strict=True)):
            place = {"c": "(y * {w} + x) * {c} + c + {at}", "h": "((y + {at}) * {w} + x) * {c} + c",
                     "w": "(y * {w} + x + {at}) * {c} + c"}[op.axis].format(w=out.w, c=out.c, at=start)  # fmt: skip
            wide = is_wide(-task.forms[index].low, rule)
            kind = "int64_t" if wide else "int32_t"
            value = f"({kind})x{index}[(y * {given.w} + x) * {given.c} + c]"
            code = code_of(rule, value, "c", writer, wide=wide, folded=False)
            writer.line(
                f"for (int y = 0; y < {given.h}; y++)",
                f"  for (int x = 0; x < {given.w}; x++)",
                f"    for (int c = 0; c < {given.c}; c++) o[{place}] = {code};",
            )
            start += {"c": given.c, "h": given.h, "w": given.w}[op.axis]


KERNELS: tuple[Kernel, ...] = (
    PlainPool(),
    PlainAdd(),
    PlainBinary(),
    PlainTable(),
    PlainRearrange(),
    PlainConcat(),
)
