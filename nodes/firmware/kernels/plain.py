"""Portable C for every operation and processor: the reference for all other kernels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from nodes.firmware.kernel import Kernel, Task, c_type
from nodes.firmware.kernels.curve import looked_up, stored
from nodes.firmware.kernels.nest import POINTERS, UNROLLED, loops, nest_of, repeated
from nodes.firmware.kernels.requantise import code_of, with_half
from nodes.firmware.kernels.windows import columns_of, rows_of
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
        """See `Kernel`."""
        op, x, out = task.op, task.inputs[0], task.output
        assert isinstance(op, IntPool)
        rows, columns = rows_of(op, x, out), columns_of(op, x, out)
        code = "sum" if op.requantise is None else code_of(op.requantise, "sum", "c", writer, wide=False, folded=False)
        writer.line(
            f"{c_type(task.forms[-1])} *to = o;",
            f"for (int y = 0; y < {out.h}; y++) {{",
            f"  const int top = {rows.start('y')}, p0 = {rows.first('top')}, p1 = {rows.end('top')};",
            f"  for (int x = 0; x < {out.w}; x++, to += {out.c}) {{",
            f"    const int left = {columns.start('x')}, q0 = {columns.first('left')}, q1 = {columns.end('left')};",
            "    (void)p1, (void)q1;",
            f"    const {c_type(task.forms[0])} *at = x0 + ((top + p0) * {x.w} + left + q0) * {x.c};",
            *(f"    {line}" for line in self._pixel(task, code)),
            "  }",
            "}",
        )

    def _pixel(self, task: Task, code: str) -> Iterator[str]:
        """Windows inside the map are written out if they are small."""
        op, x, out, from_ = task.op, task.inputs[0], task.output, c_type(task.forms[0])
        assert isinstance(op, IntPool)
        begin = f"for (int c = 0; c < {out.c}; c++, at++) {{ int32_t sum = {-(1 << 15) if op.kind == 'max' else 0};"
        rows, columns = op.kernel
        written = [f"at[{(p * x.w + q) * x.c}]" for p in range(rows) for q in range(columns)]
        cut = rows_of(op, x, out).is_cut or columns_of(op, x, out).is_cut
        if len(written) <= MOST_WRITTEN:
            if cut:
                yield f"if (p1 - p0 == {rows} && q1 - q0 == {columns})"
            yield begin
            yield from (f"  {_STEPS[op.kind].format(value)}" for value in written)
            yield f"  to[c] = {code};"
            yield f"}}{' else' if cut else ''}"
        if cut or len(written) > MOST_WRITTEN:
            yield begin
            yield f"  const {from_} *from = at;"
            yield f"  for (int p = p0; p < p1; p++, from += ({x.w} - (q1 - q0)) * {x.c})"
            yield f"    for (int q = q0; q < q1; q++, from += {x.c}) {{ {_STEPS[op.kind].format('*from')} }}"
            yield f"  to[c] = {code};"
            yield "}"


_STEPS = {
    "max": "{{ const int32_t value = {0}; sum = value > sum ? value : sum; }}",
    "mean": "sum += {0};",
}
MOST_WRITTEN = 16
"""Taps of a channel that are written out."""


@dataclass(frozen=True)
class PlainJoin(_Plain):
    """Two maps value by value; a side of one is repeated."""

    ops = (IntAdd, IntBinary)

    @property
    def name(self) -> str:
        return "plain-join"

    def emit(self, task: Task, writer: Writer) -> None:
        """See `Kernel`."""
        op = task.op
        assert isinstance(op, IntAdd | IntBinary)
        count, steps = nest_of(task).run
        rule, wide = op.requantise, is_wide(join_bound(task), op.requantise)
        kind = "int64_t" if wide else "int32_t"

        def body(i: int) -> str:
            x, y = (
                f"({kind}){name}[{i if step else 0}] * (({kind})1 << {left})"
                for name, step, left in zip(POINTERS, steps, op.left, strict=True)
            )
            code = code_of(rule, "value", f"(q + {i} - o) % {task.output.c}", writer, wide=wide, folded=False)
            return f"{{ const {kind} x = {x}, y = {y}, value = {combined(op)}; q[{i}] = {code}; }}"

        moved = ["q", *(name for name, step in zip(POINTERS, steps, strict=True) if step)]
        writer.line(*loops(task, [*repeated(count, moved, body), f"q += {count % UNROLLED};"]))


def join_bound(task: Task) -> int:
    """Largest magnitude two values joined can have."""
    op = task.op
    assert isinstance(op, IntAdd | IntBinary)
    largest = [-form.low << left for form, left in zip(task.forms, op.left, strict=False)]
    return largest[0] * largest[1] if combined(op) == _COMBINED["multiply"] else sum(largest)


def combined(op: IntAdd | IntBinary) -> str:
    """C of x and y as one value."""
    return "x + y" if isinstance(op, IntAdd) else _COMBINED[op.kind]


_COMBINED = {"subtract": "x - y", "multiply": "x * y", "maximum": "x > y ? x : y", "minimum": "x < y ? x : y"}


@dataclass(frozen=True)
class PlainTable(_Plain):
    """A function of one code."""

    ops = (IntTable,)

    @property
    def name(self) -> str:
        return "plain-table"

    def emit(self, task: Task, writer: Writer) -> None:
        """See `Kernel`."""
        op = task.op
        assert isinstance(op, IntTable)
        kinds, size = [c_type(form) for form in task.forms], task.output.size
        writer.line(f"const {kinds[0]} *a = x0;", f"{kinds[1]} *q = o;")
        writer.line(*repeated(size, "aq", lambda i: f"q[{i}] = {looked_up(op.table, f'a[{i}]', 'table', writer)};"))


@dataclass(frozen=True)
class PlainRearrange(_Plain):
    """Codes in another order, by a table of places."""

    ops = (IntRearrange,)

    @property
    def name(self) -> str:
        return "plain-rearrange"

    def emit(self, task: Task, writer: Writer) -> None:
        """See `Kernel`."""
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
        """See `Kernel`."""
        op, out, start = task.op, task.output, 0
        assert isinstance(op, IntConcat)
        codes = {"c": out.c, "w": out.w * out.c, "h": out.size}[op.axis]
        for index, (given, rule) in enumerate(zip(task.inputs, op.requantise, strict=True)):
            run = (
                given.size * codes // out.size
                if op.axis == "h"
                else codes * getattr(given, op.axis) // getattr(out, op.axis)
            )
            writer.line(f"for (int i = 0; i < {out.size // codes}; i++) {{")
            place = f"o + i * {codes} + {start}", f"x{index} + i * {run}"
            writer.line(*(f"  {line}" for line in _copied(task, index, rule, place, run, writer)), "}")
            start += run


def _copied(task: Task, index: int, rule: Shift, place: tuple[str, str], count: int, writer: Writer) -> Iterator[str]:
    """C of a run of codes at another scale, or just copied; `place`: to, from."""
    given, out = task.forms[index], task.forms[-1]
    if rule.right == 0 and given.bits == out.bits and rule.low == out.low:
        yield f"memcpy({place[0]}, {place[1]}, {count * (1 if out.bits <= 8 else 2)});"
        return
    wide = is_wide(-given.low, rule)
    code = code_of(rule, f"({'int64_t' if wide else 'int32_t'})from[{{}}]", "0", writer, wide=wide, folded=False)
    yield f"{c_type(out)} *to = {place[0]};"
    yield f"const {c_type(given)} *from = {place[1]};"
    yield from repeated(count, ("to", "from"), lambda i: f"to[{i}] = {code.format(i)};")


KERNELS: tuple[Kernel, ...] = (
    PlainPool(),
    PlainJoin(),
    PlainTable(),
    PlainRearrange(),
    PlainConcat(),
)
