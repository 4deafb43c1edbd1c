"""The first layer, one input channel: rows expanded to 16 bits in their own order, read two codes at a time.

A pixel's taps of a row are neighbours, so one unaligned word holds two of them; a kernel row of odd width is packed
with a zero weight behind it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nodes.firmware.kernel import Kernel, LineKernel, Task
from nodes.firmware.kernels.dsp import DIALECT, biases, refusal
from nodes.firmware.kernels.dsp_conv import BLOCK, codes_out, start_sums, steps
from nodes.firmware.kernels.plain import is_wide, sum_bound
from nodes.firmware.writer import Writer
from nodes.quant.integer import IntConv


@dataclass(frozen=True)
class DspFirst(LineKernel):
    """One input channel; `pixels` times two channels in registers."""

    pixels: int

    ops = (IntConv,)

    @property
    def name(self) -> str:
        return f"dsp-first-{self.pixels}x2"

    @property
    def rank(self) -> int:
        return 10 + self.pixels

    def refuse(self, task: Task) -> str:
        op, x, out = task.op, task.inputs[0], task.output
        assert isinstance(op, IntConv)
        if reason := refusal(task):
            return reason
        if x.c != 1 or op.groups != 1 or op.dilation != (1, 1):
            return "it has several input channels, groups or dilation"
        if out.c % BLOCK:
            return "its channels do not come in pairs"
        if out.w < self.pixels:
            return f"its rows are shorter than {self.pixels} pixels"
        return "its sums may need 64 bits" if is_wide(sum_bound(op, task)) else ""

    def scratch_bytes(self, task: Task) -> int:
        op = task.op
        assert isinstance(op, IntConv)
        return 2 * _codes(task) * (op.kernel[0] + 1)

    def setup(self, task: Task, writer: Writer) -> Iterator[str]:
        writer.function(DIALECT)
        yield from _setup(task)

    def line(self, task: Task, writer: Writer) -> Iterator[str]:
        op, out = task.op, task.output
        assert isinstance(op, IntConv)
        yield from _advance(task)
        yield from steps(out.w, self.pixels)
        yield f"  const uint32_t *w = {writer.constant('weight', packed(op))};"
        yield f"  int8_t *q = line + x * {out.c};"
        yield f"  for (int k = 0; k < {out.c}; k += {BLOCK}, q += {BLOCK}) {{"
        yield f"    {start_sums(self.pixels)}"
        yield from (f"    {text}" for text in self._taps(op))
        yield from (f"    {text}" for text in codes_out(task, self.pixels, f"y * {out.w} + x", writer))
        yield "  }"
        yield "}"

    def _taps(self, op: IntConv) -> Iterator[str]:
        run = -(-op.kernel[1] // 2)
        for m in range(op.kernel[0]):
            yield f"{{ const int16_t *row = rows[{m}] + x * {op.stride[1]};"
            for t in range(run):
                at = 2 * (m * run + t)
                yield f"  {{ uint32_t u = w[{at}], v = w[{at + 1}], z;"
                for p in range(self.pixels):
                    place = 2 * t + p * op.stride[1]
                    yield f"    z = LOAD4(row + {place}); a{p} = SMLAD(z, u, a{p}); b{p} = SMLAD(z, v, b{p});"
                yield "  }"
            yield "}"
        yield f"w += {2 * run * op.kernel[0]};"


def packed(op: IntConv) -> NDArray[np.uint32]:
    """Per two channels: two bias words, then per two taps of a row the weights of both channels."""
    rows, columns = op.kernel
    even = columns + columns % 2
    taps = np.zeros((len(op.weight), rows, even), np.int64)
    taps[..., :columns] = op.weight[:, 0] & 0xFFFF
    words = (taps[..., 0::2] | taps[..., 1::2] << 16).reshape(len(op.weight), -1).astype(np.uint32)
    both = words.reshape(-1, BLOCK, words.shape[1]).transpose(0, 2, 1).reshape(len(words) // BLOCK, -1)
    return np.concatenate((biases(op).reshape(-1, BLOCK), both), 1)


def _codes(task: Task) -> int:
    """Codes of one row of the ring: the map, its borders, and what an odd kernel reads beyond; even."""
    op, x, out = task.op, task.inputs[0], task.output
    assert isinstance(op, IntConv)
    reach = max(op.pads.left + x.w, (out.w - 1) * op.stride[1] + op.kernel[1] + op.kernel[1] % 2)
    return reach + reach % 2


def _setup(task: Task) -> Iterator[str]:
    op, codes = task.op, _codes(task)
    assert isinstance(op, IntConv)
    yield f"int16_t *ring = (int16_t *)s, *zeros = ring + {op.kernel[0] * codes};"
    yield f"const int16_t *rows[{op.kernel[0]}];"
    yield f"memset(ring, 0, {2 * codes * (op.kernel[0] + 1)});"
    yield "int ready = 0;"


def _advance(task: Task) -> Iterator[str]:
    """Expand the rows this line of outputs needs; `rows[m]` is what tap row m sees."""
    op, x, codes = task.op, task.inputs[0], _codes(task)
    assert isinstance(op, IntConv)
    rows, top, down = op.kernel[0], op.pads.top, op.stride[0]
    yield f"for (; ready < y * {down} + {rows - top} && ready < {x.h}; ready++) {{"
    yield f"  int16_t *to = ring + ready % {rows} * {codes} + {op.pads.left};"
    yield f"  for (int i = 0; i < {x.w}; i++) to[i] = x0[ready * {x.w} + i];"
    yield "}"
    yield f"for (int m = 0; m < {rows}; m++) {{"
    yield f"  int row = y * {down} + m - {top};"
    yield f"  rows[m] = row < 0 || row >= {x.h} ? zeros : ring + row % {rows} * {codes};"
    yield "}"


KERNELS: tuple[Kernel, ...] = (DspFirst(1), DspFirst(2), DspFirst(3))
