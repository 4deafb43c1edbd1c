"""How a map lies in memory: element type, order, padded channels and a border ("halo") inside the buffer.

The halo is as wide as any reader needs, so no kernel has a branch for the border. It is zeroed once and never written.
Padding channels hold anything finite: no reader lets them reach a real output.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from nodes.lne.ir import Map
from nodes.lne.target import Target

Dtype = Literal["f32", "u8"]
ITEM_BYTES = {"f32": 4, "u8": 1}
C_TYPE = {"f32": "float", "u8": "uint8_t"}
SLACK_BYTES = 256
"""Behind every buffer, so that whole vectors may be read past its end."""


@dataclass(frozen=True)
class Format:
    """Element type and order of a map in memory."""

    name: str
    dtype: Dtype
    order: Literal["hwc", "chw"]

    def padded(self, channels: int, target: Target) -> int:
        """Channels a buffer holds: whole vectors; of bytes also a single one or four, for the first layers."""
        if self.order == "chw":
            return channels
        if self.dtype == "f32":
            return target.padded(channels)
        return channels if channels == 1 else 4 if channels <= 4 else -(-channels // 16) * 16


F32_HWC = Format("f32_hwc", "f32", "hwc")
F32_CHW = Format("f32_chw", "f32", "chw")
U8_HWC = Format("u8_hwc", "u8", "hwc")
"""Real value = scale * (stored - zero), from the plan's ranges. The halo holds the zero point."""
FORMATS = (F32_HWC, F32_CHW, U8_HWC)


@dataclass(frozen=True)
class Halo:
    """Rows and columns kept around a map."""

    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0

    def union(self, other: Halo) -> Halo:
        """Wide enough for both."""
        return Halo(
            max(self.top, other.top),
            max(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )

    def __bool__(self) -> bool:
        return any((self.top, self.left, self.bottom, self.right))


@dataclass(frozen=True)
class Buffer:
    """One map in one format at one place of the workspace. Steps and origin count elements, not bytes."""

    map: Map
    format: Format
    halo: Halo
    channels: int
    """Stored, with padding."""
    offset: int = 0
    """Bytes from the start of the workspace."""
    place: Literal["workspace", "input", "output"] = "workspace"

    @property
    def rows(self) -> int:
        """With the halo."""
        return self.map.h + self.halo.top + self.halo.bottom

    @property
    def columns(self) -> int:
        """With the halo."""
        return self.map.w + self.halo.left + self.halo.right

    @property
    def channel_step(self) -> int:
        """From one channel to the next."""
        return 1 if self.format.order == "hwc" else self.rows * self.columns

    @property
    def column_step(self) -> int:
        """From one column to the next."""
        return self.channels if self.format.order == "hwc" else 1

    @property
    def row_step(self) -> int:
        """From one row to the next."""
        return self.columns * self.column_step

    @property
    def origin(self) -> int:
        """Where channel 0, row 0, column 0 of the map is."""
        return self.halo.top * self.row_step + self.halo.left * self.column_step

    @property
    def size(self) -> int:
        """Elements, halo and padding included."""
        return self.channels * self.rows * self.columns

    @property
    def bytes(self) -> int:
        """Of the workspace, slack included, a multiple of a cache line."""
        return -(-(self.size * ITEM_BYTES[self.format.dtype] + SLACK_BYTES) // 64) * 64

    @property
    def c_type(self) -> str:
        """Element type in C."""
        return C_TYPE[self.format.dtype]

    def at(self, offset: int) -> Buffer:
        """The same buffer at another place of the workspace."""
        return replace(self, offset=offset)
