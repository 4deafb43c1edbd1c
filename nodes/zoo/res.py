"""Res8 and Res15 of Tang and Lin, as S1 measures them (S1 table 1; structure from its repository).

S1's repository lets Res8's 4x3 average pool run at stride 1, which is what the printed FLOPs imply (``_unstrided``);
the pool is there to cut operations, so its stride is its window by default.
"""

from collections.abc import Iterator
from functools import partial
from typing import Final

from nodes.zoo.catalogue import Blocks, Entry, Printed, scaled

_QUOTED: Final = "accuracy quoted by S1 from the baseline's own paper"
_OFF: Final = f"the FLOPs are those of a pool at stride 1, see the unstrided preset; {_QUOTED}"


def _res8(channels: int, pool: str, width: float, _shape: tuple[int, ...]) -> list[str]:
    count = scaled(channels, width)
    return [f"conv_k3_c{count}_nnone", pool, *[f"pair_k3_c{count}"] * 3, "gap", "fc"]


def _res15(channels: int, width: float, _shape: tuple[int, ...]) -> list[str]:
    """13 convolutions behind the first; number i has the dilation 2^(i div 3)."""
    count = scaled(channels, width)
    pairs = [f"pair_k3_c{count}{_dilation('d', 2 * i)}{_dilation('e', 2 * i + 1)}" for i in range(6)]
    last = f"conv_k3_c{count}_nstats_fact{_dilation('d', 12)}"
    return [f"conv_k3_c{count}_nnone", *pairs, last, "gap", "fc"]


def _dilation(letter: str, index: int) -> str:
    return f"_{letter}{2 ** (index // 3)}" if index >= 3 else ""


def _entry(name: str, about: str, blocks: Blocks, printed: Printed) -> Entry:
    return Entry(name, about, "S1 table 1", "time_frequency", (40, 98), 12, blocks, {1.0: printed})


def _entries() -> Iterator[Entry]:
    sizes = (
        ("", 45, "45 channels", 795.3e6, "111K", 94.1, 1950.0e6, "239K", 95.8),
        ("_narrow", 19, "19 channels", 143.2e6, "20K", 90.1, 348.7e6, "43K", 94.0),
    )
    for suffix, channels, words, flops8, params8, accuracy8, flops15, params15, accuracy15 in sizes:
        for pool, preset, note in (("avg_k4x3", "", _OFF), ("avg_k4x3_s1", "_unstrided", _QUOTED)):
            yield _entry(
                f"res8{suffix}{preset}",
                f"Residual net with 3 pairs, {words}" + (", pool at stride 1" if preset else ""),
                partial(_res8, channels, pool),
                Printed(flops8, "tf", params8, accuracy_percent=accuracy8, note=note, slips=(16, 18)),
            )
        yield _entry(
            f"res15{suffix}",
            f"Residual net with dilated convolutions, {words}",
            partial(_res15, channels),
            Printed(flops15, "tf", params15, accuracy_percent=accuracy15, note=_QUOTED, slips=(17, 18)),
        )


ENTRIES: Final = tuple(_entries())
