"""Recurrent layers in portable C: vanilla, GRU and LSTM, of any width."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from nodes.firmware.kernel import Kernel, Task
from nodes.firmware.kernels.curve import looked_up, stored
from nodes.firmware.kernels.plain import is_wide, word
from nodes.firmware.kernels.requantise import CLAMP, code_of
from nodes.firmware.writer import Writer
from nodes.quant.integer import IntGru, IntLstm, IntRecurrent, IntSequence, Shift
from nodes.quant.steps import GATE_FRACTION

HALF = 1 << (GATE_FRACTION - 1)


def recurrent_bound(op: IntSequence, task: Task) -> int:
    """Largest magnitude a recurrent layer's sum can have, whatever the input, with the half of its rounding."""
    x, state = (-form.low for form in task.forms)
    given, kept = np.abs(op.weight).sum(1) * x << op.shifts[0], np.abs(op.recurrence).sum(1) * state << op.shifts[1]
    bias = np.abs(op.bias)
    if isinstance(op, IntGru):  # the hidden gate's two sums are apart
        bias[2 * op.units :] += np.abs(op.state_bias)
    return int((given + kept + bias).max()) + max(1 << max(rule.right - 1, 0) for rule in rules(op))


def rules(op: IntSequence) -> tuple[Shift, ...]:
    """What sums are requantised by."""
    found = (getattr(op, name, None) for name in ("requantise", "gate", "middle"))
    return tuple(rule for rule in found if isinstance(rule, Shift))


def needs_wide(op: IntSequence, task: Task) -> bool:
    """Whether its sums need 64 bits."""
    bound = recurrent_bound(op, task)
    return any(is_wide(bound, rule) for rule in rules(op))


def kept_values(op: IntSequence) -> int:
    """Values of 16 bits that a layer keeps from step to step: the state, and a finer state or a cell."""
    return op.units * (1 if isinstance(op, IntRecurrent) else 2)


def step_order(op: IntSequence, steps: int) -> str:
    """The head of the loop over the steps t."""
    if op.reverse:
        return f"for (int t = {steps - 1}; t >= 0; t--) {{"
    return f"for (int t = 0; t < {steps}; t++) {{"


@dataclass(frozen=True)
class PlainRecurrent(Kernel):
    """Any recurrent layer: in the scratch two states in turn, then the finer state or the cell."""

    ops = (IntRecurrent, IntGru, IntLstm)

    @property
    def name(self) -> str:
        return "plain-recurrent"

    def refuse(self, task: Task) -> str:
        return ""

    def scratch_bytes(self, task: Task) -> int:
        """16 bits a value."""
        op = task.op
        assert isinstance(op, IntSequence)
        return 2 * (op.units + kept_values(op))

    def emit(self, task: Task, writer: Writer) -> None:
        """See `Kernel`."""
        op, x = task.op, task.inputs[0]
        assert isinstance(op, IntSequence)
        units = op.units
        writer.function(CLAMP)
        writer.line(
            f"int16_t *after = (int16_t *)s, *before = after + {units}{self._extra(op)};",
            *start(op, writer, "before", 2 * kept_values(op)),
            step_order(op, x.w),
            f"  for (int k = 0; k < {units}; k++) {{",
            *(f"    {line}" for line in _sums(op, task, writer)),
            *(f"    {line}" for line in _CELLS[type(op)](op, needs_wide(op, task), writer)),
            "  }",
            f"  for (int k = 0; k < {units}; k++) before[k] = after[k];",
            *([f"  for (int k = 0; k < {units}; k++) o[t * {units} + k] = before[k];"] if op.whole else []),
            "}",
            *([] if op.whole else [f"for (int k = 0; k < {units}; k++) o[k] = before[k];"]),
            *end(op, writer, "before", 2 * kept_values(op)),
        )

    def _extra(self, op: IntSequence) -> str:
        return "" if isinstance(op, IntRecurrent) else f", *extra = before + {op.units}"


def start(op: IntSequence, writer: Writer, place: str, size_bytes: int) -> Iterator[str]:
    """The state of the last call, or zeros."""
    if op.keeps_state:
        yield f"memcpy({place}, {writer.state('state', size_bytes)}, {size_bytes});"
    else:
        yield f"memset({place}, 0, {size_bytes});"


def end(op: IntSequence, writer: Writer, place: str, size_bytes: int) -> Iterator[str]:
    """The state for the next call."""
    if op.keeps_state:
        yield f"memcpy({writer.state('state', size_bytes)}, {place}, {size_bytes});"


