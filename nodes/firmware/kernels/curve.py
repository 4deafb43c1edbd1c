"""Functions of a code as tables in C, with straight lines between the entries where there are fewer than codes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nodes.firmware.writer import Writer
from nodes.quant.fixed import Codes
from nodes.quant.integer import Table

BETWEEN = (
    "static inline __attribute__((always_inline, unused)) int32_t\n"
    "ossicle_between(const int16_t *table, int32_t at, int spacing) {\n"
    "  int32_t first = table[at >> spacing], next = table[(at >> spacing) + 1];\n"
    "  int32_t rise = (next - first) * (at & ((1 << spacing) - 1));\n"
    "  return first + ((rise + (1 << (spacing - 1))) >> spacing);\n}"
)


def stored(values: Codes) -> NDArray[np.generic]:
    """In the smallest type that holds them."""
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    kinds = (np.int8, np.int16, np.int32)
    kind = next(kind for kind in kinds if low >= np.iinfo(kind).min and high <= np.iinfo(kind).max)
    return values.astype(kind)


def looked_up(table: Table, code: str, name: str, writer: Writer) -> str:
    """C of a function of a code; `name` is that of its constant in the layer."""
    sign = "-" if table.lowest > 0 else "+"
    if table.spacing == 0:
        return f"({writer.constant(name, stored(table.values))} {sign} {abs(table.lowest)})[{code}]"
    writer.function(BETWEEN)
    at = f"({code}) {sign if table.lowest else '-'} {abs(table.lowest)}"
    return f"ossicle_between({writer.constant(name, table.values.astype(np.int16))}, {at}, {table.spacing})"
