"""Convolution on expanded rows: a tap row of a pixel is one run of words, which meets a block of channels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from nodes.firmware.kernel import Kernel, Task
from nodes.firmware.kernels.dsp import general_refusal
from nodes.firmware.kernels.dsp_block import Block, split
from nodes.firmware.kernels.dsp_rows import RowKernel, pixel_words, words
from nodes.firmware.kernels.dsp_sums import Sums
from nodes.firmware.writer import Writer
from nodes.quant.integer import IntConv

PIXELS = (2, 1)
"""Computed together."""
FARTHEST = 1000
"""Words between pixels that one instruction reaches."""
MOST_UNROLLED = 40
"""Steps; longer kernels loop over their rows."""


@dataclass(frozen=True)
class BlockKernel(RowKernel):
    """Two pixels at a time, and the last one of an odd row."""

    @property
    def rank(self) -> int:
        return 10

    def run(self, task: Task) -> int:
        """Steps of one tap row."""
        raise NotImplementedError

    def step(self, task: Task) -> int:
        """Words from pixel to pixel in the ring."""
        raise NotImplementedError

    def apart(self, task: Task) -> int:
        """How far the words of two pixels are from each other, see `Block`."""
        return self.step(task)

    def weights(self, task: Task) -> NDArray[np.uint32]:
        """(channels, words): tap row by tap row, step by step."""
        raise NotImplementedError

    def parts(self, task: Task) -> Iterator[tuple[int, int, int]]:
        """(first, end, pixels at a time) that cover a line."""
        return split(task.output.w, PIXELS)

    def line(self, task: Task, writer: Writer) -> Iterator[str]:
        """Compute line `y` into `line`."""
        out, sums = task.output, Sums(task)
        weight = writer.constant("weight", sums.packed(self.weights(task)))
        yield from self.advance(task, writer)
        for first, end, pixels in self.parts(task):
            yield f"for (int x = {first}; x < {end}; x += {pixels}) {{"
            yield f"  const uint32_t *w = {weight};"
            yield f"  {'int8_t' if task.is_byte else 'int16_t'} *q = line + x * {out.c};"
            block = Block(pixels, max(sums.parts), self.apart(task), sums.is_wide)
            lines = sums.loop(block, partial(self._products, task, writer), f"y * {out.w} + x", writer)
            yield from (f"  {text}" for text in lines)
            yield "}"

    def _products(self, task: Task, writer: Writer, block: Block) -> Iterator[str]:
        op, run = task.op, self.run(task)
        assert isinstance(op, IntConv)
        rows = op.kernel[0]
        yield f"{{ const uint32_t *row = rows[0] + x * {self.step(task)};"
        yield from (f"  {text}" for text in block.run(writer, run, starts=True))
        yield "}"
        if rows > 1 and rows * run > MOST_UNROLLED:
            yield f"for (int m = 1; m < {rows}; m++) {{ const uint32_t *row = rows[m] + x * {self.step(task)};"
            yield from (f"  {text}" for text in block.run(writer, run, starts=False))
            yield "}"
            return
        for m in range(1, rows):
            yield f"{{ const uint32_t *row = rows[{m}] + x * {self.step(task)};"
            yield from (f"  {text}" for text in block.run(writer, run, starts=False))
            yield "}"


@dataclass(frozen=True)
class DspConv(BlockKernel):
    """Any number of channels; no groups, no dilation."""

    @property
    def name(self) -> str:
        return "dsp-2x4"

    def refuse(self, task: Task) -> str:
        op = task.op
        assert isinstance(op, IntConv)
        if reason := general_refusal(task):
            return reason
        if op.groups != 1 or op.dilation != (1, 1):
            return "it has groups or dilation"
        if self.step(task) > FARTHEST:
            return "its pixels are too far apart"
        return ""

    def run(self, task: Task) -> int:
        op = task.op
        assert isinstance(op, IntConv)
        return op.kernel[1] * pixel_words(task)

    def step(self, task: Task) -> int:
        op = task.op
        assert isinstance(op, IntConv)
        return op.stride[1] * pixel_words(task)

    def weights(self, task: Task) -> NDArray[np.uint32]:
        op = task.op
        assert isinstance(op, IntConv)
        return words(op.weight.transpose(0, 2, 3, 1), task).reshape(len(op.weight), -1)


KERNELS: tuple[Kernel, ...] = (DspConv(),)
