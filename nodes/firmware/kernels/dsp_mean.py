"""Means of windows: four channels at a time, their sums in halves of words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nodes.firmware.kernel import Kernel, Task
from nodes.firmware.kernels.dsp import DIALECT, general_refusal
from nodes.firmware.kernels.requantise import code_of
from nodes.firmware.kernels.windows import columns_of, rows_of
from nodes.firmware.writer import Writer
from nodes.quant.integer import IntPool

LANES = 4
MOST_SUMMED = 255
"""Codes of 8 bits whose sum always fits in 16."""


@dataclass(frozen=True)
class DspMean(Kernel):
    """Windows of any shape, cut to the map."""

    ops = (IntPool,)

    @property
    def name(self) -> str:
        return "dsp-mean"

    @property
    def rank(self) -> int:
        return 10

    def refuse(self, task: Task) -> str:
        """See `Kernel`."""
        op = task.op
        assert isinstance(op, IntPool)
        if reason := general_refusal(task):
            return reason
        if op.requantise is None:
            return "it is a maximum"
        if not task.is_byte or task.output.c < LANES:
            return "it is not in 8 bits, or has too few channels"
        return "its windows are too large" if op.kernel[1] > MOST_SUMMED else ""

    def emit(self, task: Task, writer: Writer) -> None:
        """See `Kernel`."""
        op, x, out = task.op, task.inputs[0], task.output
        assert isinstance(op, IntPool) and op.requantise is not None
        writer.function(DIALECT)
        rows, columns = rows_of(op, x, out), columns_of(op, x, out)
        writer.line(
            "int8_t *q = o;",
            f"for (int y = 0; y < {out.h}; y++) {{",
            f"  const int top = {rows.start('y')}, p0 = {rows.first('top')}, p1 = {rows.end('top')};",
            f"  for (int x = 0; x < {out.w}; x++) {{",
            f"    const int left = {columns.start('x')}, q0 = {columns.first('left')}, q1 = {columns.end('left')};",
            f"    const int8_t *at = x0 + ((top + p0) * {x.w} + left + q0) * {x.c};",
            f"    const int skipped = ({x.w} - (q1 - q0)) * {x.c};",
            *(f"    {line}" for line in _fours(task, op, writer)),
            *(f"    {line}" for line in _others(task, op, writer)),
            "  }",
            "}",
        )


def _fours(task: Task, op: IntPool, writer: Writer) -> Iterator[str]:
    """Four channels at a time; sums of large windows leave their halves of words row by row."""
    assert op.requantise is not None
    c, is_large = task.output.c, op.kernel[0] * op.kernel[1] > MOST_SUMMED
    lanes = [("even", 0), ("odd", 0), ("even", 1), ("odd", 1)]
    yield f"for (int c = 0; c < {c // LANES * LANES}; c += {LANES}, q += {LANES}, at += {LANES}) {{"
    yield f"  {'int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;' if is_large else 'uint32_t even = 0, odd = 0;'}"
    yield "  const int8_t *p = at;"
    yield "  for (int i = p0; i < p1; i++, p += skipped) {"
    if is_large:
        yield "    uint32_t even = 0, odd = 0;"
    yield "\n#pragma GCC unroll 4"
    yield f"    for (int j = q0; j < q1; j++, p += {c}) {{"
    yield "      const uint32_t four = LOAD4(p);"
    yield "      even = SXTAB16(even, four), odd = SXTAB16_ODD(odd, four);"
    yield "    }"
    if is_large:
        yield f"    {' '.join(f's{lane} += half({word}, {high});' for lane, (word, high) in enumerate(lanes))}"
    yield "  }"
    for lane, (word, high) in enumerate(lanes):
        total = f"s{lane}" if is_large else f"half({word}, {high})"
        code = code_of(op.requantise, total, f"c + {lane}", writer, wide=False, folded=False)
        yield f"  q[{lane}] = (int8_t){code};"
    yield "}"


def _others(task: Task, op: IntPool, writer: Writer) -> Iterator[str]:
    """Channels that fill no word."""
    assert op.requantise is not None
    c = task.output.c
    if c % LANES:
        yield f"for (int c = {c // LANES * LANES}; c < {c}; c++, q++, at++) {{"
        yield "  int32_t sum = 0;"
        yield "  const int8_t *p = at;"
        yield "  for (int i = p0; i < p1; i++, p += skipped)"
        yield f"    for (int j = q0; j < q1; j++, p += {c}) sum += *p;"
        yield f"  *q = (int8_t){code_of(op.requantise, 'sum', 'c', writer, wide=False, folded=False)};"
        yield "}"


KERNELS: tuple[Kernel, ...] = (DspMean(),)
