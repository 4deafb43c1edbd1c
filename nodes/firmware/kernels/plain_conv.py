"""Convolutions in portable C, line by line, with or without the maximum behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from nodes.firmware.kernel import Kernel, LineKernel, Task, c_type
from nodes.firmware.kernels.curve import stored
from nodes.firmware.kernels.dsp_block import split
from nodes.firmware.kernels.plain import MOST_WRITTEN, is_wide, sum_bound, word
from nodes.firmware.kernels.requantise import code_of, with_half
from nodes.firmware.kernels.windows import columns_of, rows_of
from nodes.firmware.writer import Writer
from nodes.lne.ir import Map
from nodes.quant.integer import IntConv, IntConvPool, IntPool

BLOCKS = (4, 2, 1)
"""Channels whose sums are found together: the first where registers suffice."""
UNROLLED = (4, 2, 1)
"""Codes per turn of a loop."""


@dataclass(frozen=True)
class PlainConv(LineKernel):
    """Any convolution; taps outside the map are left out."""

    ops = (IntConv,)

    @property
    def name(self) -> str:
        return "plain"

    def refuse(self, task: Task) -> str:
        return ""

    def setup(self, task: Task, writer: Writer) -> Iterator[str]:
        return iter(())

    def line(self, task: Task, writer: Writer) -> Iterator[str]:
        """See `LineKernel`."""
        op, x, out = task.op, task.inputs[0], task.output
        assert isinstance(op, IntConv)
        rows, columns = rows_of(op, x, out), columns_of(op, x, out)
        yield f"const int top = {rows.start('y')}, p0 = {rows.first('top')}, p1 = {rows.end('top')};"
        yield f"for (int x = 0; x < {out.w}; x++) {{"
        yield f"  const int left = {columns.start('x')}, q0 = {columns.first('left')}, q1 = {columns.end('left')};"
        yield "  (void)p1, (void)q1;"
        body = _depthwise if _is_depthwise(op) else _blocks
        yield from (f"  {text}" for text in body(task, _Sums.of(task, writer), writer))
        yield "}"


@dataclass(frozen=True)
class _Sums:
    """How the sums of a convolution begin and end, in C."""

    task: Task
    total: str
    bias: str
    residual: str
    wide: bool

    @classmethod
    def of(cls, task: Task, writer: Writer) -> _Sums:
        """With the constants it needs."""
        op = task.op
        assert isinstance(op, IntConv)
        bound = sum_bound(op, task)
        wide = is_wide(bound, op.requantise)
        total = "int64_t" if wide else "int32_t"
        bias = writer.constant("bias", with_half(op.bias, op.requantise).astype(word(bound)))
        residual = f" + {_residual(op, total, task.output, writer)}" if len(op.inputs) > 1 else ""
        return cls(task, total, bias, residual, wide)

    def begin(self, channel: str) -> str:
        """The bias and the residual."""
        return f"{self.bias}[{channel}]{self.residual.format(channel)}"

    def end(self, total: str, channel: str, writer: Writer) -> str:
        """Its code goes into the line."""
        op, out = self.task.op, self.task.output
        assert isinstance(op, IntConv)
        return f"line[x * {out.c} + {channel}] = {code_of(op.requantise, total, channel, writer, wide=self.wide)};"


def _is_depthwise(op: IntConv) -> bool:
    return op.groups == len(op.weight) > 1 and op.weight.shape[1] == 1


def _blocks(task: Task, sums: _Sums, writer: Writer) -> Iterator[str]:
    """Channels that see the same inputs, a few at a time: every code is loaded once for all of them."""
    op = task.op
    assert isinstance(op, IntConv)
    per_group = len(op.weight) // op.groups
    sizes: tuple[int, ...] = BLOCKS[1:] if sums.wide or "clz" not in task.cpu.features else BLOCKS
    if op.groups > 1:
        sizes = (next(size for size in sizes if per_group % size == 0),)
    parts = list(split(len(op.weight), sizes))
    taps = stored(op.weight.transpose(0, 2, 3, 1)).reshape(len(op.weight), -1)
    laid = [taps[k : k + part].T.ravel() for first, end, part in parts for k in range(first, end, part)]
    weight = writer.constant("weight", np.concatenate(laid))
    for first, end, part in parts:
        yield f"for (int k = {first}; k < {end}; k += {part}) {{"
        yield from (f"  {text}" for text in _block(task, sums, part, weight, writer))
        yield "}"


def _block(task: Task, sums: _Sums, part: int, weight: str, writer: Writer) -> Iterator[str]:
    op, x = task.op, task.inputs[0]
    assert isinstance(op, IntConv)
    inputs, channels = op.weight.shape[1], [f"k + {j}" for j in range(part)]
    yield f"{sums.total} {', '.join(f's{j} = {sums.begin(channel)}' for j, channel in enumerate(channels))};"
    yield "for (int p = p0; p < p1; p++) {"
    group = "" if op.groups == 1 else f" + k / {len(op.weight) // op.groups} * {inputs}"
    place = f"((top + p * {op.dilation[0]}) * {x.w} + left + q0 * {op.dilation[1]}) * {x.c}{group}"
    yield f"  const {c_type(task.forms[0])} *from = x0 + {place};"
    taps = f"k * {op.weight[0].size} + (p * {op.kernel[1]} + q0) * {inputs * part}"
    yield f"  const {'int8_t' if _is_byte(op) else 'int16_t'} *by = {weight} + {taps};"
    yield from (f"  {text}" for text in _taps(op, x, part, sums.total))
    yield "}"
    for j, channel in enumerate(channels):
        yield sums.end(f"s{j}", channel, writer)


def _taps(op: IntConv, x: Map, part: int, total: str) -> Iterator[str]:
    """One row of taps: one run where neighbours in the map are neighbours among the weights."""
    inputs = op.weight.shape[1]
    together = next(size for size in UNROLLED if inputs % size == 0)
    is_run = op.groups == 1 and op.dilation[1] == 1
    count = f"(q1 - q0) * {inputs}" if is_run else str(inputs)
    if not is_run:
        yield f"for (int q = q0; q < q1; q++, from += {op.dilation[1] * x.c - inputs})"
    moves = f"from += {together}, by += {part * together}"
    yield f"for (const __typeof__(*from) *end = from + {count}; from < end; {moves}) {{"
    for i in range(together):
        yield f"  {{ const {total} code = from[{i}];"
        yield f"    {' '.join(f's{j} += code * by[{i * part + j}];' for j in range(part))} }}"
    yield "}"


def _depthwise(task: Task, sums: _Sums, writer: Writer) -> Iterator[str]:
    """Every channel by itself; windows inside the map are written out, or at least their rows are."""
    op = task.op
    assert isinstance(op, IntConv)
    rows, columns = op.kernel
    weight = writer.constant("weight", stored(op.weight[:, 0].transpose(1, 2, 0)))
    kind = "int8_t" if _is_byte(op) else "int16_t"
    place = f"((top + p0 * {op.dilation[0]}) * {task.inputs[0].w} + left + q0 * {op.dilation[1]}) * {op.groups}"
    yield f"const {c_type(task.forms[0])} *from = x0 + {place};"
    yield f"const {kind} *by = {weight} + (p0 * {columns} + q0) * {op.groups};"
    yield f"if (p1 - p0 == {rows} && q1 - q0 == {columns})" if _has_border(task) else ""
    yield f"  for (int k = 0; k < {op.groups}; k++, from++, by++) {{"
    yield f"    {sums.total} sum = {sums.begin('k')};"
    yield from (f"    {text}" for text in _window(task, sums.total))
    yield f"    {sums.end('sum', 'k', writer)}"
    yield "  }"
    if _has_border(task):
        yield "else"
        yield f"  for (int k = 0; k < {op.groups}; k++, from++, by++) {{"
        yield f"    {sums.total} sum = {sums.begin('k')};"
        yield "    for (int p = 0; p < p1 - p0; p++)"
        yield f"      for (int q = 0; q < q1 - q0; q++) sum += {_product(task, sums.total, 'p', 'q')};"
        yield f"    {sums.end('sum', 'k', writer)}"
        yield "  }"


def _has_border(task: Task) -> bool:
    op, x, out = task.op, task.inputs[0], task.output
    assert isinstance(op, IntConv)
    return any(side.is_cut for side in (rows_of(op, x, out), columns_of(op, x, out)))


def _window(task: Task, total: str) -> Iterator[str]:
    """All taps of a channel: written out, or in a loop over rows or over taps where there are many."""
    op = task.op
    assert isinstance(op, IntConv)
    rows, columns = op.kernel
    if rows * columns <= MOST_WRITTEN:
        for p in range(rows):
            yield f"sum += {' + '.join(_product(task, total, str(p), str(q)) for q in range(columns))};"
        return
    kind = "int8_t" if _is_byte(op) else "int16_t"
    x, step = task.inputs[0], op.dilation[1] * op.groups
    yield f"const {c_type(task.forms[0])} *code = from;"
    yield f"const {kind} *tap = by;"
    yield f"for (int p = 0; p < {rows}; p++, code += {op.dilation[0] * x.w * op.groups - columns * step})"
    yield f"  for (int q = 0; q < {columns}; q++, code += {step}, tap += {op.groups}) sum += ({total})*code * *tap;"


def _product(task: Task, total: str, p: str, q: str) -> str:
    op, x = task.op, task.inputs[0]
    assert isinstance(op, IntConv)
    code = f"from[({p} * {op.dilation[0] * x.w} + {q} * {op.dilation[1]}) * {op.groups}]"
    return f"({total}){code} * by[({p} * {op.kernel[1]} + {q}) * {op.groups}]"


def _is_byte(op: IntConv) -> bool:
    return stored(op.weight).dtype.itemsize == 1


def _residual(op: IntConv, kind: str, out: Map, writer: Writer) -> str:
    """C of the second input's share in the sum of channel {0}."""
    multiple = f"(1 << {op.residual_shift})"
    if op.residual_multiplier is not None:
        multiple = f"{writer.constant('residual', stored(op.residual_multiplier))}[{{0}}]"
    return f"({kind})x1[(y * {out.w} + x) * {out.c} + {{0}}] * {multiple}"


