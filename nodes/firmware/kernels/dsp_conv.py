"""Convolution: the window of a pixel is one run of words, which meets a block of channels."""

from __future__ import annotations

from collections.abc import Iterator
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


def steps(width: int, *, only_pairs: bool = False) -> Iterator[tuple[str, int]]:
    """C of the heads of loops over the pixels x of a row, and how many are computed at a time.

    An odd last pixel is computed alone, or, in long rows and where there are `only_pairs`, again with its neighbour.
    """
    if width % 2 and width > 1 and (only_pairs or width >= LEAST_OVERLAPPED):
        yield f"for (int at = 0; at < {width}; at += 2) {{ const int x = at > {width - 2} ? {width - 2} : at;", 2
        return
    for first, end, pixels in split(width, PIXELS):
        yield f"for (int x = {first}; x < {end}; x += {pixels}) {{", pixels


@dataclass(frozen=True)
class DspConv(LineKernel):
    """Any number of channels; no groups, no dilation."""

    ops = (IntConv,)

    @property
    def name(self) -> str:
        return "dsp-2x4"

    @property
    def rank(self) -> int:
        return 10

    def refuse(self, task: Task) -> str:
        op = task.op
        assert isinstance(op, IntConv)
        if reason := general_refusal(task):
            return reason
        if op.groups != 1 or op.dilation != (1, 1):
            return "it has groups or dilation"
        return "its pixels are too far apart" if op.stride[1] * band_of(task).column > FARTHEST else ""

    def scratch_bytes(self, task: Task) -> int:
        """The band."""
        return band_of(task).bytes

    def setup(self, task: Task, writer: Writer) -> Iterator[str]:
        writer.function(DIALECT)
        yield from band_setup(task)

    def line(self, task: Task, writer: Writer) -> Iterator[str]:
        op, out, sums = task.op, task.output, Sums(task)
        assert isinstance(op, IntConv)
        weight = words(op.weight.transpose(0, 3, 2, 1), task).reshape(len(op.weight), -1)
        packed = writer.constant("weight", sums.packed(weight))
        step = op.stride[1] * band_of(task).column

        def products(block: Block) -> Iterator[str]:
            yield f"const uint32_t *row = band + x * {step};"
            yield from block.run(writer, weight.shape[1])

        yield from band_fill(task, writer)
        for head, pixels in steps(out.w):
            yield head
            yield f"  const uint32_t *w = {packed};"
            yield f"  {c_type(task.forms[-1])} *q = line + x * {out.c};"
            block = Block(pixels, max(sums.parts), step, sums.is_wide)
            yield from (f"  {text}" for text in sums.loop(block, products, f"y * {out.w} + x", writer))
            yield "}"


KERNELS: tuple[Kernel, ...] = (DspConv(),)
