"""Depthwise convolution: two channels of up to four neighbouring pixels at a time.

The rows of the ring are planes, one word of every pixel after another, so that the taps of neighbouring pixels are
neighbours too. Up to three taps of a row are held in registers; every word of codes then meets all pixels it belongs
to. The halves of a word are two channels, so each multiplication is by one half.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nodes.firmware.kernel import Kernel, Task, c_type
from nodes.firmware.kernels.dsp import general_refusal, neighbours, pairs, scale_words
from nodes.firmware.kernels.dsp_block import split
from nodes.firmware.kernels.dsp_rows import Ring, RowKernel, pixel_words, ring_of
from nodes.firmware.kernels.dsp_sums import Sums
from nodes.firmware.kernels.requantise import with_half
from nodes.firmware.writer import Writer
from nodes.quant.integer import IntConv, Scale

PIXELS, PIXELS_WIDE = (4, 3, 2, 1), (2, 1)
"""Computed together, with sums of 32 and 64 bits."""
HELD = 3
"""Taps in registers."""
FARTHEST = 1000
PLANES = """static inline __attribute__((always_inline, unused)) void
expand_planes(const int8_t *from, uint32_t *to, int pixels, int codes, int plane) {
  for (int c = 0; c < codes; c += 4, to += 2 * plane) {
\n#pragma GCC unroll 4
    for (int i = 0; i < pixels; i++) {
      uint32_t four = LOAD4(from + i * codes + c);
      to[i] = SXTB16(four);
      to[plane + i] = SXTB16_ODD(four);
    }
  }
}"""
PLANES16 = """static inline __attribute__((always_inline, unused)) void
copy_planes(const int16_t *from, uint32_t *to, int pixels, int codes, int plane) {
  for (int c = 0; c < codes; c += 2, to += plane)
    for (int i = 0; i < pixels; i++) to[i] = LOAD4(from + i * codes + c);
}"""


@dataclass(frozen=True)
class Lanes:
    """Sums of two channels of some pixels, at `sum[2 * pixel + lane]`, over some taps of a row.

    Attributes:
        stride: words from pixel to pixel.
    """

    pixels: int
    taps: int
    stride: int
    wide: bool = False

    @property
    def name(self) -> str:
        """Of its C function."""
        return f"lanes{'64' if self.wide else ''}_{self.pixels}x{self.taps}_stride{self.stride}"

    def function(self) -> str:
        """C of it; `w` moves behind the taps."""
        kind = "int64_t" if self.wide else "int32_t"
        return "\n".join(
            (
                "static inline __attribute__((always_inline, unused)) void",
                f"{self.name}({kind} *sum, const uint32_t *x, const uint32_t **w) {{",
                "#if OSSICLE_BLOCKS",
                *self._assembler(),
                "#else",
                f"  for (int t = 0; t < {self.taps}; t++, *w += 1)",
                f"    for (int i = 0; i < {2 * self.pixels}; i++)",
                f"      sum[i] += ({kind})half(x[i / 2 * {self.stride} + t], i % 2) * half(**w, i % 2);",
                "#endif",
                "}",
            )
        )

    def _assembler(self) -> Iterator[str]:
        halves = ("l", "h") if self.wide else ("s",)
        for i in range(2 * self.pixels):
            if self.wide:
                yield f"  uint32_t l{i} = (uint32_t)sum[{i}], h{i} = (uint32_t)(sum[{i}] >> 32);"
            else:
                yield f"  int32_t s{i} = sum[{i}];"
        yield "  const uint32_t *v = *w;"
        weights = [f"u{t}" for t in range(self.taps)]
        yield f"  uint32_t z, {', '.join(weights)};"
        yield "  __asm("
        yield from (f'      "{line}\\n"' for line in self._instructions())
        sums = [f'[{half}{i}] "+r"({half}{i})' for i in range(2 * self.pixels) for half in halves]
        others = ['[v] "+r"(v)', '[z] "=&r"(z)', *(f'[{name}] "=&r"({name})' for name in weights)]
        yield "      : " + ", ".join((*sums, *others))
        yield '      : [x] "r"(x) : "memory");'
        yield "  *w = v;"
        for i in range(2 * self.pixels):
            yield f"  sum[{i}] = (int64_t)((uint64_t)h{i} << 32 | l{i});" if self.wide else f"  sum[{i}] = s{i};"

    def _instructions(self) -> Iterator[str]:
        for t in range(0, self.taps - 1, 2):
            yield f"ldrd %[u{t}], %[u{t + 1}], [%[v]], #8"
        if self.taps % 2:
            yield f"ldr %[u{self.taps - 1}], [%[v]], #4"
        for column in range(self.stride * (self.pixels - 1) + self.taps):
            meets = [p for p in range(self.pixels) if 0 <= column - p * self.stride < self.taps]
            if meets:
                yield f"ldr %[z], [%[x], #{4 * column}]"
            for p in meets:
                weight = f"%[u{column - p * self.stride}]"
                for lane, half in enumerate(("bb", "tt")):
                    i = 2 * p + lane
                    into = f"%[l{i}], %[h{i}], %[z], {weight}" if self.wide else f"%[s{i}], %[z], {weight}, %[s{i}]"
                    yield f"smla{'l' if self.wide else ''}{half} {into}"


@dataclass(frozen=True)
class DspDepthwise(RowKernel):
    """Channels that fill whole words."""

    @property
    def name(self) -> str:
        return "dsp-depthwise"

    @property
    def rank(self) -> int:
        return 10

    def refuse(self, task: Task) -> str:
        op = task.op
        assert isinstance(op, IntConv)
        if reason := general_refusal(task):
            return reason
        if op.groups != len(op.weight) or op.weight.shape[1] != 1 or op.dilation != (1, 1) or len(op.inputs) > 1:
            return "it is not depthwise"
        if op.groups % (4 if task.is_byte else 2) or task.inputs[0].c != op.groups:
            return "its channels do not fill words"
        return "its kernel is too wide" if op.kernel[1] + max(PIXELS) * op.stride[1] > FARTHEST else ""

    def ring(self, task: Task) -> Ring:
        op = task.op
        assert isinstance(op, IntConv)
        return replace(ring_of(task), left_words=op.pads.left)

    def expansion(self, task: Task, source: str, target: str, writer: Writer) -> str:
        x, plane = task.inputs[0], _plane(self, task)
        writer.function(PLANES if task.is_byte else PLANES16)
        name = "expand_planes" if task.is_byte else "copy_planes"
        return f"{name}({source}, {target}, {x.w}, {x.c}, {plane});"

    def line(self, task: Task, writer: Writer) -> Iterator[str]:
        op, out, sums = task.op, task.output, Sums(task)
        assert isinstance(op, IntConv)
        each, plane = pixel_words(task), _plane(self, task)
        weight = writer.constant("weight", packed(task, sums))
        start, kind = "i / 2 * 4 + i % 2" if task.is_byte else "2 * i", c_type(task.forms[-1])
        yield from self.advance(task, writer)
        yield f"const uint32_t *record = {weight};"
        yield f"for (int i = 0; i < {each}; i++, record += {_record(task, sums)}) {{"
        yield f"  {kind} *q = line + {start};"
        for first, end, pixels in split(out.w, PIXELS_WIDE if sums.is_wide else PIXELS):
            yield f"  for (int x = {first}; x < {end}; x += {pixels}, q += {pixels * out.c}) {{"
            yield f"    const uint32_t *w = record; const int at = i * {plane} + x * {op.stride[1]};"
            yield from (f"    {text}" for text in self._block(task, sums, pixels, writer))
            yield "  }"
        yield "}"

    def _block(self, task: Task, sums: Sums, pixels: int, writer: Writer) -> Iterator[str]:
        op, out, wide = task.op, task.output, sums.is_wide
        assert isinstance(op, IntConv)
        kind = "int64_t" if wide else "int32_t"
        start = [
            f"(int64_t)((uint64_t)w[{2 * i + 1}] << 32 | w[{2 * i}])" if wide else f"(int32_t)w[{i}]" for i in (0, 1)
        ]
        yield f"{kind} b0 = {start[0]}, b1 = {start[1]}, sum[{2 * pixels}] = {{{', '.join(['b0, b1'] * pixels)}}};"
        yield f"w += {4 if wide else 2};"
        for m in range(op.kernel[0]):
            for at, end, taps in split(op.kernel[1], tuple(range(HELD, 0, -1))):
                lanes = Lanes(pixels, taps, op.stride[1], wide)
                writer.function(lanes.function())
                for n in range(at, end, taps):
                    yield f"{lanes.name}(sum, rows[{m}] + at{f' + {n}' if n else ''}, &w);"
        second = 2 if task.is_byte else 1
        for lane, offset in enumerate((0, second)):
            yield from sums.multiplier(lane)
            for p in range(pixels):
                code = sums.code(
                    f"sum[{2 * p + lane}]",
                    lane,
                    f"({'i / 2 * 4 + i % 2' if task.is_byte else '2 * i'} + {offset})",
                    writer,
                )
                yield f"q[{p * out.c + offset}] = ({c_type(task.forms[-1])}){code};"


def _plane(kernel: RowKernel, task: Task) -> int:
    """Words of one plane of a row: one per pixel."""
    return kernel.ring(task).words // pixel_words(task)


def _record(task: Task, sums: Sums) -> int:
    op = task.op
    assert isinstance(op, IntConv)
    return 2 * (2 if sums.is_wide else 1) + op.kernel[0] * op.kernel[1] + (6 if sums.streams_scale else 0)


def packed(task: Task, sums: Sums) -> NDArray[np.uint32]:
    """Per word of a pixel: the biases of its two channels, the taps, the multipliers if there are."""
    op = task.op
    assert isinstance(op, IntConv)
    taps = (pairs if task.is_byte else neighbours)(op.weight[:, 0].transpose(1, 2, 0))  # rows, columns, words
    order = np.arange(op.groups).reshape(-1, 4)[:, (0, 2, 1, 3)] if task.is_byte else np.arange(op.groups)
    order = order.reshape(-1, 2)
    bias = np.ascontiguousarray(with_half(op.bias, op.requantise).astype("<i8")).view("<u4").reshape(-1, 2)
    parts = [(bias if sums.is_wide else bias[:, :1])[order].reshape(len(order), -1)]
    parts.append(taps.reshape(-1, len(order)).T)
    if sums.streams_scale:
        assert isinstance(op.requantise, Scale)
        parts.append(scale_words(op.requantise)[order].reshape(len(order), -1))
    return np.concatenate(parts, 1)


KERNELS: tuple[Kernel, ...] = (DspDepthwise(),)
