"""BC-ResNet (Kim, Chang, Lee, Sung: Broadcasted residual learning for efficient keyword spotting, 2021, table 1)."""

from collections.abc import Mapping, Sequence
from typing import Final

from nodes.zoo.catalogue import Entry, Printed, scaled

_BASE: Final = 8
_STAGES: Final[Sequence[tuple[float, int, int, int]]] = ((1, 2, 1, 1), (1.5, 2, 2, 2), (2, 4, 2, 4), (2.5, 4, 1, 8))
"""(channels in units of the base, blocks, first stride over frequency, dilation over time)."""
_PRINTED: Final[Mapping[float, tuple[str, float, float]]] = {
    1.0: ("9.2k", 3.1e6, 96.6),
    1.5: ("17.2k", 5.5e6, 97.2),
    2.0: ("27.3k", 8.5e6, 97.3),
    3.0: ("54.2k", 16.2e6, 97.6),
    6.0: ("188k", 53.1e6, 97.9),
    8.0: ("321k", 89.1e6, 98.0),
}
"""Table 3 by width: parameters, operations, accuracy on the first version of Speech Commands."""


def _blocks(width: float, shape: tuple[int, ...]) -> list[str]:
    base = scaled(_BASE, width)
    rows = -(-shape[0] // 2)
    body = []
    for channels, count, stride, dilation in _STAGES:
        rows = -(-rows // stride)
        for index in range(count):
            down = f"_s{stride}x1" if stride > 1 and index == 0 else ""
            along = f"_d1x{dilation}" if dilation > 1 else ""
            body.append(f"bc{down}{along}_c{int(base * channels)}")
    first = f"conv_k5_s2x1_phalf_c{2 * base}"
    # The depthwise kernel takes in all rows that are left (5 of 40) and is padded in time only.
    last = f"sep_k{rows}x5_p0x2_c{4 * base}"
    return [first, *body, last, "gap", "fc_b1"]


ENTRIES: Final = (
    Entry(
        "bc_resnet",
        "Broadcasted residual network; width 1 to 8 is the number in its name",
        "Kim et al. 2021, table 1",
        "frequency_time",
        (40, 98),
        12,
        _blocks,
        {
            width: Printed(
                flops, "kim", params, params_rule="trainable", accuracy_percent=accuracy,
            )
            for width, (params, flops, accuracy) in _PRINTED.items()
        },
    ),
)  # fmt: skip
