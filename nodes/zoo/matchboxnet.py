"""MatchboxNet (Majumdar, Ginsburg: 1D time-channel separable convolutional network, 2020; NeMo's configuration)."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from nodes.zoo.catalogue import Entry, Printed, scaled

_KERNELS: Final[Sequence[int]] = (13, 15, 17)


def _blocks(repeats: int, width: float, _shape: tuple[int, ...]) -> list[str]:
    inner, outer = scaled(64, width), scaled(128, width)
    body = [f"tcs_k{kernel}_c{inner}" + (f"_m{repeats}" if repeats > 1 else "") for kernel in _KERNELS]
    return [f"sep_k11_c{outer}", *body, f"sep_k29_d2_c{outer}", f"conv_k1_c{outer}", "gap", "fc_b1"]


def _entry(repeats: int, params: str, accuracy_percent: float) -> Entry:
    printed = Printed(params=params, params_rule="trainable", accuracy_percent=accuracy_percent)
    return Entry(
        f"matchboxnet_3x{repeats}x64",
        f"Time-channel separable net, 3 residual blocks of {repeats}",
        "Majumdar and Ginsburg 2020, tables 1 and 2",
        "temporal",
        (64, 128),
        30,
        partial(_blocks, repeats),
        {1.0: printed},
    )


ENTRIES: Final = (_entry(1, "77K", 97.21), _entry(2, "93K", 97.48))
