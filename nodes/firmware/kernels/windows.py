"""Windows over a map: which of their taps lie in it, as C."""

from __future__ import annotations

from dataclasses import dataclass

from nodes.lne.ir import Map
from nodes.quant.integer import IntConv, IntPool


@dataclass(frozen=True)
class Side:
    """Rows or columns of a window."""

    size: int
    count: int
    taps: int
    stride: int
    step: int
    before: int

    def start(self, at: str) -> str:
        """C of where the window of output `at` begins."""
        return f"{at} * {self.stride} - {self.before}"

    def first(self, start: str) -> str:
        """C of the first tap in the map."""
        return "0" if self.before == 0 else f"{start} < 0 ? ({self.step - 1} - {start}) / {self.step} : 0"

    @property
    def is_cut(self) -> bool:
        """Whether some windows hang over the border."""
        return self.before > 0 or self._last >= self.size

    @property
    def _last(self) -> int:
        """Where the last tap of the last output lies."""
        return (self.count - 1) * self.stride - self.before + (self.taps - 1) * self.step

    def end(self, start: str) -> str:
        """C of the tap behind the last in the map."""
        if self._last < self.size:
            return str(self.taps)
        inside = f"({self.size + self.step - 1} - {start}) / {self.step}"
        return f"{start} + {(self.taps - 1) * self.step} < {self.size} ? {self.taps} : {inside}"


def rows_of(op: IntConv | IntPool, x: Map, out: Map) -> Side:
    """Rows of the windows."""
    step = op.dilation[0] if isinstance(op, IntConv) else 1
    return Side(x.h, out.h, op.kernel[0], op.stride[0], step, op.pads.top)


def columns_of(op: IntConv | IntPool, x: Map, out: Map) -> Side:
    """Columns of the windows."""
    step = op.dilation[1] if isinstance(op, IntConv) else 1
    return Side(x.w, out.w, op.kernel[1], op.stride[1], step, op.pads.left)
