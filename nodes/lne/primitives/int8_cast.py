"""Floats into bytes and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nodes.lne.dialect import load, store
from nodes.lne.layout import U8_HWC, Buffer
from nodes.lne.plan import Cast
from nodes.lne.primitive import Place, Primitive, Range, Signature, Task
from nodes.lne.primitives.int8_dialect import has_bytes, write_dialect
from nodes.lne.writer import Writer

SIDE = 16
"""Channels and columns of the blocks in which floats in CHW order are turned over."""
BYTE_OF = """static inline __attribute__((unused)) uint8_t byte_of(float x, int zero, int low, int high) {
  x = x < (float)(low - zero) ? (float)(low - zero) : x;
  x = x > (float)(high - zero) ? (float)(high - zero) : x;
  return (uint8_t)((int)((x + 12582912.0f) - 12582912.0f) + zero);
}"""
"""1.5 x 2^23 added and taken away leaves the nearest even integer."""


@dataclass(frozen=True)
class ByteCast(Primitive):
    """Between floats in any order and bytes, by vectors where the target has them."""

    plain: bool = False

    ops = (Cast,)

    @property
    def name(self) -> str:
        return f"cast-u8{'-plain' if self.plain else ''}"

    def refuse(self, task: Task) -> str:
        """See `Primitive`."""
        op = task.op
        assert isinstance(op, Cast)
        if U8_HWC not in (op.before, op.after):
            return "neither side is in bytes"
        if op.output not in task.ranges:
            return f"the range of {op.output} is not known"
        return "" if self.plain else has_bytes(task.target)

    def signature(self, task: Task) -> Signature:
        op = task.op
        assert isinstance(op, Cast)
        return Signature((op.before,), op.after)

    def cost(self, task: Task) -> float:
        return super().cost(task) * (8.0 if self.plain else 1.0)

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        before, after = place.inputs[0], place.output
        given = place.task.ranges[place.task.op.output]
        writer.function(BYTE_OF)
        channels_last = before.format.order == after.format.order == "hwc"
        if self.plain:
            writer.line(*_one_by_one(before, after, given, 0))
            return
        write_dialect(writer, place.task.target)
        is_neon = "neon" in place.task.target.features  # it has no such blocks
        if channels_last:
            writer.line(*_pixels(place, given))
        elif after.format is U8_HWC and before.map.c == 1:
            writer.line(*_rows(place, given))
        elif after.format is U8_HWC and min(before.map.w, before.map.c) >= SIDE and not is_neon:
            writer.line(*_blocks(before, after, given))
        else:
            writer.line(*_one_by_one(before, after, given, 0))


def _element(buffer: Buffer) -> str:
    return f"{buffer.origin} + y * {buffer.row_step} + x * {buffer.column_step} + c * {buffer.channel_step}"


def _one_by_one(before: Buffer, after: Buffer, given: Range, first: int) -> Iterator[str]:
    value = f"x0[{_element(before)}]"
    if after.format is U8_HWC:
        value = f"byte_of({value} / {_c(given.scale)}, {given.zero}, 0, 255)"
    else:
        value = f"(float)({value} - {given.zero}) * {_c(given.scale)}"
    yield f"for (int y = 0; y < {before.map.h}; y++)"
    yield f"  for (int c = 0; c < {before.map.c}; c++)"
    yield f"    for (int x = {first}; x < {before.map.w}; x++)"
    yield f"      o[{_element(after)}] = {value};"


def _c(value: float) -> str:
    """A float32 in C, exactly."""
    return f"{float(value)!r}f"


def _byte_vector(width: int, address: str, value: str, given: Range) -> str:
    return f"put{width}({address}, round{width}({value} / {_c(given.scale)}), {given.zero}, 0, 255);"


def _pixels(place: Place, given: Range) -> Iterator[str]:
    """Vectors of channels."""
    before, after = place.inputs[0], place.output
    yield f"for (int y = 0; y < {before.map.h}; y++)"
    yield f"  for (int x = 0; x < {before.map.w}; x++) {{"
    yield f"    const {before.c_type} *p = x0 + {before.origin} + y * {before.row_step} + x * {before.column_step};"
    yield f"    {after.c_type} *q = o + {after.origin} + y * {after.row_step} + x * {after.column_step};"
    target = place.task.target
    if after.channels >= SIDE or after.format is not U8_HWC:
        first = 0
        for width, count in _equal(target.vectors(before.map.c)):
            vector = f"p + {first} + c"
            if after.format is U8_HWC:
                line = _byte_vector(width, f"q + {first} + c", load(width, vector), given)
            else:
                value = f"real{width}(take{width}({vector}) - {given.zero}) * {_c(given.scale)}"
                line = store(width, f"q + {first} + c", value)
            yield f"    for (int c = 0; c < {width * count}; c += {width}) {line}"
            first += width * count
    else:
        value = f"byte_of(p[c] / {_c(given.scale)}, {given.zero}, 0, 255)"
        yield f"    for (int c = 0; c < {before.map.c}; c++) q[c] = {value};"
    yield "  }"


def _equal(widths: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Widths with how often each comes, in order."""
    for width in dict.fromkeys(widths):
        yield width, widths.count(width)


def _rows(place: Place, given: Range) -> Iterator[str]:
    """A map of one channel: vectors of columns, the last ones alone so that the border stays."""
    before, after, width = place.inputs[0], place.output, place.task.target.vector
    whole = before.map.w // width * width
    yield f"for (int y = 0; y < {before.map.h}; y++)"
    yield f"  for (int x = 0; x < {whole}; x += {width}) {{"
    source = load(width, f"x0 + {before.origin} + y * {before.row_step} + x")
    yield f"    {_byte_vector(width, f'o + {after.origin} + y * {after.row_step} + x', source, given)}"
    yield "  }"
    yield from _one_by_one(before, after, given, whole)


def _blocks(before: Buffer, after: Buffer, given: Range) -> Iterator[str]:
    """Blocks of sixteen channels times sixteen columns; the last columns overlap those before."""
    last = before.map.w - SIDE
    for first in range(0, before.map.c, SIDE):
        few = min(SIDE, before.map.c - first)
        start = first + few - SIDE
        back = first - start
        yield f"for (int y = 0; y < {before.map.h}; y++)"
        yield f"  for (int x = 0; x < {before.map.w}; x += {SIDE}) {{"
        yield "    __m128i block[16];"
        yield f"    int at = x < {last} ? x : {last};"
        source = f"x0 + {before.origin + start * before.channel_step} + y * {before.row_step} + at"
        yield f"    bytes_of_16({source}, {before.channel_step}, {_c(given.scale)}, {given.zero}, block);"
        if back:
            yield f"    memmove(block, block + {back}, {few} * sizeof *block);"
        yield "    transpose_16(block);"
        yield f"    uint8_t *q = o + {after.origin + first} + y * {after.row_step} + at * {after.column_step};"
        yield f"    for (int i = 0; i < 16; i++) _mm_storeu_si128((__m128i *)(q + i * {after.column_step}), block[i]);"
        yield "  }"


PRIMITIVES: tuple[Primitive, ...] = (ByteCast(), ByteCast(plain=True))
