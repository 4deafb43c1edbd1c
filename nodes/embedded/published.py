"""Table VI of S3 (M20k on an STM32L476 at 80 MHz) and what its layers cost other libraries, beside ours.

The paper's milliseconds times 80 MHz are cycles. Instructions of the others were counted in emulation (Cortex-M4,
GCC 12.2) on the same shapes: plain C at -O2, CMSIS-NN of CMSIS 5.6.0 (q7, the paper's; its maximum is square only, so
the pools are plain C), and CMSIS-NN's s8 functions with single rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

PAPER_CLOCK_HZ: Final = 80e6
PAPER_RAM_BYTES: Final = 34_328
COLUMNS: Final = ("paper cycles", "plain C", "CMSIS-NN q7", "CMSIS-NN s8")


@dataclass(frozen=True)
class Published:
    """One layer: multiply-accumulates, by which a layer of ours is known to be the same, and costs by `COLUMNS`."""

    layer: str
    macs: int
    paper_cycles: int
    plain: int
    q7: int
    s8: int

    @property
    def costs(self) -> dict[str, int]:
        """By column."""
        return dict(zip(COLUMNS, (self.paper_cycles, self.plain, self.q7, self.s8), strict=True))


TABLE: Final = (
    Published("conv1", 209_808, 5_114_400, 3_987_807, 3_415_120, 4_292_570),
    Published("pool1", 0, 813_600, 557_509, 501_958, 413_190),
    Published("conv2", 375_840, 1_610_400, 3_169_259, 1_009_632, 1_777_593),
    Published("pool2", 0, 665_600, 463_378, 373_658, 267_526),
    Published("conv3", 314_496, 1_032_000, 2_106_828, 636_336, 875_938),
    Published("pool3", 0, 290_400, 199_430, 156_333, 93_416),
    Published("conv4", 103_680, 310_400, 606_600, 195_336, 239_715),
    Published("pool4", 0, 55_200, 36_246, 26_858, 15_122),
    Published("conv5", 13_824, 48_000, 80_886, 30_443, 34_911),
    Published("pool5", 0, 13_600, 7_764, 4_610, 1_681),
    Published("fc1", 4_096, 17_600, 21_426, 10_206, 10_892),
    Published("fc2", 8_192, 33_600, 42_853, 20_192, 21_612),
    Published("rnn1", 11_280, 44_000, 59_099, 27_394, 27_972),
    Published("fc", 600, 3_200, 3_190, 1_658, 1_781),
)


@dataclass(frozen=True)
class Ours:
    """One layer of ours; a fused one has the names of its parts with spaces between."""

    layer: str
    macs: int
    instructions: int


def beside(layers: Iterable[Ours]) -> list[dict[str, Any]]:
    """Rows {layer, ours, *COLUMNS} of those of our layers that the table has; empty if it knows none of them.

    A layer is the table's if its parts have the table's names and together as many multiply-accumulates.
    """
    known = {row.layer: row for row in TABLE}
    found = []
    for layer in layers:
        rows = [known[part] for part in layer.layer.split() if part in known]
        if rows and len(rows) == len(layer.layer.split()) and sum(row.macs for row in rows) == layer.macs:
            found.append({"layer": layer.layer, "ours": layer.instructions, **_sum(rows)})
    return found


def is_whole(rows: Sequence[dict[str, Any]]) -> bool:
    """Whether rows of `beside` cover the whole table, so that their sums may be compared."""
    return sorted(part for row in rows for part in row["layer"].split()) == sorted(row.layer for row in TABLE)


def _sum(rows: Sequence[Published]) -> dict[str, int]:
    return {column: sum(row.costs[column] for row in rows) for column in COLUMNS}
