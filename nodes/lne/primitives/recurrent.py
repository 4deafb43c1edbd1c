"""Recurrent layers: one blocked product of the input weights for all steps, then a short step per column.

The first step starts from zeros and needs no product. The state is read where the step before wrote it: in the output,
or, where only the last state is asked for, in one of two places by turns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nodes.lne.ir import Conv, Map, Recurrent
from nodes.lne.layout import F32_CHW, F32_HWC, Buffer, Format, Halo
from nodes.lne.primitive import Place, Primitive, Signature, Task
from nodes.lne.primitives.direct import Direct, most_vectors
from nodes.lne.primitives.plain import PlainConv
from nodes.lne.primitives.recurrent_cell import (
    ARGUMENTS,
    GATES,
    Stage,
    gathered,
    order,
    plain_step,
    recurrence,
    stages,
    vector_step,
)
from nodes.lne.primitives.tile import Block, blocks
from nodes.lne.writer import Writer

STEP_COST = 3.0
"""Time of a multiply in the step beside one in the blocked product: its weights are read for a single column."""
PLAIN_COST = 16.0
UNITS_AT_ONCE = 4
"""Vectors of units whose gates are summed together."""
FEW_STEPS = 4
"""Below, the input product has too few columns to fill the registers, and takes more channels at once."""


@dataclass(frozen=True)
class _Sizes:
    """Of a layer on a target: units stored, values of one step's input product, steps.

    The scratch holds the input product of every step, two states, the extra and the gated state of a GRU.
    """

    padded: int
    given: int
    steps: int

    def place(self, index: int) -> int:
        """Of the first state (0), the second (1), the extra (2), the gated state (3) and the end (4), in floats."""
        return self.given * self.steps + index * self.padded


@dataclass(frozen=True)
class Recur(Primitive):
    """GRU, LSTM and RNN, in vectors of units or in plain loops."""

    plain: bool = False
    form: Format = F32_HWC

    ops = (Recurrent,)

    @property
    def name(self) -> str:
        return f"{'plain-' if self.plain else ''}recurrent{'' if self.form is F32_HWC else '-chw'}"

    def refuse(self, task: Task) -> str:
        return "the target has no vectors" if not self.plain and task.target.vector == 1 else ""

    def signature(self, task: Task) -> Signature:
        return Signature((self.form,), F32_HWC)

    def scratch_bytes(self, task: Task) -> int:
        return 4 * _sizes(task).place(4)

    def cost(self, task: Task) -> float:
        op, sizes = task.op, _sizes(task)
        assert isinstance(op, Recurrent)
        steps = op.recurrence.size * (sizes.steps - 1) + sizes.given * sizes.steps
        return float(op.weight.size * sizes.steps + STEP_COST * steps) * (PLAIN_COST if self.plain else 1.0)

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        op, out, sizes = place.task.op, place.output, _sizes(place.task)
        assert isinstance(op, Recurrent)
        parts = self._blocks(place.task)
        self._product(place, writer, order(op, parts))
        last = sizes.steps - 1
        column = f"{last} - t" if op.reverse else "t"
        result = f"o + {out.origin} + ({column}) * {out.column_step}"
        if not op.whole:
            result = f"t == {last} ? o + {out.origin} : given + {sizes.place(0)} + (t & 1) * {sizes.padded}"
        writer.line(
            f"float *given = (float *)s, *extra = given + {sizes.place(2)}, *gated = given + {sizes.place(3)};",
            f"const float *state = {writer.constant(np.zeros(sizes.padded))};",
            "(void)gated;",
            f"memset(extra, 0, {4 * sizes.padded});",
            f"for (int t = 0; t < {sizes.steps}; t++) {{",
            f"  const float *g = given + ({column}) * {sizes.given};",
            f"  float *next = {result};",
            *(f"  {self._call(place, writer, stage, part)}" for stage in stages(op, sizes.padded) for part in parts),
            "  state = next;",
            "}",
        )

    def _blocks(self, task: Task) -> tuple[Block, ...]:
        """Units computed together; in plain C all of them."""
        op, target = task.op, task.target
        assert isinstance(op, Recurrent)
        if self.plain:
            return (Block(0, (1,) * target.padded(op.units)),)
        most = max(1, (target.registers - 4) // GATES[op.kind])
        return blocks(op.units, min(most, UNITS_AT_ONCE), target)

    def _product(self, place: Place, writer: Writer, rows: NDArray[np.int64]) -> None:
        """Input weights times every column, biases added, into the scratch: a 1x1 convolution.

        The state's bias goes with it, but for the hidden gate of a GRU, where the reset gate acts on it.
        """
        op, x, task = place.task.op, place.inputs[0], place.task
        assert isinstance(op, Recurrent)
        bias = op.bias.sum(0)
        if op.kind == "gru" and op.linear_before_reset:
            bias[2 * op.units :] = op.bias[0][2 * op.units :]
        weight = gathered(op.weight, rows)[:, :, None, None]
        conv = Conv(f"{op.name} input", op.inputs, f"{op.name} given", weight=weight, bias=gathered(bias, rows))
        held = Map(conv.output, len(rows), 1, x.map.w)
        graph = replace(task.graph, maps={**task.graph.maps, held.name: held})
        vectors = 2 if x.map.w >= FEW_STEPS else 2 * most_vectors(task.target)
        by = PlainConv() if self.plain else Direct(vectors, self.form)
        writer.line("{ /* the input product of every step */", "float *o = (float *)s;")
        given = Buffer(held, F32_HWC, Halo(), len(rows))
        by.emit(Place(replace(task, op=conv, graph=graph), place.inputs, given), writer)
        writer.line("}")

    def _call(self, place: Place, writer: Writer, stage: Stage, part: Block) -> str:
        """One block of one stage; blocks of the same shape share a function."""
        op, sums = place.task.op, place.inputs[0].map.w > 1
        assert isinstance(op, Recurrent)
        name = writer.unique(f"{stage.cell}_{part.channels}")
        body = (plain_step if self.plain else vector_step)(stage, part, sums)
        writer.function("\n".join((f"static void {name}({ARGUMENTS}) {{", *body, "}\n")))
        weight = recurrence(op, stage, part) if sums else np.zeros(1)
        hidden = np.append(op.bias[1][-op.units :], np.zeros(part.channels))[part.first : part.first + part.channels]
        multiplied = "gated" if stage.cell == "gru_hidden" else "state"
        result = "gated" if stage.cell == "gru_gates" else "next"
        return (
            f"{name}(g + {stage.first + part.first * len(stage.gates)}, {multiplied}, state + {part.first}, "
            f"{result} + {part.first}, extra + {part.first}, {writer.constant(weight)}, {writer.constant(hidden)}, "
            f"t ? {op.units} : 0);"
        )


def _sizes(task: Task) -> _Sizes:
    op = task.op
    assert isinstance(op, Recurrent)
    padded = task.target.padded(op.units)
    return _Sizes(padded, GATES[op.kind] * padded, task.graph.maps[op.inputs[0]].w)


PRIMITIVES: tuple[Primitive, ...] = (Recur(), Recur(form=F32_CHW), Recur(plain=True))
