"""The C of a front end: one file and a header, for any processor; SIMD where the compiler says it is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nodes.firmware.compose import FrontEndCode
from nodes.firmware.frontend.dft import Codes, Stage, places, split_turns, turns
from nodes.firmware.frontend.plan import LOG_BITS, Plan
from nodes.firmware.frontend.reference import LN2
from nodes.firmware.frontend.tables import ROOT_UP, log_table, root_table
from nodes.firmware.writer import Writer
from nodes.lne.frontend.template import filled
from nodes.lne.program import identifier

_HERE = "nodes.firmware.frontend"
WAY_BITS = 12
"""Lowest bits of a table's entry: the way to the next one."""


@dataclass(frozen=True)
class Source(FrontEndCode):
    """Generated code: `NAME.c` and `NAME.h` need nothing but a C compiler.

    Attributes:
        ram_bytes: of all its variables.
        constant_bytes: of all its tables.
    """

    ram_bytes: int
    constant_bytes: int


def frontend_source(plan: Plan, name: str = "frontend") -> Source:
    """C of a front end; the same plan gives the same bytes."""
    prefix = identifier(name)
    f, output = plan.front_end, plan.output
    tables, constants, table_bytes = _tables(plan, prefix)
    words: dict[str, object] = {
        "name": prefix,
        "NAME": prefix.upper(),
        "about": _about(plan),
        "rate_hz": f.rate_hz,
        "clip_samples": f.clip_samples,
        "window": f.window_samples,
        "hop": f.hop_samples,
        "before": plan.ends[0],
        "after": plan.ends[1],
        "frames": plan.frames,
        "bands": f.n_mels,
        "coefficients": f.coefficients,
        "points": plan.points,
        "fraction": output.fraction,
        "code": "int8_t" if output.bits <= 8 else "int16_t",
        "right": plan.right,
        "bits": output.bits,
        "late": int(plan.range_codes > 0),
        "range": plan.range_codes,
        "lowest": output.low,
        "highest": output.high,
        "constants": constants,
        **tables,
    }
    source, header = (filled(_HERE, template, **words) for template in ("frontend.c", "frontend.h"))
    return Source(prefix, source, header, plan.frames, f.coefficients, output, ram_bytes(plan), table_bytes)


def _tables(plan: Plan, prefix: str) -> tuple[dict[str, object], str, int]:
    """Texts with constants in them, the constants, and their bytes."""
    writer = Writer(prefix)
    writer.begin("table")
    parts = (_transform(plan, writer), _spectrum(plan, writer), _logarithms(plan, writer), _sums(plan, writer))
    texts = list(writer.constants.values())
    return {key: text for part in parts for key, text in part.items()}, "\n".join(texts), sum(map(_bytes, texts))


def _bytes(constant: str) -> int:
    """Of an array, by its declaration: static const int16_t NAME[3] ..."""
    found = re.match(r"static const u?int(\d+)_t \w+\[(\d+)\]", constant)
    return int(found[1]) // 8 * int(found[2]) if found else 0


