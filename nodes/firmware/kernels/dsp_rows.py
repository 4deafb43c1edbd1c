"""Rows of a map in 16-bit pairs, framed by zeros: a ring of as many as a kernel has, each expanded once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nodes.firmware.kernel import LineKernel, Task
from nodes.firmware.kernels.dsp import DIALECT, EXPAND, neighbours, pairs
from nodes.firmware.writer import Writer
from nodes.lne.ir import Map
from nodes.quant.fixed import Codes
from nodes.quant.integer import IntConv

EXPAND_SOME = """static inline __attribute__((always_inline, unused)) void
expand_some(const int8_t *from, uint32_t *to, int pixels, int codes) {
  for (int i = 0; i < pixels; i++) {
    for (int c = 0; c < codes; from += codes - c < 4 ? codes - c : 4, c += 4, to += 2) {
      uint32_t four = 0;
      for (int j = 0; j < 4 && c + j < codes; j++) four |= (uint32_t)(uint8_t)from[j] << (8 * j);
      to[0] = SXTB16(four);
      to[1] = SXTB16_ODD(four);
    }
  }
}"""
COPY = """static inline __attribute__((always_inline, unused)) void
copy_codes(const int16_t *from, uint32_t *to, int pixels, int codes) {
  for (int i = 0; i < pixels; i++, from += codes, to += (codes + 1) / 2) {
    for (int c = 0; c < codes / 2; c++) to[c] = LOAD4(from + 2 * c);
    if (codes % 2) to[codes / 2] = (uint16_t)from[codes - 1];
  }
}"""

BAND = """static inline __attribute__((always_inline, unused)) void
expand_band8(const int8_t *from, uint32_t *to, int pixels, int codes, int column) {
\n#pragma GCC unroll 4
  for (int i = 0; i < pixels; i++, from += codes, to += column) {
    for (int c = 0; c < codes / 4; c++) {
      uint32_t four = LOAD4(from + 4 * c);
      to[2 * c] = SXTB16(four);
      to[2 * c + 1] = SXTB16_ODD(four);
    }
    if (codes % 4) {
      uint32_t four = 0;
      for (int j = 0; j < codes % 4; j++) four |= (uint32_t)(uint8_t)from[codes / 4 * 4 + j] << (8 * j);
      to[codes / 4 * 2] = SXTB16(four);
      to[codes / 4 * 2 + 1] = SXTB16_ODD(four);
    }
  }
}"""
MOVE = """static inline __attribute__((always_inline, unused)) void
move_rows(uint32_t *to, int pixels, int words, int by, int column) {
  for (int i = 0; i < pixels; i++, to += column) {
    for (int j = 0; j + 1 < words; j += 2) COPY2(to + j, to + j + by);
    if (words % 2) to[words - 1] = to[words - 1 + by];
  }
}"""
MOST_MOVED = 64
"""Channels for which moving known rows costs less than expanding them again."""
BAND16 = """static inline __attribute__((always_inline, unused)) void
expand_band16(const int16_t *from, uint32_t *to, int pixels, int codes, int column) {
  for (int i = 0; i < pixels; i++, from += codes, to += column) {
    for (int c = 0; c < codes / 2; c++) to[c] = LOAD4(from + 2 * c);
    if (codes % 2) to[codes / 2] = (uint16_t)from[codes - 1];
  }
}"""


@dataclass(frozen=True)
class Ring:
    """The expanded rows of a convolution: words of one row, and where its first pixel is."""

    rows: int
    words: int
    left_words: int

    @property
    def bytes(self) -> int:
        """The rows, and one of zeros."""
        return 4 * self.words * (self.rows + 1)


def pixel_words(task: Task) -> int:
    """Words of one pixel's codes: channels in fours, or in twos where codes have 16 bits."""
    c = task.inputs[0].c
    return -(-c // 4) * 2 if task.is_byte else -(-c // 2)


def words(codes: Codes, task: Task) -> NDArray[np.uint32]:
    """Weights (..., channels) as the words that meet those of a pixel."""
    step = 4 if task.is_byte else 2
    short = -codes.shape[-1] % step
    whole = np.pad(codes, [(0, 0)] * (codes.ndim - 1) + [(0, short)])
    return pairs(whole) if task.is_byte else neighbours(whole)


def expansion(task: Task, source: str, target: str, pixels: int, writer: Writer) -> str:
    """C that expands so many pixels."""
    c = task.inputs[0].c
    if not task.is_byte:
        writer.function(COPY)
        whole = (1, pixels * c) if c % 2 == 0 else (pixels, c)
        return f"copy_codes({source}, {target}, {whole[0]}, {whole[1]});"
    if c % 4:
        writer.function(EXPAND_SOME)
        return f"expand_some({source}, {target}, {pixels}, {c});"
    writer.function(EXPAND)
    return f"expand({source}, {target}, {pixels * c // 4});"


def ring_of(task: Task) -> Ring:
    """As wide as the map and what the windows reach beyond it."""
    op, x, out = task.op, task.inputs[0], task.output
    assert isinstance(op, IntConv)
    each = pixel_words(task)
    pixels, rows = max(op.pads.left + x.w, _reach(op, out)), (op.kernel[0] - 1) * op.dilation[0] + 1
    return Ring(rows, pixels * each, op.pads.left * each)


def _reach(op: IntConv, out: Map) -> int:
    """Columns that the windows of a line cover."""
    return (out.w - 1) * op.stride[1] + (op.kernel[1] - 1) * op.dilation[1] + 1


@dataclass(frozen=True)
class Band:
    """The rows a line of outputs sees, pixel by pixel: all rows of a column lie together, so a window is one run.

    Attributes:
        column: words of one column.
        words: of all columns.
        left_words: in front of the map's first column.
    """

    column: int
    words: int
    left_words: int

    @property
    def bytes(self) -> int:
        """Of memory."""
        return 4 * self.words


def band_of(task: Task) -> Band:
    """As wide as the map and what the windows reach beyond it."""
    op, x, out = task.op, task.inputs[0], task.output
    assert isinstance(op, IntConv)
    column = op.kernel[0] * pixel_words(task)
    pixels = max(op.pads.left + x.w, _reach(op, out))
    return Band(column, column * pixels, column * op.pads.left)


def band_setup(task: Task) -> Iterator[str]:
    """The band; its columns beyond the map stay zero."""
    yield "uint32_t *band = (uint32_t *)s;"
    yield f"memset(band, 0, {band_of(task).bytes});"


def band_fill(task: Task, writer: Writer) -> Iterator[str]:
    """C that fills the band for line `y`: every row is expanded for each line that sees it."""
    op, x, band, each = task.op, task.inputs[0], band_of(task), pixel_words(task)
    assert isinstance(op, IntConv)
    rows, source = op.kernel[0], f"x0 + row * {x.w * x.c}"
    if rows == 1:
        yield f"{{ const int row = y * {op.stride[0]};"
        yield f"  {expansion(task, source, f'band + {band.left_words}', x.w, writer)}"
        yield "}"
        return
    bits = 8 if task.is_byte else 16
    writer.function(BAND if task.is_byte else BAND16)
    kept = rows - op.stride[0] if op.dilation[0] == 1 else 0
    if kept > 0 and x.c <= MOST_MOVED:
        writer.function(MOVE)
        yield f"const int known = y ? {kept} : 0;"
        yield f"if (y) move_rows(band + {band.left_words}, {x.w}, {kept * each}, {op.stride[0] * each}, {band.column});"
        yield f"for (int m = known; m < {rows}; m++) {{"
    else:
        yield f"for (int m = 0; m < {rows}; m++) {{"
    yield f"  const int row = y * {op.stride[0]} + m * {op.dilation[0]} - {op.pads.top};"
    target = f"band + {band.left_words} + m * {each}"
    call = f"expand_band{bits}({{}}, {target}, {x.w}, {x.c}, {band.column});"
    beyond = " || ".join(_beyond(task))
    if beyond:
        yield f"  if ({beyond})"
        yield f"    for (int i = 0; i < {x.w}; i++) memset({target} + i * {band.column}, 0, {4 * each});"
        yield "  else"
    yield f"  {'  ' if beyond else ''}{call.format(source)}"
    yield "}"


def _beyond(task: Task) -> Iterator[str]:
    """Conditions under which `row` is not of the map, of those that can be."""
    op, x, out = task.op, task.inputs[0], task.output
    assert isinstance(op, IntConv)
    if op.pads.top:
        yield "row < 0"
    if (out.h - 1) * op.stride[0] + (op.kernel[0] - 1) * op.dilation[0] + 1 - op.pads.top > x.h:
        yield f"row >= {x.h}"


def _rows(task: Task) -> int:
    op = task.op
    assert isinstance(op, IntConv)
    return op.kernel[0]


@dataclass(frozen=True)
class RowKernel(LineKernel):
    """Works on the ring of expanded rows."""

    ops = (IntConv,)

    def scratch_bytes(self, task: Task) -> int:
        """The ring."""
        return self.ring(task).bytes

    def ring(self, task: Task) -> Ring:
        """Rows as they are kept."""
        return ring_of(task)

    def expansion(self, task: Task, source: str, target: str, writer: Writer) -> str:
        """C that expands one row."""
        return expansion(task, source, target, task.inputs[0].w, writer)

    def setup(self, task: Task, writer: Writer) -> Iterator[str]:
        """The ring, empty; `rows[m]` is what tap row m sees."""
        writer.function(DIALECT)
        ring = self.ring(task)
        yield f"uint32_t *ring = (uint32_t *)s, *zeros = ring + {ring.rows * ring.words};"
        yield f"const uint32_t *rows[{_rows(task)}];"
        yield f"memset(ring, 0, {ring.bytes});"
        yield "int ready = 0;"

    def advance(self, task: Task, writer: Writer) -> Iterator[str]:
        """Expand the rows that this line of outputs needs and that are not there yet."""
        op, x, ring = task.op, task.inputs[0], self.ring(task)
        assert isinstance(op, IntConv)
        top, down = op.pads.top, op.stride[0]
        into = f"ring + ready % {ring.rows} * {ring.words} + {ring.left_words}"
        yield f"for (; ready < y * {down} + {ring.rows - top} && ready < {x.h}; ready++) {{"
        yield f"  uint32_t *into = {into};"
        yield f"  {self.expansion(task, f'x0 + ready * {x.w * x.c}', 'into', writer)}"
        yield "}"
        yield f"for (int m = 0; m < {op.kernel[0]}; m++) {{"
        yield f"  int row = y * {down} + m * {op.dilation[0]} - {top};"
        yield f"  rows[m] = row < 0 || row >= {x.h} ? zeros : ring + row % {ring.rows} * {ring.words};"
        yield "}"
