"""Products of expanded codes with weights of 8 bits, expanded on the way: where each weight is used but a few times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nodes.firmware.kernels.dsp_block import distance
from nodes.firmware.writer import Writer

MOST_WORDS = 4
"""In one piece of assembler, per row."""
AGAIN = ("ldr %[u0], [sp]", "cmp %[x], %[u0]", "bne 1b", "add sp, #4")
"""No register is left for a counter: the end lies on the stack."""


@dataclass(frozen=True)
class ByteBlock:
    """Sums of some rows of weights, at `sum[row]`.

    `row` points at codes in pairs, two words for every four (see `dsp.pairs`), `w` at words of four weights, those of
    the rows one after another.
    """

    rows: int

    def run(self, writer: Writer, words: int) -> Iterator[str]:
        """C that adds so many words of every row; it moves `row` and `w`."""
        size = next(size for size in range(min(words, MOST_WORDS), 0, -1) if words % size == 0)
        writer.function(self._function(f"bytes_{self.rows}x{words}", size, words // size))
        yield f"bytes_{self.rows}x{words}(sum, &row, &w);"

    def call(self, writer: Writer, words: int) -> Iterator[str]:
        """As `run`, by a function that all layers share and that begins with the biases at `w`."""
        size = next(size for size in (MOST_WORDS, 2, 1) if words % size == 0)
        name, rows = f"bytes_{self.rows}_by{size}", range(self.rows)
        body = (
            "static __attribute__((noinline)) const uint32_t *",
            f"{name}(int32_t *sum, const uint32_t *x, const uint32_t *v, const uint32_t *end) {{",
            "#if OSSICLE_BLOCKS",
            "  int32_t " + ", ".join(f"s{i} = (int32_t)v[{i}]" for i in rows) + ";",
            f"  v += {self.rows};",
            *self._assembler(["push {%[end]}", "1:", *self._lines(size), *AGAIN], '[end] "r"(end)'),
            *(f"  sum[{i}] = s{i};" for i in rows),
            "#else",
            f"  for (int i = 0; i < {self.rows}; i++) sum[i] = (int32_t)v[i];",
            f"  v += {self.rows};",
            *self._twin("x != end"),
            "#endif",
            "  return v;",
            "}",
        )
        writer.function("\n".join(body))
        yield f"w = {name}(sum, row, w, row + {2 * words});"

    def _function(self, name: str, words: int, loops: int) -> str:
        """C of a number of words."""
        rows, lines = range(self.rows), self._lines(words)
        if loops > 1:
            lines = [*distance("t", "x", 8 * words * loops), "push {%[t]}", "1:", *lines, *AGAIN]
        return "\n".join(
            (
                "static inline __attribute__((always_inline, unused)) void",
                f"{name}(int32_t *sum, const uint32_t **row, const uint32_t **w) {{",
                "  const uint32_t *x = *row, *v = *w;",
                "#if OSSICLE_BLOCKS",
                "  int32_t " + ", ".join(f"s{i} = sum[{i}]" for i in rows) + ";",
                *self._assembler(lines, ""),
                *(f"  sum[{i}] = s{i};" for i in rows),
                "#else",
                *self._twin(f"c < {words * loops}"),
                "#endif",
                "  *row = x; *w = v;",
                "}",
            )
        )

    def _assembler(self, lines: list[str], given: str) -> Iterator[str]:
        yield "  uint32_t z0, z1, u0, u1, t;"
        yield "  __asm volatile("
        yield from (f'      "{line}\\n"' for line in lines)
        yield f"""      : {", ".join(f'[s{i}] "+r"(s{i})' for i in range(self.rows))}, [x] "+r"(x), [v] "+r"(v),"""
        yield '        [z0] "=&r"(z0), [z1] "=&r"(z1), [u0] "=&r"(u0), [u1] "=&r"(u1), [t] "=&r"(t)'
        yield f'      : {given} : "cc", "memory");'

    def _twin(self, until: str) -> Iterator[str]:
        yield f"  for (int c = 0; {until}; c++, x += 2, v += {self.rows})"
        yield f"    for (int i = 0; i < {self.rows}; i++)"
        yield "      sum[i] = SMLAD(x[1], SXTB16_ODD(v[i]), SMLAD(x[0], SXTB16(v[i]), sum[i]));"

    def _lines(self, words: int) -> list[str]:
        return [line for _ in range(words) for line in self._word()]

    def _word(self) -> Iterator[str]:
        yield "ldrd %[z0], %[z1], [%[x]], #8"
        for at in range(0, self.rows, 2):
            is_pair = at + 1 < self.rows
            yield "ldrd %[u0], %[u1], [%[v]], #8" if is_pair else "ldr %[u0], [%[v]], #4"
            for i in range(at, at + 1 + is_pair):
                yield f"sxtb16 %[t], %[u{i - at}]"
                yield f"sxtb16 %[u{i - at}], %[u{i - at}], ror #8"
                yield f"smlad %[s{i}], %[z0], %[t], %[s{i}]"
                yield f"smlad %[s{i}], %[z1], %[u{i - at}], %[s{i}]"
