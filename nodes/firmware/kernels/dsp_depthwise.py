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
  for (int c = 0; c < codes; c += 4, to += plane) {
\n#pragma GCC unroll 4
    for (int i = 0; i < pixels; i++) {
      uint32_t four = LOAD4(from + i * codes + c);
      to[i] = SXTB16(four);
      to[codes / 4 * plane + i] = SXTB16_ODD(four);
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
    """Sums of two channels of some pixels, at `sum[2 * pixel + lane]`, over all taps.

    Attributes:
        stride: words from pixel to pixel.
        step: words from tap to tap.
    """

    pixels: int
    rows: int
    taps: int
    stride: int
    wide: bool = False
    step: int = 1

    @property
    def name(self) -> str:
        """Of its C function."""
        holes = f"_step{self.step}" if self.step > 1 else ""
        return f"lanes{'64' if self.wide else ''}_{self.pixels}_of_{self.rows}x{self.taps}_stride{self.stride}{holes}"

    @property
    def bias_words(self) -> int:
        """Words of the biases in front of the taps."""
        return 4 if self.wide else 2

    def function(self) -> str:
        """C of it; `w` moves from the biases behind the taps."""
        return "\n".join(
            (
                "static inline __attribute__((always_inline, unused)) void",
                f"{self.name}({'int64_t' if self.wide else 'int32_t'} *sum, const uint32_t *const *rows, int at, "
                "const uint32_t **w) {",
                "#if OSSICLE_BLOCKS",
                *self._assembler(),
                "#else",
                *self._twin(),
                "#endif",
                "}",
            )
        )

    def _twin(self) -> Iterator[str]:
        count, kind = 2 * self.pixels, "int64_t" if self.wide else "int32_t"
        bias = (
            "(int64_t)((uint64_t)(*w)[i % 2 * 2 + 1] << 32 | (*w)[i % 2 * 2])" if self.wide else "(int32_t)(*w)[i % 2]"
        )
        yield f"  for (int i = 0; i < {count}; i++) sum[i] = {bias};"
        yield f"  *w += {self.bias_words};"
        yield f"  for (int m = 0; m < {self.rows}; m++)"
        yield f"    for (int t = 0; t < {self.taps}; t++, *w += 1)"
        yield f"      for (int i = 0; i < {count}; i++)"
        yield "        {"
        yield f"          const uint32_t z = rows[m][at + i / 2 * {self.stride} + t * {self.step}];"
        yield f"          sum[i] += ({kind})half(z, i % 2) * half(**w, i % 2);"
        yield "        }"

    @property
    def _sums(self) -> list[str]:
        return [f"{half}{i}" for i in range(2 * self.pixels) for half in (("l", "h") if self.wide else ("s",))]

    @property
    def _lent(self) -> list[str]:
        """Registers that hold the pointers to the other rows until they lie on the stack."""
        return [*self._sums, *(f"u{t}" for t in range(min(self.taps, HELD))), "z"][: self.rows - 1]

    @property
    def fits(self) -> bool:
        """Whether there are registers enough to lend."""
        return len(self._lent) == self.rows - 1

    def _assembler(self) -> Iterator[str]:
        names = [*self._sums, *(f"u{t}" for t in range(min(self.taps, HELD))), "z"]
        for name in names:
            given = f" = (uint32_t)(rows[{self._lent.index(name) + 1}] + at)" if name in self._lent else ""
            yield f"  uint32_t {name}{given};"
        yield "  const uint32_t *v = *w, *x = rows[0] + at;"
        yield "  __asm volatile("
        yield from (f'      "{line}\\n"' for line in self._instructions())
        places = [f'[{name}] "{"+" if name in self._lent else "=&"}r"({name})' for name in names]
        yield f"      : {', '.join((*places, '[v] {0}+r{0}(v)'.format(chr(34)), '[x] {0}+r{0}(x)'.format(chr(34))))}"
        yield '      :: "memory");'
        yield "  *w = v;"
        for i in range(2 * self.pixels):
            yield f"  sum[{i}] = " + (f"(int64_t)((uint64_t)h{i} << 32 | l{i});" if self.wide else f"(int32_t)s{i};")

    def _instructions(self) -> Iterator[str]:
        for name in reversed(self._lent):
            yield f"str %[{name}], [sp, #-4]!"
        last = 2 * self.pixels - 2
        for i in range(2 if self.wide else 1):
            names = (f"l{last + i}", f"h{last + i}") if self.wide else (f"s{last}", f"s{last + 1}")
            yield f"ldrd %[{names[0]}], %[{names[1]}], [%[v]], #8"
        if self.wide:
            yield from (f"mov %[{half}{i}], %[{half}{last + i % 2}]" for i in range(last) for half in "lh")
        for m in range(self.rows):
            if m:
                yield "ldr %[x], [sp], #4"
            for at, end, taps in split(self.taps, tuple(range(HELD, 0, -1))):
                for n in range(at, end, taps):
                    yield from self._part(n, taps, starts=not (m or n or self.wide))

    def _part(self, first: int, taps: int, *, starts: bool) -> Iterator[str]:
        """Some taps of a row, in registers. The very first of a pixel adds to the biases in the last one's sums."""
        for t in range(0, taps - 1, 2):
            yield f"ldrd %[u{t}], %[u{t + 1}], [%[v]], #8"
        if taps % 2:
            yield f"ldr %[u{taps - 1}], [%[v]], #4"
        for column in range(self.stride * (self.pixels - 1) + (taps - 1) * self.step + 1):
            taps_of = {p: divmod(column - p * self.stride, self.step) for p in range(self.pixels)}
            meets = {p: tap for p, (tap, rest) in taps_of.items() if 0 <= tap < taps and not rest}
            if meets:
                yield f"ldr %[z], [%[x], #{4 * (first * self.step + column)}]"
            for p, tap in meets.items():
                weight = f"%[u{tap}]"
                for lane, half in enumerate(("bb", "tt")):
                    i = 2 * p + lane
                    known = 2 * self.pixels - 2 + lane if starts and tap == 0 else i
                    into = f"%[l{i}], %[h{i}], %[z], {weight}" if self.wide else f"%[s{i}], %[z], {weight}, %[s{known}]"
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
        """See `Kernel`."""
        op = task.op
        assert isinstance(op, IntConv)
        if reason := general_refusal(task):
            return reason
        if op.groups != len(op.weight) or op.weight.shape[1] != 1 or len(op.inputs) > 1:
            return "it is not depthwise"
        if op.groups % (4 if task.is_byte else 2) or task.inputs[0].c != op.groups:
            return "its channels do not fill words"
        if not Lanes(1, *op.kernel, op.stride[1]).fits:
            return "its kernel has too many rows"
        reach = op.kernel[1] * op.dilation[1] + max(PIXELS) * op.stride[1]
        return "its kernel is too wide" if reach > FARTHEST else ""

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
        """See `RowKernel`."""
        op, out, sums = task.op, task.output, Sums(task)
        assert isinstance(op, IntConv)
        plane = _plane(self, task)
        weight = writer.constant("weight", packed(task, sums))
        kind, lanes = c_type(task.forms[-1]), 2 if task.is_byte else 1
        yield from self.advance(task, writer)
        yield f"const uint32_t *record = {weight}; int at = 0;"
        if lanes > 1:
            yield "for (int lane = 0; lane < 2; lane++)"
        first, moved = "line + lane" if lanes > 1 else "line", plane - op.stride[1] * out.w
        yield f"for ({kind} *of = {first}, *end = of + {out.c}; of < end; of += {2 * lanes}, at += {moved}) {{"
        yield f"  {kind} *q = of;"
        for begin, stop, pixels in split(out.w, PIXELS_WIDE if sums.is_wide else PIXELS):
            loops = (stop - begin) // pixels
            yield f"  for (int n = 0; n < {loops}; n++) {{" if loops > 1 else "  {"
            yield "    const uint32_t *w = record;"
            yield from (f"    {text}" for text in self._block(task, sums, pixels, writer))
            yield f"    at += {pixels * op.stride[1]}, q += {pixels * out.c};"
            yield "  }"
        yield f"  record += {_record(task, sums)};"
        yield "}"

    def _block(self, task: Task, sums: Sums, pixels: int, writer: Writer) -> Iterator[str]:
        op, out, wide = task.op, task.output, sums.is_wide
        assert isinstance(op, IntConv)
        lanes = Lanes(pixels, *op.kernel, op.stride[1], wide, op.dilation[1])
        writer.function(lanes.function())
        yield f"{'int64_t' if wide else 'int32_t'} sum[{2 * pixels}];"
        yield f"{lanes.name}(sum, rows, at, &w);"
        second = 2 if task.is_byte else 1
        for lane, offset in enumerate((0, second)):
            yield from sums.multiplier(lane)
            for p in range(pixels):
                code = sums.code(f"sum[{2 * p + lane}]", lane, f"(of - line + {offset})", writer)
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
    words = taps.reshape(-1, op.groups // 2)
    order = np.arange(op.groups).reshape(-1, 2)
    if task.is_byte:  # even planes, then odd ones
        order = np.arange(op.groups).reshape(-1, 2, 2).transpose(2, 0, 1).reshape(-1, 2)
        words = np.concatenate((words[:, 0::2], words[:, 1::2]), 1)
    bias = np.ascontiguousarray(with_half(op.bias, op.requantise).astype("<i8")).view("<u4").reshape(-1, 2)
    parts = [(bias if sums.is_wide else bias[:, :1])[order].reshape(len(order), -1)]
    parts.append(words.T)
    if sums.streams_scale:
        assert isinstance(op.requantise, Scale)
        parts.append(scale_words(op.requantise)[order].reshape(len(order), -1))
    return np.concatenate(parts, 1)


KERNELS: tuple[Kernel, ...] = (DspDepthwise(),)
