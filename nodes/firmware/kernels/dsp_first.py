"""The first layer, one input channel: neighbouring codes of a row are the pairs.

With an even stride a pixel's taps begin at a whole word of a row packed in pairs. With stride 1 every other pixel would
not, so each pixel gets a word of its own, of its code and the next; two pixels are then two neighbouring words. A
kernel row of odd width has a zero weight behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from nodes.firmware.kernel import Kernel, Task, c_type
from nodes.firmware.kernels.dsp import general_refusal, neighbours
from nodes.firmware.kernels.dsp_block import TOGETHER, Block
from nodes.firmware.kernels.dsp_conv import pixel_loops
from nodes.firmware.kernels.dsp_rows import Ring, RowKernel
from nodes.firmware.kernels.dsp_sums import Sums
from nodes.firmware.writer import Writer
from nodes.quant.integer import IntConv

MOST_UNROLLED = 20
"""Steps; longer kernels loop over their rows."""
PACKED = """static inline __attribute__((always_inline, unused)) void
expand_packed{bits}(const int{bits}_t *from, uint32_t *to, int left, int codes) {{
  int16_t *half_words = (int16_t *)to + left;
  for (int i = 0; i < codes; i++) half_words[i] = from[i];
}}"""
PAIRED = """static inline __attribute__((always_inline, unused)) void
expand_paired{bits}(const int{bits}_t *from, uint32_t *to, int left, int codes) {{
  uint32_t code = (uint16_t)from[0];
  if (left) to[left - 1] = code << 16;
  for (int i = 0; i < codes; i++) {{
    uint32_t next = i + 1 < codes ? (uint16_t)from[i + 1] : 0;
    to[left + i] = code | next << 16;
    code = next;
  }}
}}"""


@dataclass(frozen=True)
class DspFirst(RowKernel):
    """One input channel; stride 1 or even over the columns."""

    @property
    def name(self) -> str:
        return "dsp-first-2x4"

    @property
    def rank(self) -> int:
        return 20

    def refuse(self, task: Task) -> str:
        """See `Kernel`."""
        op, x = task.op, task.inputs[0]
        assert isinstance(op, IntConv)
        if reason := general_refusal(task):
            return reason
        if x.c != 1 or op.groups != 1 or op.dilation != (1, 1):
            return "it has several input channels, groups or dilation"
        return "" if _is_packed(task) or op.stride[1] == 1 else "its stride is odd"

    def line(self, task: Task, writer: Writer) -> Iterator[str]:
        """See `RowKernel`."""
        op, out, sums = task.op, task.output, Sums(task)
        assert isinstance(op, IntConv)
        taps = np.pad(op.weight[:, 0], ((0, 0), (0, 0), (0, op.kernel[1] % 2)))
        weight = writer.constant("weight", sums.packed(neighbours(taps).reshape(len(taps), -1)))
        step = max(1, op.stride[1] // 2)
        yield from self.advance(task, writer)

        def pixels(count: int) -> Iterator[str]:
            yield f"const uint32_t *w = {weight};"
            yield f"{c_type(task.forms[-1])} *q = to;"
            block = Block(count, max(sums.parts), step if _is_packed(task) else TOGETHER, sums.is_wide)
            products = partial(_products, op, writer)
            yield from sums.loop(block, products, f"y * {out.w * out.c} + (q - line)", writer)

        yield f"int at = 0; {c_type(task.forms[-1])} *to = line;"
        yield from pixel_loops(out.w, step, out.c, pixels, only_pairs=not _is_packed(task))

    def ring(self, task: Task) -> Ring:
        """See `RowKernel`."""
        op, x, out = task.op, task.inputs[0], task.output
        assert isinstance(op, IntConv)
        reach = (out.w - 1) * op.stride[1] + op.kernel[1] + op.kernel[1] % 2
        codes = max(op.pads.left + x.w, reach)
        return Ring(op.kernel[0], -(-codes // 2) if _is_packed(task) else codes, 0)

    def expansion(self, task: Task, source: str, target: str, writer: Writer) -> str:
        """See `RowKernel`."""
        op, x, is_packed = task.op, task.inputs[0], _is_packed(task)
        assert isinstance(op, IntConv)
        bits = 8 if task.is_byte else 16
        writer.function((PACKED if is_packed else PAIRED).format(bits=bits))
        return f"expand_{'packed' if is_packed else 'paired'}{bits}({source}, {target}, {op.pads.left}, {x.w});"


def _products(op: IntConv, writer: Writer, block: Block) -> Iterator[str]:
    """All tap rows, one after another or, if they are many, in a loop."""
    rows, run = op.kernel[0], -(-op.kernel[1] // 2)
    yield "{ const uint32_t *row = rows[0] + at;"
    yield from (f"  {text}" for text in (*block.run(writer, run), "}"))
    if rows > 1 and rows * run > MOST_UNROLLED:
        yield f"for (int m = 1; m < {rows}; m++) {{ const uint32_t *row = rows[m] + at;"
        yield from (f"  {text}" for text in (*block.run(writer, run, starts=False), "}"))
        return
    for m in range(1, rows):
        yield f"{{ const uint32_t *row = rows[{m}] + at;"
        yield from (f"  {text}" for text in (*block.run(writer, run, starts=False), "}"))


def _is_packed(task: Task) -> bool:
    op = task.op
    assert isinstance(op, IntConv)
    return op.stride[1] % 2 == 0 or task.output.w == 1


KERNELS: tuple[Kernel, ...] = (DspFirst(),)
