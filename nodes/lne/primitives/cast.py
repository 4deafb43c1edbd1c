"""Casts between formats, and between the caller's memory and ours."""

from __future__ import annotations

from dataclasses import dataclass

from nodes.lne.layout import F32_CHW, F32_HWC, Buffer
from nodes.lne.plan import Cast
from nodes.lne.primitive import Place, Primitive, Signature, Task
from nodes.lne.writer import Writer


@dataclass(frozen=True)
class FloatCast(Primitive):
    """Floats from any order into any other."""

    ops = (Cast,)

    @property
    def name(self) -> str:
        return "cast-f32"

    def refuse(self, task: Task) -> str:
        op = task.op
        assert isinstance(op, Cast)
        wrong = [form.name for form in (op.before, op.after) if form not in (F32_HWC, F32_CHW)]
        return f"{wrong[0]} is not a float format" if wrong else ""

    def signature(self, task: Task) -> Signature:
        op = task.op
        assert isinstance(op, Cast)
        return Signature((op.before,), op.after)

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        before, after = place.inputs[0], place.output
        rows, columns, channels = f"y < {before.map.h}", f"x < {before.map.w}", f"c < {before.map.c}"
        if before.column_step == after.column_step == 1:
            writer.line(
                f"for (int c = 0; c < {before.map.c}; c++)",
                f"  for (int y = 0; {rows}; y++)",
                f"    memcpy(o + {_row(after)}, x0 + {_row(before)}, {4 * before.map.w});",
            )
            return
        writer.line(
            f"for (int y = 0; {rows}; y++)",
            f"  for (int x = 0; {columns}; x++)",
            f"    for (int c = 0; {channels}; c++)",
            f"      o[{_element(after)}] = x0[{_element(before)}];",
        )
        if after.channels > after.map.c:  # shared memory may hold bytes that are no numbers, and 0 times those is none
            writer.line(
                f"for (int y = 0; {rows}; y++)",
                f"  for (int x = 0; {columns}; x++)",
                f"    for (int c = {after.map.c}; c < {after.channels}; c++) o[{_element(after)}] = 0.0f;",
            )


def _row(buffer: Buffer) -> str:
    return f"{buffer.origin} + c * {buffer.channel_step} + y * {buffer.row_step}"


def _element(buffer: Buffer) -> str:
    return f"{_row(buffer)} + x * {buffer.column_step}"


PRIMITIVES: tuple[Primitive, ...] = (FloatCast(),)
