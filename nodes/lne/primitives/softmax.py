"""Softmax over the channels of every pixel, channels last: the largest, exponentials and their sum, the quotient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nodes.lne.dialect import load, store, vector_type, zero
from nodes.lne.ir import Softmax
from nodes.lne.primitive import Place, Primitive, Task
from nodes.lne.writer import Writer

VALUE_COST = 2.0
"""Estimated time per value, in multiply-accumulates of a blocked kernel at the same vector width."""
PLAIN_COST = 30.0


@dataclass(frozen=True)
class ChannelSoftmax(Primitive):
    """Vectors of channels, or one channel after another."""

    plain: bool = False

    ops = (Softmax,)

    @property
    def name(self) -> str:
        return "plain-softmax" if self.plain else "softmax"

    def refuse(self, task: Task) -> str:
        return "the target has no vectors" if not self.plain and task.target.vector == 1 else ""

    def cost(self, task: Task) -> float:
        return task.graph.maps[task.op.output].size * (PLAIN_COST if self.plain else VALUE_COST)

    def in_place(self, task: Task) -> tuple[int, ...]:
        del task
        return (0,)

    def emit(self, place: Place, writer: Writer) -> None:
        """See `Primitive`."""
        op, x, out = place.task.op, place.inputs[0], place.output
        assert isinstance(op, Softmax)
        vector = 1 if self.plain else place.task.target.vector
        whole, rest = divmod(x.map.c, vector)
        half = vector // 2
        tail = 0 if rest == 0 else half if rest <= half and vector > 4 else vector
        for width in (1, 4, 8, 16):  # each is built on the one before
            if width in (vector, tail) or 4 <= width < vector:
                writer.function("\n".join(_reductions(width)))
        writer.line(
            f"for (int y = 0; y < {out.map.h}; y++)",
            f"  for (int x = 0; x < {out.map.w}; x++) {{",
            f"    const float *a = x0 + {x.origin} + y * {x.row_step} + x * {x.column_step};",
            f"    float *r = o + {out.origin} + y * {out.row_step} + x * {out.column_step};",
            *(f"    {line}" for line in _pixel(op.is_log, x.map.c, whole * vector, vector, tail)),
        )
        if self.plain and out.channels > x.map.c:
            writer.line(f"    for (int i = {x.map.c}; i < {out.channels}; i++) r[i] = 0.0f;")
        writer.line("  }")


def _reductions(width: int) -> Iterator[str]:
    """The largest value and the sum of a vector, by halves."""
    kind, half = vector_type(width), width // 2
    for name, joined in (("highest", "max{w}({a}, {b})"), ("total", "{a} + {b}")):
        start = f"static inline __attribute__((unused)) float {name}{width}({kind} x) {{"
        if width == 1:
            yield f"{start} return x; }}"
        elif width == 4:
            pairs = [joined.format(w=1, a=f"x[{i}]", b=f"x[{i + 1}]") for i in (0, 2)]
            yield f"{start} return {joined.format(w=1, a=f'({pairs[0]})', b=f'({pairs[1]})')}; }}"
        else:
            yield f"{start}\n  v{half} a, b;\n  memcpy(&a, &x, sizeof a);"
            yield "  memcpy(&b, (const char *)&x + sizeof a, sizeof b);"
            yield f"  return {name}{half}({joined.format(w=half, a='a', b='b')});\n}}"


def _pixel(is_log: bool, channels: int, whole: int, vector: int, tail: int) -> Iterator[str]:
    """One pixel: `whole` channels in vectors, then one vector of `tail` lanes whose surplus is minus infinity."""
    kind, last = vector_type(vector), vector_type(tail)
    loop = f"for (int i = 0; i < {whole}; i += {vector})"
    tops, totals = [], []
    if whole:
        yield f"{kind} m = {zero(vector)} - INFINITY, total = {zero(vector)};"
        yield f"{loop} m = max{vector}(m, {load(vector, 'a + i')});"
        tops, totals = [f"highest{vector}(m)"], [f"total{vector}(total)"]
    if tail:
        mask = ", ".join("-1" if whole + lane < channels else "0" for lane in range(tail))
        blank = f"{zero(tail)} - INFINITY"
        yield f"{last} t = select{tail}((i{tail}){{{mask}}}, {load(tail, f'a + {whole}')}, {blank});"
        tops, totals = [*tops, f"highest{tail}(t)"], [*totals, f"total{tail}(e)"]
    yield f"float top = {tops[0] if len(tops) == 1 else f'max1({tops[0]}, {tops[1]})'};"
    if whole:
        kept = f"{load(vector, 'a + i')} - top" if is_log else "e"
        power = f"{kind} e = exp{vector}({load(vector, 'a + i')} - top);"
        yield f"{loop} {{ {power} total += e; {store(vector, 'r + i', kept)} }}"
    if tail:
        yield f"{last} e = exp{tail}(t - top);"
    join, last_step = ("-", "log1(sum)") if is_log else ("*", "1.0f / sum")
    yield f"float sum = {' + '.join(totals)}, last = {last_step};"
    if whole:
        again = f"{load(vector, 'r + i')} {join} last"
        yield f"{loop} {store(vector, 'r + i', again)}"
    if tail:
        value = f"max{tail}(t - top, {zero(tail)} - 1e30f)" if is_log else "e"
        yield store(tail, f"r + {whole}", f"{value} {join} last")


PRIMITIVES: tuple[Primitive, ...] = (ChannelSoftmax(), ChannelSoftmax(plain=True))
