"""1x1 convolution: two pixels are expanded at a time, whatever row they lie in, word beside word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nodes.firmware.kernel import Kernel, Task
from nodes.firmware.kernels.dsp import DIALECT, general_refusal
from nodes.firmware.kernels.dsp_block import TOGETHER, Block, split
from nodes.firmware.kernels.dsp_rows import expansion, words
from nodes.firmware.kernels.dsp_sums import Sums
from nodes.firmware.writer import Writer
from nodes.lne.ir import Pads
from nodes.quant.integer import IntConv

EXPAND_TWO = """static inline __attribute__((always_inline, unused)) void
expand_two(const int8_t *first, const int8_t *second, uint32_t *to, int codes) {
  for (int i = 0; i < codes; i += 4, to += 4) {
    uint32_t a = LOAD4(first + i), b = LOAD4(second + i);
    to[0] = SXTB16(a), to[1] = SXTB16(b), to[2] = SXTB16_ODD(a), to[3] = SXTB16_ODD(b);
  }
}"""
PIXELS = (2, 1)
COPY_TWO = """static inline __attribute__((always_inline, unused)) void
copy_two(const int16_t *first, const int16_t *second, uint32_t *to, int codes) {
  for (int i = 0; i < codes; i += 2, to += 2) to[0] = LOAD4(first + i), to[1] = LOAD4(second + i);
}"""


@dataclass(frozen=True)
class DspPointwise(Kernel):
    """Channels that fill whole words; a stride over the columns skips pixels."""

    ops = (IntConv,)

    @property
    def name(self) -> str:
        return "dsp-pointwise-2x4"

    @property
    def rank(self) -> int:
        return 15

    def refuse(self, task: Task) -> str:
        """See `Kernel`."""
        op, x, out = task.op, task.inputs[0], task.output
        assert isinstance(op, IntConv)
        if reason := general_refusal(task):
            return reason
        if op.kernel != (1, 1) or op.groups != 1 or op.pads != Pads():
            return "it is not 1x1"
        if op.stride[0] != 1 and x.h > 1:
            return "it skips rows"
        if op.stride[1] != 1 and x.h > 1 and out.w * op.stride[1] != x.w:
            return "its stride does not divide the row"
        return "its channels do not fill words" if x.c % (4 if task.is_byte else 2) else ""

    def scratch_bytes(self, task: Task) -> int:
        return 2 * max(PIXELS) * task.inputs[0].c

    def emit(self, task: Task, writer: Writer) -> None:
        """See `Kernel`."""
        writer.function(DIALECT)
        op, sums = task.op, Sums(task)
        assert isinstance(op, IntConv)
        weight = writer.constant("weight", sums.packed(words(op.weight[:, :, 0, 0], task)))
        writer.line("uint32_t *pixels = (uint32_t *)s;", *self._loops(task, sums, weight, writer))

    def _loops(self, task: Task, sums: Sums, weight: str, writer: Writer) -> Iterator[str]:
        op, x, out = task.op, task.inputs[0], task.output
        assert isinstance(op, IntConv)
        step, steps = x.c * op.stride[1], x.c // 2

        def products(block: Block) -> Iterator[str]:
            yield "const uint32_t *row = pixels;"
            yield from block.run(writer, steps)

        for first, end, pixels in split(out.h * out.w, PIXELS):
            yield f"for (int i = {first}; i < {end}; i += {pixels}) {{"
            yield f"  {_expansion(task, f'x0 + i * {step}', f'x0 + (i + 1) * {step}', pixels, writer)}"
            yield f"  const uint32_t *w = {weight};"
            yield f"  {'int8_t' if task.is_byte else 'int16_t'} *q = o + i * {out.c};"
            yield from (
                f"  {line}"
                for line in sums.loop(
                    Block(pixels, max(sums.parts), TOGETHER, sums.is_wide), products, "(q - o)", writer
                )
            )
            yield "}"


def _expansion(task: Task, first: str, second: str, pixels: int, writer: Writer) -> str:
    c = task.inputs[0].c
    if pixels == 1:
        return expansion(task, first, "pixels", 1, writer)
    writer.function(EXPAND_TWO if task.is_byte else COPY_TWO)
    return f"{'expand' if task.is_byte else 'copy'}_two({first}, {second}, pixels, {c});"


KERNELS: tuple[Kernel, ...] = (DspPointwise(),)
