"""Convolutions in portable C, line by line, with or without the maximum behind them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from nodes.firmware.kernel import Kernel, LineKernel, Task, c_type
from nodes.firmware.kernels.curve import stored
from nodes.firmware.kernels.plain import is_wide, sum_bound, word
from nodes.firmware.kernels.requantise import code_of, with_half
from nodes.firmware.writer import Writer
from nodes.lne.ir import Map
from nodes.quant.integer import IntConv, IntConvPool, IntPool


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
        op, x, out = task.op, task.inputs[0], task.output
        assert isinstance(op, IntConv)
        bound = sum_bound(op, task)
        wide = is_wide(bound, op.requantise)
        total, per_group = "int64_t" if wide else "int32_t", len(op.weight) // op.groups
        weight = writer.constant("weight", stored(op.weight.transpose(0, 2, 3, 1)))
        bias = writer.constant("bias", with_half(op.bias, op.requantise).astype(word(bound)))
        residual = f" + {_residual(op, total, out, writer)}" if len(op.inputs) > 1 else ""
        group = "" if op.groups == 1 else f" + k / {per_group} * {op.weight.shape[1]}"
        rows, columns = _rows(op, x, out), _columns(op, x, out)
        yield f"const int top = {rows.start('y')}, p0 = {rows.first('top')}, p1 = {rows.end('top')};"
        yield f"for (int x = 0; x < {out.w}; x++) {{"
        yield f"  const int left = {columns.start('x')}, q0 = {columns.first('left')}, q1 = {columns.end('left')};"
        yield f"  for (int k = 0; k < {out.c}; k++) {{"
        yield f"    {total} sum = {bias}[k]{residual};"
        yield "    for (int p = p0; p < p1; p++) {"
        place = f"((top + p * {op.dilation[0]}) * {x.w} + left + q0 * {op.dilation[1]}) * {x.c}{group}"
        yield f"      const {c_type(task.forms[0])} *from = x0 + {place};"
        taps = f"((k * {op.kernel[0]} + p) * {op.kernel[1]} + q0) * {op.weight.shape[1]}"
        yield f"      const {'int8_t' if _is_byte(op) else 'int16_t'} *by = {weight} + {taps};"
        yield from (f"      {text}" for text in _taps(op, x, total))
        yield "    }"
        yield f"    line[x * {out.c} + k] = {code_of(op.requantise, 'sum', 'k', writer, wide=wide)};"
        yield "  }"
        yield "}"


def _is_byte(op: IntConv) -> bool:
    return stored(op.weight).dtype.itemsize == 1


@dataclass(frozen=True)
class _Side:
    """Rows or columns of a convolution: which taps lie in the map."""

    size: int
    count: int
    taps: int
    stride: int
    step: int
    before: int

    def start(self, at: str) -> str:
        """C of where the window of output `at` begins."""
        return f"{at} * {self.stride} - {self.before}"

    def first(self, start: str) -> str:
        """C of the first tap in the map."""
        return "0" if self.before == 0 else f"{start} < 0 ? ({self.step - 1} - {start}) / {self.step} : 0"

    def end(self, start: str) -> str:
        """C of the tap behind the last in the map."""
        last = (self.count - 1) * self.stride - self.before + (self.taps - 1) * self.step
        if last < self.size:
            return str(self.taps)
        inside = f"({self.size + self.step - 1} - {start}) / {self.step}"
        return f"{start} + {(self.taps - 1) * self.step} < {self.size} ? {self.taps} : {inside}"


def _rows(op: IntConv, x: Map, out: Map) -> _Side:
    return _Side(x.h, out.h, op.kernel[0], op.stride[0], op.dilation[0], op.pads.top)


def _columns(op: IntConv, x: Map, out: Map) -> _Side:
    return _Side(x.w, out.w, op.kernel[1], op.stride[1], op.dilation[1], op.pads.left)


def _taps(op: IntConv, x: Map, total: str) -> Iterator[str]:
    """One row of taps: one run where neighbours in the map are neighbours among the weights."""
    inputs = op.weight.shape[1]
    if op.groups == 1 and op.dilation[1] == 1:
        yield f"for (int i = 0; i < (q1 - q0) * {inputs}; i++) sum += ({total})from[i] * by[i];"
        return
    yield f"for (int q = q0; q < q1; q++, from += {op.dilation[1] * x.c}, by += {inputs})"
    yield f"  for (int c = 0; c < {inputs}; c++) sum += ({total})from[c] * by[c];"


def _residual(op: IntConv, kind: str, out: Map, writer: Writer) -> str:
    """C of the second input's share in the sum of channel k."""
    multiple = f"(1 << {op.residual_shift})"
    if op.residual_multiplier is not None:
        multiple = f"{writer.constant('residual', stored(op.residual_multiplier))}[k]"
    return f"({kind})x1[(y * {out.w} + x) * {out.c} + k] * {multiple}"


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
    size = between.w * between.c
    yield f"for (int x = 0; x < {out.w}; x++)"
    yield f"  for (int c = 0; c < {out.c}; c++) {{"
    yield "    int32_t most = INT32_MIN;"
    yield f"    for (int p = 0; p < {pool.kernel[0]}; p++) {{"
    yield f"      const int row = y * {pool.stride[0]} + p - {pool.pads.top};"
    yield f"      if (row < 0 || row >= {between.h}) continue;"
    yield f"      const {kind} *from = kept + row % {pool.kernel[0]} * {size};"
    yield f"      for (int q = 0; q < {pool.kernel[1]}; q++) {{"
    yield f"        const int column = x * {pool.stride[1]} + q - {pool.pads.left};"
    yield f"        if (column < 0 || column >= {between.w}) continue;"
    yield f"        const int32_t value = from[column * {between.c} + c];"
    yield "        if (value > most) most = value;"
    yield "      }"
    yield "    }"
    yield f"    o[(y * {out.w} + x) * {out.c} + c] = ({kind})most;"
    yield "  }"


KERNELS: tuple[Kernel, ...] = (PlainConv(), PlainConvPool())
