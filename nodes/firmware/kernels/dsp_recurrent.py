"""A vanilla recurrent layer: both products four units at a time, tanh by a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nodes.firmware.kernel import Kernel, Task
from nodes.firmware.kernels.dsp import DIALECT, biases, code_of, refusal
from nodes.firmware.kernels.dsp_dense import words_of
from nodes.firmware.kernels.plain import is_wide, recurrent_bound, stored
from nodes.firmware.writer import Writer
from nodes.quant.integer import IntRecurrent

ROWS = 4


@dataclass(frozen=True)
class DspRecurrent(Kernel):
    """Units and features in fours."""

    ops = (IntRecurrent,)

    @property
    def name(self) -> str:
        return "dsp-recurrent"

    @property
    def rank(self) -> int:
        return 10

    def refuse(self, task: Task) -> str:
        op = task.op
        assert isinstance(op, IntRecurrent)
        if reason := refusal(task):
            return reason
        if op.weight.shape[0] % ROWS or op.weight.shape[1] % 4:
            return "its units or features do not come in fours"
        return "its sums may need 64 bits" if is_wide(recurrent_bound(op, task)) else ""

    def scratch_bytes(self, task: Task) -> int:
        """Two states in turn."""
        op = task.op
        assert isinstance(op, IntRecurrent)
        return 2 * len(op.weight)

    def emit(self, task: Task, writer: Writer) -> None:
        op, x = task.op, task.inputs[0]
        assert isinstance(op, IntRecurrent)
        writer.function(DIALECT)
        units = len(op.weight)
        parts = (biases(op).reshape(-1, ROWS), words_of(op.weight, ROWS), words_of(op.recurrence, ROWS))
        weight = writer.constant("weight", np.concatenate(parts, 1))
        table = writer.constant("table", stored(op.table))
        writer.line(
            f"int8_t *before = (int8_t *)s, *after = before + {units};",
            f"memset(before, 0, {units});",
            f"for (int t = 0; t < {x.w}; t++) {{",
            f"  const uint32_t *w = {weight};",
            f"  for (int k = 0; k < {units}; k += {ROWS}) {{",
            *(f"    {line}" for line in _sums(op, f"x0 + t * {x.c}", writer, table)),
            "  }",
            *([f"  memcpy(o + t * {units}, after, {units});"] if op.whole else []),
            "  int8_t *other = before; before = after; after = other;",
            "}",
            *([] if op.whole else [f"memcpy(o, before, {units});"]),
        )


def _sums(op: IntRecurrent, given: str, writer: Writer, table: str) -> Iterator[str]:
    """Four units: the input's product, the state's, the code."""
    sums = range(ROWS)
    yield "int32_t " + ", ".join(f"a{i} = (int32_t)w[{i}], r{i} = 0" for i in sums) + f"; w += {ROWS};"
    for name, source, words in (("a", given, op.weight.shape[1] // 4), ("r", "before", op.recurrence.shape[1] // 4)):
        yield "\n#pragma GCC unroll 2"
        yield f"for (int c = 0; c < {words}; c++, w += {ROWS}) {{"
        yield f"  uint32_t four = LOAD4({source} + 4 * c), even = SXTB16(four), odd = SXTB16_ODD(four), v;"
        for i in sums:
            sum_, products = f"{name}{i}", ("SXTB16(v)", "SXTB16_ODD(v)")
            yield (
                f"  v = w[{i}]; {sum_} = SMLAD(even, {products[0]}, {sum_}); "
                f"{sum_} = SMLAD(odd, {products[1]}, {sum_});"
            )
        yield "}"
    for i in sums:
        total = f"(a{i} + r{i} * (1 << {op.recurrence_shift}))"
        yield f"after[k + {i}] = (int8_t){table}[{code_of(op.requantise, total, writer)} - ({op.requantise.low})];"


KERNELS: tuple[Kernel, ...] = (DspRecurrent(),)
