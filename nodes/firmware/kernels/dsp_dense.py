"""Fully connected layers, and convolutions of few pixels: codes are expanded once and meet four outputs at a time.

Each weight is used but a few times, so expanding them beforehand would double their flash for a few instructions:
weights of 8 bits stay so. Weights of 16 bits are pairs already.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nodes.firmware.kernel import Kernel, LineKernel, Task, c_type
from nodes.firmware.kernels.dsp import DIALECT, EXPAND, biases, general_refusal, scale_words
from nodes.firmware.kernels.dsp_block import Block, split
from nodes.firmware.kernels.dsp_bytes import ByteBlock
from nodes.firmware.kernels.dsp_conv import DspConv
from nodes.firmware.kernels.dsp_rows import band_fill, band_of, words
from nodes.firmware.kernels.dsp_sums import SCALE_WORDS, Sums
from nodes.firmware.writer import Writer
from nodes.quant.fixed import Codes
from nodes.quant.integer import IntConv, Scale

ROWS = (4, 2, 1)
FEW = 4
"""Pixels for which weights stay in 8 bits."""


def refusal(task: Task) -> str:
    """What both kernels ask for."""
    op, x = task.op, task.inputs[0]
    assert isinstance(op, IntConv)
    if reason := general_refusal(task):
        return reason
    if op.groups != 1 or len(op.inputs) > 1 or task.output.h * task.output.w > 1 or op.kernel != (x.h, x.w):
        return "it is not fully connected"
    return "its inputs do not fill words" if x.size % (4 if task.is_byte else 2) else ""


def byte_refusal(task: Task) -> str:
    """What kernels ask for that keep weights in 8 bits."""
    op = task.op
    assert isinstance(op, IntConv)
    if not task.is_byte or np.abs(op.weight + 0.5).max() > 127.5:
        return "its codes or weights are not in 8 bits"
    return "its sums may need 64 bits" if Sums(task).is_wide else ""


def outputs(sums: Sums, count: int, words: int, given: str, writer: Writer) -> Iterator[str]:
    """C of some outputs at `q` from the codes at `given`; `w` is at the records."""
    for first, end, rows in split(count, ROWS):
        yield f"for (int k = {first}; k < {end}; k += {rows}, q += {rows}) {{"
        yield f"  int32_t sum[{rows}];"
        yield f"  const uint32_t *row = {given};"
        yield from (f"  {line}" for line in ByteBlock(rows).call(writer, words))
        for i in range(rows):
            yield from (f"  {line}" for line in sums.multiplier(i))
            yield f"  q[{i}] = (int8_t){sums.code(f'sum[{i}]', i, f'k + {i}', writer)};"
        if sums.streams_scale:
            yield f"  w += {SCALE_WORDS * rows};"
        yield "}"


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
        return refusal(task) or byte_refusal(task)

    def scratch_bytes(self, task: Task) -> int:
        return 2 * task.inputs[0].size

    def emit(self, task: Task, writer: Writer) -> None:
        """See `Kernel`."""
        op, sums, size = task.op, Sums(task), task.inputs[0].size
        assert isinstance(op, IntConv)
        writer.function(DIALECT)
        writer.function(EXPAND)
        matrix = op.weight.transpose(0, 2, 3, 1).reshape(len(op.weight), -1)
        weight = writer.constant("weight", packed(matrix, sums))
        writer.line("uint32_t *given = (uint32_t *)s;", f"expand(x0, given, {size // 4});")
        writer.line(f"const uint32_t *w = {weight};", "int8_t *q = o;")
        writer.line(*outputs(sums, len(op.weight), size // 4, "given", writer))


@dataclass(frozen=True)
class DspFew(LineKernel):
    """A convolution of few pixels, weights of 8 bits: half the flash, some instructions more."""

    ops = (IntConv,)

    @property
    def name(self) -> str:
        return "dsp-few"

    @property
    def rank(self) -> int:
        return 5

    def preference(self, task: Task) -> float:
        """Before the kernel whose weights are in 16 bits, where that gains little."""
        return DspConv().rank + 1 if task.output.h * task.output.w <= FEW else self.rank

    def refuse(self, task: Task) -> str:
        """See `Kernel`."""
        if len(task.op.inputs) > 1:
            return "it has a residual"
        if getattr(task.op, "dilation", (1, 1)) != (1, 1):
            return "it has dilation"
        return DspConv().refuse(task) or byte_refusal(task)

    def scratch_bytes(self, task: Task) -> int:
        return DspConv().scratch_bytes(task)

    def setup(self, task: Task, writer: Writer) -> Iterator[str]:
        return DspConv().setup(task, writer)

    def line(self, task: Task, writer: Writer) -> Iterator[str]:
        """See `LineKernel`."""
        op, out, sums = task.op, task.output, Sums(task)
        assert isinstance(op, IntConv)
        taps = np.pad(op.weight, ((0, 0), (0, -op.weight.shape[1] % 4), (0, 0), (0, 0))).transpose(0, 3, 2, 1)
        matrix = taps.reshape(len(taps), -1)
        weight = writer.constant("weight", packed(matrix, sums))
        given = f"band + x * {op.stride[1] * band_of(task).column}"
        yield from band_fill(task, writer)
        yield "int8_t *q = line;"
        yield f"for (int x = 0; x < {out.w}; x++) {{"
        yield f"  const uint32_t *w = {weight};"
        yield from (f"  {line}" for line in outputs(sums, out.c, matrix.shape[1] // 4, given, writer))
        yield "}"


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
        """See `Kernel`."""
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
            *sums.loop(block, products, "(q - o)", writer),
        )
        del out


def packed(matrix: Codes, sums: Sums) -> NDArray[np.uint32]:
    """Per some outputs: bias words, then word by word the weights of each, then the multipliers if there are."""
    op, records = sums.op, []
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
FEW_PIXELS: tuple[Kernel, ...] = (DspFew(),)
