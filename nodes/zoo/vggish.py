"""VGGish and its compressed forms for sound events (S3 tables I, III, V, VI), with three recurrent heads.

A clip is a sequence of patches of 96 frames x 64 mel bands. Each goes through the same convolutions and dense layers to
128 values, the embedding; batch norm and one recurrent layer join the patches. Padding is SAME in all nets but M20k
(never printed; it follows from the sizes in tables III, V and VI). Width changes the extractor, never the embedding and
the head, as in the paper.

S3's text has 2x2 pools, its table VI counts 3x3 where a side of the map is odd: ``_pad3x3`` is that preset of M20k with
the vanilla RNN, as deployed on the microcontroller.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from nodes.zoo.catalogue import Entry, Printed, scaled

_SHAPE: Final = (4, 64, 96)
_EMBEDDING: Final = 128
_HEADS: Final = {
    "": ("gru_c20_nbn", "GRU of 20 units"),
    "_lstm": ("lstm_c20_nbn", "LSTM of 20 units"),
    "_rnn": ("rnn_c60_nbn", "vanilla RNN of 60 units"),
}
"""The GRU is S3's; the RNN stands in for it on the microcontroller (slip 44); the LSTM's size is ours."""


@dataclass(frozen=True)
class _Net:
    """One column of S3 table I: convolutions by pool, dense layers before the embedding."""

    name: str
    about: str
    convolutions: Sequence[Sequence[int]]
    """Channels of the convolutions before each pool."""
    dense: Sequence[int]
    printed: Printed
    padding: str = ""
    is_large: bool = False


_RULE: Final = "table III counts a pool as 4 per value and the GRU as 2 x 128 x 20; operations partly cut, not rounded"


def _printed(flops: float, unit: float, params: str, buffer_bytes: str, accuracy: float | None = None) -> Printed:
    return Printed(
        flops, "s3-table-3", params, accuracy_percent=accuracy, note=_RULE, flops_unit=unit,
        buffer_bytes=buffer_bytes, slips=(47, 49) if accuracy is None else (44, 47, 48, 49),
    )  # fmt: skip


_BIG: Final = ((64,), (128,), (256, 256), (512, 512))
_HALF: Final = ((64,), (128,), (256,), (256,))
_SMALLEST: Final = ((4,), (8,), (16,), (16,), (32,))
_FULL: Final = _printed(1.72e9, 1e7, "72.1M", "614k")
_NETS: Final = (
    _Net("vggish", "VGGish", _BIG, (4096, 4096), _FULL, is_large=True),
    _Net("m70m", "M70M (VGGish as a student)", _BIG, (4096, 4096), _FULL, is_large=True),
    _Net("m20m", "M20M", _HALF, (2048, 2048), _printed(608e6, 1e6, "18.0M", "602k"), is_large=True),
    _Net("m2m", "M2M", ((32,), (64,), (128,), (128,)), (512,), _printed(148e6, 1e6, "1.88M", "301k")),
    _Net("m200k", "M200k", ((8,), (16,), (32,), (64,), (64,)), (256,), _printed(13.6e6, 1e5, "202k", "76.0k")),
    _Net("m20k", "M20k", _SMALLEST, (64,), _printed(2.11e6, 1e4, "30.6k", "34.3k", 61.83), "_pvalid"),
)


def _blocks(net: _Net, head: str, pool: str, width: float, _shape: tuple[int, ...]) -> list[str]:
    body: list[str] = []
    for group in net.convolutions:
        body += [f"conv_k3{net.padding}_c{scaled(channels, width)}_nnone_b1" for channels in group]
        body.append(pool)
    dense = [f"fc_c{scaled(units, width)}_arelu_b1" for units in net.dense]
    return [*body, *dense, f"fc_c{_EMBEDDING}_arelu_b1", head, "fc_b1"]


def _entries(net: _Net) -> Iterator[Entry]:
    for suffix, (head, words) in _HEADS.items():
        printed = {} if suffix else {1.0: net.printed}
        blocks = partial(_blocks, net, head, "max_k2_psame")
        yield Entry(
            net.name + suffix, f"{net.about} over patches, {words}", "S3 table I", "patches", _SHAPE, 10, blocks,
            printed, net.is_large,
        )  # fmt: skip


_DEPLOYED: Final = Entry(
    "m20k_rnn_pad3x3",
    "M20k over patches, vanilla RNN of 60 units, 3x3 pools on odd maps: as deployed",
    "S3 table VI",
    "patches",
    _SHAPE,
    10,
    partial(_blocks, _NETS[-1], _HEADS["_rnn"][0], "max_k2_podd3"),
    {
        1.0: Printed(
            2145.61e3, "s3", flops_unit=10.0, accuracy_percent=68.0, buffer_bytes="34.3k", slips=(44, 48, 50, 54),
            note="accuracy on the board, below what table II lets expect",
        )
    },
)  # fmt: skip

ENTRIES: Final = (*(entry for net in _NETS for entry in _entries(net)), _DEPLOYED)
