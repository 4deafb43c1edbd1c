"""Pooling with vectors: of channels (HWC), or along a row (CHW, maxima).

Windows are cut at the border when the code is generated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from nodes.lne.dialect import load, store, vector_type
from nodes.lne.ir import Pool
from nodes.lne.layout import F32_CHW, Halo
from nodes.lne.primitive import Place, Primitive, Signature, Task
from nodes.lne.primitives.lanes import PICK, columns, partial, pick
from nodes.lne.writer import Writer

MOST_TAPS = 16
"""Windows larger than this are looped over."""
SUMS = 4
"""Independent sums of a large window."""


@dataclass(frozen=True)
class Span:
    """Neighbouring outputs along a side whose windows are cut alike: outputs, first input of the first, length."""

    outputs: range
    first: int
    taps: int


def spans(outputs: int, inputs: int, kernel: int, stride: int, before: int) -> tuple[Span, ...]:
    """Outputs of a side, by how their windows are cut at the map's ends."""
    windows = [(max(0, i * stride - before), min(inputs, i * stride - before + kernel)) for i in range(outputs)]
    cuts = [(i * stride - before < 0, end - start) for i, (start, end) in enumerate(windows)]
    found, at = [], 0
    for (_, taps), group in groupby(cuts):
        count = len(list(group))
        moves = windows[at + count - 1][0] - windows[at][0] == (count - 1) * stride
        parts = [range(at, at + count)] if moves else [range(i, i + 1) for i in range(at, at + count)]
        found += [Span(part, windows[part.start][0], taps) for part in parts]
        at += count
    return tuple(found)


def _sides(task: Task) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    op = task.op
    assert isinstance(op, Pool)
    given, out = task.graph.maps[op.inputs[0]], task.graph.maps[op.output]
    rows = spans(out.h, given.h, op.kernel[0], op.stride[0], op.pads.top)
    return rows, spans(out.w, given.w, op.kernel[1], op.stride[1], op.pads.left)


@dataclass(frozen=True)
class ChannelPool(Primitive):
    """Vectors of channels, one output after another."""

    ops = (Pool,)

    @property
    def name(self) -> str:
        return "pool"

    def refuse(self, task: Task) -> str:
        if task.target.vector == 1:
            return "the target has no vectors"
        return "a window lies outside the map" if any(span.taps < 1 for side in _sides(task) for span in side) else ""

    def cost(self, task: Task) -> float:
        op = task.op
        assert isinstance(op, Pool)
        out = task.graph.maps[op.output]
        return 1.5 * out.h * out.w * task.target.padded(out.c) * op.kernel[0] * op.kernel[1]

    def emit(self, place: Place, writer: Writer) -> None:
        rows, across = _sides(place.task)
        for down in rows:
            for right in across:
                self._region(place, down, right, writer)

    def _region(self, place: Place, down: Span, right: Span, writer: Writer) -> None:
        """Outputs whose windows are cut alike."""
        op, x, out = place.task.op, place.inputs[0], place.output
        assert isinstance(op, Pool)
        widths = place.task.target.vectors(out.map.c)
        writer.line(
            f"for (int y = 0; y < {len(down.outputs)}; y++) for (int x = 0; x < {len(right.outputs)}; x++) {{",
            f"  const float *from = x0 + {x.origin + down.first * x.row_step + right.first * x.column_step}"
            f" + y * {op.stride[0] * x.row_step} + x * {op.stride[1] * x.column_step};",
            f"  float *to = o + {out.origin + down.outputs.start * out.row_step}"
            f" + {right.outputs.start * out.column_step} + y * {out.row_step} + x * {out.column_step};",
        )
        for width in dict.fromkeys(widths):
            first = sum(widths[: widths.index(width)])
            writer.line(f"  for (int c = {first}; c < {first + width * widths.count(width)}; c += {width}) {{")
            writer.line(*(f"    {line}" for line in _window(place, down.taps, right.taps, width)))
            writer.line("  }")
        writer.line("}")


def _window(place: Place, rows: int, taps: int, width: int) -> Iterator[str]:
    """One output: a few taps are written out, many are looped over with independent sums."""
    op, x, kind = place.task.op, place.inputs[0], vector_type(width)
    assert isinstance(op, Pool)
    flat = rows * taps > MOST_TAPS and taps == x.columns
    rows, taps = (1, rows * taps) if flat else (rows, taps)
    if rows * taps <= MOST_TAPS:
        places = [f"from + {p * x.row_step + q * x.column_step} + c" for p in range(rows) for q in range(taps)]
        yield f"{kind} sum = {_tree([load(width, place) for place in places], op.kind, width)};"
    else:
        used = min(SUMS, taps)
        starts = (f"sum{i} = {load(width, f'from + {i * x.column_step} + c')}" for i in range(used))
        yield f"{kind} {', '.join(starts)};"
        yield f"for (int p = 0; p < {rows}; p++) {{"
        yield f"  const float *row = from + p * {x.row_step} + c;"
        yield f"  int q = p ? 0 : {used};"
        yield f"  for (; q + {used - 1} < {taps}; q += {used}) {{"
        for i in range(used):
            value = load(width, f"row + (q + {i}) * {x.column_step}")
            yield f"    sum{i} = {_joined(f'sum{i}', value, op.kind, width)};"
        yield "  }"
        value = load(width, f"row + q * {x.column_step}")
        yield f"  for (; q < {taps}; q++) sum0 = {_joined('sum0', value, op.kind, width)};"
        yield "}"
        yield f"{kind} sum = {_tree([f'sum{i}' for i in range(used)], op.kind, width)};"
    count = op.kernel[0] * op.kernel[1] if op.counts_pads else rows * taps
    value = "sum" if op.kind == "max" else f"sum * {1.0 / count!r}f"
    yield store(width, "to + c", value)


