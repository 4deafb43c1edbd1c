"""Collects the C of one network: a named constant per tensor, functions, and the body of the layer being written."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from nodes.lne.program import identifier

PER_LINE = 16
LONGEST = 60
"""Characters of a layer's identifier: some compilers tell names apart by the first 63 only."""


class Writer:
    """What kernels write into. Constants carry the layer's name, so that a map file gives flash by layer."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.constants: dict[str, str] = {}
        self.states: dict[str, int] = {}
        self._functions: dict[str, None] = {}
        self._lines: list[str] = []
        self._layer = ""
        self._begun: set[str] = set()

    def begin(self, layer: str) -> None:
        """Start the body of a layer. Layers whose names give the same identifier are numbered."""
        self._layer, self._lines = _free(identifier(layer)[:LONGEST], self._begun), []
        self._begun.add(self._layer)

    def end(self) -> tuple[str, ...]:
        """The body written since `begin`."""
        return tuple(self._lines)

    def unique(self, name: str) -> str:
        """A symbol of this layer's own."""
        return f"{self.prefix}_{self._layer}_{name}"

    def constant(self, name: str, values: NDArray[np.generic], *, align: int = 4) -> str:
        """A read-only array of the layer, of the numpy type; its symbol."""
        symbol, kind, flat = self.unique(name), _C_TYPES[values.dtype.str[1:]], values.ravel().tolist()
        rest = f"[{len(flat)}] __attribute__((aligned({align}))) = {{\n  {_rows(flat)}}};"
        if self.constants.get(symbol, "").partition("[")[2] not in ("", rest[1:]):
            symbol = _free(symbol, self.constants)
        self.constants[symbol] = f"static const {kind} {symbol}{rest}"
        return symbol

    def state(self, name: str, size_bytes: int) -> str:
        """Memory of the layer that keeps its bytes from call to call, aligned to 8; its symbol."""
        symbol = self.unique(name)
        self.states[symbol] = size_bytes
        return symbol

    def function(self, text: str) -> None:
        """A static function, before every layer; equal ones are kept once."""
        self._functions[text] = None

    def line(self, *texts: str) -> None:
        """Lines of the layer's body."""
        self._lines.extend(texts)

    @property
    def functions(self) -> Iterable[str]:
        """In the order they were first written."""
        return self._functions


def _free(name: str, taken: Container[str]) -> str:
    """The name, or the first of name_2, name_3, ... that is free."""
    return next(one for n in range(1, 1 << 20) if (one := name if n == 1 else f"{name}_{n}") not in taken)


def _rows(flat: Sequence[object]) -> str:
    return ",\n  ".join(", ".join(map(str, flat[at : at + PER_LINE])) for at in range(0, len(flat), PER_LINE))


def comment(text: str) -> str:
    """Text that stays inside a C comment."""
    return " ".join(text.replace("*/", "* /").replace("/*", "/ *").split())


_C_TYPES = {
    "i1": "int8_t",
    "i2": "int16_t",
    "i4": "int32_t",
    "i8": "int64_t",
    "u1": "uint8_t",
    "u2": "uint16_t",
    "u4": "uint32_t",
}
