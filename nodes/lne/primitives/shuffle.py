"""Operations that only move values: concatenation, a constant border, any other order.

A move is a nest of loops around a run of neighbours. Loops whose steps fit together are merged, so that a map often
moves in one memcpy. For any other order the loops are found from the table itself: equal pieces at equal distances,
again and again. What has no such structure is read through a table of places.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nodes.lne.ir import Concat, Map, Op, Pad, Rearrange
from nodes.lne.layout import F32_CHW, F32_HWC, ITEM_BYTES, U8_HWC, Buffer, Format, Halo
from nodes.lne.primitive import Place, Primitive, Signature, Task
from nodes.lne.writer import Writer

Places = NDArray[np.int64]
VALUE_COST = 0.3
"""Estimated time per value moved, in multiply-accumulates of a blocked kernel; more where it is read by table."""
MOST_LOOPS = 5
_LOOPS = "yxzuvw"


@dataclass(frozen=True)
class Loop:
    """How often, and how far apart in the source and in the result."""

    count: int
    source: int
    result: int


@dataclass(frozen=True)
class Move:
    """Loops, outermost first, from a first place in the source to one in the result."""

    source: int
    result: int
    loops: tuple[Loop, ...]

    def merged(self) -> Move:
        """Without loops of one turn, and with one loop where the outer of two goes on where the inner ended."""
        kept: list[Loop] = []
        for loop in (loop for loop in self.loops if loop.count > 1):
            last = kept[-1] if kept else None
            if last and (last.source, last.result) == (loop.count * loop.source, loop.count * loop.result):
                kept[-1] = Loop(last.count * loop.count, loop.source, loop.result)
            else:
                kept.append(loop)
        return Move(self.source, self.result, tuple(kept))

    def lines(self, pointer: str, item_bytes: int) -> Iterator[str]:
        """C that copies, the innermost neighbours in one piece."""
        loops = list(self.merged().loops)
        run = loops.pop().count if loops and loops[-1].source == loops[-1].result == 1 else 1
        for depth, (name, loop) in enumerate(zip(_LOOPS, loops, strict=False)):
            yield f"{'  ' * depth}for (int {name} = 0; {name} < {loop.count}; {name}++)"
        source, result = (
            _address(start, zip(_LOOPS, (getattr(loop, side) for loop in loops), strict=False))
            for start, side in ((self.source, "source"), (self.result, "result"))
        )
        pad = "  " * len(loops)
        if run == 1:
            yield f"{pad}o[{result}] = {pointer}[{source}];"
        else:
            yield f"{pad}memcpy(o + {result}, {pointer} + {source}, {run * item_bytes});"


def _address(start: int, terms: Iterator[tuple[str, int]]) -> str:
    return " + ".join((str(start), *(f"{name} * {step}" for name, step in terms if step)))


def copied(source: Buffer, result: Buffer, at: tuple[int, int, int] = (0, 0, 0)) -> Move:
    """A whole map into a place (channel, row, column) of a larger one of the same format."""
    held = source.map
    axes = {
        "c": Loop(held.c, source.channel_step, result.channel_step),
        "h": Loop(held.h, source.row_step, result.row_step),
        "w": Loop(held.w, source.column_step, result.column_step),
    }
    if source.format.order == "hwc" and source.channels == result.channels and at[0] == 0:
        axes["c"] = Loop(source.channels, 1, 1)
    steps = (result.channel_step, result.row_step, result.column_step)
    first = result.origin + sum(index * step for index, step in zip(at, steps, strict=True))
    return Move(source.origin, first, tuple(axes[axis] for axis in source.format.order))


def _cleared(out: Buffer) -> Iterator[str]:
    """Padding channels set to zero where whole pixels were not copied, so that they hold numbers."""
    surplus = out.channels - out.map.c
    if surplus and out.format is F32_HWC:
        yield f"for (int y = 0; y < {out.map.h}; y++)"
        yield f"  for (int x = 0; x < {out.map.w}; x++)"
        start = f"{out.origin + out.map.c} + y * {out.row_step} + x * {out.column_step}"
        yield f"    memset(o + {start}, 0, {4 * surplus});"


@dataclass(frozen=True)
class _Moves(Primitive):
    """What the three share: one format for everything that is read and written."""

    form: Format = F32_HWC

    @property
    def name(self) -> str:
        return f"{self.ops[0].__name__.lower()}{_ENDINGS[self.form]}"

    def refuse(self, task: Task) -> str:
        return "" if self.form is not U8_HWC else _other_ranges(task)

    def signature(self, task: Task) -> Signature:
        return Signature((self.form,) * len(task.op.inputs), self.form)

    def cost(self, task: Task) -> float:
        return task.graph.maps[task.op.output].size * VALUE_COST


_ENDINGS = {F32_HWC: "", F32_CHW: "-chw", U8_HWC: "-u8"}


def _other_ranges(task: Task) -> str:
    """Why bytes cannot be moved as they are."""
    names = (*task.op.inputs, task.op.output)
    if any(name not in task.ranges for name in names):
        return "a map has no range"
    return "" if len({task.ranges[name] for name in names}) == 1 else "its maps have different ranges"


@dataclass(frozen=True)
class Join(_Moves):
    """Concatenation along any axis."""

    ops = (Concat,)

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        op = place.task.op
        assert isinstance(op, Concat)
        index = "chw".index(op.axis)
        first = 0
        for number, source in enumerate(place.inputs):
            at = (first if index == 0 else 0, first if index == 1 else 0, first if index == 2 else 0)
            writer.line(*copied(source, place.output, at).lines(f"x{number}", ITEM_BYTES[self.form.dtype]))
            first += source.map.shape[index]
        if index == 0:
            writer.line(*_cleared(place.output))


@dataclass(frozen=True)
class Border(_Moves):
    """A constant border: the map, then the four strips around it."""

    ops = (Pad,)

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        op, out = place.task.op, place.output
        assert isinstance(op, Pad)
        pads, (height, width) = op.pads, (out.map.h, out.map.w)
        at = (0, pads.top, pads.left)
        writer.line(*copied(place.inputs[0], out, at).lines("x0", ITEM_BYTES[self.form.dtype]))
        value = _constant_text(op.value, place, self.form)
        strips = (
            (0, 0, pads.top, width),
            (height - pads.bottom, 0, pads.bottom, width),
            (pads.top, 0, height - pads.top - pads.bottom, pads.left),
            (pads.top, width - pads.right, height - pads.top - pads.bottom, pads.right),
        )
        for top, left, rows, columns in strips:
            if rows * columns:
                writer.line(*_fill(out, (top, left, rows, columns), value))


def _constant_text(value: float, place: Place, form: Format) -> str:
    """A value as it is stored."""
    if form is not U8_HWC:
        return f"{np.float32(value)!s}f" if np.isfinite(value) else f"{'-' if value < 0 else ''}INFINITY"
    given = place.task.ranges[place.output.map.name]
    return str(int(np.clip(np.rint(value / given.scale) + given.zero, 0, 255)))


def _fill(out: Buffer, area: tuple[int, int, int, int], value: str) -> Iterator[str]:
    """One value in rows x columns from a corner, in every stored channel."""
    top, left, rows, columns = area
    axes = {
        "c": Loop(out.channels, 0, out.channel_step),
        "h": Loop(rows, 0, out.row_step),
        "w": Loop(columns, 0, out.column_step),
    }
    first = out.origin + top * out.row_step + left * out.column_step
    move = Move(0, first, tuple(axes[axis] for axis in out.format.order)).merged()
    for depth, (name, loop) in enumerate(zip(_LOOPS, move.loops, strict=False)):
        yield f"{'  ' * depth}for (int {name} = 0; {name} < {loop.count}; {name}++)"
    steps = zip(_LOOPS, (loop.result for loop in move.loops), strict=False)
    yield f"{'  ' * len(move.loops)}o[{_address(first, steps)}] = {value};"


@dataclass(frozen=True)
class Reorder(_Moves):
    """Reshape, transpose, slice, any mixture: by loops where the order has a structure, else through a table."""

    after: Format = F32_HWC

    ops = (Rearrange,)

    @property
    def name(self) -> str:
        turned = self.after is not self.form
        return f"rearrange-{self.form.order}-to-{self.after.order}" if turned else f"rearrange{_ENDINGS[self.form]}"

    def signature(self, task: Task) -> Signature:
        return Signature((self.form,), self.after)

    def in_place(self, task: Task) -> tuple[int, ...]:
        """Where every value already is where it belongs, nothing is left to do."""
        op, maps = task.op, task.graph.maps
        given, held = maps[op.inputs[0]], maps[op.output]
        bare = [
            Buffer(one, form, Halo(), form.padded(one.c, task.target))
            for one, form in ((given, self.form), (held, self.after))
        ]
        source, result = places(op, *bare)
        return (0,) if bare[0].size == bare[1].size and bool((source == result).all()) else ()

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        x, out = place.inputs[0], place.output
        source, result = places(place.task.op, x, out)
        if x.place == out.place and x.offset == out.offset and bool((source == result).all()):
            writer.line("(void)x0, (void)o; /* every value is already in its place */")
            return
        item = ITEM_BYTES[self.form.dtype]
        found = [move for pair in _orders(source, result) if (move := structure(*pair)) is not None]
        if found:
            writer.line(*min(found, key=lambda move: len(move.loops)).lines("x0", item), *_cleared(out))
            return
        order = np.argsort(result)
        tables = [writer.constant(part[order].astype(np.int32)) for part in (source, result)]
        writer.line(
            f"const int32_t *from = {tables[0]}, *to = {tables[1]};",
            f"for (int i = 0; i < {len(source)}; i++) o[to[i]] = x0[from[i]];",
            *_cleared(out),
        )


def places(op: Op, x: Buffer, out: Buffer) -> tuple[Places, Places]:
    """Where each value of the output comes from and goes to, in elements of the buffers, in CHW order."""
    assert isinstance(op, Rearrange)
    return _positions(x)[op.table.ravel()], _positions(out)


def _positions(buffer: Buffer) -> Places:
    held: Map = buffer.map
    c, y, x = np.indices(held.shape).reshape(3, -1)
    return np.asarray(buffer.origin + c * buffer.channel_step + y * buffer.row_step + x * buffer.column_step, np.int64)


def _orders(source: Places, result: Places) -> Iterator[tuple[Places, Places]]:
    """The same moves by place in the result, and by place in the source."""
    for key in (result, source):
        order = np.argsort(key, kind="stable")
        yield source[order], result[order]


def structure(source: Places, result: Places) -> Move | None:
    """Loops that make the moves in this order; none if there are more than `MOST_LOOPS`, or no regular ones."""
    loops: list[Loop] = []
    first = int(source[0]), int(result[0])
    while len(source) > 1:
        steps = np.stack((np.diff(source), np.diff(result)))
        count = _first_turns(steps)
        if len(source) % count or (_inside(steps, count) != steps[:, 0]).any() or len(loops) == MOST_LOOPS:
            return None
        loops.append(Loop(count, int(steps[0, 0]), int(steps[1, 0])))
        source, result = source[::count], result[::count]
    return Move(*first, tuple(reversed(loops)))


def _first_turns(steps: Places) -> int:
    """Moves before the first step that differs from the first one, plus one."""
    changes = np.flatnonzero((steps != steps[:, :1]).any(0))
    return int(changes[0]) + 1 if len(changes) else steps.shape[1] + 1


def _inside(steps: Places, count: int) -> Places:
    """The steps within groups of so many moves, without those from one group to the next."""
    padded = np.concatenate((steps, np.zeros((2, 1), np.int64)), 1).reshape(2, -1, count)
    return np.asarray(padded[:, :, :-1].reshape(2, -1).T)


_FORMS = (F32_HWC, F32_CHW, U8_HWC)
PRIMITIVES: tuple[Primitive, ...] = (
    *(kind(form) for kind in (Join, Border) for form in _FORMS),
    *(Reorder(form, form) for form in _FORMS),
    Reorder(F32_HWC, F32_CHW),
    Reorder(F32_CHW, F32_HWC),
)
