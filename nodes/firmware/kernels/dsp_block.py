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

MOST_STEPS, LEAST_STEPS = 18, 6
"""In one piece of assembler, 48 bytes of code each; longer runs loop over it."""
REGISTERS = 14
TOGETHER = 0
LARGEST_IMMEDIATE = 4095


@dataclass(frozen=True)
class Pieces:
    """Steps of a piece of assembler, and how often it is repeated; with `starts`, biases first."""

    steps: int
    loops: int
    starts: bool


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

    def run(self, writer: Writer, steps: int, *, starts: bool = True) -> Iterator[str]:
        """C of a run of steps over `row` and `w`, which it moves; with `starts`, from the biases at `w` on."""
        size = piece(steps)
        loops, rest = divmod(steps, size)
        for pieces in (Pieces(size, loops, starts), Pieces(rest, 1, False)):
            if pieces.steps:
                writer.function(self.function(pieces))
                yield f"{self._function_name(pieces)}(sum, &row, &w);"

    def _function_name(self, pieces: Pieces) -> str:
        loops = f"x{pieces.loops}" if pieces.loops > 1 else ""
        return f"{self.name}_{'from_bias_' if pieces.starts else ''}{pieces.steps}{loops}"

    def function(self, pieces: Pieces) -> str:
        """C of some steps."""
        return "\n".join(
            (
                "static inline __attribute__((always_inline, unused)) void",
                f"{self._function_name(pieces)}({self.sum_type} *sum, const uint32_t **row, const uint32_t **w) {{",
                "#if OSSICLE_BLOCKS",
                *self._assembler(pieces),
                "#else",
                *self._twin(pieces),
                "#endif",
                "}",
            )
        )

    def _assembler(self, pieces: Pieces) -> Iterator[str]:
        count, halves = self.pixels * self.channels, ("l", "h") if self.wide else ("s",)
        for i in range(count):
            given = ("", "") if pieces.starts else (f" = (uint32_t)sum[{i}]", f" = (uint32_t)(sum[{i}] >> 32)")
            if self.wide:
                yield f"  uint32_t l{i}{given[0]}, h{i}{given[1]};"
            else:
                yield f"  int32_t s{i}{'' if pieces.starts else f' = sum[{i}]'};"
        loads = tuple(f"z{i}" for i in range(max(2, self.pixels)))
        yield "  const uint32_t *x = *row, *v = *w;"
        yield f"  uint32_t {', '.join(loads)}, u0, u1;"
        yield "  __asm volatile("
        lines = [*(self._biases() if pieces.starts else ()), *self._loop(pieces)]
        yield from (f'      "{line}\\n"' for line in lines)
        holds = "=&r" if pieces.starts else "+r"
        sums = [f'[{half}{i}] "{holds}"({half}{i})' for i in range(count) for half in halves]
        others = ['[x] "+r"(x)', '[v] "+r"(v)', *(f'[{t}] "=&r"({t})' for t in (*loads, "u0", "u1"))]
        yield "      : " + ", ".join((*sums, *others))
        yield '      :: "cc", "memory");'
        yield "  *row = x; *w = v;"
        for i in range(count):
            yield f"  sum[{i}] = (int64_t)((uint64_t)h{i} << 32 | l{i});" if self.wide else f"  sum[{i}] = s{i};"

    def _biases(self) -> Iterator[str]:
        """Into the sums of every pixel."""
        if self.wide:
            yield from (f"ldrd %[l{c}], %[h{c}], [%[v]], #8" for c in range(self.channels))
        for c in range(0, 0 if self.wide else self.channels - 1, 2):
            yield f"ldrd %[s{c}], %[s{c + 1}], [%[v]], #8"
        if self.channels % 2 and not self.wide:
            yield f"ldr %[s{self.channels - 1}], [%[v]], #4"
        for i in range(self.channels, self.pixels * self.channels):
            yield from (f"mov %[{half}{i}], %[{half}{i % self.channels}]" for half in ("lh" if self.wide else "s"))

    def _loop(self, pieces: Pieces) -> Iterator[str]:
        """No register is left for a counter: the end lies on the stack."""
        if pieces.loops == 1:
            yield from self._steps(pieces.steps)
            return
        yield from distance("z0", "x", 4 * pieces.steps * pieces.loops * self.advance)
        yield "push {%[z0]}"
        yield "1:"
        yield from self._steps(pieces.steps)
        yield from ("ldr %[u0], [sp]", "cmp %[x], %[u0]", "bne 1b", "add sp, #4")

    def _steps(self, steps: int) -> Iterator[str]:
        if self.pixels > 1:
            for _ in range(steps):
                yield from self._codes()
                yield from self._products([f"z{p}" for p in range(self.pixels)])
            return
        for _ in range(0, steps - 1, 2):
            yield "ldrd %[z0], %[z1], [%[x]], #8"
            yield from (*self._products(["z0"]), *self._products(["z1"]))
        if steps % 2:
            yield "ldr %[z0], [%[x]], #4"
            yield from self._products(["z0"])

    def _codes(self) -> Iterator[str]:
        """One word of every pixel."""
        if not self.apart and self.pixels == 2:
            yield "ldrd %[z0], %[z1], [%[x]], #8"
            return
        distance = 4 * self.apart or 4
        moved = 4 if self.apart else 4 * self.pixels
        yield f"ldr %[z0], [%[x]], #{moved}"
        yield from (f"ldr %[z{p}], [%[x], #{p * distance - moved}]" for p in range(1, self.pixels))

    def _products(self, codes: list[str]) -> Iterator[str]:
        """All sums of a step."""
        for at in range(0, self.channels, 2):
            is_pair = at + 1 < self.channels
            yield "ldrd %[u0], %[u1], [%[v]], #8" if is_pair else "ldr %[u0], [%[v]], #4"
            for c in range(at, at + 1 + is_pair):
                for p, code in enumerate(codes):
                    i, words = p * self.channels + c, f"%[{code}], %[u{c - at}]"
                    yield f"smlald %[l{i}], %[h{i}], {words}" if self.wide else f"smlad %[s{i}], {words}, %[s{i}]"

    def _twin(self, pieces: Pieces) -> Iterator[str]:
        p, c, kind, steps = self.pixels, self.channels, self.sum_type, pieces.steps * pieces.loops
        if pieces.starts and self.wide:
            yield f"  for (int i = 0; i < {p * c}; i++)"
            yield f"    sum[i] = (int64_t)((uint64_t)(*w)[2 * (i % {c}) + 1] << 32 | (*w)[2 * (i % {c})]);"
        elif pieces.starts:
            yield f"  for (int i = 0; i < {p * c}; i++) sum[i] = (int32_t)(*w)[i % {c}];"
        if pieces.starts:
            yield f"  *w += {self.bias_words};"
        yield f"  for (int t = 0; t < {steps}; t++, *row += {self.advance}, *w += {c})"
        yield f"    for (int i = 0; i < {p * c}; i++) {{"
        yield f"      uint32_t z = (*row)[i / {c} * {(self.apart if p > 1 else 0) or 1}], u = (*w)[i % {c}];"
        yield f"      sum[i] += ({kind})half(z, 0) * half(u, 0) + ({kind})half(z, 1) * half(u, 1);"
        yield "    }"


def distance(target: str, base: str, count: int) -> Iterator[str]:
    """Assembler: target = base + count bytes."""
    if count <= LARGEST_IMMEDIATE:
        yield f"addw %[{target}], %[{base}], #{count}"
        return
    yield f"movw %[{target}], #{count & 0xFFFF}"
    if count >> 16:
        yield f"movt %[{target}], #{count >> 16}"
    yield f"add %[{target}], %[{base}]"


def piece(steps: int) -> int:
    """Steps of one piece of a run: a divisor, so that no rest is left, unless all are small."""
    whole = next(size for size in range(min(steps, MOST_STEPS), 0, -1) if steps % size == 0)
    return whole if whole >= min(steps, LEAST_STEPS) else MOST_STEPS


def split(size: int, parts: tuple[int, ...]) -> Iterator[tuple[int, int, int]]:
    """(first, end, part) that cover `size` with the largest parts first."""
    at = 0
    for part in parts:
        count = (size - at) // part * part
        if count:
            yield at, at + count, part
            at += count
