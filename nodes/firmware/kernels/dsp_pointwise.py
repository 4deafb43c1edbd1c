"""1x1 convolution: a few pixels are sign-extended at a time, whatever row they lie in, and meet two channels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nodes.firmware.kernel import Kernel, Task
from nodes.firmware.kernels.dsp import DIALECT, EXPAND, refusal
from nodes.firmware.kernels.dsp_conv import BLOCK, codes_out, packed, products, start_sums
from nodes.firmware.kernels.plain import is_wide, sum_bound
from nodes.firmware.writer import Writer
from nodes.lne.ir import Pads
from nodes.quant.integer import IntConv


@dataclass(frozen=True)
class DspPointwise(Kernel):
    """Channels in fours, `pixels` at a time; a stride over the columns skips pixels."""

    pixels: int

    ops = (IntConv,)

    @property
    def name(self) -> str:
        return f"dsp-pointwise-{self.pixels}x2"

    @property
    def rank(self) -> int:
        return 15 + self.pixels

    def refuse(self, task: Task) -> str:
        op, x, out = task.op, task.inputs[0], task.output
        assert isinstance(op, IntConv)
        if reason := refusal(task):
            return reason
        if op.kernel != (1, 1) or op.groups != 1 or op.pads != Pads():
            return "it is not 1x1"
        if op.stride[0] != 1 and x.h > 1:
            return "it skips rows"
        if op.stride[1] != 1 and x.h > 1 and out.w * op.stride[1] != x.w:
            return "its stride does not divide the row"
        if x.c % 4 or out.c % BLOCK:
            return "its channels do not come in fours"
        if out.h * out.w < self.pixels:
            return "there are too few pixels"
        return "its sums may need 64 bits" if is_wide(sum_bound(op, task)) else ""

    def scratch_bytes(self, task: Task) -> int:
        return 2 * self.pixels * task.inputs[0].c

    def emit(self, task: Task, writer: Writer) -> None:
        op = task.op
        assert isinstance(op, IntConv)
        writer.function(DIALECT)
        writer.function(EXPAND)
        writer.line(*self._loops(task, writer.constant("weight", packed(op)), writer))

    def _loops(self, task: Task, weight: str, writer: Writer) -> Iterator[str]:
        op, x, out = task.op, task.inputs[0], task.output
        assert isinstance(op, IntConv)
        count, step = out.h * out.w, x.c * op.stride[1]
        last = count - self.pixels
        yield "uint32_t *row = (uint32_t *)s;"
        yield f"for (int at = 0; at < {count}; at += {self.pixels}) {{"
        yield f"  int i = {f'at > {last} ? {last} : at' if count % self.pixels else 'at'};"
        if op.stride[1] == 1:
            yield f"  expand(x0 + i * {x.c}, row, {self.pixels * x.c // 4});"
        else:
            for p in range(self.pixels):
                yield f"  expand(x0 + (i + {p}) * {step}, row + {p * x.c // 2}, {x.c // 4});"
        yield f"  const uint32_t *w = {weight};"
        yield f"  int8_t *q = o + i * {out.c};"
        yield f"  for (int k = 0; k < {out.c}; k += {BLOCK}, q += {BLOCK}) {{"
        yield f"    {start_sums(self.pixels)}"
        yield from (f"    {line}" for line in products(self.pixels, x.c // 2, x.c // 2))
        yield f"    w += {x.c};"
        yield from (f"    {line}" for line in codes_out(task, self.pixels, "i", writer))
        yield "  }"
        yield "}"


KERNELS: tuple[Kernel, ...] = (DspPointwise(1), DspPointwise(2), DspPointwise(3))
