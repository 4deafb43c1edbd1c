"""DeepSpectrum: nets made for photographs look at pictures of spectrograms (S2 2.1; table 2).

A picture of log-mel features, a base as in torchvision without its classifier, the mean of every channel over the
picture, a dense layer with AReLU, dropout, the classes. The base may start from weights with torchvision's names
(nodes/zoo/torchvision_names.py); nothing is fetched unasked. EfficientNet's stochastic depth is left out: it acts in
training only.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final

from nodes.zoo.catalogue import Entry, Printed, scaled

Base = Callable[[float], list[str]]
"""From the width to the block strings of a net without picture and head."""

_PICTURE: Final = "image_vviridis_o224"
_UNITS: Final = 512
"""S2 table 2; 700 for CSS, 128 for RAVDESS. Change the blocks for others, and `_aarelu` to `_aarelufixed` (slip 34)."""
_DROPOUT: Final = "0.25"


def _deep_spectrum(base: Base, width: float, _shape: tuple[int, ...]) -> list[str]:
    head = ["gap", f"fc_c{scaled(_UNITS, width)}_aarelu_b1", f"drop_r{_DROPOUT}", "fc_b1"]
    return [_PICTURE, *base(width), *head]


def densenet121(width: float) -> list[str]:
    """DenseNet-BC, growth 32, compression 0.5 (Huang et al. 2017, table 1)."""
    growth, channels = scaled(32, width), scaled(64, width)
    blocks = [f"conv_k7_s2_phalf_c{channels}", "max_k3_s2_phalf"]
    for layers in (6, 12, 24):
        channels = (channels + layers * growth) // 2
        blocks += [f"dense_m{layers}_c{growth}_x4", f"trans_c{channels}"]
    return [*blocks, f"dense_m16_c{growth}_x4", "norm"]


def resnet50(width: float) -> list[str]:
    """ResNet50, the stride in the 3x3 convolution (He et al. 2016, table 1; torchvision's version 1.5)."""
    blocks = [f"conv_k7_s2_phalf_c{scaled(64, width)}", "max_k3_s2_phalf"]
    for channels, times, stride in ((256, 3, 1), (512, 4, 2), (1024, 6, 2), (2048, 3, 2)):
        strides = (stride, *[1] * (times - 1))
        blocks += [f"bneck_k3_s{one}_phalf_c{scaled(channels, width)}_q0.25" for one in strides]
    return blocks


_MOBILENET_V2: Final = (
    (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 3, 2, 32, 3), (6, 3, 2, 64, 4),
    (6, 3, 1, 96, 3), (6, 3, 2, 160, 3), (6, 3, 1, 320, 1),
)  # fmt: skip
_EFFICIENTNET_B0: Final = (
    (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1),
)  # fmt: skip
"""(expansion, kernel, stride, channels, times) of every row: Sandler et al. 2018, table 2; Tan and Le 2019, table 1."""


def _inverted(rows: Sequence[tuple[int, int, int, int, int]], ending: str, width: float) -> list[str]:
    activation = ending.partition("_")[0]
    first, last = (scaled(channels, width) for channels in (32, 1280))
    body = [
        f"ir_k{kernel}_s{stride if not index else 1}_phalf_c{scaled(channels, width)}_x{expansion}_{ending}"
        for expansion, kernel, stride, channels, times in rows
        for index in range(times)
    ]
    return [f"conv_k3_s2_phalf_c{first}_{activation}", *body, f"conv_k1_c{last}_{activation}"]


mobilenet_v2: Final = partial(_inverted, _MOBILENET_V2, "arelu6")
efficientnet_b0: Final = partial(_inverted, _EFFICIENTNET_B0, "asilu_q0.25")

_POOL: Final = "max_k3_s2_pceil"


def _fires(channels: Sequence[int], width: float) -> Iterator[str]:
    return (f"fire_c{scaled(count, width)}_q0.125" for count in channels)


def squeezenet1_0(width: float) -> list[str]:
    """Iandola et al. 2016, table 1, without the last convolution (the classifier)."""
    parts = [_fires(channels, width) for channels in ((128, 128, 256), (256, 384, 384, 512), (512,))]
    first = f"conv_k7_s2_pvalid_c{scaled(96, width)}_nnone_b1"
    return [first, _POOL, *parts[0], _POOL, *parts[1], _POOL, *parts[2]]


def squeezenet1_1(width: float) -> list[str]:
    """The authors' later version: 2.4 times fewer operations, without the last convolution (the classifier)."""
    parts = [_fires(channels, width) for channels in ((128, 128), (256, 256), (384, 384, 512, 512))]
    first = f"conv_k3_s2_pvalid_c{scaled(64, width)}_nnone_b1"
    return [first, _POOL, *parts[0], _POOL, *parts[1], _POOL, *parts[2]]


def _entry(
    base: str,
    about: str,
    source: str,
    blocks: Base,
    printed: Mapping[float, Printed] = MappingProxyType({}),
    is_large: bool = True,
) -> Entry:
    made = partial(_deep_spectrum, blocks)
    about = f"{about} on pictures of log-mel features"
    return Entry(
        f"deepspectrum_{base}", about, source, "frequency_time", (128, 186), 2, made, printed, is_large
    )  # fmt: skip


_PRINTED: Final = Printed(
    3.1e9,
    "true",
    "7.6M",
    note="3.1 GFLOP is neither 2 x MAC (5.67) nor MAC (2.83); 7.6M is without the two slopes that AReLU learns here",
    flops_unit=1e8,
    slips=(30, 34),
)

ENTRIES: Final = (
    _entry("densenet121", "DenseNet121", "S2 2.1, table 5", densenet121, {1.0: _PRINTED}),
    _entry("mobilenet_v2", "MobileNetV2", "base of S2's repository", mobilenet_v2),
    _entry("squeezenet1_0", "SqueezeNet 1.0", "base of S2's repository", squeezenet1_0),
    _entry("squeezenet1_1", "SqueezeNet 1.1", "SqueezeNet 1.0's smaller successor", squeezenet1_1, is_large=False),
    _entry("resnet50", "ResNet50", "base of S2's repository", resnet50),
    _entry("efficientnet_b0", "EfficientNet-B0", "not in S2: a later base", efficientnet_b0),
)