@dataclass(frozen=True)
class PlainConvPool(Kernel):
    """The convolution's lines, kept only as long as a window needs them, and their maxima."""

    ops = (IntConvPool,)

    @property
    def name(self) -> str:
        return "plain-max"

    def refuse(self, task: Task) -> str:
        return ""

    def scratch_bytes(self, task: Task) -> int:
        """As many lines as a window has."""
        op = task.op
        assert isinstance(op, IntConvPool)
        return (1 if task.forms[-1].bits <= 8 else 2) * op.pool.kernel[0] * op.between.w * op.between.c

    def emit(self, task: Task, writer: Writer) -> None:
        """See `Kernel`."""
        op = task.op
        assert isinstance(op, IntConvPool)
        pool, between, out, kind = op.pool, op.between, task.output, c_type(task.forms[-1])
        rows, size = pool.kernel[0], between.w * between.c
        last = f"y * {pool.stride[0]} + {rows - pool.pads.top}"
        writer.line(
            f"{kind} *kept = ({kind} *)s;",
            "int done = 0;",
            f"for (int y = 0; y < {out.h}; y++) {{",
            f"  for (const int end = {last} > {between.h} ? {between.h} : {last}; done < end; done++) {{",
            "    const int y = done;",
            f"    {kind} *line = kept + y % {rows} * {size};",
            *(f"    {text}" for text in PlainConv().line(_alone(task), writer)),
            "  }",
            *(f"  {text}" for text in _maxima(pool, between, out, kind)),
            "}",
        )


