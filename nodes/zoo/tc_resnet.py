"""TC-ResNet and its two-dimensional twins (S1 2.1, 2.2, figure 2, table 2)."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from nodes.zoo.catalogue import Entry, Printed, scaled

_HEAD: Final = ["gap", "drop_r0.5", "fc"]
_Stages = Sequence[tuple[int, int]]
"""(channels, stride) of every residual block."""

_RESNET8: Final[_Stages] = ((24, 2), (32, 2), (48, 2))
_RESNET14: Final[_Stages] = ((24, 2), (24, 1), (32, 2), (32, 1), (48, 2), (48, 1))


def _temporal(stages: _Stages, width: float, _shape: tuple[int, ...]) -> list[str]:
    body = [f"res_k9_s{stride}_c{scaled(channels, width)}" for channels, stride in stages]
    return [f"conv_k3_c{scaled(16, width)}", *body, *_HEAD]


def _two_dimensional(pool: Sequence[str], width: float, shape: tuple[int, ...]) -> list[str]:
    first = _twin_channels(shape[0], scaled(16, width), scaled(24, width))
    body = [f"res_k3_s{stride}_c{scaled(channels, width)}" for channels, stride in _RESNET8]
    return [f"conv_k3_c{first}", *pool, *body, *_HEAD]


def _twin_channels(coefficients: int, first: int, second: int) -> int:
    """First width of the 2-D twin with as many parameters as the temporal net (S1's repository)."""
    return max(1, int((3 * coefficients * first + 10 * first * second) / (9 + 10 * second)))


ENTRIES: Final = (
    Entry(
        "tc_resnet8",
        "Temporal convolution ResNet, 3 residual blocks",
        "S1 2.2, figure 2(a)",
        "temporal",
        (40, 98),
        12,
        partial(_temporal, _RESNET8),
        {
            1.0: Printed(3.0e6, "tf", "66K", accuracy_percent=96.1),
            1.5: Printed(6.6e6, "tf", "145K", accuracy_percent=96.2),
        },
    ),
    Entry(
        "tc_resnet14",
        "Temporal convolution ResNet, 6 residual blocks",
        "S1 2.2, figure 2(d)",
        "temporal",
        (40, 98),
        12,
        partial(_temporal, _RESNET14),
        {
            1.0: Printed(6.1e6, "tf", "137K", accuracy_percent=96.2),
            1.5: Printed(13.4e6, "tf", "305K", accuracy_percent=96.6),
        },
    ),
    Entry(
        "resnet8_2d",
        "Two-dimensional twin of TC-ResNet8 with equal parameters",
        "S1 table 2",
        "time_frequency",
        (40, 98),
        12,
        partial(_two_dimensional, ()),
        {1.0: Printed(35.8e6, "tf", "66K", accuracy_percent=96.1)},
    ),
    Entry(
        "resnet8_2d_pool",
        "The same with an average pool 4x4 after the first layer",
        "S1 table 2",
        "time_frequency",
        (40, 98),
        12,
        partial(_two_dimensional, ("avg_k4",)),
        {1.0: Printed(4.0e6, "tf", "66K", accuracy_percent=94.9)},
    ),
)
