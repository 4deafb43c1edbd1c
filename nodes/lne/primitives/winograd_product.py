"""Products of a transformed convolution at one point: tiles times channels in registers, summed over terms and inputs.

Vectors of output channels take one input at a time, broadcast. Last channels that fill half a vector or less take
several: with g inputs at once, lane c*g + j sums input j of every g for channel c, and the lanes are added at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nodes.lne.dialect import load, store, vector_type, zero
from nodes.lne.ir import Weights
from nodes.lne.primitives.lanes import PICK, pick
from nodes.lne.primitives.tile import Block, blocks
from nodes.lne.primitives.winograd_tiling import Tiling
from nodes.lne.target import Target

VECTORS = {4: (2, 3, 4), 8: (1, 2, 3), 16: (1, 2, 3, 4)}
"""Vectors of a block that are tried, by floats of a vector."""
FEWEST_SUMS = 8
"""Sums in registers below which multiply-adds wait for one another."""
_SPREADS = {
    (16, 2): ("__AVX512F__", "_mm512_castsi512_ps(_mm512_broadcastq_epi64(_mm_loadl_epi64((const __m128i *)p)))"),
    (16, 4): ("__AVX512F__", "_mm512_broadcast_f32x4(_mm_loadu_ps(p))"),
    (16, 8): ("__AVX512F__", "_mm512_castpd_ps(_mm512_broadcast_f64x4(_mm256_castps_pd(_mm256_loadu_ps(p))))"),
    (8, 2): ("__AVX2__", "_mm256_castsi256_ps(_mm256_broadcastq_epi64(_mm_loadl_epi64((const __m128i *)p)))"),
    (8, 4): ("__AVX2__", "_mm256_castsi256_ps(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p)))"),
}


@dataclass(frozen=True)
class Group:
    """Tiles whose products are computed together: so many at `first`, again and again up to `end`."""

    tiles: int
    first: int
    end: int


@dataclass(frozen=True)
class Part:
    """Output channels computed together, the tiles computed together, and the inputs taken at once."""

    block: Block
    groups: tuple[Group, ...]
    at_once: int = 1

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the vectors of sums."""
        return self.block.widths

    def depth(self, inputs: int) -> int:
        """Steps over the inputs of one term."""
        return -(-inputs // self.at_once)

    def step(self) -> int:
        """Weights of one step."""
        return sum(self.widths)

    def packed(self, filters: Weights) -> Weights:
        """Filters (terms, inputs, channels of the layer) in the order they are read."""
        terms, inputs, channels = filters.shape
        mine = self.step() // self.at_once
        result = np.zeros((terms, self.depth(inputs) * self.at_once, mine))
        last = min(channels, self.block.first + mine)
        result[:, :inputs, : last - self.block.first] = filters[..., self.block.first : last]
        return result.reshape(terms, -1, self.at_once, mine).swapaxes(2, 3).ravel()


def capacity(parts: tuple[Part, ...]) -> int:
    """Tiles the products read and write, the last repetition of a group included."""
    groups = [group for part in parts for group in part.groups]
    return max(group.first - (group.first - group.end) // group.tiles * group.tiles for group in groups)


def make_parts(channels: int, counts: tuple[int, ...], target: Target) -> tuple[Part, ...]:
    """Parts for so many output channels and blocks of so many tiles."""
    rest = channels % target.vector
    has_tail = 0 < rest <= target.vector // 2
    whole = channels - rest if has_tail else channels
    parts: list[Part] = []
    if whole:
        most = max(counts)
        per_block = min(VECTORS[target.vector], key=lambda number: _cycles(whole, number, most, target))
        for block in blocks(whole, per_block, target):
            parts.append(Part(block, tuple(_groups(counts, len(block.widths), target))))
    if has_tail:
        tail = Block(whole, (target.vector,))
        parts.append(Part(tail, tuple(_groups(counts, 1, target)), target.vector // max(2, _power(rest))))
    return tuple(parts)


def _power(number: int) -> int:
    """The next power of two."""
    return 1 << (number - 1).bit_length()


def _cycles(channels: int, per_block: int, tiles: int, target: Target) -> float:
    """Estimated cycles per input of all products of a block of tiles: multiply-adds, or loads if there are more."""
    total = 0.0
    for block in blocks(channels, per_block, target):
        vectors = len(block.widths)
        for group in _groups((tiles,), vectors, target):
            repeats = (group.end - group.first) / group.tiles
            loads = group.tiles + vectors
            total += repeats * (max(group.tiles * vectors, loads, FEWEST_SUMS) + 0.25 * loads)
    return total


def _groups(counts: tuple[int, ...], vectors: int, target: Target) -> Iterator[Group]:
    """Tiles in groups that fit the registers, as even as possible."""
    most = max(1, (target.registers - 1 - vectors) // vectors)
    total = max(counts)
    parts = -(-total // most)
    if len(set(counts)) > 1:
        yield Group(-(-total // parts), 0, total)
        return
    small, larger = divmod(total, parts)
    if larger:
        yield Group(small + 1, 0, larger * (small + 1))
    yield Group(small, larger * (small + 1), total)


def product_functions(name: str, tiling: Tiling, part: Part, tiles: int) -> Iterator[str]:
    """void name(v, w, m, nl, nc): products of some tiles at one point over nl x nc terms and all inputs; before it
    what it needs."""
    widths, offsets, width = part.widths, part.block.offsets, part.widths[0]
    if part.at_once > 1:
        yield PICK
        yield _spread(width, part.at_once)
    lines = [
        f"static inline __attribute__((always_inline)) void {name}(const float *restrict v, const float *restrict w,"
        " float *restrict m, int nl, int nc) {"
    ]
    for tile in range(tiles):
        lines.append("  " + " ".join(f"{vector_type(w)} a{tile}_{j} = {zero(w)};" for j, w in enumerate(widths)))
    loops, count, close = _loops(tiling, part)
    lines += [*loops, "\n#pragma GCC unroll 2", f"    for (int k = 0; k < {count}; k++) {{"]
    loads = (f"{vector_type(w)} w{j} = {load(w, f'w + {offsets[j]}')};" for j, w in enumerate(widths))
    lines.append(f"      {' '.join(loads)}")
    for tile in range(tiles):
        at = tile * tiling.tile_step
        value = f"float q = u[k + {at}]"
        if part.at_once > 1:
            value = f"{vector_type(width)} q = spread{width}_{part.at_once}(u + k * {part.at_once} + {at})"
        sums = " ".join(f"a{tile}_{j} += q * w{j};" for j in range(len(widths)))
        lines.append(f"      {{ {value}; {sums} }}")
    lines += [f"      w += {part.step()};", "    }", close]
    lines += [f"  {line}" for tile in range(tiles) for line in _ends(tiling, part, tile)]
    yield "\n".join((*lines, "}"))


def _loops(tiling: Tiling, part: Part) -> tuple[list[str], str, str]:
    """Loops over the terms, the count of the innermost loop over u[k], and what closes them; terms that lie side by
    side in V are one loop."""
    down, right = tiling.term_steps
    depth = part.depth(tiling.inputs)
    if tiling.terms == 1:
        return ["  const float *u = v;", "  (void)nl, (void)nc;", "  {"], str(depth), "  }"
    if tiling.is_close and len(tiling.across.terms) == 1:
        return ["  const float *u = v;", "  (void)nc;", "  {"], f"nl * {depth}", "  }"
    outer = f"  for (int i = 0; i < nl; i++) {{ const float *u = v + i * {down};"
    if tiling.is_close:
        return [outer], f"nc * {depth}", "  }"
    return [outer, f"  for (int j = 0; j < nc; j++, u += {right}) {{"], str(depth), "  } }"


def _ends(tiling: Tiling, part: Part, tile: int) -> Iterator[str]:
    """Stores of one tile's sums."""
    at = tile * tiling.out_step
    if part.at_once == 1:
        for j, (width, offset) in enumerate(zip(part.widths, part.block.offsets, strict=True)):
            yield store(width, f"m + {at + offset}", f"a{tile}_{j}")
        return
    width, group, name = part.widths[0], part.at_once, f"a{tile}_0"
    distance = 1
    while distance < group:
        other = [lane ^ distance for lane in range(width)]
        yield f"{name} += {pick(width, name, name, other)};"
        distance *= 2
    first = [lane * group % width for lane in range(width)]
    yield f"{name} = {pick(width, name, name, first)};"
    kept = tiling.out_channels - part.block.first
    yield f"memcpy(m + {at}, &{name}, {4 * kept});"


def _spread(width: int, group: int) -> str:
    """A function: a vector that repeats `group` floats."""
    generic = f"v{width} y;\n  for (int i = 0; i < {width}; i++) y[i] = p[i % {group}];\n  return y;"
    start = f"static inline __attribute__((unused)) v{width} spread{width}_{group}(const float *p) {{"
    if (width, group) not in _SPREADS:
        return f"{start}\n  {generic}\n}}"
    have, fast = _SPREADS[width, group]
    return f"{start}\n#if defined({have})\n  return (v{width}){fast};\n#else\n  {generic}\n#endif\n}}"
