"""Inner products of the kernels for SIMD: a few pixels times a few channels, every sum in a register.

Written in assembler, because registers are the whole matter: 2 pixels x 4 channels keep 8 sums, 2 pointers, 2 words of
codes and 2 of weights in the 14 registers there are, so that 8 multiplications of pairs need 3 or 4 loads. Compilers
spill such a block, each in its own way; like this they give the same count. Loads advance their pointers and take two
words where those are neighbours. Each block has a twin in C for other machines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nodes.firmware.writer import Writer

MOST_STEPS = 16
"""In one piece of assembler: about 700 bytes of code; longer runs loop over it."""
REGISTERS = 14
TOGETHER = 0


@dataclass(frozen=True)
class Block:
    """Sums of `pixels` x `channels`, at `sum[pixel * channels + channel]`.

    The words of `channels` channels lie one after another, step by step; so do those of the pixels (`apart` is 0), or
    the pixels are `apart` words from each other.

    Attributes:
        wide: sums of 64 bits.
    """

    pixels: int
    channels: int
    apart: int = TOGETHER
    wide: bool = False

    @property
    def sum_type(self) -> str:
        """C type of a sum."""
        return "int64_t" if self.wide else "int32_t"

    @property
    def bias_words(self) -> int:
        """Words of the biases in front of the weights."""
        return self.channels * (2 if self.wide else 1)

    @property
    def name(self) -> str:
        """Of its C functions."""
        distance = f"_apart{self.apart}" if self.apart and self.pixels > 1 else ""
        return f"block{'64' if self.wide else ''}_{self.pixels}x{self.channels}{distance}"

    @property
    def advance(self) -> int:
        """Words by which a step moves the pointer to the codes."""
        return 1 if self.apart or self.pixels == 1 else self.pixels

    def run(self, writer: Writer, steps: int, *, starts: bool) -> Iterator[str]:
        """C of a run of steps over `row` and `w`, which it moves; with `starts`, biases first."""
        size = -(-steps // -(-steps // MOST_STEPS))
        loops, rest = divmod(steps, size)
        if starts:
            yield self._call(writer, size, "start")
            loops -= 1
        if loops > 1:
            yield f"for (const uint32_t *end = row + {loops * size * self.advance}; row != end;)"
        if loops:
            yield f"{'  ' if loops > 1 else ''}{self._call(writer, size, 'add')}"
        if rest:
            yield self._call(writer, rest, "add")

    def _call(self, writer: Writer, steps: int, kind: str) -> str:
        writer.function(self.function(steps, kind == "start"))
        return f"{self.name}_{kind}{steps}(sum, &row, &w);"

    def function(self, steps: int, starts: bool) -> str:
        """C of a number of steps."""
        name = f"{self.name}_{'start' if starts else 'add'}{steps}"
        return "\n".join(
            (
                "static inline __attribute__((always_inline, unused)) void",
                f"{name}({self.sum_type} *sum, const uint32_t **row, const uint32_t **w) {{",
                "#if OSSICLE_BLOCKS",
                *self._assembler(steps, starts),
                "#else",
                *self._twin(steps, starts),
                "#endif",
                "}",
            )
        )

    def _assembler(self, steps: int, starts: bool) -> Iterator[str]:
        count, holds = self.pixels * self.channels, "=&r" if starts else "+r"
        halves = ("l", "h") if self.wide else ("s",)
        for i in range(count):
            if self.wide and not starts:
                yield f"  uint32_t l{i} = (uint32_t)sum[{i}], h{i} = (uint32_t)(sum[{i}] >> 32);"
            elif self.wide:
                yield f"  uint32_t l{i}, h{i};"
            else:
                yield f"  int32_t s{i}{'' if starts else f' = sum[{i}]'};"
        loads = max(2, self.pixels)
        yield "  const uint32_t *x = *row, *v = *w;"
        yield "  uint32_t " + ", ".join(f"z{i}" for i in range(loads)) + ", u0, u1;"
        yield "  __asm("
        yield from (f'      "{line}\\n"' for line in (*(self._biases() if starts else ()), *self._steps(steps, starts)))
        sums = [f'[{half}{i}] "{holds}"({half}{i})' for i in range(count) for half in halves]
        others = ['[x] "+r"(x)', '[v] "+r"(v)', *(f'[{t}] "=&r"({t})' for t in (*_temporaries(loads), "u0", "u1"))]
        yield "      : " + ", ".join((*sums, *others))
        yield '      :: "memory");'
        yield "  *row = x; *w = v;"
        for i in range(count):
            yield f"  sum[{i}] = (int64_t)((uint64_t)h{i} << 32 | l{i});" if self.wide else f"  sum[{i}] = s{i};"

    def _biases(self) -> Iterator[str]:
        """Into the sums of the first pixel."""
        if self.wide:
            yield from (f"ldrd %[l{c}], %[h{c}], [%[v]], #8" for c in range(self.channels))
            return
        for c in range(0, self.channels - 1, 2):
            yield f"ldrd %[s{c}], %[s{c + 1}], [%[v]], #8"
        if self.channels % 2:
            yield f"ldr %[s{self.channels - 1}], [%[v]], #4"

    def _steps(self, steps: int, starts: bool) -> Iterator[str]:
        if self.pixels > 1:
            for step in range(steps):
                yield from self._codes()
                yield from self._products([f"z{p}" for p in range(self.pixels)], starts and not step)
            return
        for _ in range(0, steps - 1, 2):
            yield "ldrd %[z0], %[z1], [%[x]], #8"
            yield from (*self._products(["z0"], False), *self._products(["z1"], False))
        if steps % 2:
            yield "ldr %[z0], [%[x]], #4"
            yield from self._products(["z0"], False)

    def _codes(self) -> Iterator[str]:
        """One word of every pixel."""
        if not self.apart and self.pixels == 2:
            yield "ldrd %[z0], %[z1], [%[x]], #8"
            return
        distance = 4 * self.apart or 4
        moved = 4 if self.apart else 4 * self.pixels
        yield f"ldr %[z0], [%[x]], #{moved}"
        yield from (f"ldr %[z{p}], [%[x], #{p * distance - moved}]" for p in range(1, self.pixels))

    def _products(self, codes: list[str], first: bool) -> Iterator[str]:
        """All sums of a step. The very first ones of the other pixels take the biases from the first pixel's."""
        for at in range(0, self.channels, 2):
            pair = at + 1 < self.channels
            yield "ldrd %[u0], %[u1], [%[v]], #8" if pair else "ldr %[u0], [%[v]], #4"
            for c in range(at, at + 1 + pair):
                for p in reversed(range(len(codes))):
                    yield from self._product(p * self.channels + c, c if first else -1, codes[p], f"u{c - at}")

    def _product(self, index: int, bias: int, code: str, weight: str) -> Iterator[str]:
        if not self.wide:
            source = index if bias < 0 else bias
            yield f"smlad %[s{index}], %[{code}], %[{weight}], %[s{source}]"
            return
        if bias not in (-1, index):
            yield from (f"mov %[{half}{index}], %[{half}{bias}]" for half in "lh")
        yield f"smlald %[l{index}], %[h{index}], %[{code}], %[{weight}]"

    def _twin(self, steps: int, starts: bool) -> Iterator[str]:
        p, c, kind = self.pixels, self.channels, self.sum_type
        if starts and self.wide:
            yield f"  for (int i = 0; i < {p * c}; i++)"
            yield f"    sum[i] = (int64_t)((uint64_t)(*w)[2 * (i % {c}) + 1] << 32 | (*w)[2 * (i % {c})]);"
        elif starts:
            yield f"  for (int i = 0; i < {p * c}; i++) sum[i] = (int32_t)(*w)[i % {c}];"
        if starts:
            yield f"  *w += {self.bias_words};"
        yield f"  for (int t = 0; t < {steps}; t++, *row += {self.advance}, *w += {c})"
        yield f"    for (int i = 0; i < {p * c}; i++) {{"
        yield f"      uint32_t z = (*row)[i / {c} * {(self.apart if p > 1 else 0) or 1}], u = (*w)[i % {c}];"
        yield f"      sum[i] += ({kind})half(z, 0) * half(u, 0) + ({kind})half(z, 1) * half(u, 1);"
        yield "    }"


def _temporaries(count: int) -> tuple[str, ...]:
    return tuple(f"z{i}" for i in range(count))


def split(size: int, parts: tuple[int, ...]) -> Iterator[tuple[int, int, int]]:
    """(first, end, part) that cover `size` with the largest parts first."""
    at = 0
    for part in parts:
        count = (size - at) // part * part
        if count:
            yield at, at + count, part
            at += count