def _sums(op: IntSequence, task: Task, writer: Writer) -> Iterator[str]:
    """Of every gate, `given` from the input with the bias and `kept` from the state, at one scale."""
    x, units, gates = task.inputs[0], op.units, len(op.weight) // op.units
    kind = "int64_t" if needs_wide(op, task) else "int32_t"
    weight, recurrence = (writer.constant(name, stored(getattr(op, name))) for name in ("weight", "recurrence"))
    bias = writer.constant("bias", op.bias.astype(word(recurrent_bound(op, task))))
    yield f"{kind} given[{gates}], kept[{gates}];"
    yield f"for (int g = 0; g < {gates}; g++) {{"
    yield f"  int row = g * {units} + k;"
    yield f"  {kind} sum = 0;"
    yield f"  for (int c = 0; c < {x.c}; c++) sum += ({kind})x0[t * {x.c} + c] * {weight}[row * {x.c} + c];"
    yield f"  given[g] = sum * (({kind})1 << {op.shifts[0]}) + {bias}[row];"
    yield "  sum = 0;"
    yield f"  for (int j = 0; j < {units}; j++) sum += ({kind})before[j] * {recurrence}[row * {units} + j];"
    yield f"  kept[g] = sum * (({kind})1 << {op.shifts[1]});"
    yield "}"


def _vanilla(op: IntSequence, wide: bool, writer: Writer) -> Iterator[str]:
    assert isinstance(op, IntRecurrent)
    code = code_of(op.requantise, "(given[0] + kept[0])", "k", writer, wide=wide, folded=False)
    yield f"after[k] = (int16_t){looked_up(op.table, code, 'table', writer)};"


def _gru(op: IntSequence, wide: bool, writer: Writer) -> Iterator[str]:
    assert isinstance(op, IntGru)

    def code(rule: Shift, total: str, *, is_wide: bool = wide) -> str:
        return code_of(rule, total, "k", writer, wide=is_wide, folded=False)

    bias = writer.constant("state_bias", op.state_bias.astype(np.int64 if wide else np.int32))
    for index, name in enumerate(("update", "reset")):
        gate = looked_up(op.sigmoid, code(op.gate, f"(given[{index}] + kept[{index}])"), "sigmoid", writer)
        yield f"int32_t {name} = {gate};"
    yield f"int32_t inner = {code(op.middle, f'(kept[2] + {bias}[k])')};"
    yield f"inner = (reset * inner + {HALF}) >> {GATE_FRACTION};"
    hidden = f"ossicle_clamp({code(op.middle, 'given[2]')} + inner, INT16_MIN, INT16_MAX)"
    yield f"int32_t hidden = {looked_up(op.tanh, hidden, 'tanh', writer)};"
    yield f"hidden += (update * (extra[k] - hidden) + {HALF}) >> {GATE_FRACTION};"
    yield "extra[k] = (int16_t)hidden;"
    yield f"after[k] = (int16_t){code(op.result, 'hidden', is_wide=False)};"


def _lstm(op: IntSequence, wide: bool, writer: Writer) -> Iterator[str]:
    assert isinstance(op, IntLstm)

    def code(rule: Shift, total: str, *, is_wide: bool = wide) -> str:
        return code_of(rule, total, "k", writer, wide=is_wide, folded=False)

    for index, name in enumerate(("taken", "shown", "forget", "added")):
        table = "tanh" if name == "added" else "sigmoid"
        gate = looked_up(getattr(op, table), code(op.gate, f"(given[{index}] + kept[{index}])"), table, writer)
        yield f"int32_t {name} = {gate};"
    finer = GATE_FRACTION - op.cell
    yield f"added = (taken * added + {1 << (finer - 1)}) >> {finer};"
    total = f"(forget * extra[k] + added + {HALF}) >> {GATE_FRACTION}"
    yield f"int32_t cell = ossicle_clamp({total}, INT16_MIN, INT16_MAX);"
    yield "extra[k] = (int16_t)cell;"
    yield f"shown *= {looked_up(op.tanh, code(op.to_tanh, 'cell', is_wide=False), 'tanh', writer)};"
    yield f"after[k] = (int16_t){code(op.result, 'shown', is_wide=False)};"


_CELLS: Mapping[type[IntSequence], Callable[[IntSequence, bool, Writer], Iterator[str]]] = MappingProxyType(
    {IntRecurrent: _vanilla, IntGru: _gru, IntLstm: _lstm}
)
KERNELS: tuple[Kernel, ...] = (PlainRecurrent(),)
