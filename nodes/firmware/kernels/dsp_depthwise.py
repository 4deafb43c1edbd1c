"""Depthwise convolution on expanded rows: four channels of one or two pixels at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nodes.firmware.kernel import Kernel, Task
from nodes.firmware.kernels.dsp import biases, code_of, pairs, refusal
from nodes.firmware.kernels.dsp_conv import RowKernel, rows_advance, steps
from nodes.firmware.kernels.plain import is_wide, sum_bound
from nodes.firmware.writer import Writer
from nodes.quant.integer import IntConv

LANES = ("SMLABB", "SMLATT")
"""Channels 0 and 2 lie in the halves of the even word, 1 and 3 in those of the odd one."""


@dataclass(frozen=True)
class DspDepthwise(RowKernel):
    """Channels in fours; `pixels` at a time share the weights."""

    @property
    def name(self) -> str:
        return f"dsp-depthwise-{self.pixels}"

    def refuse(self, task: Task) -> str:
        op = task.op
        assert isinstance(op, IntConv)
        if reason := refusal(task):
            return reason
        if op.groups != len(op.weight) or op.weight.shape[1] != 1 or op.dilation != (1, 1) or len(op.inputs) > 1:
            return "it is not depthwise"
        if op.groups % 4 or task.inputs[0].c != op.groups:
            return "its channels do not come in fours"
        if task.output.w < self.pixels:
            return "its rows are too short"
        return "its sums may need 64 bits" if is_wide(sum_bound(op, task)) else ""

    def line(self, task: Task, writer: Writer) -> Iterator[str]:
        op, out = task.op, task.output
        assert isinstance(op, IntConv)
        record = 4 + 2 * op.kernel[0] * op.kernel[1]
        yield from rows_advance(task)
        yield from steps(out.w, self.pixels)
        yield f"  int8_t *q = line + x * {out.c};"
        yield f"  const uint32_t *w = {writer.constant('weight', packed(op))};"
        yield f"  for (int c = 0; c < {out.c // 2}; c += 2, q += 4, w += {record}) {{"
        yield from (f"    {text}" for text in self._block(task, writer))
        yield "  }"
        yield "}"

    def _block(self, task: Task, writer: Writer) -> Iterator[str]:
        op, x, out = task.op, task.inputs[0], task.output
        assert isinstance(op, IntConv)
        step = op.stride[1] * x.c // 2
        sums = [(p, lane) for p in range(self.pixels) for lane in range(4)]
        yield "int32_t " + ", ".join(f"a{p}{lane} = (int32_t)w[{lane}]" for p, lane in sums) + ";"
        for m in range(op.kernel[0]):
            yield f"{{ const uint32_t *row = rows[{m}] + x * {step} + c;"
            for n in range(op.kernel[1]):
                at = 4 + 2 * (m * op.kernel[1] + n)
                yield f"  {{ uint32_t even = w[{at}], odd = w[{at + 1}], z;"
                for p in range(self.pixels):
                    place = n * x.c // 2 + p * step
                    yield f"    z = row[{place}]; {_products(p, (0, 2), 'even')}"
                    yield f"    z = row[{place + 1}]; {_products(p, (1, 3), 'odd')}"
                yield "  }"
            yield "}"
        for p, lane in sums:
            yield f"q[{p * out.c + lane}] = (int8_t){code_of(op.requantise, f'a{p}{lane}', writer)};"


def _products(pixel: int, lanes: tuple[int, int], word: str) -> str:
    return " ".join(f"a{pixel}{lane} = {LANES[half]}(z, {word}, a{pixel}{lane});" for half, lane in enumerate(lanes))


def packed(op: IntConv) -> NDArray[np.uint32]:
    """Per four channels: four bias words, then per tap the even and the odd word."""
    taps = pairs(op.weight[:, 0].transpose(1, 2, 0))  # rows, columns, channels / 2
    groups = taps.reshape(-1, op.groups // 4, 2).transpose(1, 0, 2).reshape(op.groups // 4, -1)
    return np.concatenate((biases(op).reshape(-1, 4), groups), 1)


KERNELS: tuple[Kernel, ...] = (DspDepthwise(1), DspDepthwise(2))
