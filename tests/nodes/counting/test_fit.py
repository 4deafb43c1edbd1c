"""The fit rule: time, RAM and flash, each told in words where it does not hold."""

import pytest

from nodes.counting.fit import Need, fit
from nodes.nas.devices import Device

BOARD = Device("Board", 1000, 500, 26.0, 80.0)
CARD = Device("Card", None, 500, 26.0, 80.0)


@pytest.mark.parametrize(
    ("operations", "buffers", "weights", "lacking"),
    [
        (2.1e6, 400, 900, ()),
        (79.9e6, 500, 1000, ()),
        (80e6, 500, 1000, ("MIPS",)),
        (1e6, 501, 1000, ("RAM",)),
        (1e6, 500, 1001, ("flash",)),
        (1e9, 10**6, 10**6, ("MIPS", "RAM", "flash")),
    ],
)
def test_what_is_too_small_is_named(operations: float, buffers: int, weights: int, lacking: tuple[str, ...]) -> None:
    found = fit(Need("net", operations, buffers, weights), "board", BOARD)
    assert found.fits == (not lacking) and len(found.lacks) == len(lacking)
    assert all(word in words for word, words in zip(lacking, found.lacks, strict=True))


def test_external_storage_holds_any_weights() -> None:
    assert fit(Need("net", 1e6, 500, 10**9), "card", CARD).fits


def test_a_shorter_frame_needs_a_faster_device() -> None:
    need = Need("net", 50e6, 1, 1)
    assert fit(need, "board", BOARD, 1.0).fits and not fit(need, "board", BOARD, 0.5).fits
