"""C of a transformed convolution: transform of the inputs, products at every point, transform of the results.

Scratch holds V[point][tile][term][input] and M[point][tile][output]. Both transforms work on one vector of channels at
a time, first across the strip, then along it, in straight lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nodes.lne.dialect import finished, load, store, vector_type
from nodes.lne.ir import Conv
from nodes.lne.primitive import Place
from nodes.lne.primitives.toom import before_lines, straight_line
from nodes.lne.primitives.winograd_product import Part, capacity
from nodes.lne.primitives.winograd_tiling import LINE_FLOATS, Tiling, step, whole_lines
from nodes.lne.writer import Writer

SPILLED = 8
"""Half-transformed values of a tile that may go to memory before a strip at a time is better."""


@dataclass(frozen=True)
class Layer:
    """A convolution's place, tiling and register blocking."""

    place: Place
    tiling: Tiling
    parts: tuple[Part, ...]

    @property
    def capacity(self) -> int:
        """Tiles there is room for in scratch."""
        return capacity(self.parts)

    @property
    def op(self) -> Conv:
        """The convolution."""
        assert isinstance(self.place.task.op, Conv)
        return self.place.task.op

    @property
    def v_step(self) -> int:
        """From one point to the next in V, in floats: an odd number of cache lines, so that points do not fall on the
        same places of the cache."""
        return odd_lines((self.capacity + self.tiling.extra) * self.tiling.tile_step)

    @property
    def m_step(self) -> int:
        """From one point to the next in M."""
        return odd_lines(self.capacity * self.tiling.out_step)