def ram_bytes(plan: Plan) -> int:
    """All variables: points, samples, logarithms and what the cosine transform reads, the ring, three counters."""
    item = 1 if plan.output.bits <= 8 else 2
    f = plan.front_end
    ring = -(-plan.frames * f.coefficients * item // 4) * 4
    logs = 2 * _even(f.n_mels) * (2 if f.n_mfcc else 1)
    kept = 2 * plan.frames * f.n_mels if plan.range_codes else 0
    return 8 * plan.points + 2 * f.window_samples + logs + kept + ring + 12


def _even(count: int) -> int:
    return count + count % 2


def _about(plan: Plan) -> str:
    f = plan.front_end
    kind = f"{f.n_mfcc} cepstral coefficients" if f.n_mfcc else f"{f.n_mels} log-mel bands"
    return f"{kind} of {plan.frames} frames of {f.window_samples} samples every {f.hop_samples}"


def _with_tables(plan: Plan) -> list[Stage]:
    """Stages with turns of their own: later ones of radix 4 take every fourth row of the first one's."""
    return [stage for index, stage in enumerate(plan.stages) if not stage.last and index <= (plan.stages[0].radix == 2)]


def _rows(pair: tuple[Codes, Codes]) -> Codes:
    return np.stack(pair, axis=-1).astype(np.int32)


def _transform(plan: Plan, writer: Writer) -> dict[str, object]:
    tables = [writer.constant(f"turns{index}", _rows(turns(stage))) for index, stage in enumerate(_with_tables(plan))]
    window = writer.constant("window", plan.window.astype(np.int16))
    place = writer.constant("places", places(plan.stages, 0).astype(np.uint16))
    texts, calls = [_first(plan, tables[0], place)], ["  window_and_first();"]
    for index, stage in enumerate(plan.stages[1:], 1):
        owner = min(index, len(tables) - 1)
        texts.append(_later(plan, index, tables[owner], plan.stages[owner].rest // stage.rest))
        calls.append(f"  stage_{index}();")
    return {"transform": "\n".join(texts), "calls": "\n".join(calls), "window_table": window}


def _first(plan: Plan, table: str, place: str) -> str:
    """Windowing and the first stage: a loop for every run of butterflies with the same inputs that are not zero."""
    stage, filled_pairs = plan.stages[0], plan.front_end.window_samples // 2
    lines = [
        "/* Samples times the window, two by two as complex numbers, and the first stage of the DFT. */",
        "static __attribute__((noinline)) void window_and_first(void) {",
        f"  const int32_t *by = {table};",
    ]
    cuts = {0, stage.rest}
    for leg in range(2 * stage.radix):
        cuts.add(min(max(filled_pairs - leg * stage.rest, 0), stage.rest))
    for low, high in zip(sorted(cuts), sorted(cuts)[1:], strict=False):
        live = [leg for leg in range(2 * stage.radix) if low + leg * stage.rest < filled_pairs]
        lines += [f"  for (int j = {low}; j < {high}; j++, by += {2 * (stage.radix - 1)}) {{"]
        lines += [f"  {text}" for text in _windowed(stage, live)]
        lines += [f"    {_FIRST[stage.radix].format(place=place)}", "  }"]
    return "\n".join([*lines, "}", ""])


_FIRST = {
    4: "four(points + {place}[j], 1, a, b, c, d, by, TURNED);",
    2: "two(points + {place}[j], 1, a, b, by);",
}


def _windowed(stage: Stage, live: list[int]) -> Iterator[str]:
    """The inputs of butterfly j: of each leg the pairs that are not zero, or nothing."""
    names = "abcd"[: stage.radix]
    yield f"  point_t {', '.join(names)};"
    for leg, name in enumerate(names):
        words = [again for again in (leg, leg + stage.radix) if again in live]
        for macro, word in zip(("SET_WINDOWED", "ADD_WINDOWED"), words, strict=False):
            yield f"  {macro}({name}, j + {word * stage.rest});"
        if not words:
            yield f"  {name}.power = 0;"


_INNER = """{pad}for (point_t *end = low + {done}; low < end; low++)
{pad}  four(low, {done}, low[0], low[{done}], low[{two}], low[{three}], {by}, {kind});"""


def _later(plan: Plan, index: int, table: str, step: int) -> str:
    """A stage in place: loops over the digits of the butterflies, then over what earlier stages laid side by side.

    The first butterfly of every transform is not turned; where that is one of four, it gets a loop of its own.
    """
    stage, digits = plan.stages[index], plan.stages[index + 1 :]
    sizes = {"done": stage.done, "two": 2 * stage.done, "three": 3 * stage.done}
    lines = [f"static __attribute__((noinline)) void stage_{index}(void) {{", "  point_t *low = points;"]
    if len(digits) <= 1:
        lines.append(_INNER.format(pad="  ", by=0, kind="AS_THEY_ARE" if stage.last else "DIVIDED", **sizes))
    if digits:
        row, only = step * 2 * (stage.radix - 1), len(digits) == 1
        lines.append(f"  const int32_t *by = {table}{f' + {row}' if only else ''};")
        weight, place = stage.done * stage.radix, []
        for level, after in enumerate(digits):
            start = int(only)
            lines.append(f"  for (int d{level} = {start}; d{level} < {after.radix}; d{level}++)")
            place.append(f" + d{level} * {weight}")
            weight *= after.radix
        lines[-1] += " {"
        lines.append(f"    low = points{''.join(place)};")
        lines.append(_INNER.format(pad="    ", by="by", kind="TURNED", **sizes))
        lines.append(f"    by += {row};\n  }}")
    return "\n".join([*lines, "}", ""]) + "\n"


_ROOT = """
/* Roots: of the leading 32 bits, by a table of sqrt with straight lines between. */
static __attribute__((noinline)) void find_roots(void) {{
#ifdef OSSICLE_STAGES
  const int first = 1, last = POINTS - 1;
#else
  const int first = {first}, last = {last}; /* others are in no band */
#endif
  for (point_t *bin = points + first; bin <= points + last; bin++) {{
    const uint32_t high = (uint32_t)(bin->power >> 32), low = (uint32_t)bin->power;
    uint32_t value = low, up = {up};
    if (high) value = high << 16 | low >> 16, up = {up} + 8;
    value |= 1;
    const int zeros = __builtin_clz(value) & ~1;
    const uint32_t leading = value << zeros;
    const uint32_t entry = {table}[leading >> 25];
    const uint32_t root = (entry >> {bits}) + (((entry & {mask}) * ((leading >> 9) & 0xFFFF)) >> 16);
    bin->power = (root << up) >> (zeros >> 1);
  }}
}}
"""


def _spectrum(plan: Plan, writer: Writer) -> dict[str, object]:
    bands, power = plan.bands, plan.front_end.power
    counts = writer.constant("counts", bands.counts.astype(np.uint8 if bands.counts.max() < 256 else np.uint16))
    used = bands.counts > 0
    first, last = int(bands.first[used].min()), int((bands.first + bands.counts - 1)[used].max())
    root = ""
    if power == 1:
        table = writer.constant("root", _from_zero(_ways(root_table())))
        root = _ROOT.format(first=first, last=last, up=ROOT_UP, table=table, bits=WAY_BITS, mask=(1 << WAY_BITS) - 1)
    return {
        "split": writer.constant("split", _rows(split_turns(plan.points, plan.scaling.down))),
        "even_right": 1 + plan.scaling.down,
        "root": root,
        "find_roots": "  find_roots();" if root else "",
        "power": power,
        "counts": counts,
        "first": writer.constant("first", bands.first.astype(np.uint16)),
        "weights": writer.constant("weights", bands.weights.astype(np.uint16)),
    }


def _ways(table: Codes) -> Codes:
    """Entries, each with the way to the next one in its lowest bits."""
    return (table[:-1] << WAY_BITS) + np.diff(table)


def _from_zero(entries: Codes) -> NDArray[np.uint32]:
    """Room for 32 entries in front, as mantissas begin with 32."""
    return np.concatenate((np.zeros(32), entries)).astype(np.uint32)


def _each(writer: Writer, name: str, values: Codes, index: str) -> str:
    """An array's element in C, or the number itself where all are equal."""
    if (values == values.flat[0]).all():
        return str(values.flat[0])
    kind = np.int32 if np.abs(values).max() < 1 << 31 else np.int64
    return f"{writer.constant(name, values.astype(kind))}[{index}]"


def _logarithms(plan: Plan, writer: Writer) -> dict[str, object]:
    floor = _each(writer, "floors", plan.floors, "band")
    if plan.front_end.log == "ln":
        raised = f"  sum += {floor};"
    else:
        raised = f"  if (sum < (uint64_t){floor}) return {plan.silence};"
    right = LOG_BITS - plan.log_fraction
    return {
        "raise": f"  (void)band;\n{raised}",
        "log_table": writer.constant("log2", _ways(log_table()).astype(np.uint32)),
        "way_bits": WAY_BITS,
        "way_mask": (1 << WAY_BITS) - 1,
        "ln2": LN2,
        "log_bias": f"({_each(writer, 'log_bias', plan.log_bias, 'band')})",
        "log_half": 1 << right >> 1,
        "log_right": right,
        "log_room": _even(plan.front_end.n_mels),
    }


_COSINE = """/* Cosine transform. Its rows are even or odd, so bands are first added to those opposite or taken from
   them; of {rows} coefficients, factors for two bands each lie side by side. */
static __attribute__((noinline)) void find_sums(int32_t *sums) {{
  static int16_t folded[2][{half}] __attribute__((aligned(4)));
  for (int m = 0; m < {half}; m++) {{
    const int x = logs[m], y = logs[BANDS - 1 - m];
    folded[0][m] = (int16_t)(x + y);
    folded[1][m] = (int16_t)(x - y);
  }}
  const int16_t *factor = {matrix};
  for (int odd = 0; odd < 2; odd++)
    for (int k = odd; k < COEFFICIENTS; k += {step}) {{
      int32_t {begins};
      for (const int16_t *x = folded[odd]; x < folded[odd] + {half}; x += 2, factor += {twice}) {{
        const pair_t both = PAIR(x);
{adds}
      }}
{stores}
    }}
}}
"""
_SCALE = """/* To the scale of codes. */
static void find_sums(int32_t *sums) {{
  for (int k = 0; k < COEFFICIENTS; k++) sums[k] = logs[k] * {factor} + {bias};
}}
"""


def _sums(plan: Plan, writer: Writer) -> dict[str, object]:
    f = plan.front_end
    if not f.n_mfcc:
        factor, bias = _each(writer, "factors", plan.matrix, "k"), _each(writer, "bias", plan.bias, "k")
        return {"sums": _SCALE.format(factor=factor, bias=f"({bias})")}
    half = f.n_mels // 2
    rows = next(rows for rows in (5, 4, 3, 2, 1) if f.n_mfcc % (2 * rows) == 0)
    groups = (plan.matrix[k : k + 2 * rows : 2, :half].reshape(rows, -1, 2) for k in _groups(f.n_mfcc, rows))
    laid = np.concatenate([group.transpose(1, 0, 2) for group in groups])
    names = [f"s{row}" for row in range(rows)]
    begins = [_each(writer, "bias", plan.bias, f"k + {2 * row}") for row in range(rows)]
    return {
        "sums": _COSINE.format(
            rows=rows,
            half=half,
            matrix=writer.constant("cosines", np.ascontiguousarray(laid).astype(np.int16)),
            begins=", ".join(f"{name} = {value}" for name, value in zip(names, begins, strict=True)),
            step=2 * rows,
            twice=2 * rows,
            adds=_lines("        {n} = ADD_BOTH(both, PAIR(factor + {at}), {n});", names),
            stores=_lines("      sums[k + {at}] = {n};", names),
        )
    }


def _lines(text: str, names: list[str]) -> str:
    return "\n".join(text.format(n=name, at=2 * row) for row, name in enumerate(names))


def _groups(count: int, rows: int) -> list[int]:
    """First coefficients of the groups: all of even number, then all of odd number."""
    return [k for odd in (0, 1) for k in range(odd, count, 2 * rows)]