def _alone(task: Task) -> Task:
    """The convolution by itself."""
    op, graph = task.op, task.graph
    assert isinstance(op, IntConvPool)
    maps = {**graph.maps, op.conv.output: op.between}
    forms = {**graph.forms, op.conv.output: graph.forms[op.output]}
    return replace(task, op=op.conv, graph=replace(graph, maps=maps, forms=forms))


def _maxima(pool: IntPool, between: Map, out: Map, kind: str) -> Iterator[str]:
    """C of one line of windows over the kept lines."""
    size, rows, columns = between.w * between.c, rows_of(pool, between, out), columns_of(pool, between, out)
    yield f"const int top = {rows.start('y')}, p0 = {rows.first('top')}, p1 = {rows.end('top')};"
    yield f"for (int x = 0; x < {out.w}; x++) {{"
    yield f"  const int left = {columns.start('x')}, q0 = {columns.first('left')}, q1 = {columns.end('left')};"
    yield f"  {kind} *to = o + (y * {out.w} + x) * {out.c};"
    yield f"  for (int c = 0; c < {out.c}; c++) {{"
    yield f"    int32_t most = {-(1 << 15)};"
    yield "    for (int p = p0; p < p1; p++) {"
    yield f"      const {kind} *from = kept + (top + p) % {pool.kernel[0]} * {size} + (left + q0) * {between.c} + c;"
    yield f"      for (int q = q0; q < q1; q++, from += {between.c}) most = *from > most ? *from : most;"
    yield "    }"
    yield f"    to[c] = ({kind})most;"
    yield "  }"
    yield "}"


KERNELS: tuple[Kernel, ...] = (PlainConv(), PlainConvPool())
