"""One step of a recurrent layer in C: gates summed over the state, then the equations of the cell.

A step has one stage, or two where a GRU's reset gate acts before the recurrent product. A stage is computed block by
block; the gates of a block of units lie side by side, in the input product, in the weights and in registers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nodes.lne.dialect import load, store, vector_type, zero
from nodes.lne.ir import Recurrent, Weights
from nodes.lne.primitives.tile import Block

ENOUGH_SUMS = 8
"""Sums in flight that hide the latency of a multiply-add."""
GATES: Mapping[str, int] = MappingProxyType({"gru": 3, "lstm": 4, "rnn": 1})
CELLS: Mapping[str, str] = MappingProxyType(
    {
        "rnn": "next = tanh{w}(a0);",
        "lstm": "kept = sigmoid{w}(a2) * extra + sigmoid{w}(a0) * tanh{w}(a3); next = sigmoid{w}(a1) * tanh{w}(kept);",
        "gru": "next = tanh{w}(hidden + sigmoid{w}(a1) * a2); next = next + sigmoid{w}(a0) * (state - next);",
        "gru_gates": "kept = sigmoid{w}(a0); next = sigmoid{w}(a1) * state;",
        "gru_hidden": "next = tanh{w}(a0); next = next + extra * (state - next);",
    }
)
"""Equations of ONNX; `a` counts the gates. `extra` is an LSTM's cell or a GRU's update, `kept` its new value."""
ARGUMENTS = (
    "const float *restrict g, const float *q, const float *h, float *restrict n, float *restrict e, "
    "const float *restrict w, const float *restrict b, int count"
)
"""Input product, what is multiplied, state, result, extra, weights, bias of the hidden gate, values of `q` (or 0)."""


@dataclass(frozen=True)
class Stage:
    """Gates summed together; `first` is where they begin in a step's input product."""

    gates: tuple[int, ...]
    first: int
    cell: str

    @property
    def hidden(self) -> int:
        """The gate whose recurrent sum is kept apart from its input; -1 if there is none."""
        return 2 if self.cell == "gru" else -1


def stages(op: Recurrent, padded: int) -> tuple[Stage, ...]:
    """What a step consists of."""
    if op.kind == "gru" and not op.linear_before_reset:
        return Stage((0, 1), 0, "gru_gates"), Stage((2,), 2 * padded, "gru_hidden")
    return (Stage(tuple(range(GATES[op.kind])), 0, op.kind),)


def order(op: Recurrent, parts: Sequence[Block]) -> NDArray[np.int64]:
    """Row of the weights at every place of a step's input product: stage, block, gate, unit; -1 is padding."""
    rows = []
    for stage in stages(op, 0):
        for part in parts:
            units = np.arange(part.first, part.first + part.channels)
            rows += [np.where(units < op.units, gate * op.units + units, -1) for gate in stage.gates]
    return np.concatenate(rows)


def gathered(values: Weights, rows: NDArray[np.int64]) -> Weights:
    """Rows of an array, zeros for padding."""
    found = values[np.maximum(rows, 0)]
    found[rows < 0] = 0.0
    return np.asarray(found)


def recurrence(op: Recurrent, stage: Stage, part: Block) -> Weights:
    """Weights of one block as a step reads them: state, gate, unit."""
    units = np.arange(part.first, part.first + part.channels)
    rows = np.concatenate([np.where(units < op.units, gate * op.units + units, -1) for gate in stage.gates])
    return gathered(op.recurrence, rows).T


def vector_step(stage: Stage, part: Block, sums: bool) -> Iterator[str]:
    """The body for a block whose sums are held in vector registers; without `sums` the state counts as zero."""
    gates, lanes = len(stage.gates), list(zip(part.offsets, part.widths, strict=True))
    sets = 2 if sums and gates * len(lanes) < ENOUGH_SUMS else 1
    for number in range(sets):
        for gate in range(gates):
            for j, (offset, width) in enumerate(lanes):
                start = load(width, f"b + {offset}" if gate == stage.hidden else f"g + {gate * part.channels + offset}")
                yield f"  {vector_type(width)} s{number}_{gate}_{j} = {zero(width) if number else start};"
    if sums:
        yield from _sums(part, gates, sets)
    for j, (offset, width) in enumerate(lanes):
        totals = [" + ".join(f"s{number}_{gate}_{j}" for number in range(sets)) for gate in range(gates)]
        yield from _cell(stage, part.channels, str(offset), width, totals)


def _sums(part: Block, gates: int, sets: int) -> Iterator[str]:
    """Every value of the state times its row of weights; in two sets of sums where one would wait for itself."""
    size = gates * part.channels

    def row(number: int) -> Iterator[str]:
        yield f"    {{ float v = q[k + {number}];"
        for gate in range(gates):
            for j, (offset, width) in enumerate(zip(part.offsets, part.widths, strict=True)):
                address = f"w + {number * size + gate * part.channels + offset}"
                yield f"      s{number}_{gate}_{j} += v * {load(width, address)};"
        yield "    }"

    yield "  int k = 0;"
    yield f"  for (; k + {sets} <= count; k += {sets}, w += {sets * size}) {{"
    for number in range(sets):
        yield from row(number)
    yield "  }"
    if sets > 1:
        yield "  if (k < count)"
        yield from row(0)


def plain_step(stage: Stage, part: Block, sums: bool) -> Iterator[str]:
    """The body in plain loops over all units."""
    gates, units = len(stage.gates), part.channels
    yield f"  float sum[{gates * units}];"
    yield "  memcpy(sum, g, sizeof sum);"
    if stage.hidden >= 0:
        yield f"  memcpy(sum + {stage.hidden * units}, b, {4 * units});"
    if sums:
        yield f"  for (int k = 0; k < count; k++, w += {gates * units})"
        yield f"    for (int j = 0; j < {gates * units}; j++) sum[j] += q[k] * w[j];"
    yield f"  for (int u = 0; u < {units}; u++) {{"
    yield from _cell(stage, units, "u", 1, [f"sum[{gate * units} + u]" for gate in range(gates)])
    yield "  }"


def _cell(stage: Stage, channels: int, place: str, width: int, totals: Sequence[str]) -> Iterator[str]:
    """The equations for the units at one place of the block."""
    text = CELLS[stage.cell]
    names = {f"a{gate}": total for gate, total in enumerate(totals)}
    reads = {"state": "h", "extra": "e", "hidden": f"g + {max(stage.hidden, 0) * channels}"}
    names |= {name: load(width, f"{start} + {place}") for name, start in reads.items() if name in text}
    yield "  {"
    for name, value in names.items():
        yield f"    {vector_type(width)} {name} = {value};"
    yield f"    {vector_type(width)} next{', kept' if 'kept' in text else ''};"
    yield f"    {text.format(w=width)}"
    yield f"    {store(width, f'n + {place}', 'next')}"
    if "kept" in text:
        yield f"    {store(width, f'e + {place}', 'kept')}"
    yield "  }"
