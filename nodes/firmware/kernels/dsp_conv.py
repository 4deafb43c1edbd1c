"""Convolution on expanded rows: several pixels times two channels in registers.

A ring holds as many rows as the kernel has, each sign-extended once and framed by zeros; a tap row of a pixel is then
one run of words. Per word: two weights, one word per pixel, one SMLAD per pixel and channel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nodes.firmware.kernel import Kernel, LineKernel, Task
from nodes.firmware.kernels.dsp import DIALECT, EXPAND, biases, code_of, pairs, refusal
from nodes.firmware.kernels.plain import is_wide, sum_bound
from nodes.firmware.writer import Writer
from nodes.quant.integer import IntConv

BLOCK = 2
"""Channels computed together."""


@dataclass(frozen=True)
class Ring:
    """The expanded rows of a convolution: words of one row, and where its first pixel is."""

    rows: int
    words: int
    left_words: int

    @property
    def bytes(self) -> int:
        """The rows, one of zeros, and the pointers to them."""
        return 4 * self.words * (self.rows + 1)


def ring_of(task: Task) -> Ring:
    """As wide as the map and what the windows reach beyond it."""
    op, x, out = task.op, task.inputs[0], task.output
    assert isinstance(op, IntConv)
    reach = (out.w - 1) * op.stride[1] + op.kernel[1]
    pixels = op.pads.left + x.w + max(0, reach - op.pads.left - x.w)
    return Ring(op.kernel[0], pixels * x.c // 2, op.pads.left * x.c // 2)


@dataclass(frozen=True)
class RowKernel(LineKernel):
    """Works on the ring of expanded rows, `pixels` at a time."""

    pixels: int

    ops = (IntConv,)

    @property
    def rank(self) -> int:
        """More pixels share more loads; fewer are for rows that are shorter."""
        return 10 + self.pixels

    def scratch_bytes(self, task: Task) -> int:
        """The ring."""
        return ring_of(task).bytes

    def setup(self, task: Task, writer: Writer) -> Iterator[str]:
        """The ring, empty."""
        writer.function(DIALECT)
        writer.function(EXPAND)
        yield from rows_setup(task)


@dataclass(frozen=True)
class DspConv(RowKernel):
    """Channels in fours; `pixels` at a time."""

    @property
    def name(self) -> str:
        return f"dsp-{self.pixels}x2"

    def refuse(self, task: Task) -> str:
        op = task.op
        assert isinstance(op, IntConv)
        if reason := refusal(task):
            return reason
        if op.groups != 1 or op.dilation != (1, 1):
            return "it has groups or dilation"
        if task.inputs[0].c % 4 or task.output.c % BLOCK:
            return "its channels do not come in fours"
        if task.output.w < self.pixels:
            return f"its rows are shorter than {self.pixels} pixels"
        return "its sums may need 64 bits" if is_wide(sum_bound(op, task)) else ""

    def line(self, task: Task, writer: Writer) -> Iterator[str]:
        op, out = task.op, task.output
        assert isinstance(op, IntConv)
        yield from rows_advance(task)
        yield from steps(out.w, self.pixels)
        yield f"  const uint32_t *w = {writer.constant('weight', packed(op))};"
        yield f"  int8_t *q = line + x * {out.c};"
        yield f"  for (int k = 0; k < {out.c}; k += {BLOCK}, q += {BLOCK}) {{"
        yield from (f"    {text}" for text in self._block(task, writer))
        yield "  }"
        yield "}"

    def _block(self, task: Task, writer: Writer) -> Iterator[str]:
        """Two channels of `pixels` pixels: sums a (first channel) and b."""
        op, x, out = task.op, task.inputs[0], task.output
        assert isinstance(op, IntConv)
        run, step = op.kernel[1] * x.c // 2, op.stride[1] * x.c // 2
        yield start_sums(self.pixels)
        yield f"for (int m = 0; m < {op.kernel[0]}; m++) {{"
        yield f"  const uint32_t *row = rows[m] + x * {step};"
        yield from (f"  {line}" for line in products(self.pixels, run, step))
        yield f"  w += {2 * run};"
        yield "}"
        yield from codes_out(task, self.pixels, f"y * {out.w} + x", writer)


def steps(width: int, pixels: int) -> Iterator[str]:
    """The head of a loop over x in steps of `pixels`; the last step moves back, so that none is cut."""
    yield f"for (int at = 0; at < {width}; at += {pixels}) {{"
    yield f"  int x = {f'at > {width - pixels} ? {width - pixels} : at' if width % pixels else 'at'};"


def start_sums(pixels: int) -> str:
    """Sums a (first channel) and b (second) of every pixel begin with the two bias words."""
    return "int32_t " + ", ".join(f"a{p} = (int32_t)w[0], b{p} = (int32_t)w[1]" for p in range(pixels)) + "; w += 2;"


def products(pixels: int, run: int, step: int) -> Iterator[str]:
    """A run of words: `row[t]` of the first pixel, `step` words from pixel to pixel; weights at `w`."""
    yield f"\n#pragma GCC unroll {unroll(run)}"
    yield f"for (int t = 0; t < {run}; t++) {{"
    yield "  uint32_t u = w[2 * t], v = w[2 * t + 1], z;"
    for p in range(pixels):
        yield f"  z = row[t + {p * step}]; a{p} = SMLAD(z, u, a{p}); b{p} = SMLAD(z, v, b{p});"
    yield "}"


def codes_out(task: Task, pixels: int, first: str, writer: Writer) -> Iterator[str]:
    """Store channels k and k + 1 of every pixel; `q` points at the first pixel's, `first` is its number."""
    op, out = task.op, task.output
    assert isinstance(op, IntConv)
    for p in range(pixels):
        for offset, name in enumerate("ab"):
            total = f"{name}{p}"
            if len(op.inputs) > 1:
                place = f"({first} + {p}) * {out.c} + k + {offset}"
                total = f"({total} + (int32_t)x1[{place}] * (1 << {op.residual_shift}))"
            yield f"q[{p * out.c + offset}] = (int8_t){code_of(op.requantise, total, writer)};"


