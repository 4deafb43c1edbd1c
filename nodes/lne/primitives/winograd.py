"""Convolution by Toom-Cook (Winograd) transforms, with fewer multiplications than outputs times taps.

One algorithm in three families: `winograd` for plain convolutions in rows and columns, `polyphase` for those with
stride or dilation, `temporal` for filters along one axis. Lavin and Gray 2016; the stride as Pan and Chen 2021.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nodes.lne.ir import Conv, Graph, Weights
from nodes.lne.layout import Halo
from nodes.lne.primitive import Place, Primitive, Task
from nodes.lne.primitives.winograd_code import (
    Layer,
    input_function,
    odd_lines,
    output_function,
    runs_of,
    strip_table,
)
from nodes.lne.primitives.winograd_error import layer_error, noise_error
from nodes.lne.primitives.winograd_product import Part, capacity, make_parts, product_functions
from nodes.lne.primitives.winograd_tiling import Axis, Tiling, make_tiling, step, tile_halo, transformed
from nodes.lne.writer import Writer

NOISE_LIMIT = 8e-6
"""Largest error of a tile of noise in float32 with weights of noise, beside the largest of its results."""
ERROR_LIMIT = 2e-5
"""The same with a layer's own weights."""
FAR = 1.2
"""Times the estimated cost of the best tile that is still worth a measurement."""
BEFORE, AFTER, READ, FAR_READ = 6.0, 4.0, 1.0, 5.0
"""Multiply-adds in the time of one transformed input, one transformed product, one weight from the second cache, one
from beyond."""
LARGE = 100_000
"""Weights of a network, before any transform, from which they come from beyond the second cache in every run."""
WASTE = 1.6
"""Computed outputs per output from which a tile is too large for the map."""


SQUARES = ((2, 2), (3, 3), (4, 4), (5, 4), (4, 5), (5, 5), (6, 4), (6, 6), (7, 3), (7, 5))
"""Tiles of rows x columns that are offered."""
LENGTHS = (3, 4, 5, 6, 7)


@dataclass(frozen=True)
class Transformed(Primitive):
    """Tiles of rows x columns outputs."""

    rows: int
    columns: int

    ops = (Conv,)
    family: ClassVar[str] = "winograd"
    sizes: ClassVar[tuple[tuple[int, int], ...]] = SQUARES

    @property
    def name(self) -> str:
        return f"{self.family}-{self.rows}x{self.columns}"

    def refuse(self, task: Task) -> str:
        """See `Primitive`."""
        op = task.op
        assert isinstance(op, Conv)
        if op.groups != 1:
            return "it has groups"
        if task.target.vector == 1:
            return "the target has no vectors"
        reason = self.unfit(op)
        if reason:
            return reason
        for taps, outputs in zip(op.kernel, (self.rows, self.columns), strict=True):
            if (taps == 1) != (outputs == 1):
                return "tile and filter do not go the same ways"
        try:
            tiling = make_tiling(task, self.rows, self.columns)
        except ValueError as error:
            return str(error)
        return _unfit(tiling) or self.beaten(task) or _lossy(op, tiling)

    def beaten(self, task: Task) -> str:
        """Which other tile of the family is so much cheaper that this one need not be tried."""
        mine, others = self.cost(task), []
        for rows, columns in self.sizes:
            try:
                tiling = make_tiling(task, rows, columns)
            except ValueError:
                continue
            if (rows == 1, columns == 1) == (self.rows == 1, self.columns == 1) and not _unfit(tiling):
                others.append((_cost(tiling, task), f"{rows}x{columns}"))
        cost, name = min(others)
        return f"tiles of {name} are far cheaper" if mine > FAR * cost else ""

    def unfit(self, op: Conv) -> str:
        """Why the family does not take an operation."""
        if op.stride != (1, 1) or op.dilation != (1, 1):
            return "it has a stride or a dilation"
        return "its filter has one row or column" if 1 in op.kernel else ""

    def halo(self, task: Task, index: int) -> Halo:
        return tile_halo(task, make_tiling(task, self.rows, self.columns)) if index == 0 else Halo()

    def scratch_bytes(self, task: Task) -> int:
        tiling = make_tiling(task, self.rows, self.columns)
        tiles = capacity(_parts(tiling, task))
        v = odd_lines((tiles + tiling.extra) * tiling.tile_step)
        return 4 * (tiling.points * (v + odd_lines(tiles * tiling.out_step)) + 64)

    def cost(self, task: Task) -> float:
        return _cost(make_tiling(task, self.rows, self.columns), task)

    def emit(self, place: Place, writer: Writer) -> None:
        op = place.task.op
        assert isinstance(op, Conv)
        tiling = make_tiling(place.task, self.rows, self.columns)
        _emit(Layer(place, tiling, _parts(tiling, place.task)), writer)


