"""The Bonseyes keyword nets and their depthwise-separable versions (S0 tables 1, 2; S4 tables 1, 4, 5).

Two stride presets: as the text says (first layer 1x2, second 2x2), and ``_unstrided`` with the second layer at 1x1,
which is what the printed FLOPs imply. Padding is k div 2: printed for the seed, not printed for the searched nets.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from nodes.zoo.catalogue import Entry, Printed, scaled

_Layers = Sequence[tuple[str, int]]
"""(kernel, channels) of the six convolutions."""


@dataclass(frozen=True)
class _Net:
    """One row of S4's tables: the ordinary net and its separable version share kernels and widths."""

    name: str
    separable_name: str
    layers: _Layers
    pool: str
    printed: Printed
    printed_separable: Printed


_SEED_DS: Final = "1017 KB needs the 40x44 input of S0"
_OFF: Final = "11.9 MFLOP and 61.5 KB agree neither with S4 table 5 nor with each other; its layers give 15.73 and 64.6"

_NETS: Final = (
    _Net(
        "seed_cnn",
        "ds_cnn",
        (("4x10", 100), *[("3", 100)] * 5),
        "avg_k3_s1",
        Printed(581.1e6, "kws", size_kb=1832.0, accuracy_percent=94.2, slips=(1, 2, 6)),
        Printed(69.9e6, "kws-ds", size_kb=1017.0, accuracy_percent=90.6, note=_SEED_DS, slips=(1, 2, 4, 6)),
    ),
    _Net(
        "kws1",
        "ds_kws1",
        (("3", 40), ("3", 30), ("1", 30), ("5", 50), ("5", 50), ("5", 50)),
        "gap",
        Printed(223.4e6, "kws", size_kb=707.0, accuracy_percent=95.1, slips=(1,)),
        Printed(11.9e6, "kws-ds", size_kb=61.5, accuracy_percent=92.6, note=_OFF, slips=(1, 4, 5)),
    ),
    _Net(
        "kws3",
        "ds_kws3",
        (("5", 50), ("1", 30), ("5", 40), ("3", 20), ("5", 30), ("3", 50)),
        "gap",
        Printed(87.6e6, "kws", size_kb=282.1, accuracy_percent=94.1, slips=(1,)),
        Printed(9.7e6, "kws-ds", size_kb=48.4, accuracy_percent=91.2, slips=(1, 4)),
    ),
    _Net(
        "kws9",
        "ds_kws9",
        (("5", 50), ("1", 20), ("1", 50), ("3", 20), ("5", 20), ("3", 40)),
        "gap",
        Printed(37.7e6, "kws", size_kb=125.3, accuracy_percent=93.4, slips=(1,)),
        Printed(7.0e6, "kws-ds", size_kb=39.0, accuracy_percent=91.3, slips=(1, 4)),
    ),
)


def _blocks(
    kind: str, layers: _Layers, second_stride: str, pool: str, width: float, _shape: tuple[int, ...]
) -> list[str]:
    strides = ["1x2", second_stride, *["1"] * (len(layers) - 2)]
    kinds = ["conv", *[kind] * (len(layers) - 1)]
    body = [
        f"{kind}_k{kernel}_s{stride}_phalf_c{scaled(channels, width)}"
        for kind, stride, (kernel, channels) in zip(kinds, strides, layers, strict=True)
    ]
    return [*body, pool, "fc_b1"]


def _entries(net: _Net) -> Iterator[Entry]:
    kinds = (
        (net.name, "conv", "gap", net.printed, "ordinary convolutions", "S0 T1, S4 T1, T4"),
        (net.separable_name, "ds", net.pool, net.printed_separable, "depthwise-separable", "S0 T2, S4 T1, T5"),
    )
    strides = (("", "2x2", "second layer at stride 2x2"), ("_unstrided", "1x1", "second layer at stride 1x1"))
    for name, kind, pool, printed, about, source in kinds:
        for suffix, stride, words in strides:
            yield Entry(
                name + suffix,
                f"Bonseyes keyword net, {about}, {words}",
                source,
                "frequency_time",
                (40, 32),
                10,
                partial(_blocks, kind, net.layers, stride, pool),
                {1.0: printed},
            )


ENTRIES: Final = tuple(entry for net in _NETS for entry in _entries(net))