def odd_lines(floats: int) -> int:
    """At least so many floats and an odd number of cache lines."""
    return (whole_lines(floats) // LINE_FLOATS | 1) * LINE_FLOATS


def runs_of(widths: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Channel vectors of equal width in a row, as (width, first channel, end)."""
    for width in dict.fromkeys(widths):
        first = sum(one for one in widths[: widths.index(width)])
        yield width, first, first + width * widths.count(width)


def strip_table(layer: Layer) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
    """Per strip: where it starts in the input, the output and the residual; tiles; tiles' rows in the last; columns."""
    tiling, place, op = layer.tiling, layer.place, layer.op
    along, across = tiling.along, tiling.across
    given, out = place.inputs[0], place.output
    rest = place.inputs[1] if op.has_residual else out
    rows = []
    for strip in tiling.strips:
        at = strip.along * along.stride - along.pad, strip.across * across.stride - across.pad
        rows.append(
            (
                given.origin + at[0] * step(given, along) + at[1] * step(given, across),
                *(b.origin + strip.along * step(b, along) + strip.across * step(b, across) for b in (out, rest)),
                strip.tiles,
                strip.last,
                strip.width,
            )
        )
    return np.array(rows, np.int32)


def input_function(name: str, layer: Layer, width: int, first: int, end: int) -> str:
    """void name(x, v, tiles): one term's inputs of a strip, channels first to end in vectors of `width`."""
    tiling, registers = layer.tiling, layer.place.task.target.registers
    if tiling.across.is_plain:
        lines = _input_line(layer, width)
    elif tiling.points <= registers + SPILLED:
        lines = _input_tile(layer, width)
    else:
        lines = _input_strip(layer, width)
    return "\n".join(
        (
            f"static __attribute__((noinline)) void {name}(const float *restrict x, float *restrict v, int tiles) {{",
            f"  for (int c = {first}; c < {end}; c += {width}) {{",
            *(f"    {line}" for line in lines),
            "  }",
            "}",
        )
    )


def _input_steps(layer: Layer) -> tuple[int, int]:
    """From one input of a term to the next, along and across."""
    given = layer.place.inputs[0]
    down, right = (
        step(given, axis) * axis.stride * axis.dilation for axis in (layer.tiling.along, layer.tiling.across)
    )
    return down, right


def _transformed_along(layer: Layer, width: int, values: Sequence[str], k: str) -> Iterator[str]:
    """Transform along, and stores of point (i, k) of tile t."""
    tiling = layer.tiling
    code = before_lines(tiling.along.transform, values, vector_type(width))
    place = f"v + c + t * {tiling.tile_step} + {k} * {layer.v_step}"
    yield from code.shared
    for i, row in enumerate(code.rows):
        yield store(width, f"{place} + {i * tiling.across.points * layer.v_step}", row)


def _input_line(layer: Layer, width: int) -> Iterator[str]:
    """Nothing to transform across."""
    axis, kind, (down, _) = layer.tiling.along, vector_type(width), _input_steps(layer)
    values = [f"y{i}" for i in range(axis.points)]
    yield "for (int t = 0; t < tiles; t++) {"
    for i, name in enumerate(values):
        place = f"x + c + (t * {axis.transform.outputs} + {i}) * {down}"
        yield f"  const {kind} {name} = {load(width, place)};"
    yield from (f"  {line}" for line in _transformed_along(layer, width, values, "0"))
    yield "}"


def _input_tile(layer: Layer, width: int) -> Iterator[str]:
    """A tile at a time, half-transformed values in registers."""
    along, across, kind = layer.tiling.along, layer.tiling.across, vector_type(width)
    yield "for (int t = 0; t < tiles; t++) {"
    for i in range(along.points):
        names = [f"h{i}_{k}" for k in range(across.points)]
        yield f"  {kind} {', '.join(names)};"
        yield f"  {{ const float *from = x + c + (t * {along.transform.outputs} + {i}) * {_input_steps(layer)[0]};"
        yield from (f"    {line}" for line in _transformed_across(layer, width, "from", names))
        yield "  }"
    for k in range(across.points):
        values = [f"h{i}_{k}" for i in range(along.points)]
        yield "  {"
        yield from (f"    {line}" for line in _transformed_along(layer, width, values, str(k)))
        yield "  }"
    yield "}"


def _transformed_across(layer: Layer, width: int, place: str, targets: Sequence[str]) -> Iterator[str]:
    """Loads of one row of a tile, its transform, and assignments of the results."""
    kind, right = vector_type(width), _input_steps(layer)[1]
    values = [f"x{k}" for k in range(len(targets))]
    code = before_lines(layer.tiling.across.transform, values, kind)
    for k, name in enumerate(values):
        yield f"const {kind} {name} = {load(width, f'{place} + {k * right}')};"
    yield from code.shared
    yield from (f"{target} = {row};" for target, row in zip(targets, code.rows, strict=True))


def _input_strip(layer: Layer, width: int) -> Iterator[str]:
    """All rows of the strip across first, each of them once, then tiles along."""
    tiling, kind, (down, _) = layer.tiling, vector_type(width), _input_steps(layer)
    along, points = tiling.along, tiling.across.points
    m = along.transform.outputs
    yield f"{kind} h[{(tiling.longest + tiling.extra - 1) * m + along.points}][{points}];"
    yield f"for (int y = 0; y < (tiles - 1) * {m} + {along.points}; y++) {{"
    targets = [f"h[y][{k}]" for k in range(points)]
    yield from (f"  {line}" for line in _transformed_across(layer, width, f"x + c + y * {down}", targets))
    yield "}"
    yield "for (int t = 0; t < tiles; t++)"
    yield f"  for (int k = 0; k < {points}; k++) {{"
    values = [f"y{i}" for i in range(along.points)]
    yield from (f"    const {kind} {name} = h[t * {m} + {i}][k];" for i, name in enumerate(values))
    yield from (f"    {line}" for line in _transformed_along(layer, width, values, "k"))
    yield "  }"


def output_function(name: str, layer: Layer, width: int, columns: int, writer: Writer) -> str:
    """void name(m, o, r, rows): one tile's results, `rows` x `columns` of them, all channels in vectors of `width`."""
    tiling, op, out = layer.tiling, layer.op, layer.place.output
    kind, along, across = vector_type(width), tiling.along, tiling.across
    first, end = next((a, b) for w, a, b in runs_of(layer.place.task.target.vectors(out.map.c)) if w == width)
    values = [f"m{i}" for i in range(along.points)]
    code = straight_line(along.transform.after, values, kind)
    at = [f"m + c + {i * across.points * layer.m_step} + k * {layer.m_step}" for i in range(along.points)]
    lines = [
        f"static __attribute__((noinline)) void {name}(const float *restrict m, float *restrict o,"
        " const float *restrict r, int rows) {",
        "  (void)r;",
        f"  for (int c = {first}; c < {end}; c += {width}) {{",
        f"    {kind} h[{along.transform.outputs}][{across.points}];",
        f"    const {kind} b = {load(width, f'{_per_channel(op.bias, layer, writer)} + c')};",
        *_scales(layer, width, writer),
        f"    for (int k = 0; k < {across.points}; k++) {{",
        *(f"      const {kind} {one} = {load(width, place)};" for one, place in zip(values, at, strict=True)),
        *(f"      {line}" for line in code.shared),
        *(f"      h[{i}][k] = {row};" for i, row in enumerate(code.rows)),
        "    }",
        "    for (int i = 0; i < rows; i++) {",
    ]
    matrix = across.transform.after[:columns]
    values = [f"h{k}" for k in range(across.points)]
    code = straight_line(matrix, values, kind)
    used = [any(column) for column in zip(*matrix, strict=True)]
    lines += [f"      const {kind} {one} = h[i][{k}];" for k, one in enumerate(values) if used[k]]
    lines += [f"      {line}" for line in code.shared]
    lines += [f"      {_result(layer, width, k, row)}" for k, row in enumerate(code.rows)]
    return "\n".join((*lines, "    }", "  }", "}"))


def _scales(layer: Layer, width: int, writer: Writer) -> Iterator[str]:
    pairs = (("scale", layer.op.scale), ("shift", layer.op.shift))
    for name, values in pairs:
        if values is not None:
            place = _per_channel(values, layer, writer)
            yield f"    const {vector_type(width)} {name} = {load(width, f'{place} + c')};"


def _result(layer: Layer, width: int, column: int, value: str) -> str:
    """A statement that finishes and stores output (i, column) of a tile."""
    tiling, op, out = layer.tiling, layer.op, layer.place.output

    def place(name: str, index: int) -> str:
        buffer = layer.place.inputs[1] if index else out
        down, right = (step(buffer, axis) * axis.dilation for axis in (tiling.along, tiling.across))
        return f"{name} + c + i * {down} + {column * right}"

    residual = load(width, place("r", 1)) if op.has_residual else ""
    return store(width, place("o", 0), finished(op, width, f"({value} + b)", residual, "scale", "shift"))


def _per_channel(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], layer: Layer, writer: Writer) -> str:
    padded = np.zeros(layer.tiling.out_channels)
    padded[: len(values)] = values
    return writer.constant(padded)
