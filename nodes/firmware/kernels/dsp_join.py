"""Two maps met value by value, four values at a time; at one scale, a sum takes one instruction for all four."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nodes.firmware.kernel import Kernel, Task, c_type
from nodes.firmware.kernels.dsp import DIALECT, LONGEST_SHIFT, code_of
from nodes.firmware.kernels.nest import POINTERS, loops, nest_of
from nodes.firmware.kernels.plain import combined, is_wide, join_bound
from nodes.firmware.writer import Writer
from nodes.quant.fixed import Fixed
from nodes.quant.integer import IntAdd, IntBinary, Shift

EACH = 4
"""Values of a turn."""
MOST_LEFT = 14
"""Powers of two that are a factor of 16 bits."""


@dataclass(frozen=True)
class DspJoin(Kernel):
    """Maps of 8 and 16 bits in any mixture; a side of one is repeated."""

    ops = (IntAdd, IntBinary)

    @property
    def name(self) -> str:
        return "dsp-join"

    @property
    def rank(self) -> int:
        return 10

    def refuse(self, task: Task) -> str:
        """See `Kernel`."""
        op = task.op
        assert isinstance(op, IntAdd | IntBinary)
        if "dsp" not in task.cpu.features:
            return "the processor has no 16-bit SIMD"
        rule = op.requantise
        if not isinstance(rule, Shift) or not 0 <= rule.right <= LONGEST_SHIFT:
            return "its values are not shifted to codes by the right"
        if is_wide(join_bound(task) + (1 << rule.right >> 1)):
            return "its values take 64 bits"
        if max(op.left) > MOST_LEFT:
            return "its scales are too far apart"
        return "its runs are too short" if nest_of(task).run[0] < EACH else ""

    def emit(self, task: Task, writer: Writer) -> None:
        writer.function(DIALECT)
        quick, count = _quick(task), nest_of(task).run[0]
        body = [*_constants(task, quick), *_turns(task, quick, writer), *_rest(task, count % EACH, writer)]
        writer.line(*loops(task, body))


def _quick(task: Task) -> str:
    """C of four sums as one word of the words x and y; empty where they need single steps."""
    op = task.op
    assert isinstance(op, IntAdd | IntBinary) and isinstance(op.requantise, Shift)
    rule = op.requantise
    if not isinstance(op, IntAdd) or op.left != (0, 0) or not task.is_byte or rule.high != 127:
        return ""
    if rule.low not in (0, -128):
        return ""
    sums = {0: "QADD8(x, y)", 1: "~SHADD8(~x, ~y)"}.get(rule.right, "")
    return f"MAX4({sums}, 0)" if sums and rule.low == 0 else sums


def _constants(task: Task, quick: str) -> Iterator[str]:
    """Inputs that stay through a run: four times in a word, or in its lower half."""
    for name, step in zip(POINTERS, nest_of(task).run[1], strict=True):
        if not step:
            yield (
                f"const uint32_t {name}_all = (uint8_t)*{name} * 0x01010101u;"
                if quick
                else (f"const uint32_t {name}_all = (uint16_t)*{name};")
            )


def _turns(task: Task, quick: str, writer: Writer) -> Iterator[str]:
    count, steps = nest_of(task).run
    moved = "".join(f", {name} += {EACH}" for name, step in zip(POINTERS, steps, strict=True) if step)
    yield "\n#pragma GCC unroll 2"
    yield f"for (int n = {count // EACH}; n > 0; n--, q += {EACH}{moved}) {{"
    if quick:
        for name, word, step in zip("xy", POINTERS, steps, strict=True):
            yield f"  const uint32_t {name} = {f'LOAD4({word})' if step else f'{word}_all'};"
        yield f"  STORE4(q, {quick});"
    else:
        for name, form, step in zip(POINTERS, task.forms, steps, strict=False):
            yield from (f"  {line}" for line in _words(name, form, step))
        lanes = [_lanes(name, form, step) for name, form, step in zip(POINTERS, task.forms, steps, strict=False)]
        kind = c_type(task.forms[-1])
        for i, (x, y) in enumerate(zip(*lanes, strict=True)):
            yield f"  const int32_t v{i} = {_value(task, x, y)};"
        for i in range(EACH):
            yield f"  q[{i}] = ({kind}){_code(task, f'v{i}', writer)};"
    yield "}"


def _words(name: str, form: Fixed, step: int) -> Iterator[str]:
    """C of the pairs of 16 bits that hold four values."""
    if not step:
        return
    if form.bits <= 8:
        yield f"const uint32_t {name}_four = LOAD4({name});"
        yield f"const uint32_t {name}0 = SXTB16({name}_four), {name}1 = SXTB16_ODD({name}_four);"
    else:
        yield f"const uint32_t {name}0 = LOAD4({name}), {name}1 = LOAD4({name} + 2);"


def _lanes(name: str, form: Fixed, step: int) -> list[tuple[str, str]]:
    """Word and half, bottom or top, of each of four values."""
    if not step:
        return [(f"{name}_all", "B")] * EACH
    if form.bits <= 8:
        return [(f"{name}0", "B"), (f"{name}1", "B"), (f"{name}0", "T"), (f"{name}1", "T")]
    return [(f"{name}0", "B"), (f"{name}0", "T"), (f"{name}1", "B"), (f"{name}1", "T")]


def _value(task: Task, x: tuple[str, str], y: tuple[str, str]) -> str:
    """C of a value with the half of the shift in it, from words and halves."""
    op = task.op
    assert isinstance(op, IntAdd | IntBinary) and isinstance(op.requantise, Shift)
    half = 1 << op.requantise.right >> 1
    one, other = (1 << left for left in op.left)
    if isinstance(op, IntAdd) or op.kind == "subtract":
        first = f"SMLA{x[1]}B({x[0]}, {one}, {half})"
        return f"SMLA{y[1]}B({y[0]}, {other if isinstance(op, IntAdd) else -other}, {first})"
    if op.kind == "multiply":
        return f"SMLA{x[1]}{y[1]}({x[0]}, {y[0]}, {half})"
    first, second = (f"SMLA{lane}B({word}, {by}, {half})" for (word, lane), by in ((x, one), (y, other)))
    return f"({{ const int32_t x = {first}, y = {second}; {combined(op)}; }})"


def _code(task: Task, value: str, writer: Writer) -> str:
    op = task.op
    assert isinstance(op, IntAdd | IntBinary)
    return code_of(op.requantise, value, writer)


def _rest(task: Task, count: int, writer: Writer) -> Iterator[str]:
    """Values that fill no word, one by one."""
    op, steps = task.op, nest_of(task).run[1]
    assert isinstance(op, IntAdd | IntBinary) and isinstance(op.requantise, Shift)
    for i in range(count):
        x, y = (
            f"{name}[{i if step else 0}] * (1 << {left})"
            for name, step, left in zip(POINTERS, steps, op.left, strict=True)
        )
        half = 1 << op.requantise.right >> 1
        code = _code(task, f"(({combined(op)}) + {half})", writer)
        yield f"{{ const int32_t x = {x}, y = {y}; q[{i}] = ({c_type(task.forms[-1])}){code}; }}"
    yield f"q += {count};"


KERNELS: tuple[Kernel, ...] = (DspJoin(),)
