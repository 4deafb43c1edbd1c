"""Plain C loops: every operation, any target, the reference for all others."""

from __future__ import annotations

from dataclasses import dataclass

from nodes.lne.dialect import finished
from nodes.lne.ir import Conv, Pool
from nodes.lne.layout import Halo
from nodes.lne.primitive import Place, Primitive, Task
from nodes.lne.primitives.window import conv_halo
from nodes.lne.writer import Writer

SLOWNESS = 16.0
"""Estimated time per multiply beside a blocked kernel on the same machine."""


@dataclass(frozen=True)
class PlainConv(Primitive):
    """Any convolution, one output channel after another in the innermost loop."""

    ops = (Conv,)

    @property
    def name(self) -> str:
        return "plain"

    def refuse(self, task: Task) -> str:
        return ""

    def halo(self, task: Task, index: int) -> Halo:
        return conv_halo(task) if index == 0 else Halo()

    def cost(self, task: Task) -> float:
        return super().cost(task) * SLOWNESS

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        op = place.task.op
        assert isinstance(op, Conv)
        x, out = place.inputs[0], place.output
        outputs, inputs, rows, columns = op.weight.shape
        per_group = outputs // op.groups
        weight = op.weight.reshape(op.groups, per_group, inputs, rows, columns).transpose(0, 3, 4, 2, 1)
        start = x.origin - op.pads.top * x.row_step - op.pads.left * x.column_step
        residual = ""
        if op.has_residual:
            r = place.inputs[1]
            residual = f"x1[{r.origin} + y * {r.row_step} + x * {r.column_step} + g * {per_group} + k]"
        pair = [writer.constant(part) if part is not None else "" for part in (op.scale, op.shift)]
        tail = finished(op, 1, "sum[k]", residual, *(f"{part}[g * {per_group} + k]" for part in pair))
        writer.line(
            f"const float *w = {writer.constant(weight)}, *b = {writer.constant(op.bias)};",
            f"for (int y = 0; y < {out.map.h}; y++)",
            f"  for (int x = 0; x < {out.map.w}; x++)",
            f"    for (int g = 0; g < {op.groups}; g++) {{",
            f"      float sum[{per_group}];",
            f"      memcpy(sum, b + g * {per_group}, sizeof sum);",
            f"      for (int p = 0; p < {rows}; p++)",
            f"        for (int q = 0; q < {columns}; q++)",
            f"          for (int c = 0; c < {inputs}; c++) {{",
            f"            float value = x0[{start} + (y * {op.stride[0]} + p * {op.dilation[0]}) * {x.row_step}"
            f" + (x * {op.stride[1]} + q * {op.dilation[1]}) * {x.column_step} + g * {inputs} + c];",
            f"            const float *v = w + (((g * {rows} + p) * {columns} + q) * {inputs} + c) * {per_group};",
            f"            for (int k = 0; k < {per_group}; k++) sum[k] += value * v[k];",
            "          }",
            f"      for (int k = 0; k < {per_group}; k++)",
            f"        o[{out.origin} + y * {out.row_step} + x * {out.column_step} + g * {per_group} + k] = {tail};",
            "    }",
        )


@dataclass(frozen=True)
class PlainPool(Primitive):
    """Maximum or mean of every window, without reading past the map."""

    ops = (Pool,)

    @property
    def name(self) -> str:
        return "plain-pool"

    def refuse(self, task: Task) -> str:
        return ""

    def cost(self, task: Task) -> float:
        op = task.op
        assert isinstance(op, Pool)
        return super().cost(task) * op.kernel[0] * op.kernel[1] * SLOWNESS / 4  # its channels may become vectors

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        op = place.task.op
        assert isinstance(op, Pool)
        x, out = place.inputs[0], place.output
        (rows, columns), (down, right) = op.kernel, op.stride
        is_max = op.kind == "max"
        whole = f"{1.0 / (rows * columns)!r}f"
        count = whole if op.counts_pads else "(1.0f / (float)((y1 - y0) * (x1 - x0)))"
        value = f"x0[{x.origin} + p * {x.row_step} + q * {x.column_step} + c]"
        writer.line(
            f"for (int y = 0; y < {out.map.h}; y++)",
            f"  for (int x = 0; x < {out.map.w}; x++) {{",
            f"    int y0 = y * {down} - {op.pads.top}, x0_ = x * {right} - {op.pads.left};",
            f"    int y1 = y0 + {rows} > {x.map.h} ? {x.map.h} : y0 + {rows};",
            f"    int x1 = x0_ + {columns} > {x.map.w} ? {x.map.w} : x0_ + {columns};",
            "    y0 = y0 < 0 ? 0 : y0;",
            "    int left = x0_ < 0 ? 0 : x0_;",
            f"    for (int c = 0; c < {x.map.c}; c++) {{",
            f"      float sum = {'-INFINITY' if is_max else '0.0f'};",
            "      for (int p = y0; p < y1; p++)",
            f"        for (int q = left; q < x1; q++) sum = {f'fmaxf(sum, {value})' if is_max else f'sum + {value}'};",
            f"      o[{out.origin} + y * {out.row_step} + x * {out.column_step} + c] = "
            f"sum{'' if is_max else f' * {count}'};".replace("x1 - x0)", "x1 - left)"),
            "    }",
            "  }",
        )


PRIMITIVES: tuple[Primitive, ...] = (PlainConv(), PlainPool())
