"""S1's small convolutional baselines: DS-CNN and CNN-1, CNN-2 (S1 table 1; structure from its repository)."""

from functools import partial
from typing import Final

from nodes.zoo.catalogue import Entry, Printed, scaled


def _separable(channels: int, strides: tuple[str, ...], width: float, _shape: tuple[int, ...]) -> list[str]:
    count = scaled(channels, width)
    first = f"conv_k10x4_s{strides[0]}_c{count}_nbeta_b1"
    body = [f"ds_k3_s{stride}_c{count}_nbeta_b1" for stride in strides[1:]]
    return [first, *body, "gap", "fc_b1"]


def _cnn_1(width: float, _shape: tuple[int, ...]) -> list[str]:
    wide = scaled(64, width)
    first = [f"conv_k20x8_pvalid_c{wide}_nnone", "drop_r0.5", "max_k1x3"]
    second = [f"conv_k10x4_pvalid_c{wide}_nnone", "drop_r0.5"]
    return [*first, *second, f"fc_c{scaled(32, width)}", f"fc_c{scaled(128, width)}_arelu", "fc"]


def _cnn_2(width: float, shape: tuple[int, ...]) -> list[str]:
    first = f"conv_k{shape[1]}x8_s1x4_pvalid_c{scaled(186, width)}_nnone"
    wide = f"fc_c{scaled(128, width)}_arelu"
    return [first, "drop_r0.5", f"fc_c{scaled(32, width)}", wide, "drop_r0.5", wide, "drop_r0.5", "fc"]


def _entry(name: str, about: str, shape: tuple[int, ...], blocks: partial[list[str]], printed: Printed) -> Entry:
    return Entry(name, about, "S1 table 1", "time_frequency", shape, 12, blocks, {1.0: printed})


_QUOTED: Final = "accuracy quoted by S1 from the baseline's own paper"
_SMALL: Final = ("2", "1", "1", "1", "1")
_MEDIUM: Final = ("2x1", "2", "1", "1", "1")
_LARGE: Final = ("2x1", "2", "1", "1", "1", "1")

ENTRIES: Final = (
    _entry(
        "ds_cnn_s",
        "DS-CNN, small",
        (10, 49),
        partial(_separable, 64, _SMALL),
        Printed(5.4e6, "tf", "24K", accuracy_percent=94.4, note=_QUOTED, slips=(18,)),
    ),
    _entry(
        "ds_cnn_m",
        "DS-CNN, medium",
        (10, 49),
        partial(_separable, 172, _MEDIUM),
        Printed(19.8e6, "tf", "140K", accuracy_percent=94.9, note=_QUOTED, slips=(18,)),
    ),
    _entry(
        "ds_cnn_l",
        "DS-CNN, large",
        (10, 49),
        partial(_separable, 276, _LARGE),
        Printed(56.9e6, "tf", "420K", accuracy_percent=95.4, note=_QUOTED, slips=(18,)),
    ),
    _entry(
        "cnn_1",
        "CNN-1 (cnn-trad-pool2): two convolutions and dense layers",
        (40, 49),
        partial(_cnn_1),
        Printed(76.1e6, "tf", "524K", accuracy_percent=90.7, note=_QUOTED, slips=(17, 18)),
    ),
    _entry(
        "cnn_2",
        "CNN-2 (cnn-one-stride1): one convolution over all frames and dense layers",
        (40, 49),
        partial(_cnn_2),
        Printed(1.5e6, "tf", "148K", accuracy_percent=84.6, note=_QUOTED, slips=(18,)),
    ),
)