def _joined(a: str, b: str, kind: str, width: int) -> str:
    return f"max{width}({a}, {b})" if kind == "max" else f"({a} + {b})"


def _tree(values: list[str], kind: str, width: int) -> str:
    """All values joined, halves first."""
    if len(values) == 1:
        return values[0]
    half = len(values) // 2
    return _joined(_tree(values[:half], kind, width), _tree(values[half:], kind, width), kind, width)


@dataclass(frozen=True)
class RowPool(Primitive):
    """Maxima on planes: columns of the window first, then the lanes of every stride-th column are picked."""

    ops = (Pool,)

    @property
    def name(self) -> str:
        return "pool-rows"

    def refuse(self, task: Task) -> str:
        """See `Primitive`."""
        op, given, target = task.op, task.graph.maps[task.op.inputs[0]], task.target
        assert isinstance(op, Pool)
        if target.vector == 1:
            return "the target has no vectors"
        if op.kind != "max" or op.stride[1] not in (1, 2) or op.kernel[0] * op.kernel[1] > MOST_TAPS:
            return "it is a mean, a wide stride or a large window"
        if given.w < target.vector:
            return "its rows are shorter than a vector"
        return "a window lies outside the map" if any(span.taps < 1 for side in _sides(task) for span in side) else ""

    def signature(self, task: Task) -> Signature:
        return Signature((F32_CHW,), F32_CHW)

    def halo(self, task: Task, index: int) -> Halo:
        """Only so that loads stay inside the buffer: what lies outside the map is not used."""
        op = task.op
        assert isinstance(op, Pool)
        return Halo(left=op.pads.left)

    def cost(self, task: Task) -> float:
        op, out = task.op, task.graph.maps[task.op.output]
        assert isinstance(op, Pool)
        return 2.0 * out.size * op.kernel[0] * op.kernel[1]

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        op, x, out, width = place.task.op, place.inputs[0], place.output, place.task.target.vector
        assert isinstance(op, Pool)
        writer.function(PICK)
        writer.function(partial(width))
        for down in _sides(place.task)[0]:
            writer.line(
                f"for (int c = 0; c < {out.map.c}; c++) for (int y = 0; y < {len(down.outputs)}; y++) {{",
                f"  const float *from = x0 + {x.origin + down.first * x.row_step}"
                f" + c * {x.channel_step} + y * {op.stride[0] * x.row_step};",
                f"  float *to = o + {out.origin + down.outputs.start * out.row_step}"
                f" + c * {out.channel_step} + y * {out.row_step};",
                f"  const v{width} none = -INFINITY + (v{width}){{0}};",
            )
            for start, used in columns(out.map.w, width):
                writer.line(*(f"  {line}" for line in _row_vector(place, down.taps, start, used)))
            writer.line("}")


def _row_vector(place: Place, rows: int, start: int, used: int) -> Iterator[str]:
    """A vector of outputs of one row: the window's rows are reduced, then every tap's lanes are picked."""
    op, width = place.task.op, place.task.target.vector
    assert isinstance(op, Pool)
    stride, first = op.stride[1], start * op.stride[1] - op.pads.left
    yield "{"
    for tap in range(0, op.kernel[1], stride):
        for part in range(stride):
            yield f"  v{width} d{tap}_{part} = {_columns_of(place, rows, first + tap + part * width)};"
    results = []
    for tap in range(op.kernel[1]):
        base = tap - tap % stride
        here = [tap % stride + stride * lane for lane in range(width)]
        results.append(f"d{base}_0" if stride == 1 else pick(width, f"d{base}_0", f"d{base}_1", here))
    value, to = _tree(results, "max", width), f"to + {start}"
    yield f"  {store(width, to, value)}" if used == width else f"  part{width}({to}, {value}, {used});"
    yield "}"


def _columns_of(place: Place, rows: int, first: int) -> str:
    """Maxima of `width` columns from `first` on over the window's rows; outside the map there is nothing."""
    x, width = place.inputs[0], place.task.target.vector
    inside = [0 <= first + lane < x.map.w for lane in range(width)]
    if not any(inside):
        return "none"
    value = _tree([load(width, f"from + {p * x.row_step + first}") for p in range(rows)], "max", width)
    if all(inside):
        return value
    return pick(width, value, "none", [lane if kept else width + lane for lane, kept in enumerate(inside)])


PRIMITIVES: tuple[Primitive, ...] = (ChannelPool(), RowPool())
