"""First layers: the bytes an output sees, gathered side by side, so that none of a step's four places stays empty.

A kernel row of five bytes takes two steps of four; five rows then take ten steps, but their 25 bytes together only
seven. Gathered, the convolution is one of a single tap with as many channels as there were bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from nodes.lne.ir import Conv, Map, Pads
from nodes.lne.layout import U8_HWC, Buffer, Halo
from nodes.lne.primitive import Task

STEP = 4
COPIES = (4, 8, 16)
"""Bytes that one move copies."""


@dataclass(frozen=True)
class Taps:
    """The gathered input of a convolution."""

    given: Task

    @cached_property
    def op(self) -> Conv:
        """The convolution as it is."""
        op = self.given.op
        assert isinstance(op, Conv)
        return op

    @property
    def stored(self) -> int:
        """Bytes of one place of the input."""
        return U8_HWC.padded(self.op.weight.shape[1], self.given.target)

    @property
    def row(self) -> int:
        """Bytes of one kernel row."""
        return self.stored * self.op.kernel[1]

    @property
    def steps(self) -> int:
        """Of four bytes, for one output."""
        return -(-self.row * self.op.kernel[0] // STEP)

    @property
    def saves(self) -> bool:
        """Whether gathering takes fewer steps than reading row by row."""
        by_row = self.op.kernel[0] * -(-self.row // STEP)
        return self.op.dilation[1] == 1 and self.row <= COPIES[-1] and self.steps < by_row

    @property
    def buffer(self) -> Buffer:
        """Where the bytes are gathered: one place per output."""
        out = self.given.graph.maps[self.op.output]
        held = Map(f"{self.op.name} taps", self.steps * STEP, out.h, out.w)
        return Buffer(held, U8_HWC, Halo(), held.c)

    @property
    def task(self) -> Task:
        """The same convolution of the gathered bytes."""
        weight = self.op.weight.transpose(0, 2, 3, 1)
        weight = np.pad(weight, ((0, 0), (0, 0), (0, 0), (0, self.stored - weight.shape[3])))
        flat = weight.reshape(len(weight), -1)
        flat = np.pad(flat, ((0, 0), (0, self.steps * STEP - flat.shape[1])))[:, :, None, None]
        op = replace(self.op, weight=flat, stride=(1, 1), dilation=(1, 1), pads=Pads())
        return replace(self.given, op=op)

    def lines(self, x: Buffer) -> Iterator[str]:
        """C that gathers; a move may copy more than a row, and what follows overwrites it."""
        op, t = self.op, self.buffer
        start = x.origin - op.pads.top * x.row_step - op.pads.left * x.column_step
        copied = next(size for size in COPIES if size >= self.row)
        yield "uint8_t *t = s;"
        yield f"for (int y = 0; y < {t.map.h}; y++)"
        yield f"  for (int x = 0; x < {t.map.w}; x++) {{"
        yield f"    uint8_t *to = t + y * {t.row_step} + x * {t.column_step};"
        yield (
            f"    const uint8_t *from = x0 + {start} + y * {op.stride[0] * x.row_step} + "
            f"x * {op.stride[1] * x.column_step};"
        )
        for p in range(op.kernel[0]):
            yield f"    memcpy(to + {p * self.row}, from + {p * op.dilation[0] * x.row_step}, {copied});"
        yield "  }"
