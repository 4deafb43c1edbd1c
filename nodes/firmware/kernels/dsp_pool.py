"""Maximum of windows, as many channels per instruction as a word holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nodes.firmware.kernel import Kernel, Task, c_type
from nodes.firmware.kernels.dsp import DIALECT, general_refusal
from nodes.firmware.writer import Writer
from nodes.lne.ir import Map
from nodes.quant.integer import IntPool

FARTHEST = 1020
"""Bytes that a load of two words reaches."""
UNROLLED = 2
"""Words of a pixel written out."""


@dataclass(frozen=True)
class DspMaxPool(Kernel):
    """Any window; those at a border are cut to the map."""

    ops = (IntPool,)

    @property
    def name(self) -> str:
        return "dsp-max"

    @property
    def rank(self) -> int:
        return 10

    def refuse(self, task: Task) -> str:
        op = task.op
        assert isinstance(op, IntPool)
        return general_refusal(task) or ("it is a mean" if op.kind != "max" else "")

    def emit(self, task: Task, writer: Writer) -> None:
        """See `Kernel`."""
        op, x, out = task.op, task.inputs[0], task.output
        assert isinstance(op, IntPool)
        writer.function(DIALECT)
        writer.line(f"{c_type(task.forms[-1])} *q = o;", f"for (int y = 0; y < {out.h}; y++) {{")
        rows = row_pointers(op, x, out, "x0 + {row} * " + str(x.w * x.c), c_type(task.forms[0]))
        writer.line(*(f"  {line}" for line in (*rows, *maxima(op, x, out, task.is_byte))))
        writer.line("}")


def row_pointers(op: IntPool, given: Map, out: Map, place: str, kind: str) -> Iterator[str]:
    """C of the rows a line of windows sees. A row beyond the map is its nearest: the maximum stays the same."""
    beyond = (out.h - 1) * op.stride[0] + op.kernel[0] - op.pads.top > given.h
    for i in range(op.kernel[0]):
        row = f"y * {op.stride[0]} + {i - op.pads.top}"
        if op.pads.top > i:
            row = f"({row} < 0 ? 0 : {row})"
        if beyond:
            row = f"({row} > {given.h - 1} ? {given.h - 1} : {row})"
        yield f"const {kind} *row{i} = {place.format(row=f'({row})')};"


def maxima(op: IntPool, given: Map, out: Map, is_byte: bool, *, is_aligned: bool = False) -> Iterator[str]:
    """C of one line of windows over the rows row0, row1, ..., into `q`, which it moves.

    Args:
        is_aligned: rows begin at whole words.
    """
    columns = [_columns(op, x, given.w) for x in range(out.w)]
    whole = [x for x in range(out.w) if len(columns[x]) == op.kernel[1]]
    first, end = (whole[0], whole[-1] + 1) if whole else (out.w, out.w)
    pixels = _Pixels(op.kernel[0], given.c, is_byte, is_aligned and is_byte and given.c % 8 == 0)
    for x in range(first):
        yield from pixels.one(columns[x])
    if end > first:
        yield f"for (int x = {first}; x < {end}; x++) {{"
        yield f"  const int at = (x * {op.stride[1]} - {op.pads.left}) * {given.c};"
        yield from (f"  {line}" for line in pixels.one(range(op.kernel[1]), " + at"))
        yield "}"
    for x in range(end, out.w):
        yield from pixels.one(columns[x])


def _columns(op: IntPool, x: int, width: int) -> range:
    left = x * op.stride[1] - op.pads.left
    return range(max(0, left), min(left + op.kernel[1], width))


@dataclass(frozen=True)
class _Pixels:
    """C of one pixel of output."""

    rows: int
    channels: int
    is_byte: bool
    by_pairs: bool

    def pairs(self, columns: Sequence[int], at: str) -> Iterator[str]:
        """Two words at a time, where rows and pixels begin at whole words."""
        yield f"for (int c = 0; c < {self.channels}; c += 8, q += 8) {{"
        yield "  uint32_t m0, m1, a, b;"
        for i in range(self.rows):
            yield f"  const int8_t *p{i} = row{i}{at} + {columns[0] * self.channels} + c;"
        for index, (i, column) in enumerate((i, column) for i in range(self.rows) for column in columns):
            into = "a, b" if index else "m0, m1"
            yield f"  LOAD8({into}, p{i}, {(column - columns[0]) * self.channels});"
            if index:
                yield "  m0 = MAX4(m0, a), m1 = MAX4(m1, b);"
        yield "  STORE4(q, m0), STORE4(q + 4, m1);"
        yield "}"

    def one(self, columns: Sequence[int], at: str = "") -> Iterator[str]:
        """The maximum over these columns; moves `q`."""
        if self.by_pairs and (columns[-1] - columns[0]) * self.channels <= FARTHEST:
            yield from self.pairs(columns, at)
            return
        step, name = (4, "MAX4") if self.is_byte else (2, "MAX2")
        places = [f"row{i}{at} + {column * self.channels}" for i in range(self.rows) for column in columns]
        words = self.channels // step
        if words:
            yield f"\n#pragma GCC unroll {UNROLLED}"
            yield f"for (int c = 0; c < {words * step}; c += {step}, q += {step}) {{"
            yield f"  uint32_t m = LOAD4({places[0]} + c);"
            yield from (f"  m = {name}(m, LOAD4({place} + c));" for place in places[1:])
            yield "  STORE4(q, m);"
            yield "}"
        if self.channels % step:
            yield f"for (int c = {words * step}; c < {self.channels}; c++, q++) {{"
            yield f"  *q = ({places[0]})[c];"
            yield from (f"  if (({place})[c] > *q) *q = ({place})[c];" for place in places[1:])
            yield "}"


KERNELS: tuple[Kernel, ...] = (DspMaxPool(),)
