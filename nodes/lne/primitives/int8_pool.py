"""8-bit pooling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nodes.lne.dialect import store
from nodes.lne.ir import Pool
from nodes.lne.layout import F32_HWC, U8_HWC, Format
from nodes.lne.primitive import Place, Primitive, Range, Signature, Task
from nodes.lne.primitives.int8_cast import BYTE_OF
from nodes.lne.primitives.int8_dialect import has_bytes, write_dialect
from nodes.lne.primitives.int8_elementwise import FUSED, NEAREST, real
from nodes.lne.primitives.int8_numbers import is_whole, mean_factor
from nodes.lne.primitives.int8_tile import pixel, unranged
from nodes.lne.writer import Writer

FEW = 4
"""Channels that are stored without padding."""
BUSY = 8
"""Vectors summed at once."""


@dataclass(frozen=True)
class Int8Pool(Primitive):
    """Maximum or mean of bytes, without reading past the map; a mean also as floats.

    With `vectors`, sums and maxima stay in registers.
    """

    result: Format = U8_HWC
    vectors: bool = False

    ops = (Pool,)

    @property
    def name(self) -> str:
        return f"int8-pool{'-vectors' if self.vectors else ''}{'' if self.result is U8_HWC else '-f32'}"

    def refuse(self, task: Task) -> str:
        """See `Primitive`."""
        op = task.op
        assert isinstance(op, Pool)
        missing = unranged(task, self.result) or (has_bytes(task.target) if self.vectors else "")
        if missing or (self.vectors and task.graph.maps[op.output].c <= FEW):
            return missing or "it has too few channels"
        if op.kind == "mean":
            return "the compiler's vectors do as well" if self.vectors and self._steps(task) else ""
        if self.result is not U8_HWC:
            return "a maximum stays in bytes"
        same = task.ranges[op.inputs[0]] == task.ranges[op.output]
        return "" if same else "its input and output have different ranges"

    def _steps(self, task: Task) -> bool:
        """Whether a mean is the one of real numbers, summed one by one: that of windows, in bytes."""
        op = task.op
        assert isinstance(op, Pool)
        return self.result is U8_HWC and op.kind == "mean" and not is_whole(op, task.graph.maps[op.inputs[0]])

    def signature(self, task: Task) -> Signature:
        return Signature((U8_HWC,), self.result)

    def cost(self, task: Task) -> float:
        return super().cost(task) / (8.0 if self.vectors else 4.0)

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        op, x, out = place.task.op, place.inputs[0], place.output
        assert isinstance(op, Pool)
        writer.function(BYTE_OF)
        (rows, columns), (down, right) = op.kernel, op.stride
        writer.line(
            f"for (int y = 0; y < {out.map.h}; y++)",
            f"  for (int x = 0; x < {out.map.w}; x++) {{",
            f"    int top = y * {down} - {op.pads.top}, left = x * {right} - {op.pads.left};",
            f"    int bottom = top + {rows} > {x.map.h} ? {x.map.h} : top + {rows};",
            f"    int end = left + {columns} > {x.map.w} ? {x.map.w} : left + {columns};",
            "    top = top < 0 ? 0 : top;",
            "    left = left < 0 ? 0 : left;",
            f"    {out.c_type} *to = o + {pixel(place, -1)};",
            *(f"    {line}" for line in self._body(place, writer)),
            "  }",
        )

    def _body(self, place: Place, writer: Writer) -> Iterator[str]:
        """One output, of the window from top and left to bottom and end."""
        op = place.task.op
        assert isinstance(op, Pool)
        if self.vectors:
            write_dialect(writer, place.task.target)
        if self._steps(place.task):
            return _mean_of_reals(place, writer)
        if op.kind == "mean":
            return self._mean(place)
        return _largest_in_registers(place) if self.vectors else _largest(place)

    def _mean(self, place: Place) -> Iterator[str]:
        """Sums of the window, then their mean."""
        op, ranges = place.task.op, place.task.ranges
        assert isinstance(op, Pool)
        given, after = ranges[op.inputs[0]], ranges[op.output] if self.result is U8_HWC else Range(1.0, 0)
        share = f"{float(op.kernel[0] * op.kernel[1])!r}f" if op.counts_pads else "(float)count"
        yield "const int32_t count = (bottom - top) * (end - left);"
        yield f"const float factor = {mean_factor(given, after)!r}f / {share};"
        if self.vectors:
            yield from self._in_registers(place, given.zero, after.zero)
        else:
            yield from self._in_memory(place, given.zero, after.zero)

    def _in_memory(self, place: Place, zero: int, after: int) -> Iterator[str]:
        channels = place.output.map.c
        yield f"int32_t sum[{channels}] = {{0}};"
        yield from _window(place)
        yield f"    for (int c = 0; c < {channels}; c++) sum[c] += from[c];"
        yield "  }"
        value = f"(float)(sum[c] - count * {zero}) * factor"
        stored = f"byte_of({value}, {after}, 0, 255)" if self.result is U8_HWC else value
        yield f"for (int c = 0; c < {channels}; c++) to[c] = {stored};"

    def _in_registers(self, place: Place, zero: int, after: int) -> Iterator[str]:
        widths = place.task.target.vectors(place.output.map.c)
        starts = [sum(widths[:index]) for index in range(len(widths))]
        vectors = list(zip(starts, widths, strict=True))
        for first in range(0, len(vectors), BUSY):
            few = vectors[first : first + BUSY]
            yield "{"
            yield from (f"  i{width} a{start} = {{0}};" for start, width in few)
            yield from (f"  {line}" for line in _window(place))
            yield from (f"      a{start} += take{width}(from + {start});" for start, width in few)
            yield "    }"
            for start, width in few:
                value = f"real{width}(a{start} - count * {zero}) * factor"
                if self.result is U8_HWC:
                    yield f"  put{width}(to + {start}, round{width}({value}), {after}, 0, 255);"
                else:
                    yield f"  {store(width, f'to + {start}', value)}"
            yield "}"


def _mean_of_reals(place: Place, writer: Writer) -> Iterator[str]:
    """The mean of float32 values summed one by one; how each sum is rounded decides ties."""
    op, ranges, channels = place.task.op, place.task.ranges, place.output.map.c
    assert isinstance(op, Pool)
    given, after = ranges[op.inputs[0]], ranges[op.output]
    writer.function(FUSED)
    writer.function(NEAREST)
    share = f"{op.kernel[0] * op.kernel[1]}" if op.counts_pads else "(bottom - top) * (end - left)"
    yield f"const float count = (float)({share});"
    yield f"float sum[{channels}] = {{0}};"
    yield from _window(place)
    # Zero is added to the product so that the compiler cannot join it with the sum, and rounds it.
    product = f"fused1((float)(from[c] - {given.zero}), {real(given.scale)}, 0.0f)"
    yield f"    for (int c = 0; c < {channels}; c++) sum[c] += {product};"
    yield "  }"
    mean = f"sum[c] / count / {real(after.scale)} + {after.zero}.0f"
    yield f"for (int c = 0; c < {channels}; c++) to[c] = (uint8_t)nearest({mean}, 0.0f, 255.0f);"


def _window(place: Place) -> Iterator[str]:
    x = place.inputs[0]
    yield "for (int p = top; p < bottom; p++)"
    yield "  for (int q = left; q < end; q++) {"
    yield f"    const uint8_t *from = x0 + {x.origin} + p * {x.row_step} + q * {x.column_step};"


def _largest(place: Place) -> Iterator[str]:
    channels = place.inputs[0].map.c
    yield f"memset(to, 0, {channels});"
    yield from _window(place)
    yield f"    for (int c = 0; c < {channels}; c++) to[c] = from[c] > to[c] ? from[c] : to[c];"
    yield "  }"


def _largest_in_registers(place: Place) -> Iterator[str]:
    """Vectors of bytes; what is stored behind the channels goes with them."""
    stored, widest = place.output.channels, place.task.target.vector
    first = 0
    while first < stored:
        width = next(width for width in (widest, 8, 4) if width <= widest and 4 * width <= stored - first)
        yield "{"
        yield f"  m{4 * width} a = {{0}};"
        yield from (f"  {line}" for line in _window(place))
        yield f"      a = largest{4 * width}(a, *(const m{4 * width} *)(from + {first}));"
        yield "    }"
        yield f"  *(m{4 * width} *)(to + {first}) = a;"
        yield "}"
        first += 4 * width


PRIMITIVES: tuple[Primitive, ...] = tuple(
    Int8Pool(result, vectors) for result in (U8_HWC, F32_HWC) for vectors in (False, True)
)