class Polyphase(Transformed):
    """With stride or dilation."""

    family = "polyphase"

    def unfit(self, op: Conv) -> str:
        if op.stride == (1, 1) and op.dilation == (1, 1):
            return "it has neither stride nor dilation"
        return "its filter has one row or column" if 1 in op.kernel else ""


class Temporal(Transformed):
    """Along one axis."""

    family = "temporal"
    sizes = (*((1, length) for length in LENGTHS), *((length, 1) for length in LENGTHS))

    @property
    def name(self) -> str:
        return f"{self.family}-{self.columns}" if self.rows == 1 else f"{self.family}-{self.rows}-down"

    def unfit(self, op: Conv) -> str:
        return "" if 1 in op.kernel else "its filter has rows and columns"


def _cost(tiling: Tiling, task: Task) -> float:
    """Products, or reading the weights if that takes longer, and both transforms, in multiply-adds as measured."""
    lanes = sum(part.step() / part.at_once for part in _parts(tiling, task))
    tiles = sum(tiling.tiles_per_block) * tiling.points
    transforms = tiles * (BEFORE * tiling.tile_step + AFTER * tiling.out_step)
    filters = tiling.products / sum(tiling.tiles_per_block)
    reading = filters * len(tiling.blocks) * (FAR_READ if _is_large(task.graph) else READ)
    return max(tiling.products, reading) * tiling.inputs * lanes + transforms


def _is_large(graph: Graph) -> bool:
    """Whether a network's weights do not stay in the second cache between runs."""
    return sum(op.weight.size for op in graph.ops if isinstance(op, Conv)) > LARGE


def _unfit(tiling: Tiling) -> str:
    for axis in (tiling.along, tiling.across):
        tiles = sum(run.tiles for run in axis.runs())
        if tiles * axis.transform.outputs > WASTE * axis.size:
            return "the map is too small for the tile"
    sizes = [(axis.transform.outputs, axis.transform.taps) for axis in (tiling.along, tiling.across)]
    return "the transform is not exact enough" if noise_error(*sizes) > NOISE_LIMIT else ""


def _lossy(op: Conv, tiling: Tiling) -> str:
    error = layer_error(op, tiling)
    return "" if error < ERROR_LIMIT else f"with these weights its error is {error:.0e}"


def _parts(tiling: Tiling, task: Task) -> tuple[Part, ...]:
    assert isinstance(task.op, Conv)
    return make_parts(len(task.op.weight), tiling.tiles_per_block, task.target)


def _emit(layer: Layer, writer: Writer) -> None:
    tiling, count = layer.tiling, len(layer.tiling.blocks)
    along, across = tiling.along.transform, tiling.across.transform
    writer.line(
        f"/* {sum(tiling.tiles_per_block)} tiles of {along.outputs} x {across.outputs} along x across,"
        f" {tiling.points} points, {tiling.terms} terms, {count} blocks */",
        f"float *v = (float *)s, *m = v + {tiling.points * layer.v_step};",
        f"const int32_t *strips = {writer.constant(strip_table(layer))};",
    )
    first, end = "0", str(len(tiling.strips))
    if count > 1:
        table = np.array([block.start for block in tiling.blocks] + [len(tiling.strips)], np.int32)
        writer.line(
            f"const int32_t *cuts = {writer.constant(table)};", f"for (int block = 0; block < {count}; block++) {{"
        )
        first, end = "cuts[block]", "cuts[block + 1]"
    else:
        writer.line("{")
    _emit_inputs(layer, writer, first, end)
    _emit_products(layer, writer)
    _emit_outputs(layer, writer, first, end)
    writer.line("}")


def _emit_inputs(layer: Layer, writer: Writer, first: str, end: str) -> None:
    tiling, given = layer.tiling, layer.place.inputs[0]
    extra = f" + {tiling.extra}" if tiling.extra else ""
    writer.line(
        "int tiles = 0;",
        f"for (int i = {first}; i < {end}; i++) {{",
        "  const int32_t *strip = strips + 6 * i;",
        f"  const float *from = x0 + strip[0]; float *to = v + tiles * {tiling.tile_step};",
    )
    for width, start, stop in runs_of(layer.place.task.target.vectors(given.map.c)):
        name = writer.unique(f"input{width}")
        writer.function(input_function(name, layer, width, start, stop))
        for place, at in _terms(tiling, step(given, tiling.along), step(given, tiling.across)):
            writer.line(f"  {name}(from + {at}, to + {place}, strip[3]{extra});")
    writer.line("  tiles += strip[3];", "}")


