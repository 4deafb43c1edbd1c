"""Fully connected layers: four outputs at a time, weights in 8 bits, expanded on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nodes.firmware.kernel import Kernel, Task
from nodes.firmware.kernels.dsp import DIALECT, biases, code_of, refusal
from nodes.firmware.kernels.plain import is_wide, sum_bound
from nodes.firmware.writer import Writer
from nodes.quant.fixed import Codes
from nodes.quant.integer import IntConv


@dataclass(frozen=True)
class DspDense(Kernel):
    """A kernel that covers its whole map, so that every weight meets one code."""

    ops = (IntConv,)

    @property
    def name(self) -> str:
        return "dsp-dense"

    @property
    def rank(self) -> int:
        return 20

    def refuse(self, task: Task) -> str:
        op, x = task.op, task.inputs[0]
        assert isinstance(op, IntConv)
        if reason := refusal(task):
            return reason
        if op.groups != 1 or len(op.inputs) > 1 or task.output.h * task.output.w > 1 or op.kernel != (x.h, x.w):
            return "it is not fully connected"
        if x.size % 4:
            return "its inputs do not come in fours"
        return "its sums may need 64 bits" if is_wide(sum_bound(op, task)) else ""

    def emit(self, task: Task, writer: Writer) -> None:
        op = task.op
        assert isinstance(op, IntConv)
        writer.function(DIALECT)
        outputs, inputs, at = len(op.weight), task.inputs[0].size, 0
        for rows in (4, 2, 1):
            count = (outputs - at) // rows * rows
            if count:
                weight = writer.constant(f"weight{rows}", packed(op, slice(at, at + count), rows))
                writer.line(*_rows(op, weight, rows, (at, at + count), inputs // 4, writer))
                at += count


def _rows(op: IntConv, weight: str, rows: int, span: tuple[int, int], words: int, writer: Writer) -> Iterator[str]:
    names = "abcd"[:rows]
    yield f"{{ const uint32_t *w = {weight};"
    yield f"  for (int k = {span[0]}; k < {span[1]}; k += {rows}) {{"
    yield "    int32_t " + ", ".join(f"{name} = (int32_t)w[{i}]" for i, name in enumerate(names)) + ";"
    yield f"    w += {rows};"
    yield "\n#pragma GCC unroll 2"
    yield f"    for (int t = 0; t < {words}; t++, w += {rows}) {{"
    yield "      uint32_t four = LOAD4(x0 + 4 * t), even = SXTB16(four), odd = SXTB16_ODD(four), v;"
    for i, name in enumerate(names):
        yield f"      v = w[{i}]; {name} = SMLAD(even, SXTB16(v), {name}); {name} = SMLAD(odd, SXTB16_ODD(v), {name});"
    yield "    }"
    for i, name in enumerate(names):
        yield f"    o[k + {i}] = (int8_t){code_of(op.requantise, name, writer)};"
    yield "  }"
    yield "}"


def packed(op: IntConv, outputs: slice, rows: int) -> NDArray[np.uint32]:
    """Per `rows` outputs: bias words, then word by word the weights of each."""
    matrix = op.weight.transpose(0, 2, 3, 1).reshape(len(op.weight), -1)[outputs]
    return np.concatenate((biases(op)[outputs].reshape(-1, rows), words_of(matrix, rows)), 1)


def words_of(matrix: Codes, rows: int) -> NDArray[np.uint32]:
    """Codes (outputs, inputs) as words of four inputs; those of `rows` outputs one after another."""
    words = np.ascontiguousarray(matrix, np.int8).view("<u4").reshape(-1, rows, matrix.shape[1] // 4)
    return words.transpose(0, 2, 1).reshape(len(words), -1).astype(np.uint32)


KERNELS: tuple[Kernel, ...] = (DspDense(),)
