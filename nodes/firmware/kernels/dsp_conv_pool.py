"""A convolution and the maximum behind it: lines of the map between are kept only as long as a window needs them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from nodes.firmware.kernel import Kernel, LineKernel, Task
from nodes.firmware.kernels.dsp import refusal
from nodes.firmware.writer import Writer
from nodes.quant.integer import IntConvPool


@dataclass(frozen=True)
class DspConvPool(Kernel):
    """Lines by any line kernel, maxima of four channels per instruction."""

    lines: LineKernel

    ops = (IntConvPool,)

    @property
    def name(self) -> str:
        return f"{self.lines.name}-max"

    @property
    def rank(self) -> int:
        return self.lines.rank

    def refuse(self, task: Task) -> str:
        op = task.op
        assert isinstance(op, IntConvPool)
        if reason := refusal(alone(task)):
            return reason
        if task.output.c % 4:
            return "its channels do not come in fours"
        return self.lines.refuse(alone(task))

    def scratch_bytes(self, task: Task) -> int:
        op = task.op
        assert isinstance(op, IntConvPool)
        return _kept_at(self.lines, task) + op.pool.kernel[0] * op.between.w * op.between.c

    def emit(self, task: Task, writer: Writer) -> None:
        op, conv = task.op, alone(task)
        assert isinstance(op, IntConvPool)
        pool, between, out = op.pool, op.between, task.output
        row = between.w * between.c
        writer.line(
            *self.lines.setup(conv, writer),
            f"int8_t *kept = (int8_t *)(s + {_kept_at(self.lines, task)});",
            "int done = 0;",
            f"for (int at_y = 0; at_y < {out.h}; at_y++) {{",
            f"  int y0 = at_y * {pool.stride[0]} - {pool.pads.top}, y1 = y0 + {pool.kernel[0]};",
            f"  y0 = y0 < 0 ? 0 : y0; y1 = y1 > {between.h} ? {between.h} : y1;",
            "  for (; done < y1; done++) {",
            "    const int y = done;",
            f"    int8_t *line = kept + y % {pool.kernel[0]} * {row};",
            *(f"    {text}" for text in self.lines.line(conv, writer)),
            "  }",
            f"  int8_t *q = o + at_y * {out.w * out.c};",
            *(f"  {text}" for text in _maxima(op, task)),
            "}",
        )


def _maxima(op: IntConvPool, task: Task) -> Iterator[str]:
    """One line of maxima at `q`, of the kept lines y0 to y1."""
    pool, between, out = op.pool, op.between, task.output
    (rows, columns), right = pool.kernel, pool.stride[1]
    yield f"const int8_t *lines[{rows}];"
    yield f"for (int i = y0; i < y1; i++) lines[i - y0] = kept + i % {rows} * {between.w * between.c};"
    yield f"for (int at_x = 0; at_x < {out.w}; at_x++) {{"
    yield f"  int left = at_x * {right} - {pool.pads.left}, end = left + {columns};"
    yield f"  left = left < 0 ? 0 : left; end = end > {between.w} ? {between.w} : end;"
    yield f"  if (y1 - y0 == {rows} && end - left == {columns})"
    yield f"    for (int c = 0; c < {out.c}; c += 4, q += 4) {{"
    yield f"      int at = left * {between.c} + c;"
    places = [(i, j * between.c) for i in range(rows) for j in range(columns)]
    yield f"      uint32_t m = LOAD4(lines[0] + at + {places[0][1]});"
    for i, place in places[1:]:
        yield f"      m = MAX4(m, LOAD4(lines[{i}] + at + {place}));"
    yield "      STORE4(q, m);"
    yield "    }"
    yield "  else"
    yield f"    for (int c = 0; c < {out.c}; c += 4, q += 4) {{"
    yield "      uint32_t m = 0x80808080u;"
    yield "      for (int i = 0; i < y1 - y0; i++)"
    yield f"        for (int j = left; j < end; j++) m = MAX4(m, LOAD4(lines[i] + j * {between.c} + c));"
    yield "      STORE4(q, m);"
    yield "    }"
    yield "}"


def alone(task: Task) -> Task:
    """The convolution by itself."""
    op, graph = task.op, task.graph
    assert isinstance(op, IntConvPool)
    maps = {**graph.maps, op.conv.output: op.between}
    forms = {**graph.forms, op.conv.output: graph.forms[op.output]}
    return replace(task, op=op.conv, graph=replace(graph, maps=maps, forms=forms))


def _kept_at(lines: LineKernel, task: Task) -> int:
    """Where the kept lines begin in the scratch."""
    return -(-lines.scratch_bytes(alone(task)) // 4) * 4


def kernels(lines: tuple[Kernel, ...]) -> tuple[Kernel, ...]:
    """One per line kernel."""
    return tuple(DspConvPool(kernel) for kernel in lines if isinstance(kernel, LineKernel))
