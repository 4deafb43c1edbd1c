"""Products of expanded codes with weights of 8 bits, expanded on the way: for layers that use each weight once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nodes.firmware.writer import Writer

MOST_WORDS = 8
"""In one piece of assembler, per row."""


@dataclass(frozen=True)
class ByteBlock:
    """Sums of some rows of weights, at `sum[row]`.

    `row` points at codes in pairs, two words for every four (see `dsp.pairs`), `w` at words of four weights, those of
    the rows one after another.
    """

    rows: int

    def run(self, writer: Writer, words: int) -> Iterator[str]:
        """C that adds so many words of every row; it moves `row` and `w`."""
        size = -(-words // -(-words // MOST_WORDS))
        loops, rest = divmod(words, size)
        if loops > 1:
            yield f"for (const uint32_t *end = row + {loops * size * 2}; row != end;)"
        yield f"{'  ' if loops > 1 else ''}{self._call(writer, size)}"
        if rest:
            yield self._call(writer, rest)

    def _call(self, writer: Writer, words: int) -> str:
        writer.function(self.function(words))
        return f"bytes_{self.rows}x{words}(sum, &row, &w);"

    def function(self, words: int) -> str:
        """C of a number of words."""
        rows = range(self.rows)
        sums = ", ".join(f'[s{i}] "+r"(s{i})' for i in rows)
        return "\n".join(
            (
                "static inline __attribute__((always_inline, unused)) void",
                f"bytes_{self.rows}x{words}(int32_t *sum, const uint32_t **row, const uint32_t **w) {{",
                "#if OSSICLE_BLOCKS",
                "  int32_t " + ", ".join(f"s{i} = sum[{i}]" for i in rows) + ";",
                "  const uint32_t *x = *row, *v = *w;",
                "  uint32_t z0, z1, u0, u1, t;",
                "  __asm(",
                *(f'      "{line}\\n"' for _ in range(words) for line in self._word()),
                f'      : {sums}, [x] "+r"(x), [v] "+r"(v),',
                '        [z0] "=&r"(z0), [z1] "=&r"(z1), [u0] "=&r"(u0), [u1] "=&r"(u1), [t] "=&r"(t)',
                '      :: "memory");',
                "  *row = x; *w = v;",
                *(f"  sum[{i}] = s{i};" for i in rows),
                "#else",
                f"  for (int c = 0; c < {words}; c++, *row += 2, *w += {self.rows})",
                f"    for (int i = 0; i < {self.rows}; i++)",
                "      sum[i] = SMLAD((*row)[1], SXTB16_ODD((*w)[i]), SMLAD((*row)[0], SXTB16((*w)[i]), sum[i]));",
                "#endif",
                "}",
            )
        )

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