def unroll(run: int) -> int:
    """A divisor of the run up to 24, so that no rest is left."""
    return next(count for count in range(min(run, 24), 0, -1) if run % count == 0)


def packed(op: IntConv) -> NDArray[np.uint32]:
    """Per two channels: two bias words, then for every word of the taps the weights of both channels."""
    weight = pairs(op.weight.transpose(0, 2, 3, 1).reshape(len(op.weight), -1))
    both = weight.reshape(-1, BLOCK, weight.shape[1]).transpose(0, 2, 1).reshape(len(weight) // BLOCK, -1)
    return np.concatenate((biases(op).reshape(-1, BLOCK), both), 1)


def rows_setup(task: Task) -> Iterator[str]:
    """Pointers to the rows of the ring; `rows[m]` is what tap row m sees."""
    op, ring = task.op, ring_of(task)
    assert isinstance(op, IntConv)
    yield f"uint32_t *ring = (uint32_t *)s, *zeros = ring + {ring.rows * ring.words};"
    yield f"const uint32_t *rows[{ring.rows}];"
    yield f"memset(ring, 0, {ring.bytes});"
    yield "int ready = 0;"


def rows_advance(task: Task) -> Iterator[str]:
    """Expand the rows that this line of outputs needs and that are not there yet."""
    op, x, ring = task.op, task.inputs[0], ring_of(task)
    assert isinstance(op, IntConv)
    top, down = op.pads.top, op.stride[0]
    yield f"for (; ready < y * {down} + {op.kernel[0] - top} && ready < {x.h}; ready++)"
    into = f"ring + ready % {ring.rows} * {ring.words} + {ring.left_words}"
    yield f"  expand(x0 + ready * {x.w * x.c}, {into}, {x.w * x.c // 4});"
    yield f"for (int m = 0; m < {op.kernel[0]}; m++) {{"
    yield f"  int row = y * {down} + m - {top};"
    yield f"  rows[m] = row < 0 || row >= {x.h} ? zeros : ring + row % {ring.rows} * {ring.words};"
    yield "}"


KERNELS: tuple[Kernel, ...] = (DspConv(1), DspConv(2), DspConv(3))
