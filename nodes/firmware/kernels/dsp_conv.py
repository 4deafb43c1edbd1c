"""Convolution: the window of a pixel is one run of words, which meets a block of channels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from nodes.firmware.kernel import Kernel, LineKernel, Task, c_type
from nodes.firmware.kernels.dsp import DIALECT, general_refusal
from nodes.firmware.kernels.dsp_block import Block, split
from nodes.firmware.kernels.dsp_rows import band_fill, band_of, band_setup, words
from nodes.firmware.kernels.dsp_sums import Sums
from nodes.firmware.writer import Writer
from nodes.quant.integer import IntConv

PIXELS = (2, 1)
"""Computed together."""
LEAST_OVERLAPPED = 10
"""Pixels of an odd row whose last one is computed together with its neighbour, which saves code."""
FARTHEST = 1000
"""Words between pixels that one instruction reaches."""


def pixel_loops(
    width: int, step: int, channels: int, body: Callable[[int], Iterator[str]], *, only_pairs: bool = False
) -> Iterator[str]:
    """C over the pixels of a row: `at` moves by `step` words a pixel, `to` by its channels; `body` computes so many.

    An odd last pixel is computed alone, or, in long rows and where there are `only_pairs`, again with its neighbour.
    """
    overlaps = width % 2 == 1 and width > 1 and (only_pairs or width >= LEAST_OVERLAPPED)
    for first, end, pixels in split(width + overlaps, PIXELS):
        yield f"for (int n = {(end - first) // pixels}; n > 0; n--) {{"
        if overlaps:
            yield f"  if (n == 1) at -= {step}, to -= {channels};"
        yield from (f"  {line}" for line in body(pixels))
        yield f"  at += {pixels * step}, to += {pixels * channels};"
        yield "}"


@dataclass(frozen=True)
class DspConv(LineKernel):
    """Any number of channels; no groups. With holes between its columns, a window is a run per column."""

    ops = (IntConv,)

    @property
    def name(self) -> str:
        return "dsp-2x4"

    @property
    def rank(self) -> int:
        return 10

    def refuse(self, task: Task) -> str:
        """See `Kernel`."""
        op = task.op
        assert isinstance(op, IntConv)
        if reason := general_refusal(task):
            return reason
        if op.groups != 1:
            return "it has groups"
        return "its pixels are too far apart" if op.stride[1] * band_of(task).column > FARTHEST else ""

    def scratch_bytes(self, task: Task) -> int:
        """The band."""
        return band_of(task).bytes

    def setup(self, task: Task, writer: Writer) -> Iterator[str]:
        writer.function(DIALECT)
        yield from band_setup(task)

    def line(self, task: Task, writer: Writer) -> Iterator[str]:
        """See `LineKernel`."""
        op, out, sums = task.op, task.output, Sums(task)
        assert isinstance(op, IntConv)
        weight = words(op.weight.transpose(0, 3, 2, 1), task).reshape(len(op.weight), -1)
        packed = writer.constant("weight", sums.packed(weight))
        step = op.stride[1] * band_of(task).column

        def products(block: Block) -> Iterator[str]:
            runs, column = op.kernel[1] if op.dilation[1] > 1 else 1, band_of(task).column
            yield "const uint32_t *row = at;"
            for run in range(runs):
                if run:
                    yield f"row = at + {run * op.dilation[1] * column};"
                yield from block.run(writer, weight.shape[1] // runs, starts=run == 0)

        def pixels(count: int) -> Iterator[str]:
            yield f"const uint32_t *w = {packed};"
            yield f"{c_type(task.forms[-1])} *q = to;"
            block = Block(count, max(sums.parts), step, sums.is_wide)
            yield from sums.loop(block, products, f"y * {out.w * out.c} + (q - line)", writer)

        yield from band_fill(task, writer)
        yield f"const uint32_t *at = band; {c_type(task.forms[-1])} *to = line;"
        yield from pixel_loops(out.w, step, out.c, pixels)


KERNELS: tuple[Kernel, ...] = (DspConv(),)
