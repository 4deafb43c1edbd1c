"""Collects the C of one network: constants, functions and the body of the layer being written."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

ALIGN_BYTES = 64


class Writer:
    """What primitives write into. Equal constants and equal functions are kept once."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._blobs: list[bytes] = []
        self._places: dict[bytes, int] = {}
        self._size = 0
        self._functions: dict[str, None] = {}
        self._lines: list[str] = []
        self._layer = ""

    def constant(self, values: NDArray[np.generic]) -> str:
        """A C expression for the address of read-only values, aligned to 64 bytes, of the array's element type.

        float64 is stored as float32.
        """
        packed = np.ascontiguousarray(values, np.float32 if values.dtype == np.float64 else values.dtype)
        place = self._place(packed.tobytes())
        return f"((const {_C_TYPES[packed.dtype.str[1:]]} *)({self.prefix}_weights + {place}))"

    def _place(self, blob: bytes) -> int:
        known = self._places.get(blob)
        if known is not None:
            return known
        place, padded = self._size, blob + bytes(-len(blob) % ALIGN_BYTES)
        self._places[blob] = place
        self._blobs.append(padded)
        self._size += len(padded)
        return place

    def begin(self, layer: str) -> None:
        """Start the body of a layer; `unique` names begin with it."""
        self._layer, self._lines = layer, []

    def unique(self, name: str) -> str:
        """A function name of this layer's own."""
        return f"{self._layer}_{name}"

    def function(self, text: str) -> None:
        """A static function, before every layer."""
        self._functions[text] = None

    def forget(self, texts: Iterable[str]) -> None:
        """Take functions out again."""
        for text in texts:
            del self._functions[text]

    def line(self, *texts: str) -> None:
        """Lines of the layer's body."""
        self._lines.extend(texts)

    def end(self) -> tuple[str, ...]:
        """The body written since `begin`."""
        return tuple(self._lines)

    @property
    def functions(self) -> Iterable[str]:
        """In the order they were first written."""
        return self._functions

    @property
    def weights(self) -> bytes:
        """All constants."""
        return b"".join(self._blobs)


_C_TYPES = {"f4": "float", "i1": "int8_t", "u1": "uint8_t", "i2": "int16_t", "i4": "int32_t"}