def _terms(tiling: Tiling, down: int, right: int) -> Iterator[tuple[int, int]]:
    """Of every term that is transformed: its place in V, and where it starts in the input."""
    steps = tiling.term_steps
    for i, one in enumerate(tiling.along.terms[:1] if tiling.is_shared else tiling.along.terms):
        for j, other in enumerate(tiling.across.terms):
            yield i * steps[0] + j * steps[1], one.offset * down + other.offset * right


def _emit_products(layer: Layer, writer: Writer) -> None:
    tiling = layer.tiling
    along, across = tiling.along, tiling.across
    writer.line(
        f"const float *w = {writer.constant(_packed(layer))};",
        f"for (int i = 0; i < {along.points}; i++)",
        f"  for (int k = 0; k < {across.points}; k++) {{",
        f"    const int nl = {_terms_at(along, 'i')}, nc = {_terms_at(across, 'k')};",
        f"    const float *from = v + (i * {across.points} + k) * {layer.v_step};",
        f"    float *to = m + (i * {across.points} + k) * {layer.m_step};",
    )
    regular = len(set(tiling.tiles_per_block)) == 1
    for part in layer.parts:
        for group in part.groups:
            name = writer.unique(f"product{part.block.first}_{group.tiles}")
            for text in product_functions(name, tiling, part, group.tiles):
                writer.function(text)
            stop = group.end if regular else "tiles"
            places = f"from + t * {tiling.tile_step}, w, to + t * {tiling.out_step} + {part.block.first}"
            writer.line(f"    for (int t = {group.first}; t < {stop}; t += {group.tiles}) {name}({places}, nl, nc);")
        writer.line(f"    w += nl * nc * {part.depth(tiling.inputs) * part.step()};")
    writer.line("  }")


def _terms_at(axis: Axis, index: str) -> str:
    if axis.full_terms == len(axis.terms):
        return str(len(axis.terms))
    return f"({index} == {axis.points - 1} ? {axis.full_terms} : {len(axis.terms)})"


def _packed(layer: Layer) -> Weights:
    """Transformed filters in the order they are read: point, part, term, inputs, channel."""
    tiling = layer.tiling
    filters = transformed(layer.op.weight, tiling)
    packed = []
    for i in range(tiling.along.points):
        for k in range(tiling.across.points):
            terms = filters[i, k, : tiling.along.terms_at(i), : tiling.across.terms_at(k)]
            packed += [part.packed(terms.reshape(-1, *terms.shape[2:])) for part in layer.parts]
    return np.concatenate(packed)


def _emit_outputs(layer: Layer, writer: Writer, first: str, end: str) -> None:
    tiling, op, out = layer.tiling, layer.op, layer.place.output
    along = tiling.along
    down = along.transform.outputs * along.dilation
    rest = layer.place.inputs[1] if op.has_residual else out
    writer.line(
        "tiles = 0;",
        f"for (int i = {first}; i < {end}; i++) {{",
        "  const int32_t *strip = strips + 6 * i;",
        "  for (int t = 0; t < strip[3]; t++, tiles++) {",
        f"    const float *from = m + tiles * {tiling.out_step};",
        f"    float *to = o + strip[1] + t * {down * step(out, along)};",
        f"    const float *rest = {f'x1 + strip[2] + t * {down * step(rest, along)}' if op.has_residual else 'NULL'};",
        f"    const int rows = t == strip[3] - 1 ? strip[4] : {along.transform.outputs};",
    )
    widths = sorted({strip.width for strip in tiling.strips}, reverse=True)
    for columns in widths:
        if len(widths) > 1:
            writer.line(f"    if (strip[5] == {columns}) {{")
        for width, _, _ in runs_of(layer.place.task.target.vectors(out.map.c)):
            name = writer.unique(f"output{width}_{columns}")
            writer.function(output_function(name, layer, width, columns, writer))
            writer.line(f"    {name}(from, to, rest, rows);")
        if len(widths) > 1:
            writer.line("    }")
    writer.line("  }", "}")


PRIMITIVES: tuple[Primitive, ...] = tuple(
    family(*size) for family in (Transformed, Polyphase, Temporal) for size in family.sizes
)
