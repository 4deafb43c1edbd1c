"""Operations value by value: two maps, or scale and shift per channel.

A map is walked in runs of neighbouring values. Channels last, a run is a whole row where every operand is a whole map,
else the channels of one pixel; channels first, it is a row of one channel. What is constant along a run is a scalar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nodes.lne.dialect import activated, load, store, zero
from nodes.lne.ir import Affine, Binary, Map, Weights
from nodes.lne.layout import F32_CHW, F32_HWC, Buffer, Format, Halo
from nodes.lne.primitive import Place, Primitive, Signature, Task
from nodes.lne.target import Target
from nodes.lne.writer import Writer

Value = Callable[[int, Sequence[str]], str]
"""From a vector width and the operands' expressions to the result's."""
VALUE_COST = 0.5
"""Estimated time per value, in multiply-accumulates of a blocked kernel at the same vector width."""
PLAIN_COST = 4.0
_LOOPS = "yxz"


@dataclass(frozen=True)
class Operand:
    """Something read or written: a pointer, the place of its first value and its step in every loop.

    `run_step` is 1 if neighbours of a run are neighbours in memory, 0 if one value serves the whole run.
    """

    pointer: str
    start: int
    steps: tuple[int, ...]
    run_step: int = 1

    @property
    def address(self) -> str:
        """Of the first value of a run, in C."""
        terms = [f"{name} * {step}" for name, step in zip(_LOOPS, self.steps, strict=False) if step]
        return " + ".join((self.pointer, str(self.start), *terms))


@dataclass(frozen=True)
class Walk:
    """How a map is walked: sizes of the loops, values of a run, and how many of them are stored."""

    sizes: tuple[int, ...]
    run: int
    stored: int

    def lines(self, operands: Sequence[Operand], result: Operand, value: Value, vector: int) -> Iterator[str]:
        """C that computes every value. `vector` is the width; at the end of a run come narrower ones."""
        for depth, (name, size) in enumerate(zip(_LOOPS, self.sizes, strict=False)):
            yield f"{'  ' * depth}for (int {name} = 0; {name} < {size}; {name}++) {{"
        pad = "  " * len(self.sizes)
        for index, one in enumerate(operands):
            yield f"{pad}const float *a{index} = {one.address}{';' if one.run_step else f', b{index} = *a{index};'}"
        yield f"{pad}float *r = {result.address};"
        yield from (pad + line for line in self._runs(operands, value, vector))
        yield "}" * len(self.sizes)

    def _runs(self, operands: Sequence[Operand], value: Value, vector: int) -> Iterator[str]:
        for first, width, count in pieces(self.run, vector):
            given = [
                load(width, f"a{index} + i") if one.run_step else _spread(f"b{index}", width)
                for index, one in enumerate(operands)
            ]
            if count == 1:
                yield f"{{ const int i = {first};"
            else:
                yield f"for (int i = {first}; i < {first + count * width}; i += {width}) {{"
            yield f"  {store(width, 'r + i', value(width, given))}"
            yield "}"
        if self.stored > self.run:
            yield f"for (int i = {self.run}; i < {self.stored}; i++) r[i] = 0.0f;"


def pieces(count: int, vector: int) -> Iterator[tuple[int, int, int]]:
    """Vectors that cover `count` values exactly: (first value, width, how many vectors)."""
    first = 0
    for width in (16, 8, 4, 1):
        number = (count - first) // width if width <= vector else 0
        if number:
            yield first, width, number
            first += number * width


def _spread(value: str, width: int) -> str:
    return value if width == 1 else f"({zero(width)} + {value})"


def walk(inputs: Sequence[Buffer], out: Buffer, plain: bool) -> tuple[Walk, list[Operand], Operand]:
    """How to walk the maps of one operation; an input with one channel, row or column is repeated along it.

    Vectors store the padding channels too. `plain` ones clear them, so that they hold numbers.
    """
    held = out.map
    if out.format.order == "chw":
        return _walk_planes(inputs, out)
    if not plain and all(_fits(one, out) for one in inputs):
        return _walk_rows(inputs, out)
    operands = [
        Operand(f"x{index}", one.origin, (_step(one, "h"), _step(one, "w")), int(one.map.c > 1 or held.c == 1))
        for index, one in enumerate(inputs)
    ]
    result = Operand("o", out.origin, (out.row_step, out.column_step))
    return Walk((held.h, held.w), held.c if plain else out.channels, out.channels), operands, result


def _fits(one: Buffer, out: Buffer) -> bool:
    return one.map.shape == out.map.shape and one.channels == out.channels


def _step(one: Buffer, axis: str) -> int:
    """Of a loop along an axis; 0 where the map has one value there."""
    return 0 if getattr(one.map, axis) == 1 else {"h": one.row_step, "w": one.column_step, "c": one.channel_step}[axis]


def _walk_rows(inputs: Sequence[Buffer], out: Buffer) -> tuple[Walk, list[Operand], Operand]:
    """Whole rows of pixels; the whole map at once where no border interrupts it."""
    everything = [Operand(f"x{index}", one.origin, (one.row_step,)) for index, one in enumerate(inputs)]
    run, result = out.map.w * out.channels, Operand("o", out.origin, (out.row_step,))
    if all(one.row_step == run for one in (*inputs, out)):
        return Walk((1,), run * out.map.h, 0), everything, result
    return Walk((out.map.h,), run, 0), everything, result


def _walk_planes(inputs: Sequence[Buffer], out: Buffer) -> tuple[Walk, list[Operand], Operand]:
    held = out.map
    operands = [
        Operand(f"x{index}", one.origin, (_step(one, "c"), _step(one, "h")), int(one.map.w > 1 or held.w == 1))
        for index, one in enumerate(inputs)
    ]
    result = Operand("o", out.origin, (out.channel_step, out.row_step))
    return Walk((held.c, held.h), held.w, 0), operands, result


@dataclass(frozen=True)
class _ByValue(Primitive):
    """What both families share: vectors or plain loops, in one of the float formats."""

    plain: bool = False
    form: Format = F32_HWC

    @property
    def name(self) -> str:
        kind = self.ops[0].__name__.lower()
        return f"{'plain-' if self.plain else ''}{kind}{'' if self.form is F32_HWC else '-chw'}"

    def refuse(self, task: Task) -> str:
        return "the target has no vectors" if not self.plain and task.target.vector == 1 else ""

    def signature(self, task: Task) -> Signature:
        return Signature((self.form,) * len(task.op.inputs), self.form)

    def cost(self, task: Task) -> float:
        return task.graph.maps[task.op.output].size * (PLAIN_COST if self.plain else VALUE_COST)

    def vector(self, target: Target) -> int:
        """Width it computes with."""
        return 1 if self.plain else target.vector


_OPERATORS = {
    "add": "({0} + {1})",
    "subtract": "({0} - {1})",
    "multiply": "({0} * {1})",
    "divide": "({0} / {1})",
    "maximum": "max{w}({0}, {1})",
    "minimum": "min{w}({0}, {1})",
}


@dataclass(frozen=True)
class ByPairs(_ByValue):
    """Two maps value by value, the smaller one repeated."""

    ops = (Binary,)

    def in_place(self, task: Task) -> tuple[int, ...]:
        return whole_inputs(task)

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        op, target = place.task.op, place.task.target
        assert isinstance(op, Binary)
        exact = self.plain or (op.kind == "divide" and place.output.channels > place.output.map.c)
        way, operands, result = walk(place.inputs, place.output, exact)  # a padding channel divided by 0 is no number

        def value(width: int, given: Sequence[str]) -> str:
            return activated(op.activation, width, _OPERATORS[op.kind].format(*given, w=width))

        writer.line(*way.lines(operands, result, value, self.vector(target)))


@dataclass(frozen=True)
class PerChannel(_ByValue):
    """Scale, shift and activation of every channel."""

    ops = (Affine,)

    def in_place(self, task: Task) -> tuple[int, ...]:
        return whole_inputs(task)

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        op, out = place.task.op, place.output
        assert isinstance(op, Affine)
        constants = [_constant(part, out, self.plain, writer) for part in (op.scale, op.shift)]
        way, operands, result = walk((*place.inputs, *(buffer for _, buffer in constants)), out, self.plain)
        pointers = ["x0", *(pointer for pointer, _ in constants)]
        operands = [
            Operand(pointer, one.start, one.steps, one.run_step)
            for pointer, one in zip(pointers, operands, strict=True)
        ]

        def value(width: int, given: Sequence[str]) -> str:
            return activated(op.activation, width, f"({given[0]} * {given[1]} + {given[2]})")

        writer.line(*way.lines(operands, result, value, self.vector(place.task.target)))


def _constant(values: Weights, out: Buffer, plain: bool, writer: Writer) -> tuple[str, Buffer]:
    """One value per channel as a map of its own, with as many channels stored as the output has."""
    stored = np.zeros(out.channels)
    stored[: out.map.c] = values
    return writer.constant(stored), Buffer(Map("", out.map.c), out.format, Halo(), out.channels)


def whole_inputs(task: Task) -> tuple[int, ...]:
    """Inputs as large as the output, which may be overwritten by it."""
    maps = task.graph.maps
    shape = maps[task.op.output].shape
    return tuple(index for index, name in enumerate(task.op.inputs) if maps[name].shape == shape)


PRIMITIVES: tuple[Primitive, ...] = tuple(
    kind(plain, form) for kind in (ByPairs, PerChannel) for plain in (False, True) for form in (F32_HWC, F32_CHW)
)
