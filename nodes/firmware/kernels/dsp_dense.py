"""Fully connected layers: the input is expanded once and meets four outputs at a time.

Each weight is used once, so expanding them beforehand would double their flash for a few instructions: weights of
8 bits stay so. Weights of 16 bits are pairs already.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nodes.firmware.kernel import Kernel, Task, c_type
from nodes.firmware.kernels.dsp import DIALECT, EXPAND, biases, general_refusal, scale_words
from nodes.firmware.kernels.dsp_block import Block, split
from nodes.firmware.kernels.dsp_bytes import ByteBlock
from nodes.firmware.kernels.dsp_rows import words
from nodes.firmware.kernels.dsp_sums import SCALE_WORDS, Sums
from nodes.firmware.writer import Writer
from nodes.quant.fixed import Codes
from nodes.quant.integer import IntConv, Scale

ROWS = (4, 2, 1)


def refusal(task: Task) -> str:
    """What both kernels ask for."""
    op, x = task.op, task.inputs[0]
    assert isinstance(op, IntConv)
    if reason := general_refusal(task):
        return reason
    if op.groups != 1 or len(op.inputs) > 1 or task.output.h * task.output.w > 1 or op.kernel != (x.h, x.w):
        return "it is not fully connected"
    return "its inputs do not fill words" if x.size % (4 if task.is_byte else 2) else ""


@dataclass(frozen=True)
class DspDense(Kernel):
    """Weights of 8 bits."""

    ops = (IntConv,)

    @property
    def name(self) -> str:
        return "dsp-dense"

    @property
    def rank(self) -> int:
        return 30

    def refuse(self, task: Task) -> str:
        op = task.op
        assert isinstance(op, IntConv)
        if reason := refusal(task):
            return reason
        if not task.is_byte or np.abs(op.weight + 0.5).max() > 127.5:
            return "its codes or weights are not in 8 bits"
        return "its sums may need 64 bits" if Sums(task).is_wide else ""

    def scratch_bytes(self, task: Task) -> int:
        return 2 * task.inputs[0].size

    def emit(self, task: Task, writer: Writer) -> None:
        op, sums, size = task.op, Sums(task), task.inputs[0].size
        assert isinstance(op, IntConv)
        writer.function(DIALECT)
        writer.function(EXPAND)
        writer.line("uint32_t *given = (uint32_t *)s;", f"expand(x0, given, {size // 4});")
        writer.line(f"const uint32_t *w = {writer.constant('weight', packed(op, sums))};")
        for first, end, rows in split(len(op.weight), ROWS):
            writer.line(f"for (int k = {first}; k < {end}; k += {rows}) {{")
            writer.line(f"  int32_t sum[{rows}] = {{{', '.join(f'(int32_t)w[{i}]' for i in range(rows))}}};")
            writer.line("  const uint32_t *row = given;", f"  w += {rows};")
            writer.line(*(f"  {line}" for line in ByteBlock(rows).run(writer, size // 4)))
            for i in range(rows):
                writer.line(*(f"  {line}" for line in sums.multiplier(i)))
                writer.line(f"  o[k + {i}] = (int8_t){sums.code(f'sum[{i}]', i, f'k + {i}', writer)};")
            if sums.streams_scale:
                writer.line(f"  w += {SCALE_WORDS * rows};")
            writer.line("}")


@dataclass(frozen=True)
class DspDensePairs(Kernel):
    """Weights in pairs of 16 bits: for maps of 16 bits, or where flash does not matter."""

    ops = (IntConv,)

    @property
    def name(self) -> str:
        return "dsp-dense-pairs"

    @property
    def rank(self) -> int:
        return 29

    def refuse(self, task: Task) -> str:
        return refusal(task)

    def scratch_bytes(self, task: Task) -> int:
        return 2 * task.inputs[0].size

    def emit(self, task: Task, writer: Writer) -> None:
        op, sums, x, out = task.op, Sums(task), task.inputs[0], task.output
        assert isinstance(op, IntConv)
        writer.function(DIALECT)
        matrix = op.weight.transpose(0, 2, 3, 1).reshape(len(op.weight), -1)
        if task.is_byte:
            writer.function(EXPAND)
        copied = f"expand(x0, given, {x.size // 4});" if task.is_byte else f"memcpy(given, x0, {2 * x.size});"

        def products(block: Block) -> Iterator[str]:
            yield "const uint32_t *row = given;"
            yield from block.run(writer, x.size // 2)

        block = Block(1, max(sums.parts), wide=sums.is_wide)
        writer.line(
            "uint32_t *given = (uint32_t *)s;",
            copied,
            f"const uint32_t *w = {writer.constant('weight', sums.packed(words(matrix, task)))};",
            f"{c_type(task.forms[-1])} *q = o;",
            *sums.loop(block, products, "0", writer),
        )
        del out


def packed(op: IntConv, sums: Sums) -> NDArray[np.uint32]:
    """Per some outputs: bias words, then word by word the weights of each, then the multipliers if there are."""
    matrix = op.weight.transpose(0, 2, 3, 1).reshape(len(op.weight), -1)
    records = []
    for first, end, rows in split(len(matrix), ROWS):
        pieces = [biases(op)[first:end].reshape(-1, rows), words_of(matrix[first:end], rows)]
        if sums.streams_scale:
            assert isinstance(op.requantise, Scale)
            pieces.append(scale_words(op.requantise)[first:end].reshape(-1, SCALE_WORDS * rows))
        records.append(np.concatenate(pieces, 1).ravel())
    return np.concatenate(records)


def words_of(matrix: Codes, rows: int) -> NDArray[np.uint32]:
    """Codes (outputs, inputs) as words of four inputs; those of `rows` outputs one after another."""
    words = np.ascontiguousarray(matrix, np.int8).view("<u4").reshape(-1, rows, matrix.shape[1] // 4)
    return words.transpose(0, 2, 1).reshape(len(words), -1).astype(np.uint32)


KERNELS: tuple[Kernel, ...] = (DspDense(), DspDensePairs())
